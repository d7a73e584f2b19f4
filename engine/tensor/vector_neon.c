// SPDX-License-Identifier: MIT
// Arrays of registers stay registers only where loops are unrolled, whatever CFLAGS ask for,
// and where loads are not brought forward.
#pragma GCC optimize("O3", "no-schedule-insns")
#include "engine/tensor/vector_lanes.h"

#include <arm_neon.h>

INLINE lanes fma_lanes(lanes a, lanes b, lanes c)
{
    return (lanes)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

INLINE lanes widen(const uint16_t *p)
{
    return (lanes)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

INLINE void narrow(uint16_t *p, lanes x)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)x)));
}

#define PAIRS
INLINE lanes_i pairs(lanes_i sum, lanes_i a, lanes_i b)
{
    int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
    int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(y)), high = vmull_high_s16(x, y);
    return (lanes_i)vaddq_s32((int32x4_t)sum, vpaddq_s32(low, high));
}

#define ISA(name) name##_neon
#include "engine/tensor/vector_body.h"
#include "engine/tensor/heads_body.h"
#include "engine/tensor/thin_body.h"
