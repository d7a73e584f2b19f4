// SPDX-License-Identifier: MIT
// Low-rank adapters (Hu et al. 2021): y = W x + s B (A x), the second part in f32 and in one
// order. Weights stay as they are, so that each session may have adapters of its own.
#pragma once

#include "engine/transformer/transformer.h"

#define LORA_RANK_MAX 512

// Matrices of a layer that can be adapted.
enum lora_part { LORA_Q, LORA_K, LORA_V, LORA_O, LORA_GATE, LORA_UP, LORA_DOWN, LORA_PARTS };

struct lora_pair {
    uint32_t rank; // 0: this part is not adapted
    size_t cols, rows;
    float *a, *b; // [rank, cols], [rows, rank]
};

struct transformer_adapter {
    const transformer *t;
    float alpha;             // 0: scales are taken as they are
    struct lora_pair *pairs; // [n_layer, LORA_PARTS]
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
