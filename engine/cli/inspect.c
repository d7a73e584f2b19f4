// SPDX-License-Identifier: MIT
// askd-model inspect: metadata and tensors of a GGUF file, one a line.
#include "engine/cli/cli.h"

#include "base/utf8.h"
#include "engine/gguf/gguf.h"
#include "engine/gguf/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "string", "array", "u64", "i64", "f64"};

// Foreign text on a terminal: control bytes and what is not UTF-8 are escaped.
static void print_text(const char *s, size_t n, size_t max)
{
    size_t i = 0;
    putchar('"');
    while (i < n && i < max) {
        size_t k = utf8_valid_step(s + i, n - i);
        unsigned char c = (unsigned char)s[i];
        if (k == 1 && c == '\n') {
            fputs("\\n", stdout);
        } else if (k == 0 || c < 32 || c == 127 ||
                   (c == 0xC2 && (unsigned char)s[i + 1] < 0xA0)) {
            k = k ? k : 1;
            for (size_t j = 0; j < k; j++)
                printf("\\x%02X", (unsigned char)s[i + j]);
        } else {
            fwrite(s + i, 1, k, stdout);
        }
        i += k;
    }
    fputs(i < n ? "\"..." : "\"", stdout);
}

static void print_array(const gguf *g, const char *key)
{
    struct gguf_array a;
    if (gguf_get_array(g, key, &a, NULL)) {
        fputs("(nested)", stdout);
        return;
    }
    printf("%zu x %s [", a.n, type_names[a.type]);
    for (size_t i = 0; i < a.n && i < 6; i++) {
        int64_t v;
        double d;
        if (i)
            fputs(", ", stdout);
        if (a.s)
            print_text(a.s[i].s, a.s[i].n, 40);
        else if (!gguf_array_i64(&a, i, &v))
            printf("%" PRId64, v);
        else if (!gguf_array_f64(&a, i, &d))
            printf("%g", d);
    }
    fputs(a.n > 6 ? ", ...]" : "]", stdout);
}

static void print_value(const gguf *g, const char *key, enum gguf_type type)
{
    struct gguf_str s;
    bool b;
    float f;
    uint32_t u;
    int32_t i;
    if (type == GGUF_ARRAY)
        print_array(g, key);
    else if (type == GGUF_STRING && !gguf_get_str(g, key, &s, NULL))
        print_text(s.s, s.n, 400);
    else if (type == GGUF_BOOL && !gguf_get_bool(g, key, &b, NULL))
        fputs(b ? "true" : "false", stdout);
    else if ((type == GGUF_F32 || type == GGUF_F64) && !gguf_get_f32(g, key, &f, NULL))
        printf("%g", (double)f);
    else if (!gguf_get_u32(g, key, &u, NULL))
        printf("%" PRIu32, u);
    else if (!gguf_get_i32(g, key, &i, NULL))
        printf("%" PRId32, i);
    else
        printf("(%s)", type_names[type]);
}

static int run(int argc, char **argv)
{
    struct err e;
    gguf *g;
    if (argc != 2)
        return cli_usage(&command_inspect);
    if (gguf_open(argv[1], &g, &e))
        return cli_fail(1, "%s", e.msg);
    for (size_t i = 0; i < gguf_kv_count(g); i++) {
        const char *key = gguf_kv_key(g, i);
        print_text(key, strlen(key), 200);
        fputs(" = ", stdout);
        print_value(g, key, gguf_kv_type(g, i));
        putchar('\n');
    }
    uint64_t params = 0, bytes = 0;
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        const struct gguf_layout *l = gguf_layout(t->type);
        uint64_t n = 1;
        print_text(t->name, strlen(t->name), 200);
        fputs(" [", stdout);
        for (uint32_t d = 0; d < t->n_dims; d++) {
            printf("%s%" PRIu64, d ? ", " : "", t->ne[d]);
            n *= t->ne[d];
        }
        printf("] %s %zu bytes\n", l ? l->name : "?", t->bytes);
        params += n;
        bytes += t->bytes;
    }
    printf("%zu tensors, %" PRIu64 " parameters, %" PRIu64 " bytes\n", gguf_tensor_count(g),
           params, bytes);
    gguf_close(g);
    return 0;
}

const struct command command_inspect = {"inspect", "FILE.gguf",
                                        "print the metadata and tensors of a model file", run};
