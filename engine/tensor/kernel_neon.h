// SPDX-License-Identifier: MIT
// The one source of kernel_neon.c, kernel_dotprod.c and kernel_i8mm.c. Before it they define
//   NAME(x)             their names
//   DOT(t, w, x, lane)  t + four products of the bytes w, and the signed bytes x of a lane, in
//                       each of four lanes; without it two by two are multiplied
//   DOT_BITS            how wide weights DOT takes; wider ones are made signed
//   MMLA                where there are products of two rows by two columns
//
// Four rows to a register. One or two columns are multiplied with the weights as they are
// packed. For more, some blocks at a time are unpacked to signed bytes: q - 2^zero, or q where
// there is a minimum.

// Arrays of registers stay registers only where loops are unrolled, whatever CFLAGS ask for;
// and where loads are not brought forward.
#pragma GCC optimize("O3", "no-schedule-insns")

#include "engine/tensor/kernel.h"

#include <arm_neon.h>
#include <stdalign.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#ifndef DOT
#define DOT(t, w, x, lane) dot(t, w, vdupq_laneq_s32(vreinterpretq_s32_s8(x), lane))

// Sums of two products fit 16 bits: 2 * 128 * 127 < 32768.
INLINE int32x4_t dot(int32x4_t t, uint8x16_t w, int32x4_t x)
{
    int8x16_t a = vreinterpretq_s8_u8(w), b = vreinterpretq_s8_s32(x);
    int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
    return vpadalq_s16(t, vpaddq_s16(low, high));
}
#endif

// ---- weights and scales ----

// Rows 4j to 4j + 3 of steps s and s + 4 of a block.
INLINE void two_steps(const uint8_t *q, size_t s, size_t j, const int bits, uint8x16_t *a,
                      uint8x16_t *b)
{
    const int8x16_t shift = {4, 3, 2, 1, 0, -1, -2, -3, 4, 3, 2, 1, 0, -1, -2, -3};
    const uint8x16_t fifth = vdupq_n_u8(16), none = vdupq_n_u8(0);
    uint8x16_t v = vld1q_u8(q + s * 64 + j * 16);
    if (bits == MATRIX_8) {
        *a = v;
        *b = vld1q_u8(q + (s + 4) * 64 + j * 16);
        return;
    }
    *a = vandq_u8(v, vdupq_n_u8(15));
    *b = vshrq_n_u8(v, 4);
    if (bits == MATRIX_5) { // bit i of two bytes to lane i, where it becomes the fifth
        uint8x16_t which =
            vcombine_u8(vdup_n_u8((uint8_t)(2 * j)), vdup_n_u8((uint8_t)(2 * j + 1)));
        uint8x16_t x = vcombine_u8(vld1_u8(q + 256 + s * 8), vget_low_u8(none)),
                   y = vcombine_u8(vld1_u8(q + 288 + s * 8), vget_low_u8(none));
        *a = vbslq_u8(fifth, vshlq_u8(vqtbl1q_u8(x, which), shift), *a);
        *b = vbslq_u8(fifth, vshlq_u8(vqtbl1q_u8(y, which), shift), *b);
    }
}

INLINE float32x4_t halves(const uint8_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

INLINE float32x4_t bytes(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, 4);
    uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)));
}

// Of rows 4j to 4j + 3.
INLINE void scales_at(const struct panel *w, size_t b, size_t j, const int scales,
                      float32x4_t *d, float32x4_t *m)
{
    const uint8_t *s = w->s + panel_scale_at(scales, b), *of = s + 64 + b % 8 * 32 + 4 * j;
    *m = vdupq_n_f32(0);
    if (scales == PANEL_F || scales == PANEL_F_M) {
        const float *f = (const float *)(const void *)s;
        *d = vld1q_f32(f + 4 * j);
        if (scales == PANEL_F_M)
            *m = vld1q_f32(f + 16 + 4 * j);
        return;
    }
    *d = halves(s + 8 * j);
    if (scales != MATRIX_D)
        *m = halves(s + 32 + 8 * j);
    if (scales == MATRIX_K) {
        *d = vmulq_f32(*d, bytes(of));
        *m = vmulq_f32(*m, vnegq_f32(bytes(of + 16)));
    }
}

INLINE float32x4_t add_block(float32x4_t acc, int32x4_t dot, float32x4_t d, float32x4_t m,
                             const bool has_min, float xd, float xds)
{
    acc = vaddq_f32(acc, vmulq_f32(vmulq_n_f32(d, xd), vcvtq_f32_s32(dot)));
    return has_min ? vaddq_f32(acc, vmulq_n_f32(m, xds)) : acc;
}

// ---- unpacked weights ----

#ifdef MMLA

