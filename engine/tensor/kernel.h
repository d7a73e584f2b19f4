// SPDX-License-Identifier: MIT
// One group of sixteen rows times n columns; shared by the files of engine/tensor/ only.
#pragma once

#include "engine/tensor/matrix.h"

// y[c * stride + r] for c < n (n <= MATRIX_COLUMNS) and r < 16, from the group's weights.
#define MATRIX_COLUMNS 8
typedef void group_kernel(const uint8_t *q, const float *d, const float *m, size_t blocks,
                          const int8_t *x, const float *xd, const float *xds, size_t n,
                          size_t x_stride, float *y, size_t stride);
group_kernel group_scalar;
group_kernel group_avx2;
group_kernel group_avx512; // AVX-512 F, BW, VL, VNNI
