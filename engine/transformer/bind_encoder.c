// SPDX-License-Identifier: MIT
// The layers of each family of encoders, and what stands around them.
#include "engine/transformer/bind.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const norms_behind[] = {"attn_output_norm", "layer_output_norm"};

static void bind_norm(struct binder *b, uint32_t i, const char *name, float **w, float **bias)
{
    const struct gguf_tensor *x =
        bind_find(b, true, b->t->n_embd, 1, "blk.%u.%s.weight", i, name);
    *w = bind_floats(b, x);
    x = bind_find(b, true, b->t->n_embd, 1, "blk.%u.%s.bias", i, name);
    *bias = bind_floats(b, x);
}

// ---- matrices ----

// Which numbers of a token stand out: those that the norms of all layers together scale and
// shift most. (That the greatest are always the same few, and where, is known from many
// encoders: Kovaleva et al. 2021.)
static void choose_apart(struct binder *b, const char *const norms[2])
{
    struct transformer *t = b->t;
    float *sum = b->rc ? NULL : calloc(t->n_embd, sizeof *sum);
    if (!sum && !b->rc)
        b->rc = err_nomem(b->e);
    for (uint32_t i = 0; i < 4 * t->n_layer; i++) {
        const struct gguf_tensor *x = bind_find(b, false, t->n_embd, 1, "blk.%u.%s.%s", i / 4,
                                                norms[i & 1], i & 2 ? "bias" : "weight");
        float *v = bind_floats(b, x);
        for (uint32_t k = 0; v && k < t->n_embd; k++)
            sum[k] += fabsf(v[k]);
        t->weight_bytes -= v ? t->n_embd * sizeof *v : 0;
        free(v);
    }
    for (int n = 0; sum && n < DENSE_APART; n++) {
        uint32_t most = 0;
        for (uint32_t k = 0; k < t->n_embd; k++)
            most = sum[k] > sum[most] ? k : most;
        sum[most] = -1;
        int at = n; // in ascending order
        for (; at > 0 && t->apart[at - 1] > most; at--)
            t->apart[at] = t->apart[at - 1];
        t->apart[at] = most;
    }
    free(sum);
}

// Rows of x, counted over all its dimensions but the innermost, from `from` on into rows
// [to, to + rows) of a matrix; the first of them make it, of `all` rows.
static void bind_dense(struct binder *b, const struct gguf_tensor *x, uint64_t from,
                       uint64_t to, uint64_t rows, uint64_t all, const uint32_t *apart,
                       struct dense *out)
{
    const struct tensor_type *type = x ? tensor_type_info(x->type) : NULL;
    if (!x || b->rc)
        return;
    size_t cols = (size_t)x->ne[0];
    if (to == 0)
        b->rc = dense_new((size_t)all, cols, apart, &b->t->pool, out, b->e);
    b->t->weight_bytes += b->rc || to ? 0 : out->bytes;
    const char *data = x->data;
    if (type)
        data += from * (cols / type->block * type->bytes);
    if (!b->rc)
        b->rc = dense_put(out, (size_t)to, x->type, data, (size_t)rows, b->e);
    if (b->rc)
        err_prefix(b->e, "%s: tensor %s", gguf_path(b->t->g), x->name);
}

// blk.I.NAME.weight [rows, cols] and, where there is one, its bias.
static void bind_dense_linear(struct binder *b, struct dense_linear *l, uint32_t i,
                              const char *name, uint64_t cols, uint64_t rows,
                              const uint32_t *apart)
{
    bind_dense(b, bind_find(b, true, cols, rows, "blk.%u.%s.weight", i, name), 0, 0, rows, rows,
               apart, &l->w);
    l->bias = bind_floats(b, bind_find(b, false, rows, 1, "blk.%u.%s.bias", i, name));
}

