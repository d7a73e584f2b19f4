// SPDX-License-Identifier: MIT
// Attention, norms and activations, for the instruction set at hand. Every step is either per
// element or in sixteen lanes that are added in one order, with fused multiply-add only where
// it is written: each set gives the same bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ATTENTION_QUERIES 8 // at once
#define ATTENTION_BLOCK 16  // positions of keys side by side
#define ATTENTION_CHUNK 128 // positions that are summed on their own

// Up to eight queries of one head against the positions that each may see. Keys and values are
// binary16. Positions go in chunks, counted from 0, whose states are merged in order; so chunks
// may be computed by different threads, and nothing grows with the context.
struct attention {
    const float *q; // [n] rows of d, q_stride apart
    size_t q_stride;
    unsigned n;
    const uint16_t *k;                                       // [block][d][16]: attention_put
    const uint16_t *v;                                       // [position][d]
    uint32_t from[ATTENTION_QUERIES], to[ATTENTION_QUERIES]; // of positions: [from, to)
    size_t d;
    float scale;
    // What is added to the scaled scores of query i: bias[i][position]; NULL: nothing. It is
    // read for whole blocks of positions, of which [from, to) count.
    const float *bias[ATTENTION_QUERIES];
};
// A state of one query: its greatest score, the sum of weights, and from 16 on d weighted sums.
static inline size_t attention_state(size_t d)
{
    return d + 16;
}
// The states [n] of one chunk.
void attention_chunk(const struct attention *a, uint32_t chunk, float *states);
// The next chunk's states into those of the chunks before it.
void attention_merge(float *states, const float *next, unsigned n, size_t d);
// out[n] rows of d, out_stride apart: softmax(scale q k^T) v (Vaswani et al. 2017).
void attention_finish(const float *states, unsigned n, size_t d, float *out, size_t out_stride);
// All of it: `states` is scratch for 2 n states.
void attention_run(const struct attention *a, float *states, float *out, size_t out_stride);
// Put the key and the value of a position into caches laid out as above.
void attention_put(uint16_t *keys, uint16_t *values, size_t d, size_t position,
                   const float *key, const float *value);
// Positions that a cache of keys must have room for.
static inline size_t attention_room(size_t positions)
{
    return (positions + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK * ATTENTION_BLOCK;
}

// Root mean square (Zhang and Sennrich 2019) and layer normalisation of one row.
void vector_rms_norm(const float *x, const float *w, float eps, size_t n, float *out);
void vector_layer_norm(float *x, const float *w, const float *b, float eps, size_t n);

// Where the greatest of n numbers stands, of equals the first; what is no number is not
// greater.
size_t vector_greatest(const float *x, size_t n);

// x = GELU(x) with the normal distribution (Hendrycks and Gimpel 2016), to 1.4e-4; n is a
// multiple of 16.
void vector_gelu(float *x, size_t n);
// x = GELU(x) * y by the hyperbolic tangent, and x = SiLU(x) * y; n is a multiple of 16.
void vector_gelu_tanh_times(float *x, const float *y, size_t n);
void vector_silu_times(float *x, const float *y, size_t n);

// Blocks of 32 numbers to 8-bit integers: x ~ d q; of the sum of q, `less` is the negative and
// ds is d times it.
void vector_quantize(const float *x, size_t blocks, int8_t *q, float *d, float *ds,
                     int32_t *less);
// n numbers (a multiple of 16) that share one scale: x ~ d q; and the sum of q.
void vector_quantize_span(const float *x, size_t n, int8_t *q, float *d, int32_t *sum);
