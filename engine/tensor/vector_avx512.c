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

#define ISA(name) name##_avx512
#include "engine/tensor/vector_body.h"