// Queries, keys and values, a tensor each; one that has no bias has zeros.
static void bind_separate(struct binder *b, uint32_t i)
{
    static const char *const names[] = {"attn_q", "attn_k", "attn_v"};
    uint64_t d = b->t->n_embd;
    struct dense_linear *qkv = &b->t->encoder_layers[i].qkv;
    qkv->bias = b->rc ? NULL : calloc(3 * d, sizeof *qkv->bias);
    if (!qkv->bias && !b->rc)
        b->rc = err_nomem(b->e);
    for (size_t k = 0; k < 3; k++) {
        bind_dense(b, bind_find(b, true, d, d, "blk.%u.%s.weight", i, names[k]), 0, k * d, d,
                   3 * d, b->t->apart, &qkv->w);
        float *bias = bind_floats(b, bind_find(b, false, d, 1, "blk.%u.%s.bias", i, names[k]));
        if (bias)
            memcpy(qkv->bias + k * d, bias, d * sizeof *bias);
        free(bias);
    }
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
    struct encoder_layer *l = &t->encoder_layers[i];
    if (i == 0)
        choose_apart(b, norms_behind);
    bind_separate(b, i);
    bind_dense_linear(b, &l->o, i, "attn_output", t->n_embd, t->n_embd, NULL);
    bind_dense_linear(b, &l->up, i, "ffn_up", t->n_embd, t->n_ff, t->apart);
    bind_dense_linear(b, &l->down, i, "ffn_down", t->n_ff, t->n_embd, NULL);
    bind_norm(b, i, "attn_output_norm", &l->attn_norm, &l->attn_norm_bias);
    bind_norm(b, i, "layer_output_norm", &l->ffn_norm, &l->ffn_norm_bias);
}

void bind_nomic_ends(struct binder *b)
{
    bind_embedding(b, true);
    bind_types(b, false);
    bind_rope(b);
}

void bind_nomic_layer(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct encoder_layer *l = &t->encoder_layers[i];
    if (i == 0)
        choose_apart(b, norms_behind);
    bind_dense_linear(b, &l->qkv, i, "attn_qkv", t->n_embd, 3 * (uint64_t)t->n_embd, t->apart);
    bind_dense_linear(b, &l->o, i, "attn_output", t->n_embd, t->n_embd, NULL);
    bind_dense_linear(b, &l->gate, i, "ffn_gate", t->n_embd, t->n_ff, t->apart);
    bind_dense_linear(b, &l->up, i, "ffn_up", t->n_embd, t->n_ff, t->apart);
    bind_dense_linear(b, &l->down, i, "ffn_down", t->n_ff, t->n_embd, NULL);
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
    struct encoder_layer *l = &t->encoder_layers[i];
    uint32_t period = bind_number(b, "attention.sliding_window_pattern", 1, 256, 3);
    uint64_t d = t->n_embd, ff = t->n_ff;
    const struct gguf_tensor *up = bind_find(b, true, d, 2 * ff, "blk.%u.ffn_up.weight", i);
    static const char *const norms[] = {"attn_norm", "ffn_norm"};
    if (i == 0)
        choose_apart(b, norms);
    l->local = t->window && i % period != 0;
    bind_dense_linear(b, &l->qkv, i, "attn_qkv", d, 3 * d, t->apart);
    bind_dense_linear(b, &l->o, i, "attn_output", d, d, NULL);
    bind_dense(b, up, 0, 0, ff, ff, t->apart, &l->gate.w);
    bind_dense(b, up, ff, 0, ff, ff, t->apart, &l->up.w);
    bind_dense_linear(b, &l->down, i, "ffn_down", ff, d, NULL);
    l->attn_norm = bind_vector(b, i != 0, i, "attn_norm.weight", d);
    l->ffn_norm = bind_vector(b, true, i, "ffn_norm.weight", d);
    l->attn_norm_bias = bind_zeros(b);
    l->ffn_norm_bias = bind_zeros(b);
}

void encoder_layers_free(struct transformer *t)
{
    for (uint32_t i = 0; t->encoder_layers && i < t->n_layer; i++) {
        struct encoder_layer *l = &t->encoder_layers[i];
        struct dense_linear *all[] = {&l->qkv, &l->o, &l->gate, &l->up, &l->down};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]->bias);
        free(l->attn_norm);
        free(l->attn_norm_bias);
        free(l->ffn_norm);
        free(l->ffn_norm_bias);
    }
    free(t->encoder_layers);
}
