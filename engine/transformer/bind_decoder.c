// SPDX-License-Identifier: MIT
// The layers of each family of decoders: what of a tensor goes where.
#include "engine/transformer/bind.h"

#include <stdlib.h>

void bind_attention(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &b->layers[i];
    uint64_t d = t->n_embd, q = (uint64_t)t->n_head * t->head_dim,
             kv = (uint64_t)t->n_kv * t->head_dim;
    bind_linear(b, &l->q, i, "attn_q", d, q);
    bind_linear(b, &l->k, i, "attn_k", d, kv);
    bind_linear(b, &l->v, i, "attn_v", d, kv);
    bind_linear(b, &l->o, i, "attn_output", q, d);
}

void bind_feed(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &b->layers[i];
    bind_linear(b, &l->gate, i, "ffn_gate", t->n_embd, t->n_ff);
    bind_linear(b, &l->up, i, "ffn_up", t->n_embd, t->n_ff);
    bind_linear(b, &l->down, i, "ffn_down", t->n_ff, t->n_embd);
}

void bind_norms(struct binder *b, uint32_t i)
{
    struct layer *l = &b->layers[i];
    l->attn_norm = bind_vector(b, true, i, "attn_norm.weight", b->t->n_embd);
    l->ffn_norm = bind_vector(b, true, i, "ffn_norm.weight", b->t->n_embd);
}

void bind_llama_layer(struct binder *b, uint32_t i)
{
    bind_norms(b, i);
    bind_attention(b, i);
    if (b->t->n_expert)
        bind_experts(b, i);
    else
        bind_feed(b, i);
}

static void bind_head_norms(struct binder *b, uint32_t i)
{
    struct layer *l = &b->layers[i];
    l->q_norm = bind_vector(b, true, i, "attn_q_norm.weight", b->t->head_dim);
    l->k_norm = bind_vector(b, true, i, "attn_k_norm.weight", b->t->head_dim);
}

// Gemma 3 (Gemma Team 2025): five local layers, then one that sees all.
#define GEMMA_PERIOD 6

void bind_gemma_layer(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &b->layers[i];
    bind_llama_layer(b, i);
    bind_head_norms(b, i);
    l->post_attn_norm = bind_vector(b, true, i, "post_attention_norm.weight", t->n_embd);
    l->post_ffn_norm = bind_vector(b, true, i, "post_ffw_norm.weight", t->n_embd);
    l->local = t->window && i % GEMMA_PERIOD != GEMMA_PERIOD - 1;
}

// Qwen3 (Yang et al. 2025): queries and keys are normalised head by head.
void bind_qwen3_layer(struct binder *b, uint32_t i)
{
    bind_llama_layer(b, i);
    bind_head_norms(b, i);
}

// Phi-3 (Abdin et al. 2024): queries, keys and values are one matrix, and gate and up another.
// Its sliding window is not applied, as in llama.cpp: the files do not tell it reliably.
void bind_phi3_layer(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &b->layers[i];
    uint64_t d = t->n_embd, q = (uint64_t)t->n_head * t->head_dim,
             kv = (uint64_t)t->n_kv * t->head_dim;
    const struct gguf_tensor *qkv =
        bind_find(b, true, d, q + 2 * kv, "blk.%u.attn_qkv.weight", i);
    const struct gguf_tensor *up =
        bind_find(b, true, d, 2 * (uint64_t)t->n_ff, "blk.%u.ffn_up.weight", i);
    bind_norms(b, i);
    bind_rows(b, qkv, 0, q, &l->q.w);
    bind_rows(b, qkv, q, kv, &l->k.w);
    bind_rows(b, qkv, q + kv, kv, &l->v.w);
    bind_linear(b, &l->o, i, "attn_output", q, d);
    bind_rows(b, up, 0, t->n_ff, &l->gate.w);
    bind_rows(b, up, t->n_ff, t->n_ff, &l->up.w);
    bind_linear(b, &l->down, i, "ffn_down", t->n_ff, d);
}

// LongRoPE (Ding et al. 2024): one set of factors up to the original context, another for a
// session that goes beyond it, and both rotations a little longer.
void bind_long_rope(struct binder *b)
{
    struct transformer *t = b->t;
    uint64_t n = t->n_rot / 2;
    const struct gguf_tensor *wide = bind_find(b, false, n, 1, "rope_factors_long.weight"),
                             *near =
                                 bind_find(b, wide != NULL, n, 1, "rope_factors_short.weight");
    if (b->rc || !wide)
        return;
    float base = bind_real(b, "rope.freq_base", 10000);
    float *factors = bind_floats(b, wide), *near_factors = bind_floats(b, near);
    t->original_ctx =
        bind_number(b, "rope.scaling.original_context_length", 1, 1 << 20, t->n_ctx);
    t->rope_magnitude = bind_real(b, "rope.scaling.attn_factor", 1);
    free(t->turns);
    t->turns = bind_turns(b, base, 1, near_factors);
    t->turns_long = bind_turns(b, base, 1, factors);
    free(factors);
    free(near_factors);
}
