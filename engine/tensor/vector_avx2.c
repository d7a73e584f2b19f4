// SPDX-License-Identifier: MIT
#include "engine/tensor/vector_lanes.h"

#include <immintrin.h>

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

#define ISA(name) name##_avx2
#include "engine/tensor/vector_body.h"
