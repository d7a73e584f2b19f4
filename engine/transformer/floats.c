// SPDX-License-Identifier: MIT
#include "engine/transformer/floats.h"

#define LANES 16

float floats_dot(const float *a, const float *b, size_t n)
{
    float sums[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            sums[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        sums[i % LANES] += a[i] * b[i];
    for (size_t k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}
