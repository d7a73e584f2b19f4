// SPDX-License-Identifier: MIT
#include "engine/tensor/matrix.h"

#include "engine/tensor/formats.h"
#include "engine/tensor/isa.h"
#include "engine/tensor/kernel.h"
#include "engine/tensor/vector.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// 32 values as q, d, m with w = d * q + m.
struct block {
    uint8_t q[MATRIX_BLOCK];
    float d, m;
};

static float half_at(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return half_to_float(h);
}

// Q4_0, Q4_1, Q5_0, Q5_1: `head` bytes of scales, then perhaps four of high bits, then nibbles.
static void split_nibbles(const uint8_t *p, bool offset, bool five, struct block *b)
{
    b->d = half_at(p);
    b->m = offset ? half_at(p + 2) : -(five ? 16 : 8) * b->d;
    p += offset ? 4 : 2;
    uint32_t high = 0;
    if (five) {
        memcpy(&high, p, 4);
        p += 4;
    }
    for (int i = 0; i < 16; i++) {
        b->q[i] = (uint8_t)((p[i] & 15u) | (high >> i & 1) << 4);
        b->q[i + 16] = (uint8_t)(p[i] >> 4u | (high >> (i + 16) & 1) << 4);
    }
}

static void split_q8_0(const uint8_t *p, struct block *b)
{
    b->d = half_at(p);
    b->m = -128 * b->d;
    for (int i = 0; i < MATRIX_BLOCK; i++)
        b->q[i] = (uint8_t)(p[2 + i] ^ 0x80);
}

// Sub-block j of a Q4_K or Q5_K block.
static void split_k(const uint8_t *p, int j, bool five, struct block *b)
{
    const uint8_t *s = p + 4, *high = p + 16, *q = p + (five ? 48 : 16) + j / 2 * 32;
    unsigned scale = j < 4 ? s[j] & 63u : (s[j + 4] & 15u) | (unsigned)(s[j - 4] >> 6) << 4;
    unsigned min =
        j < 4 ? s[j + 4] & 63u : (unsigned)(s[j + 4] >> 4) | (unsigned)(s[j] >> 6) << 4;
    b->d = half_at(p) * (float)scale;
    b->m = -half_at(p + 2) * (float)min;
    for (int i = 0; i < MATRIX_BLOCK; i++) {
        b->q[i] = j & 1 ? q[i] >> 4 : q[i] & 15;
        if (five)
            b->q[i] = (uint8_t)(b->q[i] | (high[i] >> j & 1) << 4);
    }
}

static void split_floats(const float *x, struct block *b)
{
    float most = 0;
    for (int i = 0; i < MATRIX_BLOCK; i++)
        most = fmaxf(most, fabsf(x[i]));
    b->d = most / 127;
    b->m = -128 * b->d;
    for (int i = 0; i < MATRIX_BLOCK; i++)
        b->q[i] = (uint8_t)(128 + (b->d > 0 ? lrintf(x[i] / b->d) : 0));
}

// Block `index` of a row.
static void split(uint32_t type, const struct tensor_type *t, const uint8_t *row, size_t index,
                  struct block *b)
{
    float x[256];
    const uint8_t *p = row + index * MATRIX_BLOCK / t->block * t->bytes;
    switch (type) {
    case 2:
        split_nibbles(p, false, false, b);
        break;
    case 3:
        split_nibbles(p, true, false, b);
        break;
    case 6:
        split_nibbles(p, false, true, b);
        break;
    case 7:
        split_nibbles(p, true, true, b);
        break;
    case 8:
        split_q8_0(p, b);
        break;
    case 12:
    case 13:
        split_k(p, (int)(index % 8), type == 13, b);
        break;
    default:
        tensor_unpack(t, p, t->block > MATRIX_BLOCK ? t->block : MATRIX_BLOCK, x);
        split_floats(t->block > MATRIX_BLOCK ? x + index * MATRIX_BLOCK % t->block : x, b);
        break;
    }
}

