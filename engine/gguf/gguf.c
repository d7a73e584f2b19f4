// SPDX-License-Identifier: MIT
// Reader. Layout (ggml, docs/gguf.md): magic, version, tensor count, key count, the keys with
// their values, the tensor directory, padding to general.alignment, tensor data.
//
// A cursor (cursor.c) walks the map once. Strings stay in the map; names are copied to get
// their NUL. What the walk found is read through values.c.
#include "engine/gguf/gguf.h"

#include "engine/gguf/internal.h"
#include "engine/gguf/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_strings(struct gguf_cursor *c, struct gguf_kv *v)
{
    if (v->n > GGUF_STRINGS_MAX || v->n > (c->g->map.size - c->at) / 8) {
        gguf__fail(c, "an array has more strings than fit in the file, or than 4194304");
        return;
    }
    v->str = arena_alloc(c->g->a, (v->n + 1) * sizeof *v->str);
    if (!v->str)
        c->rc = err_nomem(c->e);
    for (size_t i = 0; i < v->n && !c->rc; i++)
        v->str[i] = gguf__take_str(c, GGUF_STRING_MAX, "a string is longer than 16 MiB");
}

static void read_value(struct gguf_cursor *c, struct gguf_kv *v)
{
    v->type = (enum gguf_type)gguf__take_u32(c);
    v->n = 1;
    if (!c->rc && v->type == GGUF_ARRAY) {
        v->array = true;
        v->type = (enum gguf_type)gguf__take_u32(c);
        if (!c->rc && v->type != GGUF_STRING && !gguf_type_size(v->type))
            gguf__fail(c, "an array's elements have an unknown type, or are arrays");
        uint64_t n = gguf__take_u64(c);
        // Every element takes at least a byte of the file, so a count beyond it is a lie.
        if (!c->rc && n > c->g->map.size - c->at)
            gguf__fail(c, "an array has more elements than the file has bytes");
        v->n = c->rc ? 0 : (size_t)n;
    } else if (!c->rc && v->type != GGUF_STRING && !gguf_type_size(v->type)) {
        gguf__fail(c, "its value has an unknown type");
    }
    if (c->rc)
        return;
    if (v->type == GGUF_STRING) {
        read_strings(c, v);
        return;
    }
    size_t size = gguf_type_size(v->type);
    if (v->n > (c->g->map.size - c->at) / size) {
        gguf__fail(c, "an array is longer than the file");
        return;
    }
    v->data = gguf__take(c, v->n * size);
}

static void read_tensor(struct gguf_cursor *c, struct gguf_tensor *t, uint64_t *offset)
{
    t->name = gguf__take_name(c, GGUF_TENSOR_NAME_MAX, "its name is longer than 64 bytes");
    if (!c->rc)
        c->what = t->name;
    t->n_dims = gguf__take_u32(c);
    if (!c->rc && (t->n_dims < 1 || t->n_dims > 4)) {
        gguf__fail(c, "a tensor has 1 to 4 dimensions");
        return;
    }
    uint64_t count = 1;
    for (int i = 0; i < 4; i++) {
        t->ne[i] = !c->rc && (uint32_t)i < t->n_dims ? gguf__take_u64(c) : 1;
        if (!c->rc && !t->ne[i])
            gguf__fail(c, "a dimension is 0");
        else if (!c->rc &&
                 (t->ne[i] > INT64_MAX || __builtin_mul_overflow(count, t->ne[i], &count)))
            gguf__fail(c, "a dimension is negative, or their product is too large");
    }
    t->type = gguf__take_u32(c);
    const struct gguf_layout *l = c->rc ? NULL : gguf_layout(t->type);
    uint64_t bytes = 0;
    if (!c->rc && !l)
        gguf__fail(c, "its type is none that askd knows");
    else if (!c->rc && t->ne[0] % l->block)
        gguf__fail(c, "its rows are no whole number of blocks");
    else if (!c->rc && (__builtin_mul_overflow(count / l->block, (uint64_t)l->bytes, &bytes) ||
                        bytes > c->g->map.size))
        gguf__fail(c, "it is larger than the file");
    t->bytes = (size_t)bytes;
    *offset = gguf__take_u64(c);
}