// Of steps s and s + 1, s even: two rows of eight columns to a register.
INLINE void put_steps(uint8_t *to, size_t s, size_t j, uint8x16_t a, uint8x16_t b)
{
    uint32x4_t x = vreinterpretq_u32_u8(a), y = vreinterpretq_u32_u8(b);
    vst1q_u8(to + s * 64 + j * 32, vreinterpretq_u8_u32(vzip1q_u32(x, y)));
    vst1q_u8(to + s * 64 + j * 32 + 16, vreinterpretq_u8_u32(vzip2q_u32(x, y)));
}

INLINE int8x16_t zip(int8x16_t a, int8x16_t b, const bool high)
{
    int64x2_t x = vreinterpretq_s64_s8(a), y = vreinterpretq_s64_s8(b);
    return vreinterpretq_s8_s64(high ? vzip2q_s64(x, y) : vzip1q_s64(x, y));
}

// Sums of a block, t[column][rows 8h + 4j to 8h + 4j + 3]. A column without a neighbour is its
// own.
INLINE void block_sums(const uint8_t *q, size_t h, const int8_t *v, size_t cols, const int n,
                       int32x4_t (*t)[2])
{
    int32x4_t tiles[2][4]; // [columns c, c + 1][rows r, r + 1] x [c r, c r + 1, c + 1 r, ...]
    for (int p = 0; p < (n + 1) / 2; p++)
        for (int r = 0; r < 4; r++)
            tiles[p][r] = vdupq_n_s32(0);
    for (int k = 0; k < 4; k += 2) {
        int8x16_t x[2][2];
        for (int p = 0; p < (n + 1) / 2; p++) {
            const int8_t *from = v + 2 * (size_t)p * cols + 8 * k;
            int8x16_t a = vld1q_s8(from), b = 2 * p + 1 < n ? vld1q_s8(from + cols) : a;
            x[p][0] = zip(a, b, false);
            x[p][1] = zip(a, b, true);
        }
        for (int e = 0; e < 2; e++)
            for (int r = 0; r < 4; r++) {
                int8x16_t w =
                    vreinterpretq_s8_u8(vld1q_u8(q + (k + e) * 128 + h * 64 + r * 16));
                for (int p = 0; p < (n + 1) / 2; p++)
                    tiles[p][r] = vmmlaq_s32(tiles[p][r], x[p][e], w);
            }
    }
    for (int c = 0; c < n; c++)
        for (int j = 0; j < 2; j++)
            t[c][j] =
                vreinterpretq_s32_s8(zip(vreinterpretq_s8_s32(tiles[c / 2][2 * j]),
                                         vreinterpretq_s8_s32(tiles[c / 2][2 * j + 1]), c % 2));
}

#else

INLINE void put_steps(uint8_t *to, size_t s, size_t j, uint8x16_t a, uint8x16_t b)
{
    vst1q_u8(to + s * 64 + j * 16, a);
    vst1q_u8(to + (s + 1) * 64 + j * 16, b);
}

// Sums of a block, t[column][rows 8h + 4j to 8h + 4j + 3].
INLINE void block_sums(const uint8_t *q, size_t h, const int8_t *v, size_t cols, const int n,
                       int32x4_t (*t)[2])
{
    for (int c = 0; c < n; c++)
        t[c][0] = t[c][1] = vdupq_n_s32(0);
    for (int half = 0; half < 2; half++) {
        int8x16_t x[4];
        for (int c = 0; c < n; c++)
            x[c] = vld1q_s8(v + (size_t)c * cols + 16 * half);
#define STEP(s)                                                                   \
    for (int j = 0; j < 2; j++) {                                                 \
        uint8x16_t weights = vld1q_u8(q + half * 256 + s * 64 + h * 32 + j * 16); \
        for (int c = 0; c < n; c++)                                               \
            t[c][j] = DOT(t[c][j], weights, x[c], s);                             \
    }
        STEP(0)
        STEP(1)
        STEP(2)
        STEP(3)
#undef STEP
    }
}

#endif

INLINE void unpack_block(const struct panel *w, size_t b, const int bits, uint8_t *to)
{
    const uint8_t *q = w->q + b * panel_block_bytes((enum matrix_bits)bits);
    const uint8x16_t zero = vdupq_n_u8(panel_has_min(w) ? 0 : (uint8_t)(1u << w->zero));
    for (size_t s = 0; s < 4; s += 2)
        for (size_t j = 0; j < 4; j++) {
            uint8x16_t a, b4, c, d4;
            two_steps(q, s, j, bits, &a, &b4);
            two_steps(q, s + 1, j, bits, &c, &d4);
            put_steps(to, s, j, vsubq_u8(a, zero), vsubq_u8(c, zero));
            put_steps(to, s + 4, j, vsubq_u8(b4, zero), vsubq_u8(d4, zero));
        }
}

