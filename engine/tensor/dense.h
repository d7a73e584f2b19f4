// SPDX-License-Identifier: MIT
// Matrices of encoders, which multiply many columns at a time: 8-bit weights, and spans of 128
// columns that share a scale, so that almost nothing is spent beside the integer products. (The
// matrices of decoders are as narrow as in the file, for the sake of what is read: matrix.h.)
//
// 32 rows are interleaved, a panel: q is [panel][width / 4][32 rows][4 columns], unsigned; q
// stands for q - 128. w = d (q - 128), d is [panel][span][32 rows]. The last span may be
// shorter.
//
// In a token that leaves a norm, a few numbers are always ten times as great as the others and
// would coarsen the span they stand in. A matrix may be told which, DENSE_APART of them: they
// are nought in their span and stand in a last one of their own.
//
// y += W a: each span's products are summed in integers, exactly, and added in the order of
// spans by y = fma(sum, d_weight d_column, y): the same bytes on every instruction set, for any
// number of columns and threads.
#pragma once

#include "base/err.h"
#include "engine/tensor/pool.h"

#include <stddef.h>
#include <stdint.h>

#define DENSE_ROWS 32
#define DENSE_SPAN 128
#define DENSE_APART 16
#define DENSE_TOGETHER 6 // columns that share a load of weights: multiples of it go fastest

struct dense {
    size_t rows, cols;     // multiples of 32
    const uint32_t *apart; // [DENSE_APART], columns in ascending order; or NULL
    size_t width;          // cols, or with `apart` whole spans of them and DENSE_APART more
    uint8_t *q;
    float *d;
    size_t bytes;
};

// Take memory of `p` for a matrix; -EINVAL for a size that does not fit. Its rows are then put.
// `apart` must outlive it.
int dense_new(size_t rows, size_t cols, const uint32_t *apart, struct pool *p,
              struct dense *out, struct err *e);
// Quantise n rows of a ggml type, [n][cols], into rows first to first + n. -EINVAL for a type
// or width that does not fit and for weights that are no numbers.
int dense_put(struct dense *w, size_t first, uint32_t type, const void *data, size_t n,
              struct err *e);

static inline size_t dense_panels(const struct dense *w)
{
    return w->rows / DENSE_ROWS;
}

static inline size_t dense_width(size_t cols, const uint32_t *apart)
{
    return apart ? (cols + DENSE_SPAN - 1) / DENSE_SPAN * DENSE_SPAN + DENSE_APART : cols;
}

static inline size_t dense_spans(size_t width)
{
    return (width + DENSE_SPAN - 1) / DENSE_SPAN;
}

// Activations of n columns of a product, 8 bits. A column is a token.
struct dense_columns {
    size_t cols, width; // numbers of a token
    const uint32_t *apart;
    int8_t *q;     // [n][width]
    float *d;      // [n][spans]
    int32_t *less; // [n][spans]: the sum of a span, times -128
};
size_t dense_columns_bytes(size_t n, size_t width);
// Lay them out in memory of dense_columns_bytes, aligned to 64; for matrices of the same
// `apart`.
void dense_columns_place(struct dense_columns *a, void *memory, size_t n, size_t cols,
                         const uint32_t *apart);
// Quantise column c, x[cols].
void dense_quantize(struct dense_columns *a, size_t c, const float *x);
// Quantise one span of it, x[up to DENSE_SPAN], the columns from `at` on; not with `apart`.
void dense_quantize_span(struct dense_columns *a, size_t c, size_t at, const float *x);

// y[c][r] += (W a)[c][r] for columns c < n and the rows of panels [first, last), of which the
// first stands at y[c][0]; columns of y are `stride` apart.
void dense_multiply(const struct dense *w, size_t first, size_t last,
                    const struct dense_columns *a, size_t n, float *y, size_t stride);
