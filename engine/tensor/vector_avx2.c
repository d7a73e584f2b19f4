// SPDX-License-Identifier: MIT
#include "engine/tensor/vector_lanes.h"

#include <immintrin.h>

// GCC keeps 64-byte vectors as two registers as long as they are taken apart like this.
union two {
    lanes all;
    __m256 half[2];
};

INLINE lanes fma_lanes(lanes a, lanes b, lanes c)
{
    union two x = {a}, y = {b}, z = {c};
    z.half[0] = _mm256_fmadd_ps(x.half[0], y.half[0], z.half[0]);
    z.half[1] = _mm256_fmadd_ps(x.half[1], y.half[1], z.half[1]);
    return z.all;
}

INLINE lanes widen(const uint16_t *p)
{
    union two x;
    x.half[0] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
    x.half[1] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)));
    return x.all;
}

INLINE void narrow(uint16_t *p, lanes v)
{
    union two x = {v};
    for (int i = 0; i < 2; i++)
        _mm_storeu_si128((__m128i *)(void *)(p + 8 * i),
                         _mm256_cvtps_ph(x.half[i], _MM_FROUND_TO_NEAREST_INT));
}

#define ISA(name) name##_avx2
#include "engine/tensor/vector_body.h"
