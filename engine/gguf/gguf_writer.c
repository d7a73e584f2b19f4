// SPDX-License-Identifier: MIT
#include "engine/gguf/gguf_writer.h"

#include "base/buf.h"
#include "base/file.h"
#include "engine/gguf/internal.h"
#include "engine/gguf/layout.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 32

// A tensor, or one of the slices of which it is made.
struct pending {
    const void *data;
    uint64_t bytes;
    bool last; // of its tensor
};

struct gguf_writer {
    struct buf kv, directory;
    uint64_t n_kv, n_tensors, data_bytes;
    size_t n_pending;
    struct pending *pending;
    int rc;
    const char *why;
};

gguf_writer *gguf_writer_new(void)
{
    gguf_writer *w = calloc(1, sizeof *w);
    if (w) {
        buf_init(&w->kv);
        buf_init(&w->directory);
    }
    return w;
}

void gguf_writer_free(gguf_writer *w)
{
    if (!w)
        return;
    buf_free(&w->kv);
    buf_free(&w->directory);
    free(w->pending);
    free(w);
}

static void add(gguf_writer *w, struct buf *b, const void *p, size_t n)
{
    if (!w->rc && buf_add(b, p, n)) {
        w->rc = -ENOMEM;
        w->why = "out of memory";
    }
}

static void add_u32(gguf_writer *w, struct buf *b, uint32_t v)
{
    add(w, b, &v, sizeof v);
}

static void add_u64(gguf_writer *w, struct buf *b, uint64_t v)
{
    add(w, b, &v, sizeof v);
}

static void add_str(gguf_writer *w, struct buf *b, const char *s, size_t n)
{
    add_u64(w, b, n);
    add(w, b, s, n);
}

static void key(gguf_writer *w, const char *name, enum gguf_type type)
{
    add_str(w, &w->kv, name, strlen(name));
    add_u32(w, &w->kv, type);
    w->n_kv++;
}

void gguf_writer_u32(gguf_writer *w, const char *name, uint32_t v)
{
    key(w, name, GGUF_U32);
    add_u32(w, &w->kv, v);
}

void gguf_writer_f32(gguf_writer *w, const char *name, float v)
{
    key(w, name, GGUF_F32);
    add(w, &w->kv, &v, sizeof v);
}

void gguf_writer_bool(gguf_writer *w, const char *name, bool v)
{
    uint8_t byte = v;
    key(w, name, GGUF_BOOL);
    add(w, &w->kv, &byte, 1);
}

void gguf_writer_str(gguf_writer *w, const char *name, const char *s)
{
    key(w, name, GGUF_STRING);
    add_str(w, &w->kv, s, strlen(s));
}

void gguf_writer_array(gguf_writer *w, const char *name, enum gguf_type type,
                       const void *values, size_t n)
{
    key(w, name, GGUF_ARRAY);
    add_u32(w, &w->kv, type);
    add_u64(w, &w->kv, n);
    add(w, &w->kv, values, n * gguf_type_size(type));
}

void gguf_writer_strings(gguf_writer *w, const char *name, const struct gguf_str *s, size_t n)
{
    key(w, name, GGUF_ARRAY);
    add_u32(w, &w->kv, GGUF_STRING);
    add_u64(w, &w->kv, n);
    for (size_t i = 0; i < n; i++)
        add_str(w, &w->kv, s[i].s, s[i].n);
}

void gguf_writer_copy(gguf_writer *w, const gguf *g, size_t i)
{
    const struct gguf_kv *v = &g->kv[i];
    if (v->array && v->type == GGUF_STRING) {
        gguf_writer_strings(w, v->key, v->str, v->n);
    } else if (v->array) {
        gguf_writer_array(w, v->key, v->type, v->data, v->n);
    } else {
        key(w, v->key, v->type);
        if (v->type == GGUF_STRING)
            add_str(w, &w->kv, v->str->s, v->str->n);
        else
            add(w, &w->kv, v->data, gguf_type_size(v->type));
    }
}

void gguf_writer_stack(gguf_writer *w, const char *name, uint32_t type, const uint64_t *ne,
                       uint32_t n_dims, const void *const *slices, size_t n)
{
    const struct gguf_layout *l = gguf_layout(type);
    uint64_t count = 1;
    for (uint32_t i = 0; i < n_dims && i < 4; i++)
        count *= ne[i];
    if (!w->rc && (!l || !n_dims || n_dims > 4 || ne[0] % l->block || !n || count % n)) {
        w->rc = -EINVAL;
        w->why = "a tensor's type or shape cannot be written";
    }
    struct pending *grown =
        w->rc ? NULL : realloc(w->pending, (w->n_pending + n) * sizeof *grown);
    if (!w->rc && !grown) {
        w->rc = -ENOMEM;
        w->why = "out of memory";
    }
    if (w->rc)
        return;
    w->pending = grown;
    w->n_tensors++;
    for (size_t i = 0; i < n; i++)
        w->pending[w->n_pending++] =
            (struct pending){slices[i], count / n / l->block * l->bytes, i == n - 1};
    add_str(w, &w->directory, name, strlen(name));
    add_u32(w, &w->directory, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        add_u64(w, &w->directory, ne[i]);
    add_u32(w, &w->directory, type);
    add_u64(w, &w->directory, w->data_bytes);
    w->data_bytes += (count / l->block * l->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void gguf_writer_tensor(gguf_writer *w, const char *name, uint32_t type, const uint64_t *ne,
                        uint32_t n_dims, const void *data)
{
    gguf_writer_stack(w, name, type, ne, n_dims, &data, 1);
}

static void pad(gguf_writer *w, struct buf *b)
{
    static const char zeros[ALIGNMENT];
    add(w, b, zeros, (ALIGNMENT - b->len % ALIGNMENT) % ALIGNMENT);
}

int gguf_writer_save(gguf_writer *w, const char *path, struct err *e)
{
    static const char zeros[ALIGNMENT];
    struct buf b = BUF_INIT; // all that stands before the tensors
    add_u32(w, &b, GGUF_MAGIC);
    add_u32(w, &b, 3);
    add_u64(w, &b, w->n_tensors);
    add_u64(w, &b, w->n_kv);
    add(w, &b, w->kv.data, w->kv.len);
    add(w, &b, w->directory.data, w->directory.len);
    pad(w, &b);
    struct file_part *parts = calloc(2 * w->n_pending + 1, sizeof *parts);
    if (!w->rc && !parts) {
        w->rc = -ENOMEM;
        w->why = "out of memory";
    }
    size_t of_tensor = 0;
    for (size_t i = 0; i < w->n_pending && !w->rc; i++) {
        const struct pending *p = &w->pending[i];
        of_tensor += (size_t)p->bytes;
        size_t left = p->last ? (ALIGNMENT - of_tensor % ALIGNMENT) % ALIGNMENT : 0;
        parts[2 * i + 1] = (struct file_part){p->data, (size_t)p->bytes};
        parts[2 * i + 2] = (struct file_part){zeros, left};
        of_tensor = p->last ? 0 : of_tensor;
    }
    if (!w->rc)
        parts[0] = (struct file_part){b.data, b.len};
    int rc = w->rc ? err_set(e, w->rc, "%s: %s", path, w->why)
                   : file_write_parts_atomic(path, parts, 2 * w->n_pending + 1, e);
    free(parts);
    buf_free(&b);
    return rc;
}
