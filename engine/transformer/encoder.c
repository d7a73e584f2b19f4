// SPDX-License-Identifier: MIT
// Encoders (BERT, XLM-R): learned positions, attention within each sequence, post-layer norms,
// GELU; pooled by mean or by the first token and brought to unit length.
#include "engine/transformer/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct pass {
    struct transformer *t;
    const int32_t *tokens;
    const uint32_t *starts;
    uint32_t n_seq;
    size_t n;      // tokens
    uint32_t *seq; // of each token
    float *x, *h, *q, *k, *v, *ff, *scores;
    struct activations a, wide;
    const struct layer *l;
    float *out;
    uint32_t longest;
};

static void embed(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t first, last, d = t->n_embd;
    share(p->n, i, n, &first, &last);
    for (size_t c = first; c < last; c++) {
        const float *position = t->positions + (c - p->starts[p->seq[c]]) * d;
        float *x = p->x + c * d;
        embedding_row(t, p->tokens[c], x);
        for (size_t k = 0; k < d; k++)
            x[k] += t->type_row[k] + position[k];
        layer_norm(x, t->embd_norm, t->embd_norm_bias, t->eps, d);
    }
    activations_quantize(&p->a, p->x, d, first, last);
}

static void project(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    linear_apply(&p->l->q, &p->a, p->n, p->q, p->t->n_embd, i, n);
    linear_apply(&p->l->k, &p->a, p->n, p->k, p->t->n_embd, i, n);
    linear_apply(&p->l->v, &p->a, p->n, p->v, p->t->n_embd, i, n);
}

static void attend(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t first, last, d = t->head_dim, stride = t->n_embd;
    float *scores = p->scores + (size_t)i * p->longest, scale = 1 / sqrtf((float)d);
    share(p->n * t->n_head, i, n, &first, &last);
    for (size_t j = first; j < last; j++) {
        size_t c = j / t->n_head, h = j % t->n_head;
        size_t from = p->starts[p->seq[c]], len = p->starts[p->seq[c] + 1] - from;
        const float *q = p->q + c * stride + h * d, *k = p->k + from * stride + h * d,
                    *v = p->v + from * stride + h * d;
        float *out = p->h + c * stride + h * d;
        for (size_t z = 0; z < len; z++)
            scores[z] = dot(q, k + z * stride, d) * scale;
        softmax(scores, len);
        memset(out, 0, d * sizeof *out);
        for (size_t z = 0; z < len; z++)
            for (size_t y = 0; y < d; y++)
                out[y] += scores[z] * v[z * stride + y];
    }
}

static void quantize_attention(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t first, last;
    share(p->n, i, n, &first, &last);
    activations_quantize(&p->a, p->h, p->t->n_embd, first, last);
}

static void project_out(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    linear_apply(&p->l->o, &p->a, p->n, p->q, p->t->n_embd, i, n);
}

// x = norm(x + y)
static void add_and_norm(struct pass *p, const float *y, const float *w, const float *b,
                         unsigned i, unsigned n)
{
    size_t first, last, d = p->t->n_embd;
    share(p->n, i, n, &first, &last);
    for (size_t k = first * d; k < last * d; k++)
        p->x[k] += y[k];
    for (size_t c = first; c < last; c++)
        layer_norm(p->x + c * d, w, b, p->t->eps, d);
    activations_quantize(&p->a, p->x, d, first, last);
}

static void norm_attention(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    add_and_norm(p, p->q, p->l->attn_norm, p->l->attn_norm_bias, i, n);
}

static void feed_up(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    linear_apply(&p->l->up, &p->a, p->n, p->ff, p->t->n_ff, i, n);
}

static void activate(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t first, last;
    share(p->n * p->t->n_ff / MATRIX_BLOCK, i, n, &first, &last);
    for (size_t k = first * MATRIX_BLOCK; k < last * MATRIX_BLOCK; k++)
        p->ff[k] = 0.5f * p->ff[k] * (1 + erff(p->ff[k] * 0.70710678f));
    activations_quantize(&p->wide, p->ff, MATRIX_BLOCK, first, last);
}

static void feed_down(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    linear_apply(&p->l->down, &p->wide, p->n, p->h, p->t->n_embd, i, n);
}

