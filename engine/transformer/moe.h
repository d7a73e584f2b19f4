// SPDX-License-Identifier: MIT
// Mixture of experts (Shazeer et al. 2017; Mixtral, Jiang et al. 2024): instead of one
// feed-forward part a layer has many, and a router chooses a few of them for each token.
#pragma once

#include "engine/tensor/matrix.h"

#include <stdint.h>

#define EXPERTS_MAX 512

struct transformer;
struct pass;

struct experts {
    float *router;                   // [n_expert, n_embd]: f32, so that a choice is exact
    struct linear *gate, *up, *down; // [n_expert]
};

// The memory of a pass. What a token needs of an expert is a row; rows of one expert stand
// together, in the order of their columns.
struct moe {
    uint32_t *chosen, *row;      // [n_batch, n_used]: experts, best first; where their rows are
    float *share;                // [n_batch, n_used]: of what comes out
    uint32_t *column;            // [rows]: whose row it is
    uint32_t *start;             // [n_expert + 1]: first row of each expert
    float *gate, *up, *out;      // [rows, n_ff_exp], the same, [rows, n_embd]
    struct activations in, wide; // [rows] of n_embd, n_ff_exp
};

// Bytes for n_batch columns; 0 where there are no experts.
size_t moe_bytes(const struct transformer *t, size_t n_batch);
// Lay it out in memory aligned to 64.
void moe_place(struct moe *m, void *memory, const struct transformer *t, size_t n_batch);
// p->h, and p->narrow made of it, through the experts of layer p->layer to p->h.
void moe_feed(struct pass *p);
