// SPDX-License-Identifier: MIT
#include "engine/tensor/vector.h"

#include "engine/tensor/isa.h"
#include "engine/tensor/vector_kernels.h"

void attention_chunk(const struct attention *a, uint32_t chunk, float *states)
{
    ISA_CALL(attention_chunk, (a, chunk, states));
}

void attention_merge(float *states, const float *next, unsigned n, size_t d)
{
    ISA_CALL(attention_merge, (states, next, n, d));
}

void attention_finish(const float *states, unsigned n, size_t d, float *out, size_t out_stride)
{
    for (unsigned i = 0; i < n; i++, states += attention_state(d), out += out_stride)
        for (size_t y = 0; y < d; y++)
            out[y] = states[16 + y] / states[1];
}

void attention_run(const struct attention *a, float *states, float *out, size_t out_stride)
{
    uint32_t from = a->from[0], to = a->to[0];
    for (unsigned i = 1; i < a->n; i++) {
        from = a->from[i] < from ? a->from[i] : from;
        to = a->to[i] > to ? a->to[i] : to;
    }
    uint32_t first = from / ATTENTION_CHUNK, last = (to - 1) / ATTENTION_CHUNK;
    float *next = states + a->n * attention_state(a->d);
    attention_chunk(a, first, states);
    for (uint32_t c = first + 1; c <= last; c++) {
        attention_chunk(a, c, next);
        attention_merge(states, next, a->n, a->d);
    }
    attention_finish(states, a->n, a->d, out, out_stride);
}

void attention_put(uint16_t *keys, uint16_t *values, size_t d, size_t position,
                   const float *key, const float *value)
{
    uint16_t *block =
        keys + position / ATTENTION_BLOCK * ATTENTION_BLOCK * d + position % ATTENTION_BLOCK;
    uint16_t half[64];
    ISA_CALL(halves, (value, d, values + position * d));
    for (size_t y = 0; y < d; y += 64) {
        size_t n = d - y < 64 ? d - y : 64;
        ISA_CALL(halves, (key + y, n, half));
        for (size_t i = 0; i < n; i++)
            block[(y + i) * ATTENTION_BLOCK] = half[i];
    }
}

void vector_rms_norm(const float *x, const float *w, float eps, size_t n, float *out)
{
    ISA_CALL(rms_norm, (x, w, eps, n, out));
}

void vector_layer_norm(float *x, const float *w, const float *b, float eps, size_t n)
{
    ISA_CALL(layer_norm, (x, w, b, eps, n));
}

size_t vector_greatest(const float *x, size_t n)
{
    size_t at;
    ISA_CALL(greatest, (x, n, &at));
    return at;
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

void vector_quantize_span(const float *x, size_t n, int8_t *q, float *d, int32_t *sum)
{
    ISA_CALL(quantize_span, (x, n, q, d, sum));
}