static void norm_feed(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    add_and_norm(p, p->h, p->l->ffn_norm, p->l->ffn_norm_bias, i, n);
}

static void pool(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t first, last, d = p->t->n_embd;
    share(p->n_seq, i, n, &first, &last);
    for (size_t s = first; s < last; s++) {
        float *out = p->out + s * d;
        uint32_t stop = p->t->pooling == 2 ? p->starts[s] + 1 : p->starts[s + 1];
        memset(out, 0, d * sizeof *out);
        for (uint32_t c = p->starts[s]; c < stop; c++)
            for (size_t k = 0; k < d; k++)
                out[k] += p->x[c * d + k];
        float length = sqrtf(dot(out, out, d));
        for (size_t k = 0; k < d && length > 0; k++)
            out[k] /= length;
    }
}

static int check(struct pass *p, struct err *e)
{
    const struct transformer *t = p->t;
    for (uint32_t s = 0; s < p->n_seq; s++) {
        uint32_t n = p->starts[s + 1] - p->starts[s];
        if (p->starts[s + 1] < p->starts[s] || n < 1 || n > t->n_ctx)
            return err_set(e, -EINVAL, "a sequence has from 1 to %u tokens", t->n_ctx);
        p->longest = n > p->longest ? n : p->longest;
        for (uint32_t c = p->starts[s]; c < p->starts[s + 1]; c++) {
            if (p->tokens[c] < 0 || (uint32_t)p->tokens[c] >= t->n_vocab)
                return err_set(e, -EINVAL, "token %d is not in the vocabulary", p->tokens[c]);
        }
    }
    return 0;
}

static int run(struct pass *p, const atomic_bool *cancel, struct err *e)
{
    static void (*const rounds[])(void *, unsigned, unsigned) = {
        project, attend,   quantize_attention, project_out, norm_attention,
        feed_up, activate, feed_down,          norm_feed};
    struct transformer *t = p->t;
    team_run(t->team, embed, p);
    for (uint32_t i = 0; i < t->n_layer; i++) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return err_set(e, -ECANCELED, "cancelled");
        p->l = &t->layers[i];
        for (size_t r = 0; r < sizeof rounds / sizeof *rounds; r++)
            team_run(t->team, rounds[r], p);
    }
    team_run(t->team, pool, p);
    return 0;
}

int transformer_encode(transformer *t, const int32_t *tokens, const uint32_t *starts,
                       uint32_t n_seq, float *out, const atomic_bool *cancel, struct err *e)
{
    struct pass p = {.t = t, .tokens = tokens, .starts = starts, .n_seq = n_seq, .out = out};
    if (t->causal)
        return err_set(e, -EINVAL, "%s is a decoder: it does not encode", gguf_path(t->g));
    if (!n_seq)
        return 0;
    int rc = check(&p, e);
    if (rc)
        return rc;
    p.n = starts[n_seq];
    size_t d = t->n_embd, floats = p.n * (5 * d + t->n_ff) + team_size(t->team) * p.longest;
    size_t a = activations_bytes(p.n, d), wide = activations_bytes(p.n, t->n_ff);
    float *memory = malloc(floats * sizeof *memory);
    char *quantized = aligned_alloc(64, a + wide);
    p.seq = malloc(p.n * sizeof *p.seq);
    if (!memory || !quantized || !p.seq) {
        rc = err_nomem(e);
    } else {
        float **parts[] = {&p.x, &p.h, &p.q, &p.k, &p.v};
        for (size_t i = 0; i < 5; i++)
            *parts[i] = memory + i * p.n * d;
        p.ff = memory + 5 * p.n * d;
        p.scores = p.ff + p.n * t->n_ff;
        activations_place(&p.a, quantized, p.n, d);
        activations_place(&p.wide, quantized + a, p.n, t->n_ff);
        for (uint32_t s = 0; s < n_seq; s++)
            for (uint32_t c = starts[s]; c < starts[s + 1]; c++)
                p.seq[c] = s;
        rc = run(&p, cancel, e);
    }
    free(memory);
    free(quantized);
    free(p.seq);
    return rc;
}
