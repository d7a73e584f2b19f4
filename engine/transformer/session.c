// SPDX-License-Identifier: MIT
// Sessions: a timeline and all the memory that it will ever use.
#include "engine/transformer/decoder.h"

#include <stdlib.h>
#include <string.h>

// Where the next part of the memory stands: first all are added up, then placed.
struct plan {
    char *base;
    size_t at;
};

static void *take(struct plan *m, size_t n, size_t each)
{
    char *here = m->base + m->at;
    m->at += (n * each + 63) / 64 * 64;
    return m->base ? here : NULL;
}

static size_t n_states(const transformer_session *s)
{
    const struct transformer *t = s->t;
    size_t chunks = (s->n_ctx + ATTENTION_CHUNK - 1) / ATTENTION_CHUNK;
    size_t split = SPLIT_COLUMNS * t->n_head * chunks,
           whole = (size_t)team_size(t->team) * 2 * ATTENTION_QUERIES;
    return split > whole ? split : whole;
}

static void plan_pass(struct plan *m, transformer_session *s)
{
    const struct transformer *t = s->t;
    struct pass *p = &s->pass;
    uint32_t widest = t->n_ff > q_width(t) ? t->n_ff : q_width(t);
    // A source is read in one pass: each of its tokens sees all others.
    size_t n = t->source_layers ? s->n_ctx : s->n_batch, f = sizeof(float);
    p->columns = take(m, n, sizeof *p->columns);
    p->runs = take(m, n, sizeof *p->runs);
    p->x = take(m, n * t->n_embd, f);
    p->h = take(m, n * t->n_embd, f);
    p->q = take(m, n * q_width(t), f);
    p->att = take(m, n * q_width(t), f);
    p->k = take(m, n * kv_width(t), f);
    p->v = take(m, n * kv_width(t), f);
    p->gate = take(m, n * t->n_ff, f);
    p->up = take(m, n * t->n_ff, f);
    p->angles = take(m, n * t->head_dim, f);
    p->angles_local = take(m, t->window ? n * t->head_dim : 0, f);
    p->n_states = n_states(s);
    p->states = take(m, p->n_states * attention_state(t->head_dim), f);
    p->outs = take(m, n, sizeof *p->outs);
    p->out_logits = take(m, n, sizeof *p->out_logits);
    p->found =
        take(m, n * parts_of(matrix_groups(&t->head), team_size(t->team)), sizeof *p->found);
    void *narrow = take(m, activations_bytes(n, t->n_embd), 1),
         *wide = take(m, activations_bytes(n, widest), 1), *moe = take(m, moe_bytes(t, n), 1);
    if (m->base) {
        moe_place(&p->moe, moe, t, n);
        activations_place(&p->narrow, narrow, n, t->n_embd);
        activations_place(&p->wide, wide, n, widest);
    }
}

static void plan_session(struct plan *m, transformer_session *s)
{
    const struct transformer *t = s->t;
    size_t heads = (size_t)t->n_layer * t->n_kv, d = t->head_dim;
    plan_pass(m, s);
    s->logits = take(m, t->n_vocab, sizeof *s->logits);
    s->k = take(m, heads * attention_room(s->n_ctx) * d, sizeof *s->k);
    s->v = take(m, heads * s->n_ctx * d, sizeof *s->v);
    if (t->source_layers) {
        s->cross_k = take(m, heads * attention_room(s->n_ctx) * d, sizeof *s->k);
        s->cross_v = take(m, heads * s->n_ctx * d, sizeof *s->v);
    }
}

size_t session_bytes(struct transformer *t, uint32_t n_ctx, uint32_t n_batch)
{
    struct transformer_session s = {.t = t, .n_ctx = n_ctx, .n_batch = n_batch};
    struct plan m = {NULL, 0};
    plan_session(&m, &s);
    return m.at;
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
    transformer_session *s = calloc(1, sizeof *s);
    if (!s)
        return err_nomem(e);
    s->t = t;
    s->n_ctx = n_ctx;
    s->n_batch = n_batch;
    s->bytes = session_bytes(t, n_ctx, n_batch);
    s->memory = pool_take(&s->pool, s->bytes);
    if (!s->memory) {
        transformer_session_free(s);
        return err_nomem(e);
    }
    struct plan m = {s->memory, 0};
    plan_session(&m, s);
    s->pass.t = t;
    *out = s;
    return 0;
}

void transformer_session_free(transformer_session *s)
{
    if (!s)
        return;
    pool_free(&s->pool);
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
