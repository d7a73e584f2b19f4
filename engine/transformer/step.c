// SPDX-License-Identifier: MIT
// Steps: tokens of one or several sessions in one pass over the weights, and who leaves it.
#include "engine/transformer/decoder.h"

#include <string.h>

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

// Columns, and runs of neighbours among them, of the parts that are there.
static void lay_out(struct pass *p)
{
    p->n = p->n_runs = 0;
    for (uint32_t i = 0; i < p->n_parts; i++) {
        const struct transformer_part *part = &p->parts[i];
        for (uint32_t k = 0; !part->left && k < part->n; k++) {
            struct run *r = &p->runs[p->n_runs];
            if (k % ATTENTION_QUERIES == 0) {
                *r = (struct run){p->n, 0};
                p->n_runs++;
            } else {
                r--;
            }
            r->n++;
            p->columns[p->n++] =
                (struct column){part->session, part->tokens[k], part->session->len + k};
        }
    }
}

static void begin(struct pass *p, struct transformer_part *parts, uint32_t n)
{
    p->layer = 0;
    p->parts = parts;
    p->n_parts = n;
    for (uint32_t i = 0; i < n; i++)
        parts[i].left = false;
    lay_out(p);
}

// What a column brings from layer to layer.
static void move_columns(struct pass *p, size_t to, size_t from, size_t n)
{
    size_t row = p->t->n_embd, turn = p->t->head_dim, f = sizeof(float);
    memmove(p->x + to * row, p->x + from * row, n * row * f);
    memmove(p->h + to * row, p->h + from * row, n * row * f);
    memmove(p->angles + to * turn, p->angles + from * turn, n * turn * f);
    if (p->t->window)
        memmove(p->angles_local + to * turn, p->angles_local + from * turn, n * turn * f);
}

static bool is_cancelled(const struct transformer_part *part)
{
    return part->cancel && atomic_load_explicit(part->cancel, memory_order_relaxed);
}

bool step_is_wanted(const struct pass *p)
{
    for (uint32_t i = 0; i < p->n_parts; i++)
        if (!p->parts[i].left && !is_cancelled(&p->parts[i]))
            return true;
    return false;
}

int step_let_leave(struct pass *p, struct err *e)
{
    size_t from = 0, to = 0;
    bool stop = false;
    for (uint32_t i = 0; i < p->n_parts; i++) {
        struct transformer_part *part = &p->parts[i];
        size_t n = part->left ? 0 : part->n;
        part->left = part->left || is_cancelled(part);
        if (n && !part->left) {
            if (to != from)
                move_columns(p, to, from, n);
            to += n;
        }
        from += n;
    }
    if (to == p->n)
        return 0;
    lay_out(p);
    for (uint32_t i = 0; i < p->n_parts; i++) {
        struct transformer_part *part = &p->parts[i];
        if (!part->left || !part->on_left)
            continue;
        stop = part->on_left(part->ctx) || stop;
        part->on_left = NULL; // once
    }
    if (!p->n)
        return err_set(e, -ECANCELED, "cancelled");
    return stop ? err_set(e, -EAGAIN, "another thread is to go on") : 0;
}

// Whose logits go where: each part's last, or all of it.
static void want(struct pass *p)
{
    uint32_t at = 0;
    p->n_outs = 0;
    p->find = false;
    for (uint32_t i = 0; i < p->n_parts; i++) {
        const struct transformer_part *x = &p->parts[i];
        if (x->left)
            continue;
        p->find = p->find || x->want == TRANSFORMER_BEST;
        uint32_t k = x->all ? 0 : x->want == TRANSFORMER_NOTHING ? x->n : x->n - 1;
        for (; k < x->n; k++) {
            p->outs[p->n_outs] = at + k;
            p->out_logits[p->n_outs++] =
                x->all ? x->all + (size_t)k * p->t->n_vocab : x->session->logits;
        }
        at += x->n;
    }
}

static void give_outputs(struct pass *p)
{
    size_t row = p->t->n_vocab;
    want(p);
    if (p->n_outs)
        decoder_logits(p);
    for (uint32_t i = 0, out = 0; i < p->n_parts; i++) {
        struct transformer_part *x = &p->parts[i];
        if (x->left)
            continue;
        out += x->all ? x->n : x->want != TRANSFORMER_NOTHING;
        if (x->want == TRANSFORMER_BEST)
            x->best = decoder_best(p, out - 1);
        if (x->all)
            memcpy(x->session->logits, x->all + (x->n - 1) * row, row * sizeof *x->all);
    }
}

int transformer_step_go_on(struct transformer_part *parts, struct err *e)
{
    struct pass *p = &parts[0].session->pass;
    int rc = decoder_layers(p, e);
    if (rc)
        return rc;
    give_outputs(p);
    for (uint32_t i = 0; i < p->n_parts; i++)
        if (!parts[i].left)
            parts[i].session->len += parts[i].n;
    return 0;
}

int transformer_step(struct transformer_part *parts, uint32_t n, struct err *e)
{
    int rc = check(parts, n, e);
    if (rc)
        return rc;
    struct pass *p = &parts[0].session->pass;
    begin(p, parts, n);
    p->layers = p->t->layers;
    return transformer_step_go_on(parts, e);
}

int transformer_session_eval(transformer_session *s, const int32_t *tokens, uint32_t n,
                             float *all_logits, const atomic_bool *cancel, struct err *e)
{
    struct transformer_part part = {.session = s,
                                    .tokens = tokens,
                                    .n = n,
                                    .want = TRANSFORMER_LOGITS,
                                    .all = all_logits,
                                    .cancel = cancel};
    return transformer_step(&part, 1, e);
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
    struct transformer_part part = {.session = s, .tokens = tokens, .n = n, .cancel = cancel};
    struct pass *p = &s->pass;
    s->len = s->n_source = 0;
    begin(p, &part, 1);
    p->layers = s->t->source_layers;
    p->source = true;
    rc = decoder_layers(p, e);
    p->source = false;
    if (rc)
        return rc;
    cross_keep(p);
    s->n_source = n;
    return 0;
}
