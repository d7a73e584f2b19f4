// SPDX-License-Identifier: MIT
// Encoders (BERT, XLM-R and later ones): tokens of several sequences in one pass, attention
// within each; pooled by mean or by the first token and brought to unit length.
#include "engine/transformer/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void pool(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    size_t d = p->t->n_embd;
    for (size_t s; (s = encoder_claim(p)) < p->n_seq;) {
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

static unsigned threads_of(const struct pass *p)
{
    return p->team ? team_size(p->team) : 1;
}

static void run_round(struct pass *p, void (*fn)(void *arg, unsigned i, unsigned n))
{
    p->claimed = 0;
    if (p->team)
        team_run(p->team, fn, p);
    else
        fn(p, 0, 1);
}

static int run(struct pass *p, struct err *e)
{
    for (p->round = 0; p->round <= p->t->n_layer && !encoder_cancelled(p); p->round++)
        run_round(p, encoder_round);
    if (encoder_cancelled(p)) // in the last round, too
        return err_set(e, -ECANCELED, "cancelled");
    if (!p->adapter)
        run_round(p, pool);
    return 0;
}

// ---- memory ----

// Pieces of one block of memory; while there is none, how large it has to be.
struct carver {
    char *memory;
    size_t used;
};

static void *carve(struct carver *c, size_t n, size_t size)
{
    size_t at = c->used;
    c->used += (n * size + 63) / 64 * 64;
    return c->memory ? c->memory + at : NULL;
}

static void carve_pass(struct pass *p, struct carver *c)
{
    const struct transformer *t = p->t;
    size_t n = p->n, d = t->n_embd, values = t->n_head * heads_value_room(t->head_dim);
    p->seq = carve(c, n, sizeof *p->seq);
    p->key_at = carve(c, p->n_seq, sizeof *p->key_at);
    p->x = carve(c, n * d, sizeof *p->x);
    p->angles = carve(c, t->turns ? n * t->head_dim : 0, sizeof *p->angles);
    p->angles_local = carve(c, t->turns_local ? n * t->head_dim : 0, sizeof *p->angles_local);
    p->q = carve(c, n * d, sizeof *p->q);
    p->q_scale = carve(c, n, sizeof *p->q_scale);
    for (int i = 0; i < 2; i++) {
        struct keys *k = &p->keys[i];
        k->k = carve(c, p->room * d, sizeof *k->k);
        k->v = carve(c, p->room * values, sizeof *k->v);
        k->kd = carve(c, p->room, sizeof *k->kd);
        k->vd = carve(c, p->room * t->n_head, sizeof *k->vd);
    }
    unsigned threads = threads_of(p);
    p->benches = carve(c, threads, sizeof *p->benches);
    for (unsigned i = 0; i < threads; i++) {
        struct bench b;
        b.h = carve(c, p->tile * d, sizeof *b.h);
        b.up = carve(c, p->tile * DENSE_SPAN, sizeof *b.up);
        b.gate = carve(c, p->tile * DENSE_SPAN, sizeof *b.gate);
        b.row = carve(c, d, sizeof *b.row);
        b.low =
            carve(c, p->adapter ? LORA_PARTS * p->tile * p->adapter->low : 0, sizeof *b.low);
        void *narrow = carve(c, 1, dense_columns_bytes(p->tile, dense_width(d, t->apart))),
             *heads = carve(c, 1, dense_columns_bytes(p->tile, d)),
             *wide = carve(c, 1, dense_columns_bytes(p->tile, t->n_ff));
        if (!c->memory)
            continue;
        dense_columns_place(&b.narrow, narrow, p->tile, d, t->apart);
        dense_columns_place(&b.heads, heads, p->tile, d, NULL);
        dense_columns_place(&b.wide, wide, p->tile, t->n_ff, NULL);
        p->benches[i] = b;
    }
}

// Tiles as large as pays, as many as the threads can share evenly.
#define TILE_MOST 48

static size_t tile_of(size_t n, unsigned threads)
{
    size_t tiles = (n + TILE_MOST - 1) / TILE_MOST;
    tiles = (tiles + threads - 1) / threads * threads;
    size_t each = (n + tiles - 1) / tiles;
    return each > DENSE_TOGETHER ? (each + DENSE_TOGETHER - 1) / DENSE_TOGETHER * DENSE_TOGETHER
                                 : each;
}

// Where each sequence's keys begin. Behind them, up to a whole block, scales are nought.
static void place_sequences(struct pass *p)
{
    uint32_t at = 0;
    for (uint32_t s = 0; s < p->n_seq; s++) {
        uint32_t len = p->starts[s + 1] - p->starts[s], room = (uint32_t)heads_room(len);
        p->key_at[s] = at;
        for (uint32_t c = p->starts[s]; c < p->starts[s + 1]; c++)
            p->seq[c] = s;
        for (int i = 0; i < 2; i++)
            for (uint32_t k = at + len; k < at + room; k++) {
                p->keys[i].kd[k] = 0;
                for (size_t h = 0; h < p->t->n_head; h++)
                    p->keys[i].vd[h * p->room + k] = 0;
            }
        at += room;
    }
}

// Sequences that go together: enough tokens to share the weights, few enough for the caches.
#define TOGETHER 768

// Whoever has the team has the transformer's own memory, which is kept from pass to pass.
static void *team_memory(transformer *t, size_t bytes)
{
    if (bytes > t->work_bytes) {
        pool_free(&t->work);
        t->work_bytes = 0;
        t->work_memory = pool_take(&t->work, bytes);
        if (!t->work_memory)
            return NULL;
        t->work_bytes = bytes;
    }
    return t->work_memory;
}

static int encode(struct pass p, struct err *e)
{
    struct carver c = {0};
    p.n = p.starts[p.n_seq];
    p.tile = tile_of(p.n, threads_of(&p));
    for (uint32_t s = 0; s < p.n_seq; s++)
        p.room += heads_room(p.starts[s + 1] - p.starts[s]);
    carve_pass(&p, &c);
    void *memory = p.team ? team_memory(p.t, c.used) : aligned_alloc(64, c.used);
    if (!memory)
        return err_nomem(e);
    c = (struct carver){.memory = memory};
    carve_pass(&p, &c);
    place_sequences(&p);
    int rc = run(&p, e);
    if (!p.team)
        free(memory);
    return rc;
}

static int encode_all(struct pass all, struct err *e)
{
    const uint32_t *starts = all.starts, n_seq = all.n_seq;
    if (all.t->causal)
        return err_set(e, -EINVAL, "%s is a decoder: it does not encode", gguf_path(all.t->g));
    int rc = check(&all, e);
    for (uint32_t s = 0, next; s < n_seq && !rc; s = next) {
        uint32_t local[TOGETHER + 1] = {0};
        struct pass p = all;
        for (next = s + 1; next < n_seq && next - s < TOGETHER; next++)
            if (starts[next + 1] - starts[s] > TOGETHER)
                break;
        for (uint32_t i = s; i <= next; i++)
            local[i - s] = starts[i] - starts[s];
        p.tokens += starts[s];
        p.starts = local;
        p.n_seq = next - s;
        p.out +=
            all.adapter ? (size_t)starts[s] * all.adapter->n_out : (size_t)s * all.t->n_embd;
        rc = encode(p, e);
    }
    return rc;
}

int transformer_encode(transformer *t, const int32_t *tokens, const uint32_t *starts,
                       uint32_t n_seq, float *out, const atomic_bool *cancel, struct err *e)
{
    const struct pass all = {.t = t,
                             .team = t->team,
                             .tokens = tokens,
                             .starts = starts,
                             .n_seq = n_seq,
                             .out = out,
                             .cancel = cancel};
    return encode_all(all, e);
}

int transformer_encode_alone(transformer *t, const int32_t *tokens, uint32_t n, float *out,
                             const atomic_bool *cancel, struct err *e)
{
    const uint32_t starts[] = {0, n};
    const struct pass all = {
        .t = t, .tokens = tokens, .starts = starts, .n_seq = 1, .out = out, .cancel = cancel};
    return encode_all(all, e);
}

int transformer_encode_tokens(transformer *t, const transformer_adapter *a,
                              const int32_t *tokens, const uint32_t *starts, uint32_t n_seq,
                              float *out, const atomic_bool *cancel, struct err *e)
{
    const struct pass all = {.t = t,
                             .team = t->team,
                             .tokens = tokens,
                             .starts = starts,
                             .n_seq = n_seq,
                             .adapter = a,
                             .out = out,
                             .cancel = cancel};
    if (a->t != t)
        return err_set(e, -EINVAL, "the adapter was opened for another model");
    if (!a->n_out)
        return err_set(e, -EINVAL, "the adapter has no head: tokens have no logits");
    return encode_all(all, e);
}
