// SPDX-License-Identifier: MIT
// vpdpbusd: four products of unsigned weights and signed activations added into each of sixteen
// lanes, one lane a row. Each column's sums are variables of their own: in arrays they would
// live in memory.
#include "engine/tensor/kernel.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m512i multiply(__m512i sum, __m512i w, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, 4);
    return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(four));
}

INLINE __m512 scale(__m512 acc, __m512 d, __m512 m, __m512i dot, float xd, float xds)
{
    __m512 scaled =
        _mm512_mul_ps(_mm512_mul_ps(d, _mm512_set1_ps(xd)), _mm512_cvtepi32_ps(dot));
    return _mm512_add_ps(_mm512_add_ps(acc, scaled), _mm512_mul_ps(m, _mm512_set1_ps(xds)));
}

#define EACH(n, f) \
    f(0);          \
    if (n > 1)     \
        f(1);      \
    if (n > 2)     \
        f(2);      \
    if (n > 3)     \
        f(3);      \
    if (n > 4)     \
        f(4);      \
    if (n > 5)     \
        f(5);      \
    if (n > 6)     \
        f(6);      \
    if (n > 7)     \
        f(7);

INLINE void columns(const uint8_t *q, const float *d, const float *m, size_t blocks,
                    const int8_t *x, const float *xd, const float *xds, size_t x_stride,
                    float *y, size_t stride, const int n)
{
    const size_t scales = x_stride / MATRIX_BLOCK;
    const __m512 zero = _mm512_setzero_ps();
    __m512 a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero,
           a7 = zero;
    for (size_t b = 0; b < blocks; b++) {
        const __m512i none = _mm512_setzero_si512();
        __m512i t0 = none, t1 = none, t2 = none, t3 = none, t4 = none, t5 = none, t6 = none,
                t7 = none;
        const uint8_t *w = q + b * MATRIX_ROWS * MATRIX_BLOCK;
        const int8_t *v = x + b * MATRIX_BLOCK;
        for (int s = 0; s < 8; s++) {
            __m512i ws = _mm512_loadu_si512(w + s * 64);
#define DOT(c) t##c = multiply(t##c, ws, v + c * x_stride + s * 4)
            EACH(n, DOT)
        }
        __m512 wd = _mm512_loadu_ps(d + b * MATRIX_ROWS),
               wm = _mm512_loadu_ps(m + b * MATRIX_ROWS);
#define SCALE(c) a##c = scale(a##c, wd, wm, t##c, xd[c * scales + b], xds[c * scales + b])
        EACH(n, SCALE)
    }
#define STORE(c) _mm512_storeu_ps(y + c * stride, a##c)
    EACH(n, STORE)
}

void group_avx512(const uint8_t *q, const float *d, const float *m, size_t blocks,
                  const int8_t *x, const float *xd, const float *xds, size_t n, size_t x_stride,
                  float *y, size_t stride)
{
    switch (n) {
#define CASE(k)                                                       \
    case k:                                                           \
        columns(q, d, m, blocks, x, xd, xds, x_stride, y, stride, k); \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
    default:
        columns(q, d, m, blocks, x, xd, xds, x_stride, y, stride, 8);
        break;
    }
}
