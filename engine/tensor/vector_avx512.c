// SPDX-License-Identifier: MIT
#include "engine/tensor/vector_lanes.h"

#include <immintrin.h>

INLINE lanes fma_lanes(lanes a, lanes b, lanes c)
{
    return (lanes)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

INLINE lanes widen(const uint16_t *p)
{
    return (lanes)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

INLINE void narrow(uint16_t *p, lanes x)
{
    _mm256_storeu_si256((__m256i *)(void *)p,
                        _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
}

#define MAXIMUM
INLINE lanes maximum(lanes a, lanes b)
{
    return (lanes)_mm512_max_ps((__m512)a, (__m512)b);
}

#define PAIRS
#define HEADS_WIDE 2
#define HEADS_TALL 8
INLINE lanes_i pairs(lanes_i sum, lanes_i a, lanes_i b)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); // see dense_avx512.c
    return sum;
}

#define ISA(name) name##_avx512
#include "engine/tensor/vector_body.h"
#include "engine/tensor/heads_body.h"
#include "engine/tensor/thin_body.h"
