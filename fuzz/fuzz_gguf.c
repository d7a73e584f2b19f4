// SPDX-License-Identifier: MIT
// A GGUF file of any bytes: refused by a sentence, or all that it holds can be read.
#include "fuzz/target.h"

#include "engine/gguf/gguf.h"
#include "engine/gguf/layout.h"

#include <string.h>

static unsigned sum; // so that no read is left out

static void read_bytes(const void *p, size_t n)
{
    const unsigned char *u = p;
    for (size_t i = 0; i < n; i++)
        sum += u[i];
}

static void read_array(const gguf *g, const char *key)
{
    struct gguf_array a;
    int64_t whole;
    double real;
    if (gguf_get_array(g, key, &a, NULL))
        return;
    for (size_t i = 0; i < a.n && i < 10000; i++) {
        if (a.s)
            read_bytes(a.s[i].s, a.s[i].n);
        sum += !gguf_array_i64(&a, i, &whole);
        sum += !gguf_array_f64(&a, i, &real);
    }
    FUZZ_CHECK(gguf_array_i64(&a, a.n, &whole) && gguf_array_f64(&a, a.n, &real));
}

static void read_value(const gguf *g, const char *key)
{
    struct gguf_str s;
    uint32_t u;
    int32_t i;
    float f;
    bool b;
    if (!gguf_get_str(g, key, &s, NULL))
        read_bytes(s.s, s.n);
    sum += !gguf_get_u32(g, key, &u, NULL);
    sum += !gguf_get_i32(g, key, &i, NULL);
    sum += !gguf_get_f32(g, key, &f, NULL);
    sum += !gguf_get_bool(g, key, &b, NULL);
    read_array(g, key);
}

static void read_tensor(const gguf *g, size_t i, size_t size)
{
    const struct gguf_tensor *t = gguf_tensor_at(g, i);
    const struct gguf_layout *l = gguf_layout(t->type);
    FUZZ_CHECK(l && t->ne[0] % l->block == 0 && t->bytes <= size);
    FUZZ_CHECK(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3] / l->block * l->bytes == t->bytes);
    FUZZ_CHECK(gguf_tensor_find(g, t->name) == t);
    read_bytes(t->data, t->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    gguf *g;
    if (gguf_open(fuzz_file(data, size), &g, &e)) {
        FUZZ_CHECK(e.code < 0 && *e.msg);
        return 0;
    }
    for (size_t i = 0; i < gguf_kv_count(g); i++) {
        const char *key = gguf_kv_key(g, i);
        sum += gguf_kv_type(g, i);
        read_value(g, key);
    }
    for (size_t i = 0; i < gguf_tensor_count(g); i++)
        read_tensor(g, i, size);
    gguf_close(g);
    return 0;
}
