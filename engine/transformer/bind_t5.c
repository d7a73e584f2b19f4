// SPDX-License-Identifier: MIT
// T5 (Raffel et al. 2020) and what followed it (v1.1, FLAN, mT5: a gate, a head of its own).
#include "engine/transformer/bind.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void bind_t5_feed(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &b->layers[i];
    if (bind_find(b, false, t->n_embd, t->n_ff, "%sblk.%u.ffn_gate.weight", b->stack, i))
        bind_linear(b, &l->gate, i, "ffn_gate", t->n_embd, t->n_ff);
    bind_linear(b, &l->up, i, "ffn_up", t->n_embd, t->n_ff);
    bind_linear(b, &l->down, i, "ffn_down", t->n_ff, t->n_embd);
}

static void bind_self(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &b->layers[i];
    uint64_t d = t->n_embd, q = (uint64_t)t->n_head * t->head_dim;
    bind_norms(b, i);
    bind_linear(b, &l->q, i, "attn_q", d, q);
    bind_linear(b, &l->k, i, "attn_k", d, q);
    bind_linear(b, &l->v, i, "attn_v", d, q);
    bind_linear(b, &l->o, i, "attn_o", q, d);
    bind_t5_feed(b, i);
}

void bind_t5_layer(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &b->layers[i];
    uint64_t d = t->n_embd, q = (uint64_t)t->n_head * t->head_dim;
    b->stack = "dec.";
    if (!b->rc && t->n_kv != t->n_head)
        b->rc =
            err_set(b->e, -EINVAL, "%s: each head of T5 has keys of its own", gguf_path(t->g));
    bind_self(b, i);
    l->cross_norm = bind_vector(b, true, i, "cross_attn_norm.weight", d);
    bind_linear(b, &l->cross_q, i, "cross_attn_q", d, q);
    bind_linear(b, &l->cross_k, i, "cross_attn_k", d, q);
    bind_linear(b, &l->cross_v, i, "cross_attn_v", d, q);
    bind_linear(b, &l->cross_o, i, "cross_attn_o", q, d);
    // Some files carry biases of this attention, which has no distances: they mean nothing.
    char name[64];
    snprintf(name, sizeof name, "dec.blk.%u.cross_attn_rel_b.weight", i);
    bind_look_up(b, name);
}

// Which of `n` buckets a key `by` positions behind its query is in: one each for the near ones,
// wider ones up to 128 positions, the last for all beyond. Where keys stand on both sides, half
// of the buckets are for those that follow.
static uint32_t bucket_of(int64_t by, uint32_t n, bool both)
{
    uint32_t bucket = 0;
    if (both) {
        n /= 2;
        bucket = by > 0 ? n : 0;
    }
    uint64_t distance = by < 0 ? (uint64_t)-by : both ? (uint64_t)by : 0;
    uint32_t exact = n / 2;
    if (distance < exact)
        return bucket + (uint32_t)distance;
    double wide = log((double)distance / exact) / log(128.0 / exact) * (n - exact);
    uint32_t far = exact + (uint32_t)(float)wide;
    return bucket + (far < n ? far : n - 1);
}

// The biases of all layers are those of the first; the tensor is [buckets, heads].
static float *relative_bias(struct binder *b, bool both)
{
    struct transformer *t = b->t;
    uint32_t buckets = bind_number(b, "attention.relative_buckets_count", 8, 1024, -1);
    const struct gguf_tensor *x =
        bind_find(b, true, t->n_head, buckets, "%sblk.0.attn_rel_b.weight", b->stack);
    float *of = bind_floats(b, x);
    t->weight_bytes += t->n_head * bias_width(t) * sizeof *of;
    float *out = b->rc || b->measure ? NULL : calloc(t->n_head * bias_width(t), sizeof *out);
    if (!out && !b->rc && !b->measure)
        b->rc = err_nomem(b->e);
    for (size_t k = 0; out && k < bias_width(t); k++) {
        uint32_t bucket = bucket_of((int64_t)k - t->n_ctx, buckets, both);
        for (uint32_t h = 0; h < t->n_head; h++)
            out[h * bias_width(t) + k] = of[bucket * t->n_head + h];
    }
    free(of);
    return out;
}

void bind_t5_ends(struct binder *b)
{
    struct transformer *t = b->t;
    const struct gguf_tensor *head =
        bind_find(b, false, t->n_embd, t->n_vocab, "output.weight");
    t->start = (int32_t)bind_number(b, "decoder_start_token_id", 0, t->n_vocab - 1, 0);
    bind_matrix(b, head ? head : t->embedding, &t->head);
    t->bias = relative_bias(b, false);
    t->final_norm = bind_floats(b, bind_find(b, true, t->n_embd, 1, "dec.output_norm.weight"));
    // The first T5 reads its embeddings as the head, smaller by the root of their width.
    for (uint32_t i = 0; t->final_norm && !head && i < t->n_embd; i++)
        t->final_norm[i] /= sqrtf((float)t->n_embd);
    b->stack = "enc.";
    t->source_norm = bind_floats(b, bind_find(b, true, t->n_embd, 1, "enc.output_norm.weight"));
    t->source_bias = relative_bias(b, true);
    t->n_source_layer = b->rc ? 0 : t->n_layer;
    b->layers = t->source_layers = calloc(t->n_source_layer, sizeof *t->source_layers);
    if (!b->layers && !b->rc)
        b->rc = err_nomem(b->e);
    for (uint32_t i = 0; i < t->n_source_layer && !b->rc; i++)
        bind_self(b, i);
}
