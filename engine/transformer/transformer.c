// SPDX-License-Identifier: MIT
// Binding: every tensor is looked up by name and its shape checked before anything runs.
#include "engine/transformer/internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct binder {
    struct transformer *t;
    struct err *e;
    int rc;
};

static uint32_t number(struct binder *b, const char *key, uint32_t low, uint32_t high,
                       int64_t fallback)
{
    char name[96];
    uint32_t v = 0;
    snprintf(name, sizeof name, "%s.%s", b->t->architecture, key);
    if (b->rc)
        return low;
    int rc = gguf_get_u32(b->t->g, name, &v, b->e);
    if (rc == -ENOENT && fallback >= 0)
        return (uint32_t)fallback;
    if (!rc && (v < low || v > high))
        rc = err_set(b->e, -EINVAL, "%s: %s is %u; it must be from %u to %u",
                     gguf_path(b->t->g), name, v, low, high);
    b->rc = rc;
    return rc ? low : v;
}

static float real(struct binder *b, const char *key, float fallback)
{
    char name[96];
    float v = fallback;
    snprintf(name, sizeof name, "%s.%s", b->t->architecture, key);
    int rc = b->rc ? 0 : gguf_get_f32(b->t->g, name, &v, b->e);
    if (rc == -ENOENT)
        return fallback;
    b->rc = b->rc ? b->rc : rc;
    return v;
}

static const struct gguf_tensor *find(struct binder *b, bool must, uint64_t cols, uint64_t rows,
                                      const char *fmt, ...)
{
    char name[96];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    if (b->rc)
        return NULL;
    const struct gguf_tensor *x = gguf_tensor_find(b->t->g, name);
    if (!x && must)
        b->rc = err_set(b->e, -EINVAL, "%s: tensor %s is missing", gguf_path(b->t->g), name);
    if (x && (x->ne[0] != cols || x->ne[1] != rows || x->ne[2] != 1 || x->ne[3] != 1)) {
        b->rc = err_set(b->e, -EINVAL, "%s: tensor %s is %llu x %llu, not %llu x %llu",
                        gguf_path(b->t->g), name, (unsigned long long)x->ne[0],
                        (unsigned long long)x->ne[1], (unsigned long long)cols,
                        (unsigned long long)rows);
        return NULL;
    }
    return x;
}

static float *floats(struct binder *b, const struct gguf_tensor *x)
{
    if (!x || b->rc)
        return NULL;
    size_t n = (size_t)(x->ne[0] * x->ne[1]);
    const struct tensor_type *type = tensor_type_info(x->type);
    float *out = type ? malloc(n * sizeof *out) : NULL;
    if (!out) {
        b->rc = type ? err_nomem(b->e)
                     : err_set(b->e, -EINVAL, "%s: tensor %s has a type that is not supported",
                               gguf_path(b->t->g), x->name);
        return NULL;
    }
    tensor_unpack(type, x->data, n, out);
    b->t->weight_bytes += n * sizeof *out;
    return out;
}

static void bind_matrix(struct binder *b, const struct gguf_tensor *x, struct matrix *out)
{
    if (!x || b->rc)
        return;
    b->rc = matrix_new(x->type, x->data, (size_t)x->ne[1], (size_t)x->ne[0], &b->t->pool, out,
                       b->e);
    if (b->rc)
        err_prefix(b->e, "%s: tensor %s", gguf_path(b->t->g), x->name);
    b->t->weight_bytes += out->bytes;
}

static void bind_linear(struct binder *b, struct linear *l, uint32_t i, const char *name,
                        uint64_t cols, uint64_t rows)
{
    bind_matrix(b, find(b, true, cols, rows, "blk.%u.%s.weight", i, name), &l->w);
    l->bias = floats(b, find(b, false, rows, 1, "blk.%u.%s.bias", i, name));
}

static float *bind_vector(struct binder *b, bool must, uint32_t i, const char *name, uint64_t n)
{
    return floats(b, find(b, must, n, 1, "blk.%u.%s", i, name));
}

// Gemma 3 (Gemma Team 2025): five local layers, then one that sees all.
#define GEMMA_PERIOD 6

static void bind_gemma_layer(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &t->layers[i];
    l->q_norm = bind_vector(b, true, i, "attn_q_norm.weight", t->head_dim);
    l->k_norm = bind_vector(b, true, i, "attn_k_norm.weight", t->head_dim);
    l->post_attn_norm = bind_vector(b, true, i, "post_attention_norm.weight", t->n_embd);
    l->post_ffn_norm = bind_vector(b, true, i, "post_ffw_norm.weight", t->n_embd);
    l->local = t->window && i % GEMMA_PERIOD != GEMMA_PERIOD - 1;
}

