// SPDX-License-Identifier: MIT
// Shared by the encoders' files: encoder.c (a pass), encoder_layer.c (the layers),
// encoder_rope.c (what those with rotary positions add), encoder_lora.c (what adapters add).
#pragma once

#include "engine/tensor/heads.h"
#include "engine/tensor/vector.h"
#include "engine/transformer/internal.h"
#include "engine/transformer/lora.h"

// Keys and values of a layer, as attention wants them (heads.h). Each sequence begins at a
// multiple of HEADS_BLOCK.
struct keys {
    int16_t *k;     // [head][room][head_dim]
    int16_t *v;     // [head][room][heads_value_room(head_dim)]
    float *kd, *vd; // scales: [room] of all heads together, [head][room]
};

// What a thread works in, for one tile of tokens.
struct bench {
    float *h;                    // [tile, n_embd]
    float *up, *gate;            // [tile, DENSE_SPAN]
    int16_t *row;                // [n_embd]
    float *low;                  // [LORA_PARTS][tile, adapter->low]
    struct dense_columns narrow; // [tile] tokens, those numbers apart that stand out
    struct dense_columns heads;  // [tile] of what attention gave
    struct dense_columns wide;   // [tile] of the inner layer, n_ff
};

struct pass {
    struct transformer *t;
    struct team *team; // that computes it; NULL: the calling thread alone
    size_t claimed;    // by that one, of the round's parts
    const int32_t *tokens;
    const uint32_t *starts;
    uint32_t n_seq;
    size_t n;                     // tokens
    size_t tile;                  // tokens of a tile
    uint32_t *seq;                // of each token
    uint32_t *key_at;             // of each sequence: its first position among the keys
    size_t room;                  // positions of keys
    float *x;                     // [n, n_embd]
    float *angles, *angles_local; // [n, head_dim] each, of rotary ones
    int16_t *q;                   // [n, n_embd]
    float *q_scale;               // [n]
    struct keys keys[2];          // of even and odd layers: see encoder_round
    struct bench *benches;        // of each thread
    uint32_t round;
    const atomic_bool *cancel;          // NULL: nobody cancels
    const transformer_adapter *adapter; // NULL: none
    float *out; // vectors [n_seq, n_embd]; with an adapter its head's logits [n, n_out]
};

// Round r of n_layer + 1: tiles of tokens are claimed, and each is led out of layer r - 1 (from
// attention on) and into layer r (up to queries, keys and values, which others wait for). Once
// cancelled, tiles are left as they are.
bool encoder_cancelled(const struct pass *p);
size_t encoder_claim(struct pass *p);
void encoder_round(void *arg, unsigned i, unsigned n);

// What an adapter adds to a part of a layer, for n tokens of a tile: nothing without one.
// Lower: A x, of which columns [from, to) are at hand, x[n][stride]; from == 0 begins it.
void encoder_lower(const struct pass *p, const struct bench *b, uint32_t layer,
                   enum lora_part part, const float *x, size_t stride, size_t n, size_t from,
                   size_t to);
// Raise: y[n][stride] += B (A x), rows [first, last).
void encoder_raise(const struct pass *p, const struct bench *b, uint32_t layer,
                   enum lora_part part, size_t n, size_t first, size_t last, float *y,
                   size_t stride);
// The head's logits of tokens [first, first + n).
void encoder_head(const struct pass *p, size_t first, size_t n);

// Angles of a token's position; one row of queries or keys turned by them.
void encoder_angles(struct pass *p, size_t c);
void encoder_turn(const struct pass *p, const struct encoder_layer *l, size_t c, float *row);
// n numbers of the inner layer activated, or the gate activated and times them; where they are.
const float *encoder_activate(const struct transformer *t, float *up, float *gate, size_t n);
// Positions [*from, *to) that a token at `position` of a sequence of len sees.
void encoder_seen(const struct transformer *t, const struct encoder_layer *l, uint32_t position,
                  uint32_t len, uint32_t *from, uint32_t *to);
