// SPDX-License-Identifier: MIT
// Decoders (llama, qwen2, gemma3): RMS norm, rotary positions, grouped-query attention, SwiGLU
// or GeGLU.
//
// One eval is a sequence of team rounds; a round splits either output rows or (token, head)
// pairs. Nothing is summed across threads, so the number of threads changes no bit.
#include "engine/transformer/internal.h"

#include "engine/tensor/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct transformer_session {
    struct transformer *t;
    uint32_t n_ctx, n_batch, len;
    size_t bytes;
    char *memory;
    float *x, *h, *q, *att, *gate, *up, *scores; // [n_batch, ...]
    float *k;                 // [n_layer, n_kv][n_ctx, rounded up: see attention_put_key]
    float *v;                 // [n_layer, n_kv, n_ctx, head_dim]
    float *logits;            // [n_vocab]
    float *rope, *rope_local; // [n_ctx, head_dim]: cos, sin pairs
    struct activations a, b;  // of width n_embd, and the wider one
    // Of the eval that runs.
    const int32_t *tokens;
    uint32_t n;
    uint32_t layer;
    float *k_new, *v_new; // [n_batch, n_kv * head_dim]
    float *all_logits;
};

static size_t place(size_t *at, size_t bytes)
{
    size_t here = *at;
    *at += (bytes + 63) / 64 * 64;
    return here;
}

static uint32_t q_width(const struct transformer *t)
{
    return t->n_head * t->head_dim;
}

static uint32_t kv_width(const struct transformer *t)
{
    return t->n_kv * t->head_dim;
}

// Angles of every position, computed in double so that long contexts stay exact.
static void fill_rope(const struct transformer_session *s, float base, float scale,
                      const float *factors, float *out)
{
    const struct transformer *t = s->t;
    uint32_t half = t->head_dim / 2;
    for (uint32_t p = 0; p < s->n_ctx; p++)
        for (uint32_t i = 0; i < half; i++) {
            double angle = (double)p * (double)scale *
                           pow((double)base, -2.0 * (double)i / (double)t->head_dim);
            if (factors)
                angle /= (double)factors[i];
            out[((size_t)p * half + i) * 2] = (float)cos(angle);
            out[((size_t)p * half + i) * 2 + 1] = (float)sin(angle);
        }
}

int transformer_session_new(transformer *t, uint32_t n_ctx, uint32_t n_batch,
                            transformer_session **out, struct err *e)
{
    if (!t->causal)
        return err_set(e, -EINVAL, "%s is an encoder: it has no sessions", gguf_path(t->g));
    if (n_ctx < 1 || n_ctx > t->n_ctx || n_batch < 1 || n_batch > n_ctx)
        return err_set(e, -EINVAL,
                       "a session's context is from 1 to %u tokens, its batch no more",
                       t->n_ctx);
    struct transformer_session *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(e);
    s->t = t;
    s->n_ctx = n_ctx;
    s->n_batch = n_batch;
    uint32_t wide = t->n_ff > q_width(t) ? t->n_ff : q_width(t);
    size_t f = sizeof(float), n = n_batch, at = 0, room = attention_room(n_ctx);
    size_t x = place(&at, n * t->n_embd * f), h = place(&at, n * t->n_embd * f),
           q = place(&at, n * q_width(t) * f), att = place(&at, n * q_width(t) * f),
           gate = place(&at, n * t->n_ff * f), up = place(&at, n * t->n_ff * f),
           kn = place(&at, n * kv_width(t) * f), vn = place(&at, n * kv_width(t) * f),
           scores = place(&at, (size_t)team_size(t->team) * ATTENTION_QUERIES * room * f),
           logits = place(&at, (size_t)t->n_vocab * f),
           rope = place(&at, (size_t)n_ctx * t->head_dim * f),
           rope_local = place(&at, t->window ? (size_t)n_ctx * t->head_dim * f : 0),
           a = place(&at, activations_bytes(n, t->n_embd)),
           b = place(&at, activations_bytes(n, wide)),
           k = place(&at, (size_t)t->n_layer * room * kv_width(t) * f),
           v = place(&at, (size_t)t->n_layer * n_ctx * kv_width(t) * f);
    s->bytes = at;
    s->memory = aligned_alloc(64, at);
    if (!s->memory) {
        free(s);
        return err_nomem(e);
    }
    char *m = s->memory;
    s->x = (float *)(m + x);
    s->h = (float *)(m + h);
    s->q = (float *)(m + q);
    s->att = (float *)(m + att);
    s->gate = (float *)(m + gate);
    s->up = (float *)(m + up);
    s->k_new = (float *)(m + kn);
    s->v_new = (float *)(m + vn);
    s->scores = (float *)(m + scores);
    s->logits = (float *)(m + logits);
    s->rope = (float *)(m + rope);
    s->rope_local = (float *)(m + rope_local);
    s->k = (float *)(m + k);
    s->v = (float *)(m + v);
    activations_place(&s->a, m + a, n, t->n_embd);
    activations_place(&s->b, m + b, n, wide);
    // Keys beyond the timeline are multiplied, then dropped: they must be numbers.
    memset(s->k, 0, (size_t)t->n_layer * room * kv_width(t) * f);
    fill_rope(s, t->rope_base, t->rope_scale, t->rope_factors, s->rope);
    if (t->window)
        fill_rope(s, t->rope_base_local, 1, NULL, s->rope_local);
    *out = s;
    return 0;
}

