// SPDX-License-Identifier: MIT
// One request, from prompt to the last token. Nothing is allocated between the first token and
// the last.
#include "llm/model.h"

#include "llm/constraint.h"

// Tokens that a pass computes for little more than one, since they share the way of the weights
// from memory: answers that share passes share them out among their guesses.
#define PASS_CHEAP 8

// Of one request, while it decodes. The answer stands in the timeline's tokens from `start` on;
// the last chosen token may not have been computed yet.
struct decoding {
    llm *m;
    struct slot *s;
    const struct llm_request *r;
    struct llm_result *out;
    struct sampler sampler;
    struct stream stream;
    uint32_t start;
    uint32_t valid; // tokens of the timeline that are computed and chosen; guesses lie behind
    // Rows of logits: one behind the last valid token, then one behind each guess.
    const float *rows;
    uint32_t row, n_rows;
    int32_t best; // where the likeliest token is all that is wanted, that; else -1
    bool plain;   // it is
    uint32_t guessed, kept;
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
    size_t n = d->m->info.n_vocab;
    if (d->best >= 0)
        return d->best;
    const float *row = llm__sample_adjust(&d->sampler, logits, n, d->s->tokens + d->start,
                                          d->out->completion_tokens);
    if (!d->r->constraint)
        return llm__sample(&d->sampler, row, n, NULL);
    return llm__constraint_sample(d->r->constraint, &d->sampler, row, n,
                                  d->r->max_tokens - d->out->completion_tokens);
}

// Drop the guesses that were not chosen.
static void drop_guesses(struct decoding *d)
{
    transformer_session_truncate(d->s->session, d->valid);
    d->s->len = d->valid;
    if (d->guessed)
        llm__pace_outcome(&d->s->pace, d->guessed, d->kept);
    d->guessed = d->kept = 0;
}

// Guesses behind the token that was chosen last.
static uint32_t guess(struct decoding *d, int32_t *out)
{
    struct slot *s = d->s;
    uint32_t n = d->start + d->out->completion_tokens;
    uint32_t left = d->r->max_tokens - d->out->completion_tokens;
    if (!s->rows || d->r->no_drafts || left < 2)
        return 0;
    uint32_t room = PASS_CHEAP / (1 + llm__turns_others(d->m));
    if (room < 2)
        return 0;
    uint32_t want = llm__pace_want(&s->pace);
    want = want < left ? want : left - 1; // one token comes without a guess
    want = want < room ? want : room - 1;
    if (!want)
        return 0;
    uint32_t made = d->m->lookup ? llm__lookup(s->tokens, n, want, out) : 0;
    if (!made && s->line.session)
        made = llm__draft_guess(&s->line, d->m->team, s->tokens, n, want, out, d->r->cancel);
    return made;
}

// Compute the chosen token, with guesses behind it.
static int advance(struct decoding *d, int32_t id, struct err *e)
{
    struct slot *s = d->s;
    int32_t tokens[DRAFT_ROWS] = {id};
    drop_guesses(d);
    double t0 = clock_ms();
    uint32_t n = 1 + guess(d, tokens + 1);
    struct turn t = {.tokens = tokens, .n = n, .cancel = d->r->cancel};
    t.all = n > 1 ? s->rows : NULL;
    t.want = n == 1 && d->plain ? TRANSFORMER_BEST : TRANSFORMER_LOGITS;
    int rc = llm__turn(d->m, s, &t, e);
    if (rc)
        return rc;
    llm__pace_cost(&s->pace, n, clock_ms() - t0);
    d->valid++;
    d->guessed = n - 1;
    d->row = 0;
    d->n_rows = n;
    d->rows = n > 1 ? s->rows : transformer_session_logits(s->session);
    d->best = t.want == TRANSFORMER_BEST ? t.best : -1;
    d->out->drafted_tokens += n - 1;
    return 0;
}

// Take a token into the answer; *over: its constraint leaves nothing more to say. As put().
static int take(struct decoding *d, int32_t id, bool *over)
{
    const float *logits = d->rows + (size_t)d->row * d->m->info.n_vocab;
    d->s->tokens[d->start + d->out->completion_tokens++] = id;
    int rc = put(d, logits, id);
    if (!rc && d->r->constraint) {
        llm_constraint_accept(d->r->constraint, id);
        *over = llm__constraint_over(d->r->constraint);
    }
    return rc;
}

