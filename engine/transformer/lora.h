// SPDX-License-Identifier: MIT
// Low-rank adapters (Hu et al. 2021): y = W x + s B (A x), the second part in f32 and in one
// order. Weights stay as they are, so that each session may have adapters of its own.
#pragma once

#include "engine/tensor/thin.h"
#include "engine/transformer/transformer.h"

#define LORA_RANK_MAX 512
#define LORA_OUTPUTS_MAX 16 // of a head

// Matrices of a layer that can be adapted.
enum lora_part { LORA_Q, LORA_K, LORA_V, LORA_O, LORA_GATE, LORA_UP, LORA_DOWN, LORA_PARTS };

struct lora_pair {
    uint32_t rank; // 0: this part is not adapted
    size_t cols, rows;
    float *a, *b; // [rank, cols], [rows, rank]
};

// The same for an encoder, which has many columns at a time: s alpha / rank is in b. Without
// columns: this part is not adapted.
struct lora_thin {
    struct thin a, b; // [rank, cols], [rows, rank]
};

struct transformer_adapter {
    const transformer *t;
    float alpha;             // 0: scales are taken as they are
    struct lora_pair *pairs; // [n_layer, LORA_PARTS]
    // Of an encoder.
    struct lora_thin *thin;  // [n_layer, LORA_PARTS]
    struct pool pool;        // of their weights
    size_t low;              // the greatest rank, in whole panels
    uint32_t n_out;          // of the head, 0: there is none
    float *head, *head_bias; // [n_out, n_embd], [n_out]
};

// What a session uses, in the order in which it is added.
struct lora_use {
    uint32_t n;
    const transformer_adapter *adapters[TRANSFORMER_ADAPTERS_MAX];
    float scales[TRANSFORMER_ADAPTERS_MAX];
};

struct pass;
// Whether a session of the pass has adapters.
bool lora_wanted(const struct pass *p);
// Add parts [first, last] of layer p->layer to what its matrices gave, column by column.
void lora_add(struct pass *p, enum lora_part first, enum lora_part last);
// The feed-forward part with its adapters: as feed_up and feed_down of decoder.c, but for them.
void lora_feed(struct pass *p);