int matrix_new(uint32_t type, const void *data, size_t rows, size_t cols, struct matrix *out,
               struct err *e)
{
    const struct tensor_type *t = tensor_type_info(type);
    size_t groups = (rows + MATRIX_ROWS - 1) / MATRIX_ROWS, blocks = cols / MATRIX_BLOCK;
    *out = (struct matrix){.rows = rows, .cols = cols};
    if (!t || !rows || !cols || cols % MATRIX_BLOCK || cols % t->block)
        return err_set(e, -EINVAL, "a matrix of %zu x %zu of type %s cannot be multiplied",
                       rows, cols, t ? t->name : "?");
    size_t n = groups * blocks * MATRIX_ROWS;
    out->q = aligned_alloc(64, n * MATRIX_BLOCK);
    out->d = aligned_alloc(64, n * sizeof *out->d);
    out->m = aligned_alloc(64, n * sizeof *out->m);
    if (!out->q || !out->d || !out->m) {
        matrix_free(out);
        return err_nomem(e);
    }
    out->bytes = n * (MATRIX_BLOCK + 8);
    for (size_t r = 0; r < groups * MATRIX_ROWS; r++) {
        const uint8_t *row = (const uint8_t *)data + r * (cols / t->block * t->bytes);
        for (size_t b = 0; b < blocks; b++) {
            struct block k = {0};
            if (r < rows)
                split(type, t, row, b, &k);
            size_t at = r / MATRIX_ROWS * blocks + b, lane = r % MATRIX_ROWS;
            out->d[at * MATRIX_ROWS + lane] = k.d;
            out->m[at * MATRIX_ROWS + lane] = k.m;
            for (int i = 0; i < MATRIX_BLOCK; i++)
                out->q[at * MATRIX_ROWS * MATRIX_BLOCK +
                       ((size_t)i / 4 * MATRIX_ROWS + lane) * 4 + (size_t)i % 4] = k.q[i];
        }
    }
    return 0;
}

void matrix_free(struct matrix *m)
{
    free(m->q);
    free(m->d);
    free(m->m);
    *m = (struct matrix){0};
}

// ---- activations ----

static size_t round_up(size_t n)
{
    return (n + 63) / 64 * 64;
}

size_t activations_bytes(size_t n, size_t cols)
{
    return round_up(n * cols) + 2 * round_up(n * (cols / MATRIX_BLOCK) * sizeof(float));
}

void activations_place(struct activations *a, void *memory, size_t n, size_t cols)
{
    char *p = memory;
    a->q = (int8_t *)p;
    a->d = (float *)(p + round_up(n * cols));
    a->ds =
        (float *)(p + round_up(n * cols) + round_up(n * (cols / MATRIX_BLOCK) * sizeof(float)));
}

void activations_quantize(struct activations *a, const float *x, size_t cols, size_t first,
                          size_t last)
{
    size_t b = first * cols / MATRIX_BLOCK;
    vector_quantize(x + b * MATRIX_BLOCK, last * cols / MATRIX_BLOCK - b,
                    a->q + b * MATRIX_BLOCK, a->d + b, a->ds + b);
}

// ---- multiplication ----

void matrix_multiply(const struct matrix *w, const struct activations *a, size_t n, float *y,
                     size_t stride, unsigned i, unsigned n_threads)
{
    size_t groups = (w->rows + MATRIX_ROWS - 1) / MATRIX_ROWS, blocks = w->cols / MATRIX_BLOCK;
    size_t first = groups * i / n_threads, last = groups * (i + 1) / n_threads;
    for (size_t g = first; g < last; g++) {
        size_t at = g * blocks, rows = w->rows - g * MATRIX_ROWS;
        float edge[MATRIX_COLUMNS * MATRIX_ROWS];
        for (size_t c = 0; c < n; c += MATRIX_COLUMNS) {
            size_t now = n - c < MATRIX_COLUMNS ? n - c : MATRIX_COLUMNS;
            bool whole = rows >= MATRIX_ROWS;
            float *to = y + c * stride + g * MATRIX_ROWS;
            ISA_CALL(group, (w->q + at * MATRIX_ROWS * MATRIX_BLOCK, w->d + at * MATRIX_ROWS,
                             w->m + at * MATRIX_ROWS, blocks, a->q + c * w->cols,
                             a->d + c * blocks, a->ds + c * blocks, now, w->cols,
                             whole ? to : edge, whole ? stride : MATRIX_ROWS));
            for (size_t k = 0; !whole && k < now; k++)
                memcpy(to + k * stride, edge + k * MATRIX_ROWS, rows * sizeof *to);
        }
    }
}
