// SPDX-License-Identifier: MIT
// Encoders (BERT, XLM-R): learned positions, attention within each sequence, post-layer norms,
// GELU; pooled by mean or by the first token and brought to unit length.
#include "engine/transformer/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void embed(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    const struct transformer *t = p->t;
    size_t first, last, d = t->n_embd;
    while (claim(p->t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++) {
            float *x = p->x + c * d;
            embedding_row(t, p->tokens[c], x);
            if (t->positions) {
                const float *position = t->positions + (c - p->starts[p->seq[c]]) * d;
                for (size_t k = 0; k < d; k++)
                    x[k] += t->type_row[k] + position[k];
            } else if (t->type_row) {
                for (size_t k = 0; k < d; k++)
                    x[k] += t->type_row[k];
            }
            vector_layer_norm(x, t->embd_norm, t->embd_norm_bias, t->eps, d);
        }
        quantize_columns(&p->a, p->x, d, first, last);
    }
}

static void project(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t d = p->t->n_embd;
    (void)i, (void)n;
    const struct product all[] = {
        {&p->l->q, p->q, d}, {&p->l->k, p->k, d}, {&p->l->v, p->v, d}};
    products_apply(p->t->team, all, 3, &p->a, p->n);
}

// Keys and values of each head together, for attention; a few tokens at a time, whose rows and
// places stay in the cache.
static void arrange(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t d = p->t->head_dim, width = p->t->n_embd;
    (void)i, (void)n;
    for (size_t j; (j = team_claim(p->t->team)) < p->n_groups;) {
        uint32_t first = p->groups[j], s = p->seq[first], start = p->starts[s];
        uint32_t last = first + ATTENTION_QUERIES;
        last = last < p->starts[s + 1] ? last : p->starts[s + 1];
        for (uint32_t h = 0; h < p->t->n_head; h++) {
            size_t to = (h * p->room + p->key_at[s]) * d;
            for (uint32_t c = first; c < last; c++)
                attention_put(p->keys + to, p->values + to, d, c - start,
                              p->k + c * width + h * d, p->v + c * width + h * d);
        }
    }
}

static void attend(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t d = t->head_dim, stride = t->n_embd;
    (void)n;
    for (size_t j; (j = team_claim(t->team)) < p->n_groups * t->n_head;) {
        // Neighbouring groups of one head, so that its keys stay in the cache.
        size_t h = j / p->n_groups, c = p->groups[j % p->n_groups], s = p->seq[c];
        uint32_t stop = p->starts[s + 1], len = stop - p->starts[s];
        size_t at = (h * p->room + p->key_at[s]) * d;
        struct attention a = {.q = p->q + c * stride + h * d,
                              .q_stride = stride,
                              .n = stop - c < ATTENTION_QUERIES ? (unsigned)(stop - c)
                                                                : ATTENTION_QUERIES,
                              .k = p->keys + at,
                              .v = p->values + at,
                              .d = d,
                              .scale = 1 / sqrtf((float)d)};
        for (unsigned z = 0; z < a.n; z++)
            encoder_seen(p, (uint32_t)c - p->starts[s] + z, len, &a.from[z], &a.to[z]);
        attention_run(&a, p->states + i * 2 * ATTENTION_QUERIES * attention_state(d),
                      p->h + c * stride + h * d, stride);
    }
}

static void quantize_attention(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    size_t first, last;
    while (claim(p->t->team, p->n, &first, &last)) {
        quantize_columns(&p->a, p->h, p->t->n_embd, first, last);
    }
}

static void project_out(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct product out = {&p->l->o, p->q, p->t->n_embd};
    (void)i, (void)n;
    products_apply(p->t->team, &out, 1, &p->a, p->n);
}

