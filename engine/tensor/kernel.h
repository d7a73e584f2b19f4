// SPDX-License-Identifier: MIT
// One group of sixteen rows times up to eight columns; shared by the files of engine/tensor/
// only.
#pragma once

#include "engine/tensor/matrix.h"

#define MATRIX_COLUMNS 8 // at once

// Beside those of a matrix: scales already widened, f32.
enum { PANEL_F = MATRIX_K + 1, PANEL_F_M };

// A group, or some of its blocks.
struct panel {
    enum matrix_bits bits;
    int scales;    // enum matrix_scales, PANEL_F (d[16]) or PANEL_F_M (d[16], m[16])
    unsigned zero; // q stands for q - 2^zero; 32: it does not
    const uint8_t *q;
    const uint8_t *s;
    size_t blocks;
};

// y[c * stride + r] (+)= products for c < n (n <= MATRIX_COLUMNS) and r < 16. Columns of `x`
// are `cols` apart. With `more`, the sums go on from what is in y.
typedef void panel_kernel(const struct panel *w, const struct activations *x, size_t cols,
                          size_t n, float *y, size_t stride, bool more);
panel_kernel panel_scalar;
panel_kernel panel_avx2;   // AVX2, FMA, F16C
panel_kernel panel_avx512; // AVX-512 F, BW, VL, VNNI
panel_kernel panel_neon;   // one of the next, by isa_chosen
panel_kernel panel_armv8, panel_dotprod, panel_i8mm;

// Write a panel with f32 scales: q[blocks][512] as the kernel of the same instruction set takes
// it, s[blocks][16 or 32].
typedef void unpack_kernel(const struct panel *w, uint8_t *q, float *s);
unpack_kernel unpack_scalar;
unpack_kernel unpack_avx2;
unpack_kernel unpack_avx512;
unpack_kernel unpack_neon;
unpack_kernel unpack_armv8, unpack_dotprod, unpack_i8mm;

static inline bool panel_has_min(const struct panel *w)
{
    return w->zero == 32;
}

// Bytes of a block of weights, and where the scales of block b stand.
static inline size_t panel_block_bytes(enum matrix_bits bits)
{
    return bits == MATRIX_8 ? 512 : bits == MATRIX_5 ? 320 : 256;
}

static inline size_t panel_scale_at(int scales, size_t b)
{
    switch (scales) {
    case MATRIX_D:
        return b * 32;
    case MATRIX_D_M:
    case PANEL_F:
        return b * 64;
    case MATRIX_K:
        return b / 8 * 320;
    default:
        return b * 128;
    }
}
