// SPDX-License-Identifier: MIT
#include "engine/tensor/formats.h"
#include "engine/tensor/vector_lanes.h"

#include <math.h>

INLINE lanes fma_lanes(lanes a, lanes b, lanes c)
{
    for (int i = 0; i < LANES; i++)
        c[i] = fmaf(a[i], b[i], c[i]);
    return c;
}

INLINE lanes widen(const uint16_t *p)
{
    lanes x = {0};
    for (int i = 0; i < LANES; i++)
        x[i] = half_to_float(p[i]);
    return x;
}

INLINE void narrow(uint16_t *p, lanes x)
{
    for (int i = 0; i < LANES; i++)
        p[i] = float_to_half(x[i]);
}

#define ISA(name) name##_scalar
#include "engine/tensor/vector_body.h"
#include "engine/tensor/heads_body.h"
#include "engine/tensor/thin_body.h"
