// SPDX-License-Identifier: MIT
// Weight matrices made ready for multiplication, and products with 8-bit activations.
//
// Every format becomes blocks of 32 unsigned bytes with a scale and an offset: w = d * q + m.
// Sixteen rows are interleaved, so that one vector register holds four neighbouring columns of
// sixteen rows. For Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K and Q5_K this is exact; other types are
// quantised to 8 bits. Integer sums are exact and the float sum over blocks runs in one order
// on every instruction set, for any number of columns and threads: the same bytes always.
#pragma once

#include "base/err.h"
#include "engine/tensor/team.h"

#include <stddef.h>
#include <stdint.h>

#define MATRIX_ROWS 16  // interleaved
#define MATRIX_BLOCK 32 // columns that share a scale

struct matrix {
    size_t rows, cols; // cols is a multiple of MATRIX_BLOCK
    uint8_t *q;        // [rows/16][cols/32][8][16][4]
    float *d, *m;      // [rows/16][cols/32][16]
    size_t bytes;
};

// Make `rows` rows of `cols` values of a ggml type ready. -EINVAL for a type or a width that
// does not fit. The source is not needed afterwards.
int matrix_new(uint32_t type, const void *data, size_t rows, size_t cols, struct matrix *out,
               struct err *e);
void matrix_free(struct matrix *m);

// Activations of n columns, quantised to 8 bits in blocks of 32.
struct activations {
    int8_t *q;     // [n][cols]
    float *d, *ds; // [n][cols/32]: scale, and scale times the sum of the block
};
size_t activations_bytes(size_t n, size_t cols);
// Lay out activations for n columns in memory of activations_bytes, aligned to 64.
void activations_place(struct activations *a, void *memory, size_t n, size_t cols);
// Quantise columns [first, last) of x[n][cols].
void activations_quantize(struct activations *a, const float *x, size_t cols, size_t first,
                          size_t last);

// y[n][stride] = W x for the rows of thread i of n_threads. Call inside team_run.
void matrix_multiply(const struct matrix *w, const struct activations *a, size_t n, float *y,
                     size_t stride, unsigned i, unsigned n_threads);
