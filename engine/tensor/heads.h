// SPDX-License-Identifier: MIT
// Attention of encoders, whose keys are all there at once: products of 16-bit integers, added
// up exactly. (Decoders keep binary16 and go chunk by chunk as their keys come: vector.h.)
//
// Queries and keys are integers up to heads_most(d), so that a product of d of them fits 32
// bits, with one scale a token; values up to HEADS_VALUE_MOST with one a token and head. The
// weights of softmax, times the scale of their value, are rounded to 15 bits of their greatest
// possible; 128 positions of such products fit 32 bits.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HEADS_QUERIES 8 // at once
#define HEADS_BLOCK 16  // positions side by side
#define HEADS_CHUNK 512 // positions whose greatest score is found before they are weighed
#define HEADS_VALUE_MOST 511
#define HEADS_WEIGHT_MOST 32767
#define HEADS_DIM_MOST 512

// Up to eight queries of one head and sequence against the positions that each may see.
struct heads {
    const int16_t *q;   // [n] rows of d, q_stride apart
    const float *scale; // [n]: of a query's integers, times log2(e) / sqrt(d)
    size_t q_stride;
    unsigned n;
    const int16_t *k; // [block][d / 2][16 positions][2]
    const float *kd;  // of each position of the blocks; 0 where there is none
    const int16_t *v; // [room / 2][heads_value_room(d)][2 positions]
    const float *vd;  // as kd
    size_t room;      // positions of the blocks
    uint32_t from[HEADS_QUERIES], to[HEADS_QUERIES]; // of positions: [from, to), not empty
    size_t d;                                        // even, at most HEADS_DIM_MOST
};
// out[n] rows of d, out_stride apart: softmax(q k^T / sqrt(d)) v (Vaswani et al. 2017).
void heads_attend(const struct heads *a, float *out, size_t out_stride);

// The greatest integer in queries and keys.
int heads_most(size_t d);
// x[n] as integers of at most `most`, and their scale; n is any number.
float heads_round(const float *x, size_t n, int most, int16_t *q);
// Put integers of a position's key [d] or value [d] where attention wants them.
void heads_put_key(int16_t *k, size_t d, size_t position, const int16_t *key);
void heads_put_value(int16_t *v, size_t d, size_t position, const int16_t *value);
// Positions that there must be room for, and dimensions of a value.
static inline size_t heads_room(size_t positions)
{
    return (positions + HEADS_BLOCK - 1) / HEADS_BLOCK * HEADS_BLOCK;
}
static inline size_t heads_value_room(size_t d)
{
    return (d + 15) / 16 * 16;
}