INLINE void unpack_scales(const struct panel *w, size_t b, const int scales, float *s)
{
    for (size_t j = 0; j < 4; j++) {
        float32x4_t d, m;
        scales_at(w, b, j, scales, &d, &m);
        vst1q_f32(s + 4 * j, d);
        if (scales != MATRIX_D)
            vst1q_f32(s + 16 + 4 * j, m);
    }
}

void NAME(unpack)(const struct panel *w, uint8_t *q, float *s)
{
    for (size_t b = 0; b < w->blocks; b++, q += 512) {
        if (w->bits == MATRIX_4)
            unpack_block(w, b, MATRIX_4, q);
        else if (w->bits == MATRIX_5)
            unpack_block(w, b, MATRIX_5, q);
        else
            unpack_block(w, b, MATRIX_8, q);
        if (w->scales == MATRIX_D)
            unpack_scales(w, b, MATRIX_D, s);
        else if (w->scales == MATRIX_D_M)
            unpack_scales(w, b, MATRIX_D_M, s);
        else
            unpack_scales(w, b, MATRIX_K, s);
        s += w->scales == MATRIX_D ? 16 : 32;
    }
}

// n columns (1 to 4) by rows 8h to 8h + 7 of an unpacked panel.
INLINE void unpacked(const struct panel *w, size_t h, const struct activations *x, size_t cols,
                     float *y, size_t stride, bool more, const int scales, const int n)
{
    const size_t pitch = cols / MATRIX_BLOCK;
    float32x4_t a[4][2];
    for (int c = 0; c < n; c++)
        for (int j = 0; j < 2; j++)
            a[c][j] = more ? vld1q_f32(y + (size_t)c * stride + 8 * h + 4 * j) : vdupq_n_f32(0);
    for (size_t b = 0; b < w->blocks; b++) {
        int32x4_t t[4][2];
        block_sums(w->q + b * 512, h, x->q + b * MATRIX_BLOCK, cols, n, t);
        for (int j = 0; j < 2; j++) {
            float32x4_t d, m;
            scales_at(w, b, 2 * h + j, scales, &d, &m);
            for (int c = 0; c < n; c++)
                a[c][j] = add_block(a[c][j], t[c][j], d, m, scales == PANEL_F_M,
                                    x->d[c * pitch + b], x->ds[c * pitch + b]);
        }
    }
    for (int c = 0; c < n; c++)
        for (int j = 0; j < 2; j++)
            vst1q_f32(y + (size_t)c * stride + 8 * h + 4 * j, a[c][j]);
}

#define UNPACKED(name, scales, n)                                                     \
    static void name(const struct panel *w, const struct activations *x, size_t cols, \
                     float *y, size_t stride, bool more)                              \
    {                                                                                 \
        for (size_t h = 0; h < 2; h++)                                                \
            unpacked(w, h, x, cols, y, stride, more, scales, n);                      \
    }
UNPACKED(unpacked_1, PANEL_F, 1)
UNPACKED(unpacked_2, PANEL_F, 2)
UNPACKED(unpacked_3, PANEL_F, 3)
UNPACKED(unpacked_4, PANEL_F, 4)
UNPACKED(unpacked_m1, PANEL_F_M, 1)
UNPACKED(unpacked_m2, PANEL_F_M, 2)
UNPACKED(unpacked_m3, PANEL_F_M, 3)
UNPACKED(unpacked_m4, PANEL_F_M, 4)

static void unpacked_columns(const struct panel *w, const struct activations *x, size_t cols,
                             size_t n, float *y, size_t stride, bool more)
{
    typedef void columns(const struct panel *, const struct activations *, size_t, float *,
                         size_t, bool);
    static columns *const all[][4] = {{unpacked_1, unpacked_2, unpacked_3, unpacked_4},
                                      {unpacked_m1, unpacked_m2, unpacked_m3, unpacked_m4}};
    for (size_t c = 0; c < n; c += 4) {
        struct activations from = activations_from(x, c, cols);
        all[panel_has_min(w)][n - c < 4 ? n - c - 1 : 3](w, &from, cols, y + c * stride, stride,
                                                         more);
    }
}

// ---- packed weights ----

