// SPDX-License-Identifier: MIT
// GGUF's rows to groups of sixteen interleaved ones (matrix.h has the layouts).
#include "engine/tensor/formats.h"
#include "engine/tensor/kernel.h"

#include <math.h>
#include <string.h>

// 32 weights: as they stand in a matrix, but not yet among other rows.
struct block {
    uint8_t q[MATRIX_BLOCK];
    uint16_t d, m; // binary16
    uint8_t s, t;  // MATRIX_K
};

static uint16_t half_at(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return h;
}

// Q4_0, Q4_1, Q5_0, Q5_1: scales, then perhaps four bytes of high bits, then nibbles.
static void split_nibbles(const uint8_t *p, bool min, bool five, struct block *b)
{
    b->d = half_at(p);
    b->m = min ? half_at(p + 2) : 0;
    p += min ? 4 : 2;
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
    for (int i = 0; i < MATRIX_BLOCK; i++)
        b->q[i] = (uint8_t)(p[2 + i] ^ 0x80);
}

// Sub-block j of a Q4_K or Q5_K block.
static void split_k(const uint8_t *p, int j, bool five, struct block *b)
{
    const uint8_t *s = p + 4, *high = p + 16, *q = p + (five ? 48 : 16) + j / 2 * 32;
    b->d = half_at(p);
    b->m = half_at(p + 2);
    b->s = (uint8_t)(j < 4 ? s[j] & 63u : (s[j + 4] & 15u) | (unsigned)(s[j - 4] >> 6) << 4);
    b->t = (uint8_t)(j < 4 ? s[j + 4] & 63u
                           : (unsigned)(s[j + 4] >> 4) | (unsigned)(s[j] >> 6) << 4);
    for (int i = 0; i < MATRIX_BLOCK; i++) {
        b->q[i] = j & 1 ? q[i] >> 4 : q[i] & 15;
        if (five)
            b->q[i] = (uint8_t)(b->q[i] | (high[i] >> j & 1) << 4);
    }
}

// The scale is rounded up to binary16, so that no weight is out of range.
static int split_floats(const float *x, struct block *b)
{
    float most = 0;
    bool finite = true;
    for (int i = 0; i < MATRIX_BLOCK; i++) {
        most = fmaxf(most, fabsf(x[i]));
        finite = finite && isfinite(x[i]);
    }
    if (!finite || most > 65504.0f * 127)
        return -EINVAL;
    b->d = float_to_half(most / 127);
    if (half_to_float(b->d) < most / 127)
        b->d++;
    float d = half_to_float(b->d);
    for (int i = 0; i < MATRIX_BLOCK; i++)
        b->q[i] = (uint8_t)(128 + (d > 0 ? lrintf(x[i] / d) : 0));
    return 0;
}

// Block `index` of a row.
static int split(uint32_t type, const struct tensor_type *t, const uint8_t *row, size_t index,
                 struct block *b)
{
    float x[256];
    const uint8_t *p = row + index * MATRIX_BLOCK / t->block * t->bytes;
    switch (type) {
    case 2:
    case 3:
        split_nibbles(p, type == 3, false, b);
        return 0;
    case 6:
    case 7:
        split_nibbles(p, type == 7, true, b);
        return 0;
    case 8:
        split_q8_0(p, b);
        return 0;
    case 12:
    case 13:
        split_k(p, (int)(index % 8), type == 13, b);
        return 0;
    default:
        tensor_unpack(t, p, t->block > MATRIX_BLOCK ? t->block : MATRIX_BLOCK, x);
        return split_floats(t->block > MATRIX_BLOCK ? x + index * MATRIX_BLOCK % t->block : x,
                            b);
    }
}

static void choose_layout(uint32_t type, struct matrix *out)
{
    bool four = type == 2 || type == 3 || type == 12,
         five = type == 6 || type == 7 || type == 13;
    out->bits = four ? MATRIX_4 : five ? MATRIX_5 : MATRIX_8;
    out->scales = type == 12 || type == 13 ? MATRIX_K
                  : type == 3 || type == 7 ? MATRIX_D_M
                                           : MATRIX_D;
}