static void bind_layer(struct binder *b, uint32_t i)
{
    struct transformer *t = b->t;
    struct layer *l = &t->layers[i];
    uint64_t d = t->n_embd, q = (uint64_t)t->n_head * t->head_dim,
             kv = (uint64_t)t->n_kv * t->head_dim;
    bind_linear(b, &l->q, i, "attn_q", d, q);
    bind_linear(b, &l->k, i, "attn_k", d, kv);
    bind_linear(b, &l->v, i, "attn_v", d, kv);
    bind_linear(b, &l->o, i, "attn_output", q, d);
    bind_linear(b, &l->up, i, "ffn_up", d, t->n_ff);
    bind_linear(b, &l->down, i, "ffn_down", t->n_ff, d);
    if (t->causal) {
        bind_linear(b, &l->gate, i, "ffn_gate", d, t->n_ff);
        l->attn_norm = bind_vector(b, true, i, "attn_norm.weight", d);
        l->ffn_norm = bind_vector(b, true, i, "ffn_norm.weight", d);
        if (t->gemma)
            bind_gemma_layer(b, i);
        return;
    }
    l->attn_norm = bind_vector(b, true, i, "attn_output_norm.weight", d);
    l->attn_norm_bias = bind_vector(b, true, i, "attn_output_norm.bias", d);
    l->ffn_norm = bind_vector(b, true, i, "layer_output_norm.weight", d);
    l->ffn_norm_bias = bind_vector(b, true, i, "layer_output_norm.bias", d);
}

// Linear scaling of positions (Chen et al. 2023); other kinds are refused.
static float rope_scale(struct binder *b)
{
    char name[96];
    struct gguf_str type;
    snprintf(name, sizeof name, "%s.rope.scaling.type", b->t->architecture);
    if (b->rc || gguf_get_str(b->t->g, name, &type, NULL))
        return 1;
    if (type.n == 4 && !memcmp(type.s, "none", 4))
        return 1;
    float factor = real(b, "rope.scaling.factor", 1);
    if (!b->rc && (type.n != 6 || memcmp(type.s, "linear", 6) || !(factor >= 1)))
        b->rc = err_set(b->e, -ENOTSUP, "%s: %s is '%.*s'; only linear scaling is known",
                        gguf_path(b->t->g), name, (int)(type.n < 20 ? type.n : 20), type.s);
    return 1 / factor;
}

// How far each pair turns from one position to the next (Su et al. 2021). Factors, where the
// model has them, stretch long contexts (Llama 3).
static double *turns(struct binder *b, float base, float scale, const float *factors)
{
    uint32_t half = b->t->head_dim / 2;
    double *out = malloc(half * sizeof *out);
    if (!out && !b->rc)
        b->rc = err_nomem(b->e);
    for (uint32_t i = 0; out && i < half; i++)
        out[i] = (double)scale * pow((double)base, -2.0 * i / b->t->head_dim) /
                 (factors ? (double)factors[i] : 1);
    return out;
}

static void bind_rope(struct binder *b)
{
    struct transformer *t = b->t;
    float base = real(b, "rope.freq_base", 10000), scale = rope_scale(b),
          local = real(b, "rope.freq_base_swa", 10000);
    float *factors = floats(b, find(b, false, t->head_dim / 2, 1, "rope_freqs.weight"));
    t->turns = turns(b, base, scale, factors);
    if (t->window)
        t->turns_local = turns(b, local, 1, NULL);
    free(factors);
}

static void bind_hyper(struct binder *b)
{
    struct transformer *t = b->t;
    t->n_embd = number(b, "embedding_length", 32, 16384, -1);
    t->n_layer = number(b, "block_count", 1, 256, -1);
    t->n_ff = number(b, "feed_forward_length", 32, 131072, -1);
    t->n_head = number(b, "attention.head_count", 1, 256, -1);
    t->n_kv = number(b, "attention.head_count_kv", 1, 256, t->n_head);
    t->n_ctx = number(b, "context_length", 1, 1 << 20, -1);
    t->head_dim = number(b, "attention.key_length", 2, 1024, t->n_embd / t->n_head);
    t->eps =
        real(b, t->causal ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
             1e-5f);
    if (t->gemma)
        t->window = number(b, "attention.sliding_window", 1, 1 << 20, -1);
    t->pooling = t->causal ? 0 : number(b, "pooling_type", 1, 2, 1);
    if (!b->rc && (t->n_head % t->n_kv || t->head_dim % 2 || t->n_embd % 32 || t->n_ff % 32 ||
                   (uint64_t)t->n_head * t->head_dim % 32))
        b->rc = err_set(b->e, -EINVAL, "%s: its widths and heads do not fit together",
                        gguf_path(t->g));
}