// x = norm(x + y)
static void add_and_norm(struct pass *p, const float *y, const float *w, const float *b)
{
    size_t first, last, d = p->t->n_embd;
    while (claim(p->t->team, p->n, &first, &last)) {
        for (size_t k = first * d; k < last * d; k++)
            p->x[k] += y[k];
        for (size_t c = first; c < last; c++)
            vector_layer_norm(p->x + c * d, w, b, p->t->eps, d);
        quantize_columns(&p->a, p->x, d, first, last);
    }
}

static void norm_attention(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    add_and_norm(p, p->q, p->l->attn_norm, p->l->attn_norm_bias);
}

// Rows 32 by 32, and columns some by some: what is computed is activated and quantised while it
// is in the cache.
#define COLUMNS 128

static void feed_up(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t blocks = t->n_ff / MATRIX_BLOCK, each = MATRIX_BLOCK / MATRIX_ROWS;
    size_t parts = parts_of(blocks, n), tiles = (p->n + COLUMNS - 1) / COLUMNS;
    (void)i;
    for (size_t j; (j = team_claim(t->team)) < parts * tiles;) {
        size_t from = j / parts * COLUMNS, k = j % parts;
        size_t now = p->n - from < COLUMNS ? p->n - from : COLUMNS;
        size_t first = blocks * k / parts, last = blocks * (k + 1) / parts;
        struct activations x = activations_from(&p->a, from, t->n_embd);
        const struct linear *gate = p->l->gate.w.rows ? &p->l->gate : NULL,
                            *first_of = gate ? gate : &p->l->up;
        matrix_multiply(&first_of->w, first_of->bias, &x, now, p->ff + from * t->n_ff, t->n_ff,
                        first * each, last * each);
        if (gate)
            matrix_multiply(&p->l->up.w, p->l->up.bias, &x, now, p->up + from * t->n_ff,
                            t->n_ff, first * each, last * each);
        for (size_t c = from; c < from + now; c++) {
            encoder_activate(p, c * t->n_ff + first * MATRIX_BLOCK,
                             (last - first) * MATRIX_BLOCK);
            activations_quantize(&p->wide, p->ff, c * blocks + first, c * blocks + last);
        }
    }
}

static void feed_down(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct product down = {&p->l->down, p->h, p->t->n_embd};
    (void)i, (void)n;
    products_apply(p->t->team, &down, 1, &p->wide, p->n);
}

static void norm_feed(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    add_and_norm(p, p->h, p->l->ffn_norm, p->l->ffn_norm_bias);
}

static void pool(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    size_t first, last, d = p->t->n_embd;
    while (claim(p->t->team, p->n_seq, &first, &last)) {
        for (size_t s = first; s < last; s++) {
            float *out = p->out + s * d;
            uint32_t stop = p->t->pooling == 2 ? p->starts[s] + 1 : p->starts[s + 1];
            memset(out, 0, d * sizeof *out);
            for (uint32_t c = p->starts[s]; c < stop; c++)
                for (size_t k = 0; k < d; k++)
                    out[k] += p->x[c * d + k];
            float length = 0;
            for (size_t k = 0; k < d; k++)
                length += out[k] * out[k];
            length = sqrtf(length);
            for (size_t k = 0; k < d && length > 0; k++)
                out[k] /= length;
        }
    }
}

static int check(struct pass *p, struct err *e)
{
    const struct transformer *t = p->t;
    for (uint32_t s = 0; s < p->n_seq; s++) {
        uint32_t n = p->starts[s + 1] - p->starts[s];
        if (p->starts[s + 1] < p->starts[s] || n < 1 || n > t->n_ctx)
            return err_set(e, -EINVAL, "a sequence has from 1 to %u tokens", t->n_ctx);
        for (uint32_t c = p->starts[s]; c < p->starts[s + 1]; c++) {
            if (p->tokens[c] < 0 || (uint32_t)p->tokens[c] >= t->n_vocab)
                return err_set(e, -EINVAL, "token %d is not in the vocabulary", p->tokens[c]);
        }
    }
    return 0;
}

