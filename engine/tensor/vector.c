// SPDX-License-Identifier: MIT
#include "engine/tensor/vector.h"

#include "engine/tensor/isa.h"
#include "engine/tensor/vector_kernels.h"

void attention_run(const struct attention *a)
{
    ISA_CALL(attention, (a));
}

void vector_gelu(float *x, size_t n)
{
    ISA_CALL(gelu, (x, n));
}

void vector_gelu_tanh_times(float *x, const float *y, size_t n)
{
    ISA_CALL(gelu_tanh_times, (x, y, n));
}

void vector_silu_times(float *x, const float *y, size_t n)
{
    ISA_CALL(silu_times, (x, y, n));
}

void vector_quantize(const float *x, size_t blocks, int8_t *q, float *d, float *ds,
                     int32_t *less)
{
    ISA_CALL(quantize, (x, blocks, q, d, ds, less));
}
