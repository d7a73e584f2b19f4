// SPDX-License-Identifier: MIT
// Sessions: a timeline and all the memory that it will ever use; steps over several of them.
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

// ---- steps ----

static int check_tokens(const struct transformer *t, const int32_t *tokens, uint32_t n,
                        struct err *e)
{
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= t->n_vocab)
            return err_set(e, -EINVAL, "token %d is not in the vocabulary", tokens[i]);
    return 0;
}

static int check_part(const struct transformer_part *part, struct transformer *t, struct err *e)
{
    const transformer_session *s = part->session;
    if (s->t != t)
        return err_set(e, -EINVAL, "sessions of one step are of one transformer");
    if (t->source_layers && !s->n_source)
        return err_set(e, -EINVAL, "an encoder-decoder reads a source before it writes");
    if (part->n < 1 || part->n > s->n_ctx - s->len)
        return err_set(e, -E2BIG, "%u tokens do not fit: %u of %u are taken", part->n, s->len,
                       s->n_ctx);
    return check_tokens(t, part->tokens, part->n, e);
}

static int check(const struct transformer_part *parts, uint32_t n, struct err *e)
{
    if (!n)
        return err_set(e, -EINVAL, "a step of no session");
    uint32_t room = parts[0].session->n_batch;
    for (uint32_t i = 0; i < n; i++) {
        if (parts[i].n > room)
            return err_set(e, -E2BIG, "the tokens of a step do not fit its first session's %u",
                           parts[0].session->n_batch);
        room -= parts[i].n;
        int rc = check_part(&parts[i], parts[0].session->t, e);
        if (rc)
            return rc;
        for (uint32_t k = 0; k < i; k++)
            if (parts[k].session == parts[i].session)
                return err_set(e, -EINVAL, "a session is twice in one step");
    }
    return 0;
}

// Columns, and runs of neighbours among them.
static void lay_out(struct pass *p, const struct transformer_part *parts, uint32_t n)
{
    p->n = p->n_runs = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < parts[i].n; k++) {
            struct run *r = &p->runs[p->n_runs];
            if (k % ATTENTION_QUERIES == 0) {
                *r = (struct run){p->n, 0};
                p->n_runs++;
            } else {
                r--;
            }
            r->n++;
            p->columns[p->n++] = (struct column){parts[i].session, parts[i].tokens[k],
                                                 parts[i].session->len + k};
        }
}

// Whose logits go where: each part's last, or all of it.
static void want(struct pass *p, const struct transformer_part *parts, uint32_t n)
{
    uint32_t at = 0;
    p->n_outs = 0;
    p->find = false;
    for (uint32_t i = 0; i < n; at += parts[i++].n) {
        p->find = p->find || parts[i].want == TRANSFORMER_BEST;
        uint32_t k = parts[i].all                           ? 0
                     : parts[i].want == TRANSFORMER_NOTHING ? parts[i].n
                                                            : parts[i].n - 1;
        for (; k < parts[i].n; k++) {
            p->outs[p->n_outs] = at + k;
            p->out_logits[p->n_outs++] = parts[i].all ? parts[i].all + (size_t)k * p->t->n_vocab
                                                      : parts[i].session->logits;
        }
    }
}

static void give_outputs(struct pass *p, struct transformer_part *parts, uint32_t n)
{
    want(p, parts, n);
    if (p->n_outs)
        decoder_logits(p);
    for (uint32_t i = 0, out = 0; i < n; i++) {
        struct transformer_part *x = &parts[i];
        size_t row = p->t->n_vocab;
        out += x->all ? x->n : x->want != TRANSFORMER_NOTHING;
        if (x->want == TRANSFORMER_BEST)
            x->best = decoder_best(p, out - 1);
        if (x->all)
            memcpy(x->session->logits, x->all + (x->n - 1) * row, row * sizeof *x->all);
    }
}

int transformer_step(struct transformer_part *parts, uint32_t n, const atomic_bool *cancel,
                     struct err *e)
{
    int rc = check(parts, n, e);
    if (rc)
        return rc;
    struct pass *p = &parts[0].session->pass;
    lay_out(p, parts, n);
    p->layers = p->t->layers;
    rc = decoder_layers(p, cancel, e);
    if (rc)
        return rc;
    give_outputs(p, parts, n);
    for (uint32_t i = 0; i < n; i++)
        parts[i].session->len += parts[i].n;
    return 0;
}

int transformer_session_eval(transformer_session *s, const int32_t *tokens, uint32_t n,
                             float *all_logits, const atomic_bool *cancel, struct err *e)
{
    struct transformer_part part = {
        .session = s, .tokens = tokens, .n = n, .want = TRANSFORMER_LOGITS, .all = all_logits};
    return transformer_step(&part, 1, cancel, e);
}

int transformer_session_read(transformer_session *s, const int32_t *tokens, uint32_t n,
                             const atomic_bool *cancel, struct err *e)
{
    if (!s->t->source_layers)
        return err_set(e, -EINVAL, "%s has no encoder that could read a source",
                       gguf_path(s->t->g));
    if (n < 1 || n > s->n_ctx)
        return err_set(e, -E2BIG, "a source of %u tokens: from 1 to %u fit", n, s->n_ctx);
    int rc = check_tokens(s->t, tokens, n, e);
    if (rc)
        return rc;
    struct transformer_part part = {.session = s, .tokens = tokens, .n = n};
    struct pass *p = &s->pass;
    s->len = s->n_source = 0;
    lay_out(p, &part, 1);
    p->layers = s->t->source_layers;
    p->source = true;
    rc = decoder_layers(p, cancel, e);
    p->source = false;
    if (rc)
        return rc;
    cross_keep(p);
    s->n_source = n;
    return 0;
}
