// SPDX-License-Identifier: MIT
// What each instruction set offers; shared by the files of engine/tensor/ only.
#pragma once

#include "engine/tensor/vector.h"

#define VECTOR_KERNELS(isa)                                                            \
    void attention_##isa(const struct attention *a);                                   \
    void gelu_##isa(float *x, size_t n);                                               \
    void gelu_tanh_times_##isa(float *x, const float *y, size_t n);                    \
    void silu_times_##isa(float *x, const float *y, size_t n);                         \
    void quantize_##isa(const float *x, size_t blocks, int8_t *q, float *d, float *ds, \
                        int32_t *less);

VECTOR_KERNELS(scalar)
VECTOR_KERNELS(avx2)
VECTOR_KERNELS(avx512)
