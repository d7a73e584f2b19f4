// SPDX-License-Identifier: MIT
// vpdpbusd: four products of unsigned weights and signed activations added into each of sixteen
// lanes, one lane a row. Each column's sums are variables of their own: in arrays they would
// live in memory.
#include "engine/tensor/kernel.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// Steps s and s + 4 of a block.
INLINE void two_steps(const uint8_t *q, int s, const int bits, __m512i *a, __m512i *b)
{
    const __m512i four = _mm512_set1_epi8(15);
    if (bits == MATRIX_8) {
        *a = _mm512_loadu_si512(q + s * 64);
        *b = _mm512_loadu_si512(q + (s + 4) * 64);
        return;
    }
    __m512i v = _mm512_loadu_si512(q + s * 64);
    *a = _mm512_and_si512(v, four);
    *b = _mm512_and_si512(_mm512_srli_epi16(v, 4), four);
    if (bits == MATRIX_5) {
        const __m512i fifth = _mm512_set1_epi8(16);
        __mmask64 ka, kb;
        memcpy(&ka, q + 256 + s * 8, 8);
        memcpy(&kb, q + 288 + s * 8, 8);
        *a = _mm512_mask_add_epi8(*a, ka, *a, fifth);
        *b = _mm512_mask_add_epi8(*b, kb, *b, fifth);
    }
}

INLINE __m512 halves(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

INLINE __m512 bytes(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

// The branch goes the same way for a whole matrix.
INLINE void scales_at(const struct panel *w, size_t b, __m512 *d, __m512 *m)
{
    const uint8_t *s = w->s + panel_scale_at(w->scales, b);
    const float *f = (const float *)(const void *)s;
    *m = _mm512_setzero_ps();
    switch (w->scales) {
    case MATRIX_D:
        *d = halves(s);
        break;
    case MATRIX_D_M:
        *d = halves(s);
        *m = halves(s + 32);
        break;
    case MATRIX_K:
        *d = _mm512_mul_ps(halves(s), bytes(s + 64 + b % 8 * 32));
        *m = _mm512_mul_ps(halves(s + 32),
                           _mm512_sub_ps(_mm512_set1_ps(-0.0f), bytes(s + 80 + b % 8 * 32)));
        break;
    case PANEL_F_M:
        *m = _mm512_loadu_ps(f + 16);
        *d = _mm512_loadu_ps(f);
        break;
    default:
        *d = _mm512_loadu_ps(f);
    }
}

void unpack_avx512(const struct panel *w, uint8_t *q, float *s)
{
    size_t bytes_each = panel_block_bytes(w->bits);
    for (size_t b = 0; b < w->blocks; b++, q += 512) {
        __m512 d, m;
        for (int k = 0; k < 4; k++) {
            __m512i lo, hi;
            const uint8_t *p = w->q + b * bytes_each;
            switch (w->bits) {
            case MATRIX_4:
                two_steps(p, k, MATRIX_4, &lo, &hi);
                break;
            case MATRIX_5:
                two_steps(p, k, MATRIX_5, &lo, &hi);
                break;
            default:
                two_steps(p, k, MATRIX_8, &lo, &hi);
            }
            _mm512_storeu_si512(q + k * 64, lo);
            _mm512_storeu_si512(q + (k + 4) * 64, hi);
        }
        scales_at(w, b, &d, &m);
        _mm512_storeu_ps(s, d);
        s += MATRIX_ROWS;
        if (panel_has_min(w)) {
            _mm512_storeu_ps(s, m);
            s += MATRIX_ROWS;
        }
    }
}

INLINE __m512i multiply(__m512i sum, __m512i w, const int8_t *x)
{
    int32_t four;
    memcpy(&four, x, 4);
    // GCC 12 copies the sums of the intrinsic from register to register.
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(_mm512_set1_epi32(four)));
    return sum;
}

INLINE __m512 scale(__m512 acc, __m512 d, __m512i dot, float xd)
{
    return _mm512_add_ps(
        acc, _mm512_mul_ps(_mm512_mul_ps(d, _mm512_set1_ps(xd)), _mm512_cvtepi32_ps(dot)));
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

INLINE void columns(const struct panel *w, const struct activations *x, size_t cols, float *y,
                    size_t stride, bool more, const int bits, const int n)
{
    const size_t scales = cols / MATRIX_BLOCK, blocks = w->blocks;
    const bool has_min = panel_has_min(w);
    const __m128i zero = _mm_cvtsi32_si128((int)w->zero); // shifts by 32 give nothing
    __m512 a0, a1, a2, a3, a4, a5, a6, a7;
#define START(c) a##c = more ? _mm512_loadu_ps(y + c * stride) : _mm512_setzero_ps()
    EACH(n, START)
    for (size_t b = 0; b < blocks; b++) {
        const uint8_t *q = w->q + b * panel_block_bytes((enum matrix_bits)bits);
        const int8_t *v = x->q + b * MATRIX_BLOCK;
        const int32_t *less = x->less + b;
        __m512i t0, t1, t2, t3, t4, t5, t6, t7;
#define LESS(c) t##c = _mm512_sll_epi32(_mm512_set1_epi32(less[c * scales]), zero)
        EACH(n, LESS)
#pragma GCC unroll 4
        for (int s = 0; s < 4; s++) {
            __m512i w0, w1;
            two_steps(q, s, bits, &w0, &w1);
#define DOT(c) \
    t##c = multiply(multiply(t##c, w0, v + c * cols + s * 4), w1, v + c * cols + (s + 4) * 4)
            EACH(n, DOT)
        }
        __m512 d, m;
        scales_at(w, b, &d, &m);
        const float *xd = x->d + b;
#define SCALE(c) a##c = scale(a##c, d, t##c, xd[c * scales])
        EACH(n, SCALE)
        if (has_min) {
            const float *xds = x->ds + b;
#define MIN(c) a##c = _mm512_add_ps(a##c, _mm512_mul_ps(m, _mm512_set1_ps(xds[c * scales])))
            EACH(n, MIN)
        }
    }
#define STORE(c) _mm512_storeu_ps(y + c * stride, a##c)
    EACH(n, STORE)
}

#define CASE(bits, k)                                  \
    case k:                                            \
        columns(w, x, cols, y, stride, more, bits, k); \
        return;
#define KERNEL(name, bits)                                                            \
    static void name(const struct panel *w, const struct activations *x, size_t cols, \
                     size_t n, float *y, size_t stride, bool more)                    \
    {                                                                                 \
        switch (n) {                                                                  \
            CASE(bits, 1)                                                             \
            CASE(bits, 2)                                                             \
            CASE(bits, 3)                                                             \
            CASE(bits, 4)                                                             \
            CASE(bits, 5)                                                             \
            CASE(bits, 6)                                                             \
            CASE(bits, 7)                                                             \
            CASE(bits, 8)                                                             \
        }                                                                             \
    }
KERNEL(columns_4, MATRIX_4)
KERNEL(columns_5, MATRIX_5)
KERNEL(columns_8, MATRIX_8)

void panel_avx512(const struct panel *w, const struct activations *x, size_t cols, size_t n,
                  float *y, size_t stride, bool more)
{
    static panel_kernel *const all[] = {columns_4, columns_5, columns_8};
    all[w->bits](w, x, cols, n, y, stride, more);
}
