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
    for (int r = 0; r < 4; r++)
        acc[r] = _mm256_setzero_si256();
    for (int s = 0; s < 8; s++) {
        int32_t four;
        memcpy(&four, x + s * 4, 4);
        __m256i v = _mm256_cvtepi8_epi16(_mm_set1_epi32(four));
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

void group_avx2(const uint8_t *q, const float *d, const float *m, size_t blocks,
                const int8_t *x, const float *xd, const float *xds, size_t n, size_t x_stride,
                float *y, size_t stride)
{
    __m256 acc[4][2];
    for (size_t c = 0; c < 4; c++)
        acc[c][0] = acc[c][1] = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; b++) {
        __m256 wd[2], wm[2];
        for (int h = 0; h < 2; h++) {
            wd[h] = _mm256_loadu_ps(d + b * MATRIX_ROWS + h * 8);
            wm[h] = _mm256_loadu_ps(m + b * MATRIX_ROWS + h * 8);
        }
        for (size_t c = 0; c < n; c++) {
            __m256i dot[2];
            size_t at = c * (x_stride / MATRIX_BLOCK) + b;
            block_dots(q + b * MATRIX_ROWS * MATRIX_BLOCK, x + c * x_stride + b * MATRIX_BLOCK,
                       dot);
            for (int h = 0; h < 2; h++) {
                __m256 scaled = _mm256_mul_ps(_mm256_mul_ps(wd[h], _mm256_set1_ps(xd[at])),
                                              _mm256_cvtepi32_ps(dot[h]));
                acc[c][h] = _mm256_add_ps(acc[c][h], scaled);
                acc[c][h] =
                    _mm256_add_ps(acc[c][h], _mm256_mul_ps(wm[h], _mm256_set1_ps(xds[at])));
            }
        }
    }
    for (size_t c = 0; c < n; c++)
        for (int h = 0; h < 2; h++)
            _mm256_storeu_ps(y + c * stride + h * 8, acc[c][h]);
}
