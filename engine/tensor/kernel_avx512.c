// SPDX-License-Identifier: MIT
// vpdpbusd: four products of unsigned weights and signed activations added into each of sixteen
// lanes, one lane a row.
#include "engine/tensor/kernel.h"

#include <immintrin.h>
#include <string.h>

static inline __attribute__((always_inline)) void columns(const uint8_t *q, const float *d,
                                                          const float *m, size_t blocks,
                                                          const int8_t *x, const float *xd,
                                                          const float *xds, size_t x_stride,
                                                          float *y, size_t stride, const int n)
{
    __m512 acc[4];
    for (int c = 0; c < n; c++)
        acc[c] = _mm512_setzero_ps();
    for (size_t b = 0; b < blocks; b++) {
        __m512i dot[4];
        const uint8_t *w = q + b * MATRIX_ROWS * MATRIX_BLOCK;
        for (int c = 0; c < n; c++)
            dot[c] = _mm512_setzero_si512();
        for (int s = 0; s < 8; s++) {
            __m512i ws = _mm512_loadu_si512(w + s * 64);
            for (int c = 0; c < n; c++) {
                int32_t four;
                memcpy(&four, x + (size_t)c * x_stride + b * MATRIX_BLOCK + s * 4, 4);
                dot[c] = _mm512_dpbusd_epi32(dot[c], ws, _mm512_set1_epi32(four));
            }
        }
        __m512 wd = _mm512_loadu_ps(d + b * MATRIX_ROWS),
               wm = _mm512_loadu_ps(m + b * MATRIX_ROWS);
        for (int c = 0; c < n; c++) {
            size_t at = (size_t)c * (x_stride / MATRIX_BLOCK) + b;
            __m512 scaled = _mm512_mul_ps(_mm512_mul_ps(wd, _mm512_set1_ps(xd[at])),
                                          _mm512_cvtepi32_ps(dot[c]));
            acc[c] = _mm512_add_ps(acc[c], scaled);
            acc[c] = _mm512_add_ps(acc[c], _mm512_mul_ps(wm, _mm512_set1_ps(xds[at])));
        }
    }
    for (int c = 0; c < n; c++)
        _mm512_storeu_ps(y + (size_t)c * stride, acc[c]);
}

void group_avx512(const uint8_t *q, const float *d, const float *m, size_t blocks,
                  const int8_t *x, const float *xd, const float *xds, size_t n, size_t x_stride,
                  float *y, size_t stride)
{
    switch (n) {
    case 1:
        columns(q, d, m, blocks, x, xd, xds, x_stride, y, stride, 1);
        break;
    case 2:
        columns(q, d, m, blocks, x, xd, xds, x_stride, y, stride, 2);
        break;
    case 3:
        columns(q, d, m, blocks, x, xd, xds, x_stride, y, stride, 3);
        break;
    default:
        columns(q, d, m, blocks, x, xd, xds, x_stride, y, stride, 4);
        break;
    }
}