static void bind_all(struct binder *b)
{
    struct transformer *t = b->t;
    bind_hyper(b);
    const struct gguf_tensor *x = b->rc ? NULL : gguf_tensor_find(t->g, "token_embd.weight");
    if (!b->rc && (!x || x->ne[0] != t->n_embd || x->ne[1] > INT32_MAX || x->ne[2] != 1))
        b->rc = err_set(b->e, -EINVAL, "%s: token_embd.weight is missing or of another width",
                        gguf_path(t->g));
    if (b->rc)
        return;
    t->embedding = x;
    t->n_vocab = (uint32_t)x->ne[1];
    t->embedding_type = tensor_type_info(x->type);
    t->layers = calloc(t->n_layer, sizeof *t->layers);
    if (!t->layers || !t->embedding_type) {
        b->rc = t->layers ? err_set(b->e, -EINVAL, "%s: token_embd.weight has an unknown type",
                                    gguf_path(t->g))
                          : err_nomem(b->e);
        return;
    }
    for (uint32_t i = 0; i < t->n_layer && !b->rc; i++)
        bind_layer(b, i);
    if (t->causal) {
        const struct gguf_tensor *head = find(b, false, t->n_embd, t->n_vocab, "output.weight");
        bind_matrix(b, head ? head : x, &t->head);
        t->final_norm = floats(b, find(b, true, t->n_embd, 1, "output_norm.weight"));
        bind_rope(b);
        return;
    }
    t->positions = floats(b, find(b, true, t->n_embd, t->n_ctx, "position_embd.weight"));
    t->embd_norm = floats(b, find(b, true, t->n_embd, 1, "token_embd_norm.weight"));
    t->embd_norm_bias = floats(b, find(b, true, t->n_embd, 1, "token_embd_norm.bias"));
    const struct gguf_tensor *types = gguf_tensor_find(t->g, "token_types.weight");
    if (!b->rc && (!types || types->ne[0] != t->n_embd || types->ne[1] > 16))
        b->rc = err_set(b->e, -EINVAL, "%s: token_types.weight is missing or of another shape",
                        gguf_path(t->g));
    t->type_row = floats(b, types); // its first row
}

int transformer_open(const gguf *g, struct team *team, transformer **out, struct err *e)
{
    static const struct {
        const char *name;
        bool causal, neox, gemma;
    } known[] = {{"llama", true, false, false},
                 {"qwen2", true, true, false},
                 {"gemma3", true, true, true},
                 {"bert", false, false, false}};
    struct gguf_str arch;
    int rc = gguf_get_str(g, "general.architecture", &arch, e);
    if (rc)
        return rc;
    transformer *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(e);
    t->g = g;
    t->team = team;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (arch.n == strlen(known[i].name) && !memcmp(arch.s, known[i].name, arch.n)) {
            strcpy(t->architecture, known[i].name);
            t->causal = known[i].causal;
            t->neox = known[i].neox;
            t->gemma = known[i].gemma;
        }
    struct binder b = {t, e, 0};
    if (*t->architecture)
        bind_all(&b);
    else
        b.rc =
            err_set(e, -EINVAL, "%s: architecture '%.*s' is none of llama, qwen2, gemma3, bert",
                    gguf_path(g), (int)(arch.n < 40 ? arch.n : 40), arch.s);
    if (b.rc) {
        transformer_close(t);
        return b.rc;
    }
    *out = t;
    return 0;
}

static void free_linear(struct linear *l)
{
    free(l->bias);
}

void transformer_close(transformer *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; t->layers && i < t->n_layer; i++) {
        struct layer *l = &t->layers[i];
        struct linear *all[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free_linear(all[k]);
        free(l->attn_norm);
        free(l->attn_norm_bias);
        free(l->ffn_norm);
        free(l->ffn_norm_bias);
        free(l->q_norm);
        free(l->k_norm);
        free(l->post_attn_norm);
        free(l->post_ffn_norm);
    }
    free(t->layers);
    pool_free(&t->pool);
    free(t->final_norm);
    free(t->turns);
    free(t->turns_local);
    free(t->positions);
    free(t->type_row);
    free(t->embd_norm);
    free(t->embd_norm_bias);
    free(t);
}

void transformer_describe(const transformer *t, struct transformer_info *out)
{
    *out = (struct transformer_info){t->architecture, t->n_vocab, t->n_embd,  t->n_layer,
                                     t->n_ctx,        t->causal,  t->pooling, t->weight_bytes};
}
