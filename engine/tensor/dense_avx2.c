// SPDX-License-Identifier: MIT
// Eight rows at a time. vpmaddubsw wants unsigned times signed, and adds pairs of products into
// 16 bits: the magnitude of a weight and the activation with the weight's sign, both at most
// 127, never saturate.
#include "engine/tensor/dense_kernel.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m256i multiply(__m256i sum, __m256i w, __m256i magnitude, const int8_t *x)
{
    int32_t v;
    memcpy(&v, x, 4);
    __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(_mm256_set1_epi32(v), w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

INLINE void columns(const struct dense_part *p, const int n, float *y, size_t stride)
{
    const __m256i flip = _mm256_set1_epi8(-128);
    for (size_t k = 0, s = 0; k < p->width; k += DENSE_SPAN, s++) {
        size_t steps = (p->width - k < DENSE_SPAN ? p->width - k : DENSE_SPAN) / 4;
        for (size_t r = 0; r < DENSE_ROWS; r += 8) {
            const uint8_t *q = p->q + k * DENSE_ROWS + r * 4;
            const int8_t *x = p->x + k;
            __m256i a[DENSE_TOGETHER];
#pragma GCC unroll 6
            for (int c = 0; c < n; c++)
                a[c] = _mm256_setzero_si256();
            for (size_t i = 0; i < steps; i++, q += 4 * DENSE_ROWS, x += 4) {
                __m256i w = _mm256_xor_si256(
                            _mm256_loadu_si256((const __m256i *)(const void *)q), flip),
                        magnitude = _mm256_abs_epi8(w);
#pragma GCC unroll 6
                for (int c = 0; c < n; c++)
                    a[c] = multiply(a[c], w, magnitude, x + (size_t)c * p->pitch);
            }
            __m256 d = _mm256_loadu_ps(p->d + s * DENSE_ROWS + r);
#pragma GCC unroll 6
            for (int c = 0; c < n; c++) {
                float *to = y + (size_t)c * stride + r;
                __m256 xd = _mm256_set1_ps(p->xd[(size_t)c * p->spans + s]);
                _mm256_storeu_ps(to,
                                 _mm256_fmadd_ps(_mm256_cvtepi32_ps(a[c]), _mm256_mul_ps(d, xd),
                                                 _mm256_loadu_ps(to)));
            }
        }
    }
}

void dense_avx2(const struct dense_part *p, size_t n, float *y, size_t stride)
{
    switch (n) {
#define CASE(k)                   \
    case k:                       \
        columns(p, k, y, stride); \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
    }
}
