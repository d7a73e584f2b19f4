// SPDX-License-Identifier: MIT
// One request, from prompt to the last token. Nothing is allocated between the first token and
// the last.
#include "llm/model.h"

#include "llm/constraint.h"

// Of one request, while it decodes.
struct decoding {
    llm *m;
    struct slot *s;
    const struct llm_request *r;
    struct llm_result *out;
    struct sampler sampler;
    struct stream stream;
    uint32_t start; // where the answer begins in the timeline
};

// Tell what was chosen and give its text to the stream. 0, STREAM_* or -ENOMEM.
static int put(struct decoding *d, const float *logits, int32_t id)
{
    struct buf *held = &d->stream.held;
    size_t before = held->len;
    if (tokenizer_decode(d->m->t, id, held))
        return -ENOMEM;
    if (d->r->on_token) {
        struct llm_alternative top[LLM_TOP_MAX];
        struct llm_token t = {
            .id = id, .bytes = held->data + before, .n_bytes = held->len - before, .top = top};
        size_t want = d->r->top_logprobs < LLM_TOP_MAX ? d->r->top_logprobs : LLM_TOP_MAX;
        t.n_top = llm__top(logits, d->m->info.n_vocab, id, want, d->s->room.candidates, top,
                           &t.logprob);
        if (d->r->on_token(d->r->ctx, &t))
            return STREAM_REFUSED;
    }
    return llm__stream_push(&d->stream);
}

static int32_t choose(struct decoding *d, const float *logits)
{
    const struct slot *s = d->s;
    size_t n = d->m->info.n_vocab;
    const float *row =
        llm__sample_adjust(&d->sampler, logits, n, s->tokens + d->start, s->len - d->start);
    if (!d->r->constraint)
        return llm__sample(&d->sampler, row, n, NULL);
    return llm__constraint_sample(d->r->constraint, &d->sampler, row, n,
                                  d->r->max_tokens - d->out->completion_tokens);
}

static int loop(struct decoding *d, struct err *e)
{
    llm *m = d->m;
    struct slot *s = d->s;
    int rc;
    while (d->out->completion_tokens < d->r->max_tokens) {
        if ((rc = llm__cancelled(d->r->cancel, e)))
            return rc;
        const float *logits = transformer_session_logits(s->session);
        int32_t id = choose(d, logits);
        if (id < 0 || tokenizer_is_end(m->t, id)) {
            d->out->finish = LLM_STOP;
            return 0;
        }
        d->out->completion_tokens++;
        rc = put(d, logits, id);
        if (!rc && d->r->constraint) {
            llm_constraint_accept(d->r->constraint, id);
            if (llm__constraint_over(d->r->constraint)) {
                d->out->finish = LLM_STOP;
                return 0;
            }
        }
        if (!rc && d->out->completion_tokens < d->r->max_tokens)
            rc = llm__turn(m, s, &id, 1, NULL, d->r->cancel, e);
        if (rc)
            return rc;
    }
    if (d->r->constraint && llm_constraint_may_end(d->r->constraint))
        d->out->finish = LLM_STOP;
    return 0;
}

static int decode(llm *m, struct slot *s, const struct llm_request *r, struct llm_result *out,
                  struct err *e)
{
    struct decoding d = {.m = m, .s = s, .r = r, .out = out, .start = s->len};
    llm__sampler_init(&d.sampler, &r->sampling, &s->room);
    out->finish = LLM_LENGTH;
    if (r->constraint)
        llm_constraint_reset(r->constraint);
    int rc = llm__stream_init(&d.stream, r, m->longest_token);
    if (!rc)
        rc = loop(&d, e);
    if (!rc)
        rc = llm__stream_finish(&d.stream);
    llm__stream_free(&d.stream);
    if (rc == STREAM_STOPPED || rc == STREAM_REFUSED) {
        out->finish = rc == STREAM_STOPPED ? LLM_STOP : LLM_CALLBACK;
        rc = 0;
    }
    return rc == -ENOMEM ? err_nomem(e) : rc;
}

int llm_generate(llm *m, const struct llm_request *r, struct llm_result *out, struct err *e)
{
    struct tokens p = TOKENS_INIT;
    struct slot *s = NULL;
    struct llm_result res = {0};
    const struct chat none = {.kind = CHAT_NONE};
    int rc = llm__chat_prompt(r->raw ? &none : &m->chat, m->t, r->messages, r->n_messages,
                              r->assistant_prefix, &p, e);
    if (!rc)
        rc = llm__too_long(m, p.len, r->max_tokens, e);
    if (!rc)
        rc = llm__take_slot(m, &p, r->cancel, &s, e);
    if (!rc) {
        double t0 = llm__now_ms();
        res.prompt_tokens = (uint32_t)p.len;
        rc = llm__prefill(m, s, &p, &res.cached_tokens, r->cancel, e);
        double t1 = llm__now_ms();
        if (!rc)
            rc = decode(m, s, r, &res, e);
        res.prefill_ms = t1 - t0;
        res.decode_ms = llm__now_ms() - t1;
    }
    if (s)
        llm__give_slot(m, s);
    tokens_free(&p);
    if (out)
        *out = res;
    return rc;
}
