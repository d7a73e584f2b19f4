// SPDX-License-Identifier: MIT
// With products of bytes where the processor has them (Armv8.2 dotprod); else the plain kernel.
#pragma GCC optimize("O3", "no-schedule-insns")
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+dotprod")
#include "engine/tensor/dense_kernel.h"
#include "engine/tensor/isa.h"

#include <arm_neon.h>

// Vectors of four rows in half a panel, whose sums fit the registers.
#define HALF (DENSE_ROWS / 8)

// Rows [first, first + 16) times n columns; sums are exact, so the weights' 128 is taken off
// the weights and not off the sums.
__attribute__((always_inline)) static inline void some(const struct dense_part *p, size_t first,
                                                       const size_t n, float *y, size_t stride)
{
    for (size_t k = 0, s = 0; k < p->width; k += DENSE_SPAN, s++) {
        size_t stop = p->width - k < DENSE_SPAN ? p->width : k + DENSE_SPAN;
        int32x4_t sums[HALF][DENSE_TOGETHER];
        for (size_t r = 0; r < HALF; r++)
            for (size_t c = 0; c < n; c++)
                sums[r][c] = vdupq_n_s32(0);
        for (size_t i = k; i < stop; i += 4) {
            const uint8_t *q = p->q + i * DENSE_ROWS + first * 4;
            int8x16_t w[HALF];
            for (size_t r = 0; r < HALF; r++)
                w[r] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(q + 16 * r), vdupq_n_u8(128)));
            for (size_t c = 0; c < n; c++) {
                int8x16_t x = vreinterpretq_s8_s32(
                    vld1q_dup_s32((const int32_t *)(const void *)(p->x + c * p->pitch + i)));
                for (size_t r = 0; r < HALF; r++)
                    sums[r][c] = vdotq_s32(sums[r][c], w[r], x);
            }
        }
        for (size_t c = 0; c < n; c++)
            for (size_t r = 0; r < HALF; r++) {
                float *to = y + c * stride + first + 4 * r;
                float32x4_t d = vmulq_n_f32(vld1q_f32(p->d + s * DENSE_ROWS + first + 4 * r),
                                            p->xd[c * p->spans + s]);
                vst1q_f32(to, vfmaq_f32(vld1q_f32(to), vcvtq_f32_s32(sums[r][c]), d));
            }
    }
}

static void dotprod(const struct dense_part *p, size_t n, float *y, size_t stride)
{
    for (size_t first = 0; first < DENSE_ROWS; first += 4 * HALF)
        switch (n) {
        case 6:
            some(p, first, 6, y, stride);
            break;
        case 5:
            some(p, first, 5, y, stride);
            break;
        case 4:
            some(p, first, 4, y, stride);
            break;
        case 3:
            some(p, first, 3, y, stride);
            break;
        case 2:
            some(p, first, 2, y, stride);
            break;
        default:
            some(p, first, 1, y, stride);
        }
}

#pragma GCC pop_options

void dense_neon(const struct dense_part *p, size_t n, float *y, size_t stride)
{
    if (isa_chosen >= ISA_DOTPROD)
        dotprod(p, n, y, stride);
    else
        dense_scalar(p, n, y, stride);
}
