// SPDX-License-Identifier: MIT
// Shared by the encoders' files: encoder.c (a pass and its layers), encoder_rope.c (what those
// with rotary positions add).
#pragma once

#include "engine/tensor/vector.h"
#include "engine/transformer/internal.h"

struct pass {
    struct transformer *t;
    const int32_t *tokens;
    const uint32_t *starts;
    uint32_t n_seq;
    size_t n;      // tokens
    uint32_t *seq; // of each token
    float *x, *h, *q, *k, *v, *ff, *states;
    float *up;                    // [n, n_ff], of gated encoders
    float *angles, *angles_local; // [n, head_dim] each, of rotary ones
    uint16_t *keys, *values;      // [head][room][head_dim]: see attention_put
    uint32_t *key_at;             // of each sequence: its first position among them
    size_t room;                  // positions
    uint32_t *groups; // [n_groups]: first tokens of up to eight neighbours of one sequence
    size_t n_groups;
    struct activations a, wide;
    const struct layer *l;
    float *out;
};

// Floats that a pass over n tokens needs beside those of BERT, and where they stand.
size_t encoder_more_floats(const struct transformer *t, size_t n);
void encoder_place_more(struct pass *p, float *memory);

// Rounds. Rotate queries and keys; those are ready before the first layer.
void encoder_angles(void *arg, unsigned i, unsigned n);
void encoder_turn(void *arg, unsigned i, unsigned n);
// Of layers that normalise what goes in instead of what comes out.
void encoder_norm_in(void *arg, unsigned i, unsigned n);
void encoder_norm_feed(void *arg, unsigned i, unsigned n);
void encoder_add_feed(void *arg, unsigned i, unsigned n);
void encoder_norm_out(void *arg, unsigned i, unsigned n);

// n elements of p->ff from `at` on: activated, with a gate times p->up.
void encoder_activate(struct pass *p, size_t at, size_t n);
// Positions [*from, *to) that a token at `position` of a sequence of len sees.
void encoder_seen(const struct pass *p, uint32_t position, uint32_t len, uint32_t *from,
                  uint32_t *to);
