// SPDX-License-Identifier: MIT
// Weight matrices made ready for multiplication, and products with 8-bit activations.
//
// Weights stay as wide as the file has them: 4, 5 or 8 bits. Sixteen rows are interleaved and
// columns go in blocks of 32 that share a scale. Of a block, "step" s is columns 4s to 4s + 3
// of the sixteen rows, 64 weights in the order [16 rows][4 columns]:
//   MATRIX_4    256 bytes: byte i of the s-th 64 has step s in its low bits, s + 4 in its high
//   MATRIX_5    the same, then 64 bytes with the fifth bits: bit i of the s-th 8 bytes
//   MATRIX_8    512 bytes: step after step
// and the scales of a block, or of eight blocks, are
//   MATRIX_D    d[16], binary16: w = d (q - half of the range of q)
//   MATRIX_D_M  d[16], m[16], binary16: w = d q + m
//   MATRIX_K    of eight blocks: d[16], m[16], binary16, then of each block s[16], t[16],
//   bytes:
//               w = d s q - m t
//
// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K and Q5_K are kept exactly; other types are quantised to 8
// bits. Integer sums are exact and the float sum over blocks runs in one order on every
// instruction set, for any number of columns and threads: the same bytes always.
#pragma once

#include "base/err.h"
#include "engine/tensor/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATRIX_ROWS 16  // interleaved: a group
#define MATRIX_BLOCK 32 // columns that share a scale

enum matrix_bits { MATRIX_4, MATRIX_5, MATRIX_8 };
enum matrix_scales { MATRIX_D, MATRIX_D_M, MATRIX_K };

struct matrix {
    size_t rows, cols; // cols is a multiple of MATRIX_BLOCK
    enum matrix_bits bits;
    enum matrix_scales scales;
    uint8_t *q;
    uint8_t *s;
    size_t bytes;
};

// Make `rows` rows of `cols` values of a ggml type ready, in memory of `p`. -EINVAL for a type
// or a width that does not fit and for weights that are no numbers. The source is not needed
// afterwards.
int matrix_new(uint32_t type, const void *data, size_t rows, size_t cols, struct pool *p,
               struct matrix *out, struct err *e);

static inline size_t matrix_groups(const struct matrix *w)
{
    return (w->rows + MATRIX_ROWS - 1) / MATRIX_ROWS;
}

// Activations of n columns, quantised to 8 bits in blocks of 32.
struct activations {
    int8_t *q;     // [n][cols]
    float *d, *ds; // [n][cols/32]: scale, and scale times the sum of the block
    int32_t *less; // [n][cols/32]: the sum of the block, negated
};
size_t activations_bytes(size_t n, size_t cols);
// Lay out activations for n columns in memory of activations_bytes, aligned to 64.
void activations_place(struct activations *a, void *memory, size_t n, size_t cols);
// Quantise blocks [first, last) of x, counted over all columns.
void activations_quantize(struct activations *a, const float *x, size_t first, size_t last);
// The same activations from column c on.
struct activations activations_from(const struct activations *a, size_t c, size_t cols);

// y[n][stride] = W x + bias for the rows of groups [first, last); bias [rows] or NULL.
void matrix_multiply(const struct matrix *w, const float *bias, const struct activations *a,
                     size_t n, float *y, size_t stride, size_t first, size_t last);
// The same without a bias, column c to an array y[c] of its own.
void matrix_multiply_apart(const struct matrix *w, const struct activations *a, size_t n,
                           float *const *y, size_t first, size_t last);