static int loop(struct decoding *d, struct err *e)
{
    bool over = false;
    int rc = 0;
    while (!rc && d->out->completion_tokens < d->r->max_tokens && !over) {
        if ((rc = llm__cancelled(d->r->cancel, e)))
            return rc;
        int32_t id = choose(d, d->rows + (size_t)d->row * d->m->info.n_vocab);
        over = id < 0 || tokenizer_is_end(d->m->t, id);
        if (over)
            break;
        // A guess that comes true is computed already.
        bool known = d->row + 1 < d->n_rows && d->s->tokens[d->valid] == id;
        rc = take(d, id, &over);
        if (rc || over || d->out->completion_tokens == d->r->max_tokens)
            break;
        if (known) {
            d->row++;
            d->valid++;
            d->kept++;
            d->out->accepted_tokens++;
        } else {
            rc = advance(d, id, e);
        }
    }
    if (!rc && (over || (d->r->constraint && llm_constraint_may_end(d->r->constraint))))
        d->out->finish = LLM_STOP;
    return rc;
}

static int decode(llm *m, struct slot *s, const struct llm_request *r, struct llm_result *out,
                  struct err *e)
{
    struct decoding d = {.m = m, .s = s, .r = r, .out = out, .start = s->len, .valid = s->len};
    d.rows = transformer_session_logits(s->session);
    d.n_rows = 1;
    d.best = -1;
    d.plain = !(r->sampling.temperature > 0) && !r->constraint && !r->on_token &&
              !llm__sample_adjusts(&r->sampling);
    llm__sampler_init(&d.sampler, &r->sampling, &s->room);
    llm__pace_begin(&s->pace);
    out->finish = LLM_LENGTH;
    if (r->constraint)
        llm_constraint_reset(r->constraint);
    int rc = llm__stream_init(&d.stream, r, m->longest_token);
    llm__turns_decoding(m, s, true);
    if (!rc)
        rc = loop(&d, e);
    llm__turns_decoding(m, s, false);
    drop_guesses(&d);
    if (!rc)
        rc = llm__stream_finish(&d.stream);
    llm__stream_free(&d.stream);
    if (rc == STREAM_STOPPED || rc == STREAM_REFUSED) {
        out->finish = rc == STREAM_STOPPED ? LLM_STOP : LLM_CALLBACK;
        rc = 0;
    }
    return rc == -ENOMEM ? err_nomem(e) : rc;
}

static void enter(const struct llm_request *r, enum llm_stage stage)
{
    if (r->on_stage)
        r->on_stage(r->ctx, stage);
}

int llm_generate(llm *m, const struct llm_request *r, struct llm_result *out, struct err *e)
{
    struct tokens p = TOKENS_INIT;
    struct slot *s = NULL;
    struct llm_result res = {0};
    struct adapter_set set;
    const struct chat none = LLM_CHAT_NONE;
    int rc = 0;
    if (m->info.reads_source && r->assistant_prefix)
        rc = err_set(e, -EINVAL, "the answers of an encoder-decoder are not begun for it");
    if (!rc)
        rc = llm__chat_prompt(r->raw ? &none : &m->chat, m->t, r->messages, r->n_messages,
                              r->assistant_prefix, &p, e);
    if (!rc)
        rc = llm__too_long(m, p.len, r->max_tokens, e);
    if (!rc)
        rc = llm__adapters_choose(&m->adapters, r->adapters, r->n_adapters, r->asker, &set, e);
    if (!rc)
        rc = llm__take_slot(m, &p, &set, r->cancel, &s, e);
    if (!rc) {
        double t0 = clock_ms();
        res.prompt_tokens = (uint32_t)p.len;
        enter(r, LLM_PREFILL);
        rc = llm__prefill(m, s, &p, &res.cached_tokens, &res.restored_tokens, r->cancel, e);
        double t1 = clock_ms();
        if (!rc)
            enter(r, LLM_DECODE);
        if (!rc)
            rc = decode(m, s, r, &res, e);
        res.prefill_ms = t1 - t0;
        res.decode_ms = clock_ms() - t1;
    }
    if (s) {
        kv_put(&m->store, &s->set.key, s->session, s->tokens, s->len);
        llm__give_slot(m, s);
    }
    atomic_fetch_add(&m->drafted, res.drafted_tokens);
    atomic_fetch_add(&m->accepted, res.accepted_tokens);
    tokens_free(&p);
    if (out)
        *out = res;
    return rc;
}
