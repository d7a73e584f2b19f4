// SPDX-License-Identifier: MIT
// Reader. Layout (ggml, docs/gguf.md): magic, version, tensor count, key count, the keys with
// their values, the tensor directory, padding to general.alignment, tensor data.
//
// A cursor walks the map once; its first error sticks and every later read gives zeros, so that
// the walk reads like the format. Strings stay in the map; names are copied to get their NUL.
#include "engine/gguf/gguf.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/utf8.h"
#include "engine/gguf/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct kv {
    const char *key;
    enum gguf_type type; // of the value, or of an array's elements
    bool array;
    size_t n;             // elements
    const void *data;     // first byte of the value or of the elements
    struct gguf_str *str; // strings, one or n
};

struct gguf {
    char *path;
    struct file_map map;
    arena *a;
    struct kv *kv;
    size_t n_kv;
    struct gguf_tensor *tensors;
    size_t n_tensors;
    const struct gguf_tensor **sorted; // by name
    const struct kv **sorted_kv;       // by key
};

struct cursor {
    const gguf *g;
    size_t at;
    const char *what; // being read, for the sentence
    struct err *e;
    int rc;
};

static int fail(struct cursor *c, const char *problem)
{
    if (!c->rc)
        c->rc =
            err_set(c->e, -EINVAL, "%s: byte %zu: %s: %s", c->g->path, c->at, c->what, problem);
    return c->rc;
}

static const void *take(struct cursor *c, size_t n)
{
    if (c->rc)
        return NULL;
    if (n > c->g->map.size - c->at) {
        fail(c, "the file ends too early");
        return NULL;
    }
    const void *p = c->g->map.data + c->at;
    c->at += n;
    return p;
}

