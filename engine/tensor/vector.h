// SPDX-License-Identifier: MIT
// Attention and activations on f32 rows, for the instruction set at hand. Every step is either
// per element or in sixteen lanes that are added in one order: each set gives the same bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ATTENTION_QUERIES 4 // at once
#define ATTENTION_BLOCK 16  // positions of keys side by side

// Up to four queries of one head against the positions that each may see.
struct attention {
    const float *q; // [n] rows of d, q_stride apart
    size_t q_stride;
    unsigned n;
    const float *k; // [block][d][16]: see attention_put_key
    const float *v; // [position] rows of d, v_stride apart
    size_t v_stride;
    uint32_t from[ATTENTION_QUERIES], to[ATTENTION_QUERIES]; // of positions: [from, to)
    size_t d;
    float scale;
    float *scores; // scratch: [4][pitch], pitch a multiple of 16 and >= the largest `to`
    size_t pitch;
    float *out; // [n] rows of d, out_stride apart
    size_t out_stride;
};
// out = softmax(scale q k^T) v (Vaswani et al. 2017).
void attention_run(const struct attention *a);
// Put the key of a position into a cache of keys laid out as above.
static inline void attention_put_key(float *keys, size_t d, size_t position, const float *key)
{
    float *block = keys + position / ATTENTION_BLOCK * ATTENTION_BLOCK * d;
    for (size_t y = 0; y < d; y++)
        block[y * ATTENTION_BLOCK + position % ATTENTION_BLOCK] = key[y];
}
// Positions that a cache must have room for.
static inline size_t attention_room(size_t positions)
{
    return (positions + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK * ATTENTION_BLOCK;
}

// x = GELU(x) by the error function (Hendrycks and Gimpel 2016); n is a multiple of 16.
void vector_gelu(float *x, size_t n);
// x = GELU(x) * y by the hyperbolic tangent, and x = SiLU(x) * y; n is a multiple of 16.
void vector_gelu_tanh_times(float *x, const float *y, size_t n);
void vector_silu_times(float *x, const float *y, size_t n);

// Blocks of 32 numbers to 8-bit integers: x ~ d q; of the sum of q, `less` is the negative and
// ds is d times it.
void vector_quantize(const float *x, size_t blocks, int8_t *q, float *d, float *ds,
                     int32_t *less);