void transformer_session_free(transformer_session *s)
{
    if (!s)
        return;
    free(s->memory);
    free(s);
}

size_t transformer_session_bytes(const transformer_session *s)
{
    return s->bytes;
}

uint32_t transformer_session_len(const transformer_session *s)
{
    return s->len;
}

void transformer_session_truncate(transformer_session *s, uint32_t n)
{
    if (n < s->len)
        s->len = n;
}

const float *transformer_session_logits(const transformer_session *s)
{
    return s->logits;
}

// ---- rounds ----

static void norm_attention(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    const struct transformer *t = s->t;
    size_t first, last;
    share(s->n, i, n, &first, &last);
    for (size_t c = first; c < last; c++)
        rms_norm(s->x + c * t->n_embd, t->layers[s->layer].attn_norm, t->eps, t->n_embd,
                 s->h + c * t->n_embd);
    quantize_columns(&s->a, s->h, t->n_embd, first, last);
}

static void project(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    const struct transformer *t = s->t;
    const struct layer *l = &t->layers[s->layer];
    linear_apply(&l->q, &s->a, s->n, s->q, q_width(t), i, n);
    linear_apply(&l->k, &s->a, s->n, s->k_new, kv_width(t), i, n);
    linear_apply(&l->v, &s->a, s->n, s->v_new, kv_width(t), i, n);
}

// Rotary position embedding (Su et al. 2021) of one head.
static void rotate(const struct transformer *t, const float *angles, float *x)
{
    uint32_t half = t->head_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        uint32_t a = t->neox ? i : 2 * i, b = t->neox ? i + half : 2 * i + 1;
        float c = angles[2 * i], sn = angles[2 * i + 1], x0 = x[a], x1 = x[b];
        x[a] = x0 * c - x1 * sn;
        x[b] = x0 * sn + x1 * c;
    }
}

// Normalise, where the model does, and rotate the heads of one token.
static void turn_heads(const struct transformer *t, const float *norm, const float *angles,
                       float *x, uint32_t heads)
{
    for (uint32_t h = 0; h < heads; h++, x += t->head_dim) {
        if (norm)
            rms_norm(x, norm, t->eps, t->head_dim, x);
        rotate(t, angles, x);
    }
}

static float *keys(const struct transformer_session *s, uint32_t head)
{
    return s->k +
           ((size_t)s->layer * s->t->n_kv + head) * attention_room(s->n_ctx) * s->t->head_dim;
}

