// SPDX-License-Identifier: MIT
// What the result is. The other kernels give the same bytes.
#include "engine/tensor/kernel.h"

void group_scalar(const uint8_t *q, const float *d, const float *m, size_t blocks,
                  const int8_t *x, const float *xd, const float *xds, size_t n, size_t x_stride,
                  float *y, size_t stride)
{
    for (size_t c = 0; c < n; c++) {
        float acc[MATRIX_ROWS] = {0};
        for (size_t b = 0; b < blocks; b++) {
            int32_t dot[MATRIX_ROWS] = {0};
            const uint8_t *w = q + b * MATRIX_ROWS * MATRIX_BLOCK;
            const int8_t *v = x + c * x_stride + b * MATRIX_BLOCK;
            for (int s = 0; s < 8; s++)
                for (int r = 0; r < MATRIX_ROWS; r++)
                    for (int k = 0; k < 4; k++)
                        dot[r] += w[(s * MATRIX_ROWS + r) * 4 + k] * v[s * 4 + k];
            float scale = xd[c * (x_stride / MATRIX_BLOCK) + b];
            float sum = xds[c * (x_stride / MATRIX_BLOCK) + b];
            for (int r = 0; r < MATRIX_ROWS; r++) {
                acc[r] = acc[r] + (d[b * MATRIX_ROWS + (size_t)r] * scale) * (float)dot[r];
                acc[r] = acc[r] + m[b * MATRIX_ROWS + (size_t)r] * sum;
            }
        }
        for (int r = 0; r < MATRIX_ROWS; r++)
            y[c * stride + (size_t)r] = acc[r];
    }
}
