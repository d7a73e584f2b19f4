// SPDX-License-Identifier: MIT
// Several numbers at a time, by GCC's vectors. What those cannot say, each instruction set adds
// before vector_body.h: fma_lanes, widen, narrow.
#pragma once

#include <stdint.h>

// What a register holds: GCC keeps wider vectors in memory.
#if defined __AVX512F__
#define LANES 16
#elif defined __AVX2__
#define LANES 8
#else
#define LANES 4
#endif
// Sums are of sixteen lanes everywhere: of an array of so many registers.
#define SIXTEEN (16 / LANES)

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t lanes_i __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint32_t lanes_u __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int8_t lanes_b __attribute__((vector_size(LANES), aligned(1)));
typedef float lanes_8 __attribute__((vector_size(32)));
typedef float lanes_4 __attribute__((vector_size(16)));
typedef int32_t lanes_i_8 __attribute__((vector_size(32)));
typedef int32_t lanes_i_4 __attribute__((vector_size(16)));
typedef uint32_t lanes_u_8 __attribute__((vector_size(32)));
typedef uint32_t lanes_u_4 __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))
