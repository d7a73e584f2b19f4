// SPDX-License-Identifier: MIT
// sdot: weights of eight bits are made signed, narrower ones are so.
#pragma GCC target("arch=armv8.2-a+dotprod")

#define NAME(x) x##_dotprod
#define DOT(t, w, x, lane) vdotq_laneq_s32(t, vreinterpretq_s8_u8(w), x, lane)
#define DOT_BITS MATRIX_5
#include "engine/tensor/kernel_neon.h"
