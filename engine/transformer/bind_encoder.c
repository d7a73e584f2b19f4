// SPDX-License-Identifier: MIT
// The layers of each family of encoders, and what stands around them.
#include "engine/transformer/bind.h"

#include <stdlib.h>

static void bind_norm(struct binder *b, uint32_t i, const char *name, float **w, float **bias)
{
    const struct gguf_tensor *x =
        bind_find(b, true, b->t->n_embd, 1, "blk.%u.%s.weight", i, name);
    *w = bind_floats(b, x);
    x = bind_find(b, true, b->t->n_embd, 1, "blk.%u.%s.bias", i, name);
    *bias = bind_floats(b, x);
}

// [n_embd], for norms without bias
static float *bind_zeros(struct binder *b)
{
    float *x = b->rc ? NULL : calloc(b->t->n_embd, sizeof *x);
    if (!x && !b->rc)
        b->rc = err_nomem(b->e);
    return x;
}

// What all encoders begin with: a norm of the embeddings and perhaps a row that says which of
// two texts a token is of, here always the first.
static void bind_embedding(struct binder *b, bool bias)
{
    struct transformer *t = b->t;
    t->embd_norm = bind_floats(b, bind_find(b, true, t->n_embd, 1, "token_embd_norm.weight"));
    if (bias)
        t->embd_norm_bias =
            bind_floats(b, bind_find(b, true, t->n_embd, 1, "token_embd_norm.bias"));
    else
        t->embd_norm_bias = bind_zeros(b);
}

static void bind_types(struct binder *b, bool must)
{
    struct transformer *t = b->t;
    const struct gguf_tensor *types = bind_look_up(b, "token_types.weight");
    if (!b->rc &&
        ((must && !types) || (types && (types->ne[0] != t->n_embd || types->ne[1] > 16 ||
                                        types->ne[2] != 1 || types->ne[3] != 1))))
        b->rc = err_set(b->e, -EINVAL,
                        "%s: tensor token_types.weight is missing or of another "
                        "shape",
                        gguf_path(t->g));
    t->type_row = bind_floats(b, types); // its first row
}

void bind_bert_ends(struct binder *b)
{
    struct transformer *t = b->t;
    t->positions =
        bind_floats(b, bind_find(b, true, t->n_embd, t->n_ctx, "position_embd.weight"));
    bind_embedding(b, true);
    bind_types(b, true);
}

void bind_bert_layer(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &t->layers[i];
    bind_attention(b, i);
    bind_linear(b, &l->up, i, "ffn_up", t->n_embd, t->n_ff);
    bind_linear(b, &l->down, i, "ffn_down", t->n_ff, t->n_embd);
    bind_norm(b, i, "attn_output_norm", &l->attn_norm, &l->attn_norm_bias);
    bind_norm(b, i, "layer_output_norm", &l->ffn_norm, &l->ffn_norm_bias);
}

void bind_nomic_ends(struct binder *b)
{
    bind_embedding(b, true);
    bind_types(b, false);
    bind_rope(b);
}

// Queries, keys and values as one tensor.
static void bind_fused(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &t->layers[i];
    uint64_t d = t->n_embd;
    const struct gguf_tensor *qkv = bind_find(b, true, d, 3 * d, "blk.%u.attn_qkv.weight", i);
    bind_rows(b, qkv, 0, d, &l->q.w);
    bind_rows(b, qkv, d, d, &l->k.w);
    bind_rows(b, qkv, 2 * d, d, &l->v.w);
    const struct gguf_tensor *bias = bind_find(b, false, 3 * d, 1, "blk.%u.attn_qkv.bias", i);
    struct linear *parts[] = {&l->q, &l->k, &l->v};
    for (size_t k = 0; bias && k < 3; k++) {
        struct gguf_tensor part = *bias;
        const struct tensor_type *type = tensor_type_info(bias->type);
        part.ne[0] = d;
        if (type)
            part.data = (const char *)bias->data + k * (d / type->block * type->bytes);
        parts[k]->bias = bind_floats(b, &part);
    }
    bind_linear(b, &l->o, i, "attn_output", d, d);
}

void bind_nomic_layer(struct binder *b, uint32_t i)
{
    struct layer *l = &b->t->layers[i];
    bind_fused(b, i);
    bind_feed(b, i);
    bind_norm(b, i, "attn_output_norm", &l->attn_norm, &l->attn_norm_bias);
    bind_norm(b, i, "layer_output_norm", &l->ffn_norm, &l->ffn_norm_bias);
}

void bind_modern_ends(struct binder *b)
{
    struct transformer *t = b->t;
    t->pre_norm = t->gelu_gate = true;
    t->zeros = bind_zeros(b);
    bind_embedding(b, false);
    t->final_norm = bind_floats(b, bind_find(b, true, t->n_embd, 1, "output_norm.weight"));
    bind_rope(b);
}

// ModernBERT: every third layer, the first among them, sees all, the others a window; norms
// have no bias, and before the first layer stands that of the embeddings.
void bind_modern_layer(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &t->layers[i];
    uint32_t period = bind_number(b, "attention.sliding_window_pattern", 1, 256, 3);
    uint64_t d = t->n_embd, ff = t->n_ff;
    const struct gguf_tensor *up = bind_find(b, true, d, 2 * ff, "blk.%u.ffn_up.weight", i);
    l->local = t->window && i % period != 0;
    bind_fused(b, i);
    bind_rows(b, up, 0, ff, &l->gate.w);
    bind_rows(b, up, ff, ff, &l->up.w);
    bind_linear(b, &l->down, i, "ffn_down", ff, d);
    l->attn_norm = bind_vector(b, i != 0, i, "attn_norm.weight", d);
    l->ffn_norm = bind_vector(b, true, i, "ffn_norm.weight", d);
    l->attn_norm_bias = bind_zeros(b);
    l->ffn_norm_bias = bind_zeros(b);
}
