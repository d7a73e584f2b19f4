// SPDX-License-Identifier: MIT
// usdot for one or two columns, smmla for more.
#pragma GCC target("arch=armv8.2-a+dotprod+i8mm")

#define NAME(x) x##_i8mm
#define DOT(t, w, x, lane) vusdotq_laneq_s32(t, w, x, lane)
#define DOT_BITS MATRIX_8
#define MMLA
#include "engine/tensor/kernel_neon.h"