static float *values(const struct transformer_session *s, uint32_t head)
{
    return s->v + ((size_t)s->layer * s->t->n_kv + head) * s->n_ctx * s->t->head_dim;
}

static void store_and_rotate(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    const struct transformer *t = s->t;
    size_t first, last, d = t->head_dim;
    const struct layer *l = &t->layers[s->layer];
    share(s->n, i, n, &first, &last);
    for (size_t c = first; c < last; c++) {
        size_t p = s->len + c;
        const float *angles = (l->local ? s->rope_local : s->rope) + p * d;
        turn_heads(t, l->q_norm, angles, s->q + c * q_width(t), t->n_head);
        turn_heads(t, l->k_norm, angles, s->k_new + c * kv_width(t), t->n_kv);
        for (uint32_t h = 0; h < t->n_kv; h++) {
            size_t at = c * kv_width(t) + h * d;
            attention_put_key(keys(s, h), d, p, s->k_new + at);
            memcpy(values(s, h) + p * d, s->v_new + at, d * sizeof(float));
        }
    }
}

static void attend(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    const struct transformer *t = s->t;
    size_t first, last, d = t->head_dim, pitch = attention_room(s->n_ctx);
    size_t groups = (s->n + ATTENTION_QUERIES - 1) / ATTENTION_QUERIES;
    bool local = t->layers[s->layer].local;
    share(groups * t->n_head, i, n, &first, &last);
    for (size_t j = first; j < last; j++) {
        size_t h = j / groups, c = j % groups * ATTENTION_QUERIES;
        uint32_t kv = (uint32_t)h / (t->n_head / t->n_kv);
        struct attention a = {.q = s->q + c * q_width(t) + h * d,
                              .q_stride = q_width(t),
                              .n = s->n - c < ATTENTION_QUERIES ? (unsigned)(s->n - c)
                                                                : ATTENTION_QUERIES,
                              .k = keys(s, kv),
                              .v = values(s, kv),
                              .v_stride = d,
                              .d = d,
                              .scale = 1 / sqrtf((float)d),
                              .scores = s->scores + (size_t)i * ATTENTION_QUERIES * pitch,
                              .pitch = pitch,
                              .out = s->att + c * q_width(t) + h * d,
                              .out_stride = q_width(t)};
        for (unsigned z = 0; z < a.n; z++) {
            a.to[z] = s->len + (uint32_t)c + z + 1;
            a.from[z] = local && a.to[z] > t->window ? a.to[z] - t->window : 0;
        }
        attention_run(&a);
    }
}

static void quantize_attention(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    size_t first, last;
    share(s->n, i, n, &first, &last);
    quantize_columns(&s->b, s->att, q_width(s->t), first, last);
}

static void project_out(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    linear_apply(&s->t->layers[s->layer].o, &s->b, s->n, s->h, s->t->n_embd, i, n);
}

// The residual takes in h, normalised first where the model does; one token.
static void add_to_residual(struct transformer_session *s, size_t c, const float *norm)
{
    size_t d = s->t->n_embd;
    float *x = s->x + c * d, *h = s->h + c * d;
    if (norm)
        rms_norm(h, norm, s->t->eps, d, h);
    for (size_t k = 0; k < d; k++)
        x[k] += h[k];
}

static void add_and_norm(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    const struct transformer *t = s->t;
    size_t first, last, d = t->n_embd;
    share(s->n, i, n, &first, &last);
    for (size_t c = first; c < last; c++) {
        add_to_residual(s, c, t->layers[s->layer].post_attn_norm);
        rms_norm(s->x + c * d, t->layers[s->layer].ffn_norm, t->eps, d, s->h + c * d);
    }
    quantize_columns(&s->a, s->h, d, first, last);
}

static void feed_up(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    const struct layer *l = &s->t->layers[s->layer];
    linear_apply(&l->gate, &s->a, s->n, s->gate, s->t->n_ff, i, n);
    linear_apply(&l->up, &s->a, s->n, s->up, s->t->n_ff, i, n);
}

