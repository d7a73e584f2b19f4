// SPDX-License-Identifier: MIT
// Matrices of few rows or few columns in f32: the pairs of adapters, whose products are too
// small to be worth rounding. Sixteen rows are interleaved, a panel: w is [panel][column][16],
// rows of the last panel that are not there are nought.
//
// y += W x: each element is one chain y = fma(x[k], w[k], y) over the columns in ascending
// order: the same bytes on every instruction set, for any number of tokens and threads, and
// for columns that come in parts.
#pragma once

#include "base/err.h"
#include "engine/tensor/pool.h"

#include <stddef.h>

#define THIN_ROWS 16
#define THIN_TOGETHER 6 // tokens that share a load of weights

struct thin {
    size_t rows, cols; // rows: whole panels
    float *w;
};

static inline size_t thin_rows(size_t rows)
{
    return (rows + THIN_ROWS - 1) / THIN_ROWS * THIN_ROWS;
}

// scale times w[rows, cols], in memory of `p`. -ENOMEM.
int thin_new(const float *w, size_t rows, size_t cols, float scale, struct pool *p,
             struct thin *out, struct err *e);
// y[c][r] += the product of columns [from, to) for tokens c < n and the rows of panels [first,
// last), of which the first stands at y[c][0]. Column `from` of token c is x[c * x_stride].
void thin_multiply(const struct thin *w, size_t first, size_t last, size_t from, size_t to,
                   const float *x, size_t x_stride, size_t n, float *y, size_t y_stride);