static int run(struct pass *p, const atomic_bool *cancel, struct err *e)
{
    typedef void round(void *, unsigned, unsigned);
    static round *const post_norm[] = {
        project,     encoder_turn,   arrange, attend,    quantize_attention,
        project_out, norm_attention, feed_up, feed_down, norm_feed,
        NULL};
    static round *const pre_norm[] = {
        encoder_norm_in,    project,     encoder_turn,      arrange, attend,
        quantize_attention, project_out, encoder_norm_feed, feed_up, feed_down,
        encoder_add_feed,   NULL};
    struct transformer *t = p->t;
    team_run(t->team, embed, p);
    if (t->turns)
        team_run(t->team, encoder_angles, p);
    for (uint32_t i = 0; i < t->n_layer; i++) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return err_set(e, -ECANCELED, "cancelled");
        p->l = &t->layers[i];
        for (round *const *r = t->pre_norm ? pre_norm : post_norm; *r; r++)
            if (*r != encoder_turn || t->turns)
                team_run(t->team, *r, p);
    }
    if (t->pre_norm)
        team_run(t->team, encoder_norm_out, p);
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

// Sequences that go together: enough tokens to share the weights, few enough for the caches.
#define TOGETHER 768

static int encode(transformer *t, const int32_t *tokens, const uint32_t *starts, uint32_t n_seq,
                  float *out, const atomic_bool *cancel, struct err *e)
{
    struct pass p = {.t = t, .tokens = tokens, .starts = starts, .n_seq = n_seq, .out = out};
    int rc = 0;
    p.n = starts[n_seq];
    size_t d = t->n_embd;
    size_t most = p.n + (size_t)n_seq * ATTENTION_BLOCK; // positions of keys
    size_t floats = p.n * (5 * d + t->n_ff) +
                    team_size(t->team) * 2 * ATTENTION_QUERIES * attention_state(t->head_dim);
    size_t more = encoder_more_floats(t, p.n);
    size_t a = activations_bytes(p.n, d), wide = activations_bytes(p.n, t->n_ff);
    float *memory = malloc((floats + more) * sizeof *memory);
    char *quantized = aligned_alloc(64, a + wide);
    uint32_t *numbers = malloc((2 * p.n + n_seq) * sizeof *numbers);
    uint16_t *halves = calloc(2 * most * d, sizeof *halves);
    if (!memory || !quantized || !numbers || !halves) {
        rc = err_nomem(e);
    } else {
        float **parts[] = {&p.x, &p.h, &p.q, &p.k, &p.v};
        for (size_t i = 0; i < 5; i++)
            *parts[i] = memory + i * p.n * d;
        p.ff = memory + 5 * p.n * d;
        p.states = p.ff + p.n * t->n_ff;
        if (more)
            encoder_place_more(&p, memory + floats);
        p.keys = halves;
        p.values = halves + most * d;
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
    free(halves);
    return rc;
}

int transformer_encode(transformer *t, const int32_t *tokens, const uint32_t *starts,
                       uint32_t n_seq, float *out, const atomic_bool *cancel, struct err *e)
{
    struct pass all = {.t = t, .tokens = tokens, .starts = starts, .n_seq = n_seq};
    if (t->causal)
        return err_set(e, -EINVAL, "%s is a decoder: it does not encode", gguf_path(t->g));
    int rc = check(&all, e);
    for (uint32_t s = 0, next; s < n_seq && !rc; s = next) {
        uint32_t local[TOGETHER + 1] = {0};
        for (next = s + 1; next < n_seq && next - s < TOGETHER; next++)
            if (starts[next + 1] - starts[s] > TOGETHER)
                break;
        for (uint32_t i = s; i <= next; i++)
            local[i - s] = starts[i] - starts[s];
        rc = encode(t, tokens + starts[s], local, next - s, out + (size_t)s * t->n_embd, cancel,
                    e);
    }
    return rc;
}