static void activate(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    size_t blocks = (size_t)s->n * s->t->n_ff / MATRIX_BLOCK, first, last;
    share(blocks, i, n, &first, &last);
    (s->t->gemma ? vector_gelu_tanh_times : vector_silu_times)(s->gate + first * MATRIX_BLOCK,
                                                               s->up + first * MATRIX_BLOCK,
                                                               (last - first) * MATRIX_BLOCK);
    // Blocks do not straddle tokens, so this thread may quantise exactly its own.
    activations_quantize(&s->b, s->gate, first, last);
}

static void feed_down(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    linear_apply(&s->t->layers[s->layer].down, &s->b, s->n, s->h, s->t->n_embd, i, n);
}

static void add_residual(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    size_t first, last;
    share(s->n, i, n, &first, &last);
    for (size_t c = first; c < last; c++)
        add_to_residual(s, c, s->t->layers[s->layer].post_ffn_norm);
}

// Logits of tokens [s->layer ..) of the batch: `layer` is unused by now.
static void final_norm(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    const struct transformer *t = s->t;
    size_t from = s->all_logits ? 0 : s->n - 1, first, last, d = t->n_embd;
    share(s->n - from, i, n, &first, &last);
    for (size_t c = first; c < last; c++)
        rms_norm(s->x + (from + c) * d, t->final_norm, t->eps, d, s->h + c * d);
    quantize_columns(&s->a, s->h, d, first, last);
}

static void head(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    size_t first, last;
    share(matrix_groups(&s->t->head), i, n, &first, &last);
    if (s->all_logits)
        matrix_multiply(&s->t->head, &s->a, s->n, s->all_logits, s->t->n_vocab, first, last);
    else
        matrix_multiply(&s->t->head, &s->a, 1, s->logits, s->t->n_vocab, first, last);
}

static void embed(void *arg, unsigned i, unsigned n)
{
    struct transformer_session *s = arg;
    size_t first, last;
    share(s->n, i, n, &first, &last);
    for (size_t c = first; c < last; c++) {
        float *x = s->x + c * s->t->n_embd, scale = sqrtf((float)s->t->n_embd);
        embedding_row(s->t, s->tokens[c], x);
        for (uint32_t k = 0; s->t->gemma && k < s->t->n_embd; k++)
            x[k] *= scale;
    }
}

int transformer_session_eval(transformer_session *s, const int32_t *tokens, uint32_t n,
                             float *all_logits, const atomic_bool *cancel, struct err *e)
{
    static void (*const rounds[])(void *, unsigned, unsigned) = {
        norm_attention, project, store_and_rotate, attend,    quantize_attention, project_out,
        add_and_norm,   feed_up, activate,         feed_down, add_residual};
    struct transformer *t = s->t;
    if (n < 1 || n > s->n_batch || n > s->n_ctx - s->len)
        return err_set(e, -E2BIG, "%u tokens do not fit: %u of %u are taken, %u at once", n,
                       s->len, s->n_ctx, s->n_batch);
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= t->n_vocab)
            return err_set(e, -EINVAL, "token %d is not in the vocabulary", tokens[i]);
    s->tokens = tokens;
    s->n = n;
    s->all_logits = all_logits;
    team_run(t->team, embed, s);
    for (s->layer = 0; s->layer < t->n_layer; s->layer++) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return err_set(e, -ECANCELED, "cancelled");
        for (size_t r = 0; r < sizeof rounds / sizeof *rounds; r++)
            team_run(t->team, rounds[r], s);
    }
    team_run(t->team, final_norm, s);
    team_run(t->team, head, s);
    if (all_logits)
        memcpy(s->logits, all_logits + (size_t)(n - 1) * t->n_vocab,
               t->n_vocab * sizeof(float));
    s->len += n;
    return 0;
}
