// SPDX-License-Identifier: MIT
// Eight rows at a time. vpmaddubsw adds pairs of products into 16 bits and saturates: weights
// of 4 and 5 bits stay far below, those of 8 bits are multiplied as seven bits and one.
#include "engine/tensor/kernel.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m256i load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

// 32 bits as bytes of 16 or 0.
INLINE __m256i fifths(const uint8_t *p)
{
    const __m256i which =
        _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    int32_t four;
    memcpy(&four, p, 4);
    __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(four), which), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8(16));
}

// Block b as eight steps of 64 bytes.
INLINE void unpack_block(const struct panel *w, size_t b, uint8_t *to)
{
    const __m256i four = _mm256_set1_epi8(15);
    const uint8_t *q = w->q + b * panel_block_bytes(w->bits);
    for (size_t k = 0; k < 8; k++) {
        __m256i v = load(q + k * 32), x = _mm256_and_si256(v, four),
                y = _mm256_and_si256(_mm256_srli_epi16(v, 4), four);
        if (w->bits == MATRIX_5) {
            x = _mm256_or_si256(x, fifths(q + 256 + k * 4));
            y = _mm256_or_si256(y, fifths(q + 288 + k * 4));
        }
        _mm256_storeu_si256((__m256i *)(void *)(to + k * 32), x);
        _mm256_storeu_si256((__m256i *)(void *)(to + 256 + k * 32), y);
    }
}

INLINE __m256 halves(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE __m256 bytes(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

// Scales of rows 8h to 8h + 7.
INLINE void scales_at(const struct panel *w, size_t b, size_t h, __m256 *d, __m256 *m)
{
    const uint8_t *s = w->s + panel_scale_at(w->scales, b);
    const float *f = (const float *)(const void *)s;
    *m = _mm256_setzero_ps();
    switch (w->scales) {
    case MATRIX_D:
        *d = halves(s + 16 * h);
        break;
    case MATRIX_D_M:
        *d = halves(s + 16 * h);
        *m = halves(s + 32 + 16 * h);
        break;
    case MATRIX_K:
        *d = _mm256_mul_ps(halves(s + 16 * h), bytes(s + 64 + b % 8 * 32 + 8 * h));
        *m = _mm256_mul_ps(
            halves(s + 32 + 16 * h),
            _mm256_sub_ps(_mm256_set1_ps(-0.0f), bytes(s + 80 + b % 8 * 32 + 8 * h)));
        break;
    case PANEL_F_M:
        *m = _mm256_loadu_ps(f + 16 + 8 * h);
        *d = _mm256_loadu_ps(f + 8 * h);
        break;
    default:
        *d = _mm256_loadu_ps(f + 8 * h);
    }
}

void unpack_avx2(const struct panel *w, uint8_t *q, float *s)
{
    for (size_t b = 0; b < w->blocks; b++, q += 512) {
        if (w->bits == MATRIX_8)
            memcpy(q, w->q + b * 512, 512);
        else
            unpack_block(w, b, q);
        for (size_t h = 0; h < 2; h++) {
            __m256 d, m;
            scales_at(w, b, h, &d, &m);
            _mm256_storeu_ps(s + 8 * h, d);
            if (panel_has_min(w))
                _mm256_storeu_ps(s + 16 + 8 * h, m);
        }
        s += panel_has_min(w) ? 32 : 16;
    }
}

// Sums of eight rows; `q` is [8 steps][64 bytes] from the first of them on.
INLINE __m256i dot_narrow(const uint8_t *q, const int8_t *x)
{
    const __m256i one = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    for (int half = 0; half < 2; half++) {
        __m256i t = _mm256_setzero_si256();
        for (int s = 4 * half; s < 4 * half + 4; s++) { // 4 * 2 * 31 * 127 < 32768
            int32_t four;
            memcpy(&four, x + s * 4, 4);
            t = _mm256_add_epi16(
                t, _mm256_maddubs_epi16(load(q + s * 64), _mm256_set1_epi32(four)));
        }
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(t, one));
    }
    return sum;
}

INLINE __m256i dot_wide(const uint8_t *q, const int8_t *x)
{
    const __m256i one = _mm256_set1_epi16(1), seven = _mm256_set1_epi8(127);
    __m256i sum = _mm256_setzero_si256(), eighth = sum;
    for (int s = 0; s < 8; s++) {
        int32_t four;
        memcpy(&four, x + s * 4, 4);
        __m256i v = load(q + s * 64), k = _mm256_set1_epi32(four);
        __m256i top = _mm256_and_si256(_mm256_srli_epi16(v, 7), _mm256_set1_epi8(1));
        sum = _mm256_add_epi32(
            sum, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_and_si256(v, seven), k), one));
        eighth = _mm256_add_epi16(eighth, _mm256_maddubs_epi16(top, k));
    }
    return _mm256_add_epi32(sum, _mm256_slli_epi32(_mm256_madd_epi16(eighth, one), 7));
}

INLINE __m256 add_block(__m256 acc, __m256 d, __m256 m, bool has_min, __m256i dot, float xd,
                        float xds)
{
    acc = _mm256_add_ps(
        acc, _mm256_mul_ps(_mm256_mul_ps(d, _mm256_set1_ps(xd)), _mm256_cvtepi32_ps(dot)));
    return has_min ? _mm256_add_ps(acc, _mm256_mul_ps(m, _mm256_set1_ps(xds))) : acc;
}

void panel_avx2(const struct panel *w, const struct activations *x, size_t cols, size_t n,
                float *y, size_t stride, bool more)
{
    uint8_t block[512];
    const bool has_min = panel_has_min(w), wide = w->bits == MATRIX_8;
    const __m128i zero = _mm_cvtsi32_si128((int)w->zero);
    for (size_t c = 0; c < n && !more; c++)
        memset(y + c * stride, 0, MATRIX_ROWS * sizeof *y);
    for (size_t b = 0; b < w->blocks; b++) {
        const uint8_t *q = w->q + b * 512;
        if (w->bits != MATRIX_8) {
            unpack_block(w, b, block);
            q = block;
        }
        for (size_t h = 0; h < 2; h++) {
            __m256 d, m;
            scales_at(w, b, h, &d, &m);
            for (size_t c = 0; c < n; c++) {
                const int8_t *v = x->q + c * cols + b * MATRIX_BLOCK;
                size_t at = c * (cols / MATRIX_BLOCK) + b;
                __m256i dot = wide ? dot_wide(q + 32 * h, v) : dot_narrow(q + 32 * h, v);
                dot = _mm256_add_epi32(dot,
                                       _mm256_sll_epi32(_mm256_set1_epi32(x->less[at]), zero));
                float *to = y + c * stride + 8 * h;
                _mm256_storeu_ps(to, add_block(_mm256_loadu_ps(to), d, m, has_min, dot,
                                               x->d[at], x->ds[at]));
            }
        }
    }
}
