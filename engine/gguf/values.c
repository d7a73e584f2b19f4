// SPDX-License-Identifier: MIT
// Metadata: what the walk found, by key, as the type that the caller wants.
#include "engine/gguf/internal.h"
#include "engine/gguf/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int gguf__by_key(const void *a, const void *b)
{
    const struct gguf_kv *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static const struct gguf_kv *find(const gguf *g, const char *key)
{
    struct gguf_kv probe = {.key = key};
    const struct gguf_kv *p = &probe;
    const struct gguf_kv *const *hit =
        bsearch(&p, g->sorted_kv, g->n_kv, sizeof *g->sorted_kv, gguf__by_key);
    return hit ? *hit : NULL;
}

static int get(const gguf *g, const char *key, const struct gguf_kv **out, struct err *e)
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
    const struct gguf_kv *v;
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
    const struct gguf_kv *v;
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
    const struct gguf_kv *v;
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
    const struct gguf_kv *v;
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
    const struct gguf_kv *v;
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
