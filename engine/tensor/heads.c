// SPDX-License-Identifier: MIT
#include "engine/tensor/heads.h"

#include "engine/tensor/isa.h"
#include "engine/tensor/vector_kernels.h"

#include <math.h>
#include <string.h>

int heads_most(size_t d)
{
    int most = (int)sqrt((double)INT32_MAX / (double)d);
    return most < 8191 ? most : 8191;
}

float heads_round(const float *x, size_t n, int most, int16_t *q)
{
    float d;
    ISA_CALL(heads_round, (x, n, (float)most, q, &d));
    return d;
}

void heads_put_key(int16_t *k, size_t d, size_t position, const int16_t *key)
{
    int16_t *to = k + position / HEADS_BLOCK * HEADS_BLOCK * d + position % HEADS_BLOCK * 2;
    for (size_t y = 0; y < d; y += 2)
        memcpy(to + y * HEADS_BLOCK, key + y, 2 * sizeof *key);
}

void heads_put_value(int16_t *v, size_t d, size_t position, const int16_t *value)
{
    int16_t *to = v + position / 2 * heads_value_room(d) * 2 + position % 2;
    for (size_t y = 0; y < d; y++)
        to[2 * y] = value[y];
}

void heads_attend(const struct heads *a, float *out, size_t out_stride)
{
    ISA_CALL(heads_attend, (a, out, out_stride));
}