static uint32_t take_u32(struct cursor *c)
{
    uint32_t v = 0;
    const void *p = take(c, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t take_u64(struct cursor *c)
{
    uint64_t v = 0;
    const void *p = take(c, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return v;
}

static struct gguf_str take_str(struct cursor *c)
{
    uint64_t n = take_u64(c);
    if (n > GGUF_STRING_MAX)
        fail(c, "a string is longer than 16 MiB");
    const char *s = take(c, (size_t)n);
    return (struct gguf_str){s, s ? (size_t)n : 0};
}

// A key or a tensor name: short, UTF-8, copied for its NUL.
static const char *take_name(struct cursor *c)
{
    struct gguf_str s = take_str(c);
    if (!c->rc && (!s.n || s.n > GGUF_NAME_MAX || !utf8_valid(s.s, s.n) || memchr(s.s, 0, s.n)))
        fail(c, "a name is empty, too long or no UTF-8");
    char *copy = c->rc ? NULL : arena_strndup(c->g->a, s.s, s.n);
    if (!c->rc && !copy)
        c->rc = err_nomem(c->e);
    return copy ? copy : "";
}

size_t gguf_type_size(enum gguf_type t)
{
    static const unsigned char sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return (size_t)t < sizeof sizes ? sizes[t] : 0;
}

static void read_value(struct cursor *c, struct kv *v)
{
    v->type = (enum gguf_type)take_u32(c);
    v->n = 1;
    if (v->type == GGUF_ARRAY) {
        v->array = true;
        v->type = (enum gguf_type)take_u32(c);
        uint64_t n = take_u64(c);
        // Every element takes at least a byte of the file, so a count beyond it is a lie.
        if (!c->rc && n > c->g->map.size - c->at)
            fail(c, "an array has more elements than the file has bytes");
        v->n = c->rc ? 0 : (size_t)n;
    }
    if (c->rc)
        return;
    if (v->type == GGUF_STRING) {
        if (v->n > (c->g->map.size - c->at) / 8) {
            fail(c, "an array has more strings than fit in the file");
            return;
        }
        v->str = arena_alloc(c->g->a, (v->n + 1) * sizeof *v->str);
        if (!v->str)
            c->rc = err_nomem(c->e);
        for (size_t i = 0; i < v->n && !c->rc; i++)
            v->str[i] = take_str(c);
        return;
    }
    size_t size = gguf_type_size(v->type);
    if (!size) {
        fail(c, "unknown value type, or an array of arrays");
        return;
    }
    if (v->n > (c->g->map.size - c->at) / size) {
        fail(c, "an array is longer than the file");
        return;
    }
    v->data = take(c, v->n * size);
}

static void read_tensor(struct cursor *c, struct gguf_tensor *t, uint64_t *offset)
{
    t->name = take_name(c);
    if (!c->rc)
        c->what = t->name;
    t->n_dims = take_u32(c);
    if (!c->rc && (t->n_dims < 1 || t->n_dims > 4)) {
        fail(c, "a tensor has 1 to 4 dimensions");
        return;
    }
    uint64_t count = 1;
    for (int i = 0; i < 4; i++) {
        t->ne[i] = !c->rc && (uint32_t)i < t->n_dims ? take_u64(c) : 1;
        if (!c->rc && (!t->ne[i] || __builtin_mul_overflow(count, t->ne[i], &count)))
            fail(c, "its shape is empty or too large");
    }
    t->type = take_u32(c);
    *offset = take_u64(c);
    const struct gguf_layout *l = c->rc ? NULL : gguf_layout(t->type);
    if (c->rc)
        return;
    uint64_t bytes;
    if (!l)
        fail(c, "its type is none that askd knows");
    else if (t->ne[0] % l->block)
        fail(c, "its rows are no whole number of blocks");
    else if (__builtin_mul_overflow(count / l->block, (uint64_t)l->bytes, &bytes) ||
             bytes > c->g->map.size)
        fail(c, "it is larger than the file");
    else
        t->bytes = (size_t)bytes;
}

static int by_name(const void *a, const void *b)
{
    const struct gguf_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int by_key(const void *a, const void *b)
{
    const struct kv *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static void index_names(struct cursor *c, gguf *g)
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
    qsort(g->sorted_kv, g->n_kv, sizeof *g->sorted_kv, by_key);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (!by_name(&g->sorted[i - 1], &g->sorted[i])) {
            c->what = g->sorted[i]->name;
            fail(c, "two tensors have this name");
        }
    for (size_t i = 1; i < g->n_kv; i++)
        if (!by_key(&g->sorted_kv[i - 1], &g->sorted_kv[i])) {
            c->what = g->sorted_kv[i]->key;
            fail(c, "two values have this key");
        }
}

static void place_tensors(struct cursor *c, gguf *g, const uint64_t *offsets)
{
    uint32_t alignment = 32;
    int rc = gguf_get_u32(g, "general.alignment", &alignment, c->e);
    if (rc && rc != -ENOENT) {
        c->rc = rc;
        return;
    }
    c->what = "general.alignment";
    if (!alignment || alignment > 1 << 20 || alignment & (alignment - 1)) {
        fail(c, "it is no power of two up to 1 MiB");
        return;
    }
    size_t start = (c->at + alignment - 1) & ~(size_t)(alignment - 1);
    for (size_t i = 0; i < g->n_tensors && !c->rc; i++) {
        struct gguf_tensor *t = &g->tensors[i];
        c->what = t->name;
        if (offsets[i] % alignment)
            fail(c, "its offset is not aligned");
        else if (start > g->map.size || offsets[i] > g->map.size - start ||
                 t->bytes > g->map.size - start - offsets[i])
            fail(c, "its data lies beyond the end of the file");
        else
            t->data = g->map.data + start + offsets[i];
    }
}

static void read_all(struct cursor *c, gguf *g)
{
    c->what = "header";
    if (take_u32(c) != GGUF_MAGIC)
        fail(c, "this is no GGUF file");
    uint32_t version = take_u32(c);
    if (!c->rc && (version < 2 || version > 3))
        fail(c, "the GGUF version is neither 2 nor 3");
    uint64_t n_tensors = take_u64(c), n_kv = take_u64(c);
    // A key takes at least 13 bytes, a tensor 33.
    if (!c->rc && (n_kv > g->map.size / 13 || n_tensors > g->map.size / 33))
        fail(c, "it announces more entries than the file can hold");
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
        c->what = "a key";
        g->kv[i].key = take_name(c);
        if (!c->rc)
            c->what = g->kv[i].key;
        read_value(c, &g->kv[i]);
        g->n_kv++;
    }
    for (size_t i = 0; i < n_tensors && !c->rc; i++) {
        c->what = "a tensor";
        read_tensor(c, &g->tensors[i], &offsets[i]);
        g->n_tensors++;
    }
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
        struct cursor c = {.g = g, .e = e, .what = "header"};
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

// ---- metadata ----

static const struct kv *find(const gguf *g, const char *key)
{
    struct kv probe = {.key = key};
    const struct kv *p = &probe;
    const struct kv *const *hit =
        bsearch(&p, g->sorted_kv, g->n_kv, sizeof *g->sorted_kv, by_key);
    return hit ? *hit : NULL;
}

static int get(const gguf *g, const char *key, const struct kv **out, struct err *e)
{
    *out = find(g, key);
    return *out ? 0 : err_set(e, -ENOENT, "%s: the key %s is missing", g->path, key);
}

static int wrong_type(const gguf *g, const char *key, const char *wanted, struct err *e)
{
    return err_set(e, -EINVAL, "%s: the value of %s is no %s, or out of range", g->path, key,
                   wanted);
}

static int element_i64(enum gguf_type type, const void *data, size_t i, int64_t *out)
{
    const unsigned char *p = (const unsigned char *)data + i * gguf_type_size(type);
    union {
        int8_t i8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        uint64_t u64;
    } v = {0};
    memcpy(&v, p, gguf_type_size(type));
    switch (type) {
    case GGUF_U8:
    case GGUF_BOOL:
        *out = *p;
        return 0;
    case GGUF_I8:
        *out = v.i8;
        return 0;
    case GGUF_U16:
        *out = v.u16;
        return 0;
    case GGUF_I16:
        *out = v.i16;
        return 0;
    case GGUF_U32:
        *out = v.u32;
        return 0;
    case GGUF_I32:
        *out = v.i32;
        return 0;
    case GGUF_I64:
        *out = v.i64;
        return 0;
    case GGUF_U64:
        *out = (int64_t)v.u64;
        return v.u64 > INT64_MAX ? -EINVAL : 0;
    default:
        return -EINVAL;
    }
}

static int element_f64(enum gguf_type type, const void *data, size_t i, double *out)
{
    const unsigned char *p = (const unsigned char *)data + i * gguf_type_size(type);
    float f;
    int64_t n;
    if (type == GGUF_F32) {
        memcpy(&f, p, sizeof f);
        *out = (double)f;
        return 0;
    }
    if (type == GGUF_F64) {
        memcpy(out, p, sizeof *out);
        return 0;
    }
    int rc = element_i64(type, data, i, &n);
    *out = (double)n;
    return rc;
}

static int get_whole(const gguf *g, const char *key, int64_t low, int64_t high, int64_t *out,
                     struct err *e)
{
    const struct kv *v;
    int rc = get(g, key, &v, e);
    if (rc)
        return rc;
    if (v->array || v->type == GGUF_STRING || v->type == GGUF_BOOL ||
        element_i64(v->type, v->data, 0, out) || *out < low || *out > high)
        return wrong_type(g, key, "whole number", e);
    return 0;
}

int gguf_get_u32(const gguf *g, const char *key, uint32_t *out, struct err *e)
{
    int64_t v;
    int rc = get_whole(g, key, 0, UINT32_MAX, &v, e);
    if (!rc)
        *out = (uint32_t)v;
    return rc;
}

int gguf_get_i32(const gguf *g, const char *key, int32_t *out, struct err *e)
{
    int64_t v;
    int rc = get_whole(g, key, INT32_MIN, INT32_MAX, &v, e);
    if (!rc)
        *out = (int32_t)v;
    return rc;
}

int gguf_get_f32(const gguf *g, const char *key, float *out, struct err *e)
{
    const struct kv *v;
    double d;
    int rc = get(g, key, &v, e);
    if (rc)
        return rc;
    if (v->array || v->type == GGUF_STRING || v->type == GGUF_BOOL ||
        element_f64(v->type, v->data, 0, &d) || !isfinite(d) || fabs(d) > 3e38)
        return wrong_type(g, key, "finite number", e);
    *out = (float)d;
    return 0;
}

int gguf_get_bool(const gguf *g, const char *key, bool *out, struct err *e)
{
    const struct kv *v;
    int rc = get(g, key, &v, e);
    if (rc)
        return rc;
    const unsigned char *p = v->data;
    if (v->array || v->type != GGUF_BOOL || *p > 1)
        return wrong_type(g, key, "boolean", e);
    *out = *p;
    return 0;
}

int gguf_get_str(const gguf *g, const char *key, struct gguf_str *out, struct err *e)
{
    const struct kv *v;
    int rc = get(g, key, &v, e);
    if (rc)
        return rc;
    if (v->array || v->type != GGUF_STRING)
        return wrong_type(g, key, "string", e);
    *out = *v->str;
    return 0;
}

int gguf_get_array(const gguf *g, const char *key, struct gguf_array *out, struct err *e)
{
    const struct kv *v;
    int rc = get(g, key, &v, e);
    if (rc)
        return rc;
    if (!v->array)
        return wrong_type(g, key, "array", e);
    *out = (struct gguf_array){.type = v->type, .n = v->n, .data = v->data, .s = v->str};
    return 0;
}

int gguf_array_i64(const struct gguf_array *a, size_t i, int64_t *out)
{
    return i < a->n && a->data ? element_i64(a->type, a->data, i, out) : -EINVAL;
}

int gguf_array_f64(const struct gguf_array *a, size_t i, double *out)
{
    return i < a->n && a->data ? element_f64(a->type, a->data, i, out) : -EINVAL;
}

size_t gguf_kv_count(const gguf *g)
{
    return g->n_kv;
}

const char *gguf_kv_key(const gguf *g, size_t i)
{
    return g->kv[i].key;
}

enum gguf_type gguf_kv_type(const gguf *g, size_t i)
{
    return g->kv[i].array ? GGUF_ARRAY : g->kv[i].type;
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
