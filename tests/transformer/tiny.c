// SPDX-License-Identifier: MIT
#include "tests/transformer/tiny.h"

#include "engine/gguf/gguf_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TENSORS_MAX = 128 };

// What the writer borrows until the model is saved.
struct maker {
    struct tiny *t;
    gguf_writer *w;
    float *owned[TENSORS_MAX];
    size_t n_owned;
    tiny_values *values;
    void *arg;
};

void tiny_draw(const char *name, int power, float offset, int matrix, size_t n, float *out)
{
    uint64_t seed = 0xCBF29CE484222325u;
    for (const char *p = name; *p; p++)
        seed = (seed ^ (unsigned char)*p) * 0x100000001B3u;
    for (size_t i = 0; i < n; i++) {
        uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        z = (z ^ (z >> 31)) >> 32;
        int q = (int)(z % 255) - 127;
        if (matrix && i % 32 == 0)
            q = q < 0 ? -127 : 127;
        out[i] = offset + ldexpf((float)q, power);
    }
}

static void add_tensor(struct maker *m, const char *line)
{
    char name[64];
    int power, used;
    float offset;
    uint64_t ne[4], n = 1;
    uint32_t dims = 0;
    assert_int_equal(sscanf(line, "tensor %63s %d %f%n", name, &power, &offset, &used), 3);
    for (line += used; dims < 4 && sscanf(line, " %lu%n", &ne[dims], &used) == 1; line += used)
        n *= ne[dims++];
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    assert_true(m->n_owned < TENSORS_MAX);
    m->owned[m->n_owned++] = x;
    tiny_draw(name, power, offset, dims > 1, n, x);
    if (m->values)
        m->values(name, x, n, m->arg);
    gguf_writer_tensor(m->w, name, 0, ne, dims, x);
}

static void add_row(struct tiny *t, const char *line)
{
    int used = 0;
    assert_true(t->n_rows < TINY_ROWS_MAX);
    if (sscanf(line, "logits %u%n", &t->at[t->n_rows], &used) != 1)
        used = (int)strlen("vector");
    t->width = 0;
    for (line += used; t->width < TINY_WIDTH_MAX &&
                       sscanf(line, " %f%n", &t->rows[t->n_rows][t->width], &used) == 1;
         t->width++)
        line += used;
    t->n_rows++;
}

static uint32_t add_tokens(const char *line, int32_t *out)
{
    uint32_t n = 0;
    int used;
    for (; n < TINY_TOKENS_MAX && sscanf(line, " %d%n", &out[n], &used) == 1; n++)
        line += used;
    return n;
}

static void add_line(struct maker *m, char *line)
{
    struct tiny *t = m->t;
    char key[96], text[96];
    unsigned number;
    float real;
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "u32 %95s %u", key, &number) == 2)
        gguf_writer_u32(m->w, key, number);
    else if (sscanf(line, "f32 %95s %f", key, &real) == 2)
        gguf_writer_f32(m->w, key, real);
    else if (sscanf(line, "bool %95s %u", key, &number) == 2)
        gguf_writer_bool(m->w, key, number);
    else if (sscanf(line, "str %95s %95s", key, text) == 2)
        gguf_writer_str(m->w, key, text);
    else if (!strncmp(line, "tensor ", 7))
        add_tensor(m, line);
    else if (!strncmp(line, "logits ", 7) || !strncmp(line, "vector ", 7))
        add_row(t, line);
    else if (!strncmp(line, "source ", 7))
        t->n_source = add_tokens(line + 7, t->source);
    else if (!strncmp(line, "tokens ", 7))
        t->n_tokens = add_tokens(line + 7, t->tokens);
    else
        assert_int_equal(line[0], '#');
}

int tiny_change_line(char *line, void *arg)
{
    const struct tiny_change *c = arg;
    char tail[256];
    char *at = strstr(line, c->find);
    if (!at)
        return 1;
    if (!c->with)
        return 0;
    snprintf(tail, sizeof tail, "%s", at + strlen(c->find));
    snprintf(at, 512, "%s%s", c->with, tail);
    return 1;
}

void tiny_make(struct tiny *t, const char *name, tiny_edit *edit, void *arg)
{
    tiny_make_with(t, name, edit, NULL, arg);
}

void tiny_make_with(struct tiny *t, const char *name, tiny_edit *edit, tiny_values *values,
                    void *arg)
{
    static char line[TINY_LINE];
    char path[4096];
    const char *src = getenv("ASKD_SRCDIR");
    struct err e = {0};
    *t = (struct tiny){.path = "/tmp/askd-test-tiny-XXXXXX"};
    struct maker m = {.t = t, .w = gguf_writer_new(), .values = values, .arg = arg};
    snprintf(path, sizeof path, "%s/tests/golden/architectures/%s.txt", src ? src : ".", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        assert_non_null(strchr(line, '\n'));
        if (!edit || edit(line, arg))
            add_line(&m, line);
    }
    fclose(f);
    int fd = mkstemp(t->path);
    assert_true(fd >= 0);
    close(fd);
    int rc = gguf_writer_save(m.w, t->path, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    gguf_writer_free(m.w);
    for (size_t i = 0; i < m.n_owned; i++)
        free(m.owned[i]);
}

void tiny_drop(struct tiny *t)
{
    unlink(t->path);
}

double tiny_difference(const struct tiny *t, float (*got)[TINY_WIDTH_MAX])
{
    double off = 0, whole = 0;
    for (uint32_t r = 0; r < t->n_rows; r++)
        for (uint32_t i = 0; i < t->width; i++) {
            double d = (double)got[r][i] - (double)t->rows[r][i];
            off += d * d;
            whole += (double)t->rows[r][i] * (double)t->rows[r][i];
        }
    return sqrt(off / whole);
}
