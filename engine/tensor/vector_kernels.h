// SPDX-License-Identifier: MIT
// What each instruction set offers; shared by the files of engine/tensor/ only.
#pragma once

#include "engine/tensor/heads.h"
#include "engine/tensor/vector.h"

#define VECTOR_KERNELS(isa)                                                                 \
    void greatest_##isa(const float *x, size_t n, size_t *at);                              \
    void attention_chunk_##isa(const struct attention *a, uint32_t chunk, float *states);   \
    void attention_merge_##isa(float *states, const float *next, unsigned n, size_t d);     \
    void halves_##isa(const float *x, size_t n, uint16_t *out);                             \
    void rms_norm_##isa(const float *x, const float *w, float eps, size_t n, float *out);   \
    void layer_norm_##isa(float *x, const float *w, const float *b, float eps, size_t n);   \
    void gelu_##isa(float *x, size_t n);                                                    \
    void gelu_tanh_times_##isa(float *x, const float *y, size_t n);                         \
    void silu_times_##isa(float *x, const float *y, size_t n);                              \
    void quantize_##isa(const float *x, size_t blocks, int8_t *q, float *d, float *ds,      \
                        int32_t *less);                                                     \
    void quantize_span_##isa(const float *x, size_t n, int8_t *q, float *d, int32_t *sum);  \
    void heads_attend_##isa(const struct heads *a, float *out, size_t stride);              \
    void heads_round_##isa(const float *x, size_t n, float most, int16_t *q, float *d);     \
    void thin_##isa(const float *w, size_t cols, const float *x, size_t x_stride, size_t n, \
                    float *y, size_t y_stride);

VECTOR_KERNELS(scalar)
VECTOR_KERNELS(avx2)
VECTOR_KERNELS(avx512)
VECTOR_KERNELS(neon)
