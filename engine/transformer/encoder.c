// SPDX-License-Identifier: MIT
// Encoders (BERT, XLM-R): learned positions, attention within each sequence, post-layer norms,
// GELU; pooled by mean or by the first token and brought to unit length.
#include "engine/transformer/internal.h"

#include "engine/tensor/vector.h"

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
    float *keys;      // [head][room]: see attention_put_key
    uint32_t *key_at; // of each sequence: its first position in `keys`
    size_t room;      // positions in `keys`
    uint32_t *groups; // [n_groups]: first tokens of up to four neighbours of one sequence
    size_t n_groups;
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
    quantize_columns(&p->a, p->x, d, first, last);
}

static void project(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    linear_apply(&p->l->q, &p->a, p->n, p->q, p->t->n_embd, i, n);
    linear_apply(&p->l->k, &p->a, p->n, p->k, p->t->n_embd, i, n);
    linear_apply(&p->l->v, &p->a, p->n, p->v, p->t->n_embd, i, n);
}

// Keys of each head side by side, for attention.
static void arrange(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t first, last, d = p->t->head_dim;
    share(p->n_seq * p->t->n_head, i, n, &first, &last);
    for (size_t j = first; j < last; j++) {
        size_t s = j / p->t->n_head, h = j % p->t->n_head;
        float *keys = p->keys + (h * p->room + p->key_at[s]) * d;
        for (uint32_t c = p->starts[s]; c < p->starts[s + 1]; c++)
            attention_put_key(keys, d, c - p->starts[s], p->k + c * p->t->n_embd + h * d);
    }
}

static void attend(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t first, last, d = t->head_dim, stride = t->n_embd, pitch = attention_room(p->longest);
    share(p->n_groups * t->n_head, i, n, &first, &last);
    for (size_t j = first; j < last; j++) {
        // Neighbouring groups of one head, so that its keys stay in the cache.
        size_t h = j / p->n_groups, c = p->groups[j % p->n_groups], s = p->seq[c];
        uint32_t start = p->starts[s], stop = p->starts[s + 1], len = stop - start;
        struct attention a = {.q = p->q + c * stride + h * d,
                              .q_stride = stride,
                              .n = stop - c < ATTENTION_QUERIES ? (unsigned)(stop - c)
                                                                : ATTENTION_QUERIES,
                              .k = p->keys + (h * p->room + p->key_at[s]) * d,
                              .v = p->v + start * stride + h * d,
                              .v_stride = stride,
                              .to = {len, len, len, len},
                              .d = d,
                              .scale = 1 / sqrtf((float)d),
                              .scores = p->scores + (size_t)i * ATTENTION_QUERIES * pitch,
                              .pitch = pitch,
                              .out = p->h + c * stride + h * d,
                              .out_stride = stride};
        attention_run(&a);
    }
}

static void quantize_attention(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t first, last;
    share(p->n, i, n, &first, &last);
    quantize_columns(&p->a, p->h, p->t->n_embd, first, last);
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
    quantize_columns(&p->a, p->x, d, first, last);
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
    vector_gelu(p->ff + first * MATRIX_BLOCK, (last - first) * MATRIX_BLOCK);
    activations_quantize(&p->wide, p->ff, first, last);
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
        project,        arrange, attend,   quantize_attention, project_out,
        norm_attention, feed_up, activate, feed_down,          norm_feed};
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

// Where the keys of each sequence stand, and the groups of queries.
static void lay_out(struct pass *p)
{
    uint32_t at = 0;
    for (uint32_t s = 0; s < p->n_seq; s++) {
        p->key_at[s] = at;
        at += (uint32_t)attention_room(p->starts[s + 1] - p->starts[s]);
        for (uint32_t c = p->starts[s]; c < p->starts[s + 1]; c++) {
            p->seq[c] = s;
            if ((c - p->starts[s]) % ATTENTION_QUERIES == 0)
                p->groups[p->n_groups++] = c;
        }
    }
    p->room = at;
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
    size_t d = t->n_embd, pitch = attention_room(p.longest);
    size_t most = p.n + (size_t)n_seq * ATTENTION_BLOCK; // positions of keys
    size_t floats =
        p.n * (5 * d + t->n_ff) + most * d + team_size(t->team) * ATTENTION_QUERIES * pitch;
    size_t a = activations_bytes(p.n, d), wide = activations_bytes(p.n, t->n_ff);
    float *memory = malloc(floats * sizeof *memory);
    char *quantized = aligned_alloc(64, a + wide);
    uint32_t *numbers = malloc((2 * p.n + n_seq) * sizeof *numbers);
    if (!memory || !quantized || !numbers) {
        rc = err_nomem(e);
    } else {
        float **parts[] = {&p.x, &p.h, &p.q, &p.k, &p.v};
        for (size_t i = 0; i < 5; i++)
            *parts[i] = memory + i * p.n * d;
        p.ff = memory + 5 * p.n * d;
        p.keys = p.ff + p.n * t->n_ff;
        p.scores = p.keys + most * d;
        // Positions behind a sequence's end are multiplied, then dropped: they must be numbers.
        memset(p.keys, 0, most * d * sizeof *p.keys);
        activations_place(&p.a, quantized, p.n, d);
        activations_place(&p.wide, quantized + a, p.n, t->n_ff);
        p.seq = numbers;
        p.groups = numbers + p.n;
        p.key_at = numbers + 2 * p.n;
        lay_out(&p);
        rc = run(&p, cancel, e);
    }
    free(memory);
    free(quantized);
    free(numbers);
    return rc;
}
