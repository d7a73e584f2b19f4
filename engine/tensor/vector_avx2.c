// SPDX-License-Identifier: MIT
#include "engine/tensor/vector_lanes.h"

#include <immintrin.h>
#include <string.h>

INLINE lanes fma_lanes(lanes a, lanes b, lanes c)
{
    return (lanes)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

INLINE lanes widen(const uint16_t *p)
{
    return (lanes)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE void narrow(uint16_t *p, lanes x)
{
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT));
}

#define MAXIMUM
INLINE lanes maximum(lanes a, lanes b)
{
    return (lanes)_mm256_max_ps((__m256)a, (__m256)b);
}

#define PAIRS
INLINE lanes_i pairs(lanes_i sum, lanes_i a, lanes_i b)
{
    return (lanes_i)_mm256_add_epi32((__m256i)sum, _mm256_madd_epi16((__m256i)a, (__m256i)b));
}

#define ISA(name) name##_avx2
#include "engine/tensor/vector_body.h"
#include "engine/tensor/heads_body.h"
#include "engine/tensor/thin_body.h"
