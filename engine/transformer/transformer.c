// SPDX-License-Identifier: MIT
// Binding: every tensor is looked up by name and its shape checked before anything runs.
#include "engine/transformer/bind.h"

#include "engine/tensor/heads.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t bind_number(struct binder *b, const char *key, uint32_t low, uint32_t high,
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

float bind_real(struct binder *b, const char *key, float fallback)
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

const struct gguf_tensor *bind_look_up(struct binder *b, const char *name)
{
    const struct gguf_tensor *x = gguf_tensor_find(b->t->g, name);
    if (x)
        b->used[x - gguf_tensor_at(b->t->g, 0)] = true;
    return x;
}

static void bind_nothing_left(struct binder *b)
{
    for (size_t i = 0; !b->rc && i < gguf_tensor_count(b->t->g); i++)
        if (!b->used[i])
            b->rc = err_set(b->e, -ENOTSUP,
                            "%s: tensor %s is not known of architecture %s: the model has a "
                            "part that is not supported",
                            gguf_path(b->t->g), gguf_tensor_at(b->t->g, i)->name,
                            b->t->architecture);
}

const struct gguf_tensor *bind_find(struct binder *b, bool must, uint64_t cols, uint64_t rows,
                                    const char *fmt, ...)
{
    char name[96];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    if (b->rc)
        return NULL;
    const struct gguf_tensor *x = bind_look_up(b, name);
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

float *bind_floats(struct binder *b, const struct gguf_tensor *x)
{
    if (!x || b->rc)
        return NULL;
    size_t n = (size_t)(x->ne[0] * x->ne[1]);
    const struct tensor_type *type = tensor_type_info(x->type);
    if (b->measure) {
        b->t->weight_bytes += n * sizeof(float);
        return NULL;
    }
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

// As matrix.h packs rows of a type: bits of a weight, then bytes of scales that a block has.
static size_t packed_bytes(const struct gguf_tensor *x)
{
    static const struct {
        uint32_t type;
        unsigned bits, scales;
    } narrow[] = {{2, 4, 32}, {3, 4, 64}, {6, 5, 32}, {7, 5, 64}, {12, 4, 40}, {13, 5, 40}};
    unsigned bits = 8, scales = 32;
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++)
        if (narrow[i].type == x->type) {
            bits = narrow[i].bits;
            scales = narrow[i].scales;
        }
    size_t blocks = (size_t)((x->ne[1] + MATRIX_ROWS - 1) / MATRIX_ROWS) *
                    (size_t)(x->ne[0] / MATRIX_BLOCK);
    return blocks * (MATRIX_ROWS * MATRIX_BLOCK * bits / 8 + scales);
}

void bind_matrix(struct binder *b, const struct gguf_tensor *x, struct matrix *out)
{
    if (!x || b->rc)
        return;
    if (b->measure) {
        *out = (struct matrix){.rows = (size_t)x->ne[1], .cols = (size_t)x->ne[0]};
        b->t->weight_bytes += packed_bytes(x);
        return;
    }
    b->rc = matrix_new(x->type, x->data, (size_t)x->ne[1], (size_t)x->ne[0], &b->t->pool, out,
                       b->e);
    if (b->rc)
        err_prefix(b->e, "%s: tensor %s", gguf_path(b->t->g), x->name);
    b->t->weight_bytes += out->bytes;
}

void bind_rows(struct binder *b, const struct gguf_tensor *x, uint64_t first, uint64_t rows,
               struct matrix *out)
{
    const struct tensor_type *type = x ? tensor_type_info(x->type) : NULL;
    if (!x || b->rc)
        return;
    struct gguf_tensor part = *x;
    part.ne[1] = rows;
    if (type)
        part.data = (const char *)x->data + first * (x->ne[0] / type->block * type->bytes);
    bind_matrix(b, &part, out);
}

void bind_linear(struct binder *b, struct linear *l, uint32_t i, const char *name,
                 uint64_t cols, uint64_t rows)
{
    bind_matrix(b, bind_find(b, true, cols, rows, "%sblk.%u.%s.weight", b->stack, i, name),
                &l->w);
    l->bias =
        bind_floats(b, bind_find(b, false, rows, 1, "%sblk.%u.%s.bias", b->stack, i, name));
}

float *bind_vector(struct binder *b, bool must, uint32_t i, const char *name, uint64_t n)
{
    return bind_floats(b, bind_find(b, must, n, 1, "%sblk.%u.%s", b->stack, i, name));
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
    float factor = bind_real(b, "rope.scaling.factor", 1);
    if (!b->rc && (type.n != 6 || memcmp(type.s, "linear", 6) || !(factor >= 1)))
        b->rc = err_set(b->e, -ENOTSUP, "%s: %s is '%.*s'; only linear scaling is known",
                        gguf_path(b->t->g), name, (int)(type.n < 20 ? type.n : 20), type.s);
    return 1 / factor;
}

double *bind_turns(struct binder *b, float base, float scale, const float *factors)
{
    uint32_t half = b->t->n_rot / 2;
    double *out = malloc(half * sizeof *out);
    if (!out && !b->rc)
        b->rc = err_nomem(b->e);
    for (uint32_t i = 0; out && i < half; i++)
        out[i] = (double)scale * pow((double)base, -2.0 * i / b->t->n_rot) /
                 (factors ? (double)factors[i] : 1);
    return out;
}

void bind_rope(struct binder *b)
{
    struct transformer *t = b->t;
    float base = bind_real(b, "rope.freq_base", 10000), scale = rope_scale(b),
          local = bind_real(b, "rope.freq_base_swa", 10000);
    float *factors = bind_floats(b, bind_find(b, false, t->n_rot / 2, 1, "rope_freqs.weight"));
    t->rope_magnitude = 1;
    t->turns = bind_turns(b, base, scale, factors); // factors stretch contexts (Llama 3)
    if (t->window)
        t->turns_local = bind_turns(b, local, 1, NULL);
    free(factors);
    bind_long_rope(b);
}

// The biases of an encoder-decoder grow with the context.
#define BOTH_CTX_MAX 16384

static void bind_hyper(struct binder *b)
{
    struct transformer *t = b->t;
    t->n_embd = bind_number(b, "embedding_length", 32, 16384, -1);
    t->n_layer = bind_number(b, "block_count", 1, 256, -1);
    t->n_ff = bind_number(b, "feed_forward_length", 32, 131072, -1);
    t->n_head = bind_number(b, "attention.head_count", 1, 256, -1);
    t->n_kv = bind_number(b, "attention.head_count_kv", 1, 256, t->n_head);
    t->n_ctx = bind_number(b, "context_length", 1, b->arch->both ? BOTH_CTX_MAX : 1 << 20, -1);
    t->head_dim = bind_number(b, "attention.key_length", 2, 1024, t->n_embd / t->n_head);
    t->n_rot = bind_number(b, "rope.dimension_count", 2, t->head_dim, t->head_dim);
    bind_number(b, "attention.value_length", t->head_dim, t->head_dim, t->head_dim);
    t->eps = bind_real(
        b, t->causal ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
        1e-5f);
    if (b->arch->window)
        t->window = bind_number(b, "attention.sliding_window", 1, 1 << 20, -1);
    t->pooling = t->causal ? 0 : bind_number(b, "pooling_type", 1, 2, 1);
    bind_moe_numbers(b);
    // Encoders lay out heads side by side in rows of n_embd.
    if (!b->rc && !t->causal &&
        (t->n_kv != t->n_head || (uint64_t)t->n_head * t->head_dim != t->n_embd))
        b->rc = err_set(b->e, -EINVAL, "%s: an encoder's heads together are as wide as a token",
                        gguf_path(t->g));
    if (!b->rc && !t->causal && t->head_dim > HEADS_DIM_MOST)
        b->rc = err_set(b->e, -EINVAL, "%s: an encoder's heads are at most %d wide",
                        gguf_path(t->g), HEADS_DIM_MOST);
    if (!b->rc && (t->n_head % t->n_kv || t->head_dim % 2 || t->n_rot % 2 || t->n_embd % 32 ||
                   t->n_ff % 32 || (uint64_t)t->n_head * t->head_dim % 32))
        b->rc = err_set(b->e, -EINVAL, "%s: its widths and heads do not fit together",
                        gguf_path(t->g));
}

static void bind_all(struct binder *b)
{
    struct transformer *t = b->t;
    bind_hyper(b);
    const struct gguf_tensor *x = b->rc ? NULL : bind_look_up(b, "token_embd.weight");
    if (!b->rc && (!x || x->ne[0] != t->n_embd || x->ne[1] > INT32_MAX || x->ne[2] != 1))
        b->rc = err_set(b->e, -EINVAL, "%s: token_embd.weight is missing or of another width",
                        gguf_path(t->g));
    if (b->rc)
        return;
    t->embedding = x;
    t->n_vocab = (uint32_t)x->ne[1];
    t->embedding_type = tensor_type_info(x->type);
    if (!t->embedding_type) {
        b->rc = err_set(b->e, -EINVAL, "%s: token_embd.weight has an unknown type",
                        gguf_path(t->g));
        return;
    }
    if (t->causal)
        t->layers = calloc(t->n_layer, sizeof *t->layers);
    else
        t->encoder_layers = calloc(t->n_layer, sizeof *t->encoder_layers);
    if (!t->layers && !t->encoder_layers) {
        b->rc = err_nomem(b->e);
        return;
    }
    b->layers = t->layers;
    for (uint32_t i = 0; i < t->n_layer && !b->rc; i++)
        b->arch->layer(b, i);
    b->arch->ends(b);
    bind_nothing_left(b);
}

static void bind_decoder_ends(struct binder *b)
{
    struct transformer *t = b->t;
    const struct gguf_tensor *head =
        bind_find(b, false, t->n_embd, t->n_vocab, "output.weight");
    bind_matrix(b, head ? head : t->embedding, &t->head);
    t->final_norm = bind_floats(b, bind_find(b, true, t->n_embd, 1, "output_norm.weight"));
    bind_rope(b);
}

#define DECODER .causal = true, .ends = bind_decoder_ends

static const struct architecture known[] = {
    {"llama", DECODER, .moe = true, .layer = bind_llama_layer},
    {"qwen2", DECODER, .neox = true, .layer = bind_llama_layer},
    {"qwen3", DECODER, .neox = true, .layer = bind_qwen3_layer},
    {"qwen3moe", DECODER, .neox = true, .moe = true, .layer = bind_qwen3_layer},
    {"phi3", DECODER, .neox = true, .layer = bind_phi3_layer},
    {"gemma3", DECODER, .neox = true, .scaled = true, .gelu = true, .window = true,
     .layer = bind_gemma_layer},
    {"t5", .causal = true, .gelu = true, .both = true, .layer = bind_t5_layer,
     .ends = bind_t5_ends},
    {"bert", .layer = bind_bert_layer, .ends = bind_bert_ends},
    {"nomic-bert", .neox = true, .layer = bind_nomic_layer, .ends = bind_nomic_ends},
    {"modern-bert", .neox = true, .window = true, .layer = bind_modern_layer,
     .ends = bind_modern_ends},
};

// "llama, qwen2, ..."
static const char *known_names(char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", known[i].name);
    return out;
}

static int open_as(const gguf *g, struct team *team, bool measure, transformer **out,
                   struct err *e)
{
    struct gguf_str arch;
    int rc = gguf_get_str(g, "general.architecture", &arch, e);
    if (rc)
        return rc;
    transformer *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(e);
    t->g = g;
    t->team = team;
    struct binder b = {.t = t, .e = e, .stack = "", .measure = measure};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (arch.n == strlen(known[i].name) && !memcmp(arch.s, known[i].name, arch.n)) {
            strcpy(t->architecture, known[i].name);
            t->causal = known[i].causal;
            t->neox = known[i].neox;
            t->scaled = known[i].scaled;
            t->gelu = known[i].gelu;
            b.arch = &known[i];
        }
    char names[160];
    b.used = calloc(gguf_tensor_count(g) + 1, sizeof *b.used);
    if (!b.used)
        b.rc = err_nomem(e);
    else if (*t->architecture && measure && !t->causal)
        b.rc = 0; // nothing is asked of it
    else if (*t->architecture)
        bind_all(&b);
    else
        b.rc =
            err_set(e, -EINVAL, "%s: architecture '%.*s' is none of %s", gguf_path(g),
                    (int)(arch.n < 40 ? arch.n : 40), arch.s, known_names(names, sizeof names));
    free(b.used);
    if (b.rc) {
        transformer_close(t);
        return b.rc;
    }
    *out = t;
    return 0;
}

int transformer_open(const gguf *g, struct team *team, transformer **out, struct err *e)
{
    return open_as(g, team, false, out, e);
}

int transformer_measure(const gguf *g, struct team *team, uint32_t n_ctx, uint32_t n_batch,
                        struct transformer_needs *out, struct err *e)
{
    transformer *t;
    int rc = open_as(g, team, true, &t, e);
    if (rc)
        return rc;
    *out = (struct transformer_needs){.weights = t->weight_bytes, .n_vocab = t->n_vocab};
    if (t->causal) {
        out->n_ctx = n_ctx < t->n_ctx ? n_ctx : t->n_ctx;
        out->session =
            session_bytes(t, out->n_ctx, n_batch < out->n_ctx ? n_batch : out->n_ctx);
    }
    transformer_close(t);
    return 0;
}

static void free_layers(struct layer *layers, uint32_t n)
{
    for (uint32_t i = 0; layers && i < n; i++) {
        struct layer *l = &layers[i];
        struct linear *all[] = {&l->q,       &l->k,       &l->v,      &l->o,
                                &l->gate,    &l->up,      &l->down,   &l->cross_q,
                                &l->cross_k, &l->cross_v, &l->cross_o};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]->bias);
        free(l->attn_norm);
        free(l->ffn_norm);
        free(l->q_norm);
        free(l->k_norm);
        free(l->post_attn_norm);
        free(l->post_ffn_norm);
        free(l->cross_norm);
        experts_free(l->experts);
    }
    free(layers);
}

void transformer_close(transformer *t)
{
    if (!t)
        return;
    free_layers(t->layers, t->n_layer);
    free_layers(t->source_layers, t->n_source_layer);
    free(t->source_norm);
    free(t->bias);
    free(t->source_bias);
    encoder_layers_free(t);
    pool_free(&t->pool);
    pool_free(&t->work);
    free(t->final_norm);
    free(t->turns);
    free(t->turns_local);
    free(t->turns_long);
    free(t->positions);
    free(t->zeros);
    free(t->type_row);
    free(t->embd_norm);
    free(t->embd_norm_bias);
    free(t);
}

void transformer_describe(const transformer *t, struct transformer_info *out)
{
    *out = (struct transformer_info){.architecture = t->architecture,
                                     .n_vocab = t->n_vocab,
                                     .n_embd = t->n_embd,
                                     .n_layer = t->n_layer,
                                     .n_ctx = t->n_ctx,
                                     .causal = t->causal,
                                     .reads_source = t->source_layers != NULL,
                                     .start = t->start,
                                     .pooling = t->pooling,
                                     .weight_bytes = t->weight_bytes};
}