// The low four bits of each weight of a row to their places among sixteen rows.
static void put_fours(uint8_t *to, const uint8_t *q, size_t lane)
{
    for (size_t i = 0; i < 16; i++)
        to[i / 4 * 64 + lane * 4 + i % 4] = (uint8_t)((q[i] & 15u) | (q[i + 16] & 15u) << 4);
}

static void put_weights(struct matrix *w, size_t at, size_t lane, const uint8_t *q)
{
    uint8_t *to = w->q + at * panel_block_bytes(w->bits);
    switch (w->bits) {
    case MATRIX_8:
        for (size_t i = 0; i < MATRIX_BLOCK; i++)
            to[i / 4 * 64 + lane * 4 + i % 4] = q[i];
        break;
    case MATRIX_5:
        for (size_t i = 0; i < MATRIX_BLOCK; i++) {
            size_t bit = lane * 4 + i % 4;
            to[256 + i / 4 * 8 + bit / 8] |= (uint8_t)((q[i] >> 4 & 1u) << bit % 8);
        }
        put_fours(to, q, lane);
        break;
    default:
        put_fours(to, q, lane);
    }
}

static void put_scales(struct matrix *w, size_t group, size_t index, size_t lane,
                       const struct block *b)
{
    size_t blocks = w->cols / MATRIX_BLOCK;
    uint8_t *s = w->s + group * panel_scale_at((int)w->scales, blocks) +
                 panel_scale_at((int)w->scales, index);
    memcpy(s + 2 * lane, &b->d, 2);
    if (w->scales != MATRIX_D)
        memcpy(s + 32 + 2 * lane, &b->m, 2);
    if (w->scales == MATRIX_K) {
        s[64 + index % 8 * 32 + lane] = b->s;
        s[64 + index % 8 * 32 + 16 + lane] = b->t;
    }
}

static int put_row(uint32_t type, const struct tensor_type *t, const uint8_t *row, size_t r,
                   struct matrix *w)
{
    size_t blocks = w->cols / MATRIX_BLOCK;
    for (size_t i = 0; i < blocks; i++) {
        struct block b = {.d = 0};
        int rc = row ? split(type, t, row, i, &b) : 0;
        if (rc)
            return rc;
        put_weights(w, r / MATRIX_ROWS * blocks + i, r % MATRIX_ROWS, b.q);
        put_scales(w, r / MATRIX_ROWS, i, r % MATRIX_ROWS, &b);
    }
    return 0;
}

int matrix_new(uint32_t type, const void *data, size_t rows, size_t cols, struct pool *p,
               struct matrix *out, struct err *e)
{
    const struct tensor_type *t = tensor_type_info(type);
    *out = (struct matrix){.rows = rows, .cols = cols};
    if (!t || !rows || !cols || cols % MATRIX_BLOCK || cols % t->block)
        return err_set(e, -EINVAL, "a matrix of %zu x %zu of type %s cannot be multiplied",
                       rows, cols, t ? t->name : "?");
    choose_layout(type, out);
    size_t n = matrix_groups(out) * (cols / MATRIX_BLOCK);
    size_t q = n * panel_block_bytes(out->bits), s = panel_scale_at((int)out->scales, n);
    out->bytes = q + s;
    out->q = pool_take(p, q);
    out->s = pool_take(p, s);
    if (!out->q || !out->s)
        return err_nomem(e);
    for (size_t r = 0; r < matrix_groups(out) * MATRIX_ROWS; r++) {
        const uint8_t *row = (const uint8_t *)data + r * (cols / t->block * t->bytes);
        if (put_row(type, t, r < rows ? row : NULL, r, out))
            return err_set(e, -EINVAL, "row %zu holds what is no number, or too large", r);
    }
    return 0;
}