static int by_name(const void *a, const void *b)
{
    const struct gguf_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void index_names(struct gguf_cursor *c, gguf *g)
{
    g->sorted = arena_alloc(g->a, (g->n_tensors + 1) * sizeof *g->sorted);
    g->sorted_kv = arena_alloc(g->a, (g->n_kv + 1) * sizeof *g->sorted_kv);
    if (!g->sorted || !g->sorted_kv) {
        c->rc = err_nomem(c->e);
        return;
    }
    for (size_t i = 0; i < g->n_tensors; i++)
        g->sorted[i] = &g->tensors[i];
    for (size_t i = 0; i < g->n_kv; i++)
        g->sorted_kv[i] = &g->kv[i];
    qsort(g->sorted, g->n_tensors, sizeof *g->sorted, by_name);
    qsort(g->sorted_kv, g->n_kv, sizeof *g->sorted_kv, gguf__by_key);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (!by_name(&g->sorted[i - 1], &g->sorted[i])) {
            c->what = g->sorted[i]->name;
            gguf__fail(c, "two tensors have this name");
        }
    for (size_t i = 1; i < g->n_kv; i++)
        if (!gguf__by_key(&g->sorted_kv[i - 1], &g->sorted_kv[i])) {
            c->what = g->sorted_kv[i]->key;
            gguf__fail(c, "two values have this key");
        }
}

// Tensors lie one behind the other, each padded to the alignment, in the order of the
// directory: so none overlaps another, and the memory that they take once loaded is bounded
// by the file.
static void place_tensors(struct gguf_cursor *c, gguf *g, const uint64_t *offsets)
{
    uint32_t alignment = 32;
    int rc = gguf_get_u32(g, "general.alignment", &alignment, c->e);
    if (rc && rc != -ENOENT) {
        c->rc = rc;
        return;
    }
    c->what = "general.alignment";
    if (!alignment || alignment > 1 << 20 || alignment & (alignment - 1)) {
        gguf__fail(c, "it is no power of two up to 1 MiB");
        return;
    }
    size_t mask = alignment - 1, start = (c->at + mask) & ~mask, next = 0;
    for (size_t i = 0; i < g->n_tensors && !c->rc; i++) {
        struct gguf_tensor *t = &g->tensors[i];
        c->what = t->name;
        if (start > g->map.size || offsets[i] > g->map.size - start ||
            t->bytes > g->map.size - start - offsets[i])
            gguf__fail(c, "its data lies beyond the end of the file");
        else if (offsets[i] & mask)
            gguf__fail(c, "its offset is not aligned");
        else if (offsets[i] != next)
            gguf__fail(c, "its data does not follow that of the tensor before it");
        else
            t->data = g->map.data + start + offsets[i];
        next += (t->bytes + mask) & ~mask;
    }
}

static void read_header(struct gguf_cursor *c, uint64_t *n_tensors, uint64_t *n_kv)
{
    c->what = "header";
    if (gguf__take_u32(c) != GGUF_MAGIC)
        gguf__fail(c, "this is no GGUF file");
    uint32_t version = gguf__take_u32(c);
    if (!c->rc && (version < 2 || version > 3))
        gguf__fail(c, "the GGUF version is neither 2 nor 3, little-endian");
    // A key takes at least 13 bytes, a tensor 33.
    *n_tensors = gguf__take_u64(c);
    if (!c->rc && (*n_tensors > GGUF_ENTRIES_MAX || *n_tensors > c->g->map.size / 33))
        gguf__fail(c, "it announces more tensors than the file can hold, or than 65536");
    *n_kv = gguf__take_u64(c);
    if (!c->rc && (*n_kv > GGUF_ENTRIES_MAX || *n_kv > c->g->map.size / 13))
        gguf__fail(c, "it announces more keys than the file can hold, or than 65536");
}

static void read_all(struct gguf_cursor *c, gguf *g)
{
    uint64_t n_tensors, n_kv;
    read_header(c, &n_tensors, &n_kv);
    if (c->rc)
        return;
    g->kv = arena_alloc(g->a, ((size_t)n_kv + 1) * sizeof *g->kv);
    g->tensors = arena_alloc(g->a, ((size_t)n_tensors + 1) * sizeof *g->tensors);
    uint64_t *offsets = arena_alloc(g->a, ((size_t)n_tensors + 1) * sizeof *offsets);
    if (!g->kv || !g->tensors || !offsets) {
        c->rc = err_nomem(c->e);
        return;
    }
    for (size_t i = 0; i < n_kv && !c->rc; i++) {
        snprintf(c->label, sizeof c->label, "key %zu", i);
        c->what = c->label;
        g->kv[i].key = gguf__take_name(c, GGUF_KEY_MAX, "it is longer than 1024 bytes");
        if (!c->rc)
            c->what = g->kv[i].key;
        read_value(c, &g->kv[i]);
        g->n_kv++;
    }
    for (size_t i = 0; i < n_tensors && !c->rc; i++) {
        snprintf(c->label, sizeof c->label, "tensor %zu", i);
        c->what = c->label;
        read_tensor(c, &g->tensors[i], &offsets[i]);
        g->n_tensors++;
    }
    c->walked = true;
    if (!c->rc)
        index_names(c, g);
    if (!c->rc)
        place_tensors(c, g, offsets);
}

int gguf_open(const char *path, gguf **out, struct err *e)
{
    gguf *g = calloc(1, sizeof *g);
    if (!g)
        return err_nomem(e);
    g->path = strdup(path);
    g->a = arena_new((size_t)2 << 30);
    if (!g->path || !g->a) {
        gguf_close(g);
        return err_nomem(e);
    }
    int rc = file_map_open(path, &g->map, e);
    if (!rc) {
        struct gguf_cursor c = {.g = g, .e = e, .what = "header"};
        read_all(&c, g);
        rc = c.rc;
    }
    if (rc) {
        gguf_close(g);
        return rc;
    }
    *out = g;
    return 0;
}

void gguf_close(gguf *g)
{
    if (!g)
        return;
    file_map_close(&g->map);
    arena_free(g->a);
    free(g->path);
    free(g);
}

const char *gguf_path(const gguf *g)
{
    return g->path;
}

size_t gguf_tensor_count(const gguf *g)
{
    return g->n_tensors;
}

const struct gguf_tensor *gguf_tensor_at(const gguf *g, size_t i)
{
    return &g->tensors[i];
}

const struct gguf_tensor *gguf_tensor_find(const gguf *g, const char *name)
{
    struct gguf_tensor probe = {.name = name};
    const struct gguf_tensor *p = &probe;
    const struct gguf_tensor *const *hit =
        bsearch(&p, g->sorted, g->n_tensors, sizeof *g->sorted, by_name);
    return hit ? *hit : NULL;
}