// n columns (1 or 2) by sixteen rows.
INLINE void packed(const struct panel *w, const struct activations *x, size_t cols, float *y,
                   size_t stride, bool more, const int bits, const int scales, const int n)
{
    const bool flip = bits > DOT_BITS;
    const uint8x16_t sign = vdupq_n_u8(flip ? 0x80 : 0);
    const size_t pitch = cols / MATRIX_BLOCK;
    float32x4_t a[2][4];
    for (int c = 0; c < n; c++)
        for (int j = 0; j < 4; j++)
            a[c][j] = more ? vld1q_f32(y + (size_t)c * stride + 4 * j) : vdupq_n_f32(0);
    for (size_t b = 0; b < w->blocks; b++) {
        const uint8_t *q = w->q + b * panel_block_bytes((enum matrix_bits)bits);
        int32x4_t t[2][4];
        int8x16_t x0[2], x1[2];
        for (int c = 0; c < n; c++) {
            const int8_t *v = x->q + (size_t)c * cols + b * MATRIX_BLOCK;
            x0[c] = vld1q_s8(v);
            x1[c] = vld1q_s8(v + 16);
            int32x4_t start = vdupq_n_s32(0);
            if (scales == MATRIX_D && !flip)
                start = vdupq_n_s32(x->less[c * pitch + b] * (1 << w->zero));
            for (int j = 0; j < 4; j++)
                t[c][j] = start;
        }
#define STEP(s)                                   \
    for (size_t j = 0; j < 4; j++) {              \
        uint8x16_t lo, hi;                        \
        two_steps(q, s, j, bits, &lo, &hi);       \
        lo = flip ? veorq_u8(lo, sign) : lo;      \
        hi = flip ? veorq_u8(hi, sign) : hi;      \
        for (int c = 0; c < n; c++) {             \
            t[c][j] = DOT(t[c][j], lo, x0[c], s); \
            t[c][j] = DOT(t[c][j], hi, x1[c], s); \
        }                                         \
    }
        STEP(0)
        STEP(1)
        STEP(2)
        STEP(3)
#undef STEP
        for (size_t j = 0; j < 4; j++) {
            float32x4_t d, m;
            scales_at(w, b, j, scales, &d, &m);
            for (int c = 0; c < n; c++)
                a[c][j] = add_block(a[c][j], t[c][j], d, m, scales != MATRIX_D,
                                    x->d[c * pitch + b], x->ds[c * pitch + b]);
        }
    }
    for (int c = 0; c < n; c++)
        for (int j = 0; j < 4; j++)
            vst1q_f32(y + (size_t)c * stride + 4 * j, a[c][j]);
}

#define PACKED(name, bits, scales)                                                    \
    static void name(const struct panel *w, const struct activations *x, size_t cols, \
                     size_t n, float *y, size_t stride, bool more)                    \
    {                                                                                 \
        if (n == 1)                                                                   \
            packed(w, x, cols, y, stride, more, bits, scales, 1);                     \
        else                                                                          \
            packed(w, x, cols, y, stride, more, bits, scales, 2);                     \
    }
PACKED(packed_4_d, MATRIX_4, MATRIX_D)
PACKED(packed_4_dm, MATRIX_4, MATRIX_D_M)
PACKED(packed_4_k, MATRIX_4, MATRIX_K)
PACKED(packed_5_d, MATRIX_5, MATRIX_D)
PACKED(packed_5_dm, MATRIX_5, MATRIX_D_M)
PACKED(packed_5_k, MATRIX_5, MATRIX_K)
PACKED(packed_8_d, MATRIX_8, MATRIX_D)

// ---- all of it ----

#define AT_ONCE 8 // blocks: a multiple of 8, for MATRIX_K

// More columns than two: unpack some blocks for all of them.
static void unpacking(const struct panel *w, const struct activations *x, size_t cols, size_t n,
                      float *y, size_t stride, bool more)
{
    alignas(64) uint8_t q[AT_ONCE * 512];
    alignas(64) float s[AT_ONCE * 2 * MATRIX_ROWS];
    for (size_t b = 0; b < w->blocks; b += AT_ONCE) {
        struct panel part = *w;
        part.q += b * panel_block_bytes(w->bits);
        part.s += panel_scale_at(w->scales, b);
        part.blocks = w->blocks - b < AT_ONCE ? w->blocks - b : AT_ONCE;
        NAME(unpack)(&part, q, s);
        part.q = q;
        part.s = (const uint8_t *)s;
        struct activations from = {x->q + b * MATRIX_BLOCK, x->d + b, x->ds + b, x->less + b};
        unpacked_columns(&part, &from, cols, n, y, stride, more || b > 0);
    }
}

void NAME(panel)(const struct panel *w, const struct activations *x, size_t cols, size_t n,
                 float *y, size_t stride, bool more)
{
    static panel_kernel *const all[][3] = {{packed_4_d, packed_4_dm, packed_4_k},
                                           {packed_5_d, packed_5_dm, packed_5_k},
                                           {packed_8_d}};
    if (w->scales == PANEL_F || w->scales == PANEL_F_M)
        unpacked_columns(w, x, cols, n, y, stride, more);
    else if (n > 2)
        unpacking(w, x, cols, n, y, stride, more);
    else
        all[w->bits][w->scales](w, x, cols, n, y, stride, more);
}
