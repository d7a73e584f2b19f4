// SPDX-License-Identifier: MIT
// vpdpbusd: four products of unsigned weights and signed activations added into each of sixteen
// lanes, one lane a row.
#include "engine/tensor/dense_kernel.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// As an instruction of its own kind: GCC 12 copies the sums of the intrinsic from register to
// register, and the kernel runs at two thirds.
INLINE __m512i multiply(__m512i sum, __m512i w, __m512i x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
    return sum;
}

INLINE __m512i four(const int8_t *x)
{
    int32_t v;
    memcpy(&v, x, 4);
    return _mm512_set1_epi32(v);
}

INLINE void add(float *y, __m512i sum, __m512 d)
{
    _mm512_storeu_ps(y, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), d, _mm512_loadu_ps(y)));
}

INLINE void columns(const struct dense_part *p, const int n, float *y, size_t stride)
{
    const struct dense_part w =
        *p; // what is stored to y might be part of *p, for all GCC knows
    const float *d = w.d, *xd = w.xd;
    const int32_t *less = w.less;
    for (size_t k = 0; k < w.width; k += DENSE_SPAN, d += DENSE_ROWS, xd++, less++) {
        size_t steps = (w.width - k < DENSE_SPAN ? w.width - k : DENSE_SPAN) / 4;
        const uint8_t *q = w.q + k * DENSE_ROWS;
        const int8_t *x = w.x + k;
        __m512i a[DENSE_TOGETHER], b[DENSE_TOGETHER];
#pragma GCC unroll 6
        for (size_t c = 0; c < (size_t)n; c++)
            a[c] = b[c] = _mm512_set1_epi32(less[c * w.spans]);
        for (size_t i = 0; i < steps; i++, q += 4 * DENSE_ROWS, x += 4) {
            __m512i w0 = _mm512_loadu_si512(q), w1 = _mm512_loadu_si512(q + 64);
#pragma GCC unroll 6
            for (size_t c = 0; c < (size_t)n; c++) {
                __m512i v = four(x + c * w.pitch);
                a[c] = multiply(a[c], w0, v);
                b[c] = multiply(b[c], w1, v);
            }
        }
        __m512 d0 = _mm512_loadu_ps(d), d1 = _mm512_loadu_ps(d + 16);
#pragma GCC unroll 6
        for (size_t c = 0; c < (size_t)n; c++) {
            __m512 f = _mm512_set1_ps(xd[c * w.spans]);
            add(y + c * stride, a[c], _mm512_mul_ps(d0, f));
            add(y + c * stride + 16, b[c], _mm512_mul_ps(d1, f));
        }
    }
}

void dense_avx512(const struct dense_part *p, size_t n, float *y, size_t stride)
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
