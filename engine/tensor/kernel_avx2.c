// SPDX-License-Identifier: MIT
// Four rows at a time: bytes widened to 16 bits, multiplied and added in pairs. (vpmaddubsw
// would be shorter, and saturates on 8-bit weights.)
#include "engine/tensor/kernel.h"

#include <immintrin.h>
#include <string.h>

// Sums of four neighbouring products for the sixteen rows of a block.
static inline __attribute__((always_inline)) void block_dots(const uint8_t *w, const int8_t *x,
                                                             __m256i dot[2])
{
    __m256i acc[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++)
        acc[r] = _mm256_setzero_si256();
    for (int s = 0; s < 8; s++) {
        int32_t four;
        memcpy(&four, x + s * 4, 4);
        __m256i v = _mm256_cvtepi8_epi16(_mm_set1_epi32(four));
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            __m128i bytes =
                _mm_loadu_si128((const __m128i *)(const void *)(w + s * 64 + r * 16));
            acc[r] =
                _mm256_add_epi32(acc[r], _mm256_madd_epi16(_mm256_cvtepu8_epi16(bytes), v));
        }
    }
    // hadd works within 128-bit halves: bring the rows back into order.
    for (int h = 0; h < 2; h++)
        dot[h] = _mm256_permute4x64_epi64(_mm256_hadd_epi32(acc[2 * h], acc[2 * h + 1]), 0xD8);
}

static inline __attribute__((always_inline)) __m256 scale(__m256 acc, __m256 d, __m256 m,
                                                          __m256i dot, float xd, float xds)
{
    __m256 scaled =
        _mm256_mul_ps(_mm256_mul_ps(d, _mm256_set1_ps(xd)), _mm256_cvtepi32_ps(dot));
    return _mm256_add_ps(_mm256_add_ps(acc, scaled), _mm256_mul_ps(m, _mm256_set1_ps(xds)));
}

void group_avx2(const uint8_t *q, const float *d, const float *m, size_t blocks,
                const int8_t *x, const float *xd, const float *xds, size_t n, size_t x_stride,
                float *y, size_t stride)
{
    for (size_t c = 0; c < n; c++) {
        __m256 low = _mm256_setzero_ps(), high = low;
        size_t at = c * (x_stride / MATRIX_BLOCK);
        for (size_t b = 0; b < blocks; b++) {
            const float *wd = d + b * MATRIX_ROWS, *wm = m + b * MATRIX_ROWS;
            __m256i dot[2];
            block_dots(q + b * MATRIX_ROWS * MATRIX_BLOCK, x + c * x_stride + b * MATRIX_BLOCK,
                       dot);
            low = scale(low, _mm256_loadu_ps(wd), _mm256_loadu_ps(wm), dot[0], xd[at + b],
                        xds[at + b]);
            high = scale(high, _mm256_loadu_ps(wd + 8), _mm256_loadu_ps(wm + 8), dot[1],
                         xd[at + b], xds[at + b]);
        }
        _mm256_storeu_ps(y + c * stride, low);
        _mm256_storeu_ps(y + c * stride + 8, high);
    }
}
