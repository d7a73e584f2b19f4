// SPDX-License-Identifier: MIT
// A panel of 32 rows times up to six columns; shared by the files of engine/tensor/ only.
#pragma once

#include "engine/tensor/dense.h"

// Some spans of a panel and of columns. Columns of x are `pitch` bytes, their scales `spans`
// apart.
struct dense_part {
    const uint8_t *q; // [width / 4][32][4]
    const float *d;   // [span][32]
    size_t width;
    const int8_t *x;
    const float *xd;
    const int32_t *less;
    size_t pitch, spans;
};
// y[c * stride + r] += products for c < n (n <= DENSE_TOGETHER) and r < 32.
typedef void dense_kernel(const struct dense_part *p, size_t n, float *y, size_t stride);
dense_kernel dense_scalar;
dense_kernel dense_avx2;
dense_kernel dense_avx512;
dense_kernel dense_neon;
