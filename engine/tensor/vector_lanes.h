// SPDX-License-Identifier: MIT
// Sixteen numbers at a time, by GCC's vectors. What those cannot say, each instruction set adds
// before vector_body.h: fma_lanes, widen, narrow.
#pragma once

#include <stdint.h>

typedef float lanes __attribute__((vector_size(64), aligned(4)));
typedef int32_t lanes_i __attribute__((vector_size(64), aligned(4)));
// Their halves and quarters.
typedef float lanes_8 __attribute__((vector_size(32)));
typedef float lanes_4 __attribute__((vector_size(16)));
typedef int32_t lanes_i_8 __attribute__((vector_size(32)));
typedef int32_t lanes_i_4 __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))
