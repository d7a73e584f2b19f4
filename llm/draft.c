// SPDX-License-Identifier: MIT
#include "llm/draft.h"

#include <stdlib.h>
#include <string.h>

// An end of one token says too little.
enum { MATCH_MIN = 2, MATCH_MAX = 16, BATCH = 64 };
enum { WANT_FIRST = 4, WANT_MIN = 3, PAUSE_FIRST = 4, PAUSE_MAX = 64 };
#define YIELD_FIRST 2.5
#define COST_UNKNOWN 1.5

uint32_t llm__lookup(const int32_t *t, uint32_t n, uint32_t want, int32_t *out)
{
    uint32_t best = MATCH_MIN - 1, at = 0;
    for (uint32_t p = n > 1 ? n - 1 : 0; p > 0 && best < MATCH_MAX; p--) {
        uint32_t k = 0;
        while (k < MATCH_MAX && k < p && t[p - 1 - k] == t[n - 1 - k])
            k++;
        if (k > best) {
            best = k;
            at = p;
        }
    }
    if (!at)
        return 0;
    // Where it runs into the end of the text, the text repeats itself.
    for (uint32_t i = 0; i < want; i++)
        out[i] = at + i < n ? t[at + i] : out[at + i - n];
    return want;
}

void llm__pace_begin(struct pace *p)
{
    p->want = WANT_FIRST;
    p->rest = 0;
    p->pause = PAUSE_FIRST;
    p->yield = YIELD_FIRST;
}

uint32_t llm__pace_want(struct pace *p)
{
    if (p->rest) {
        p->rest--;
        return 0;
    }
    return p->want;
}

void llm__pace_cost(struct pace *p, uint32_t tokens, double ms)
{
    if (tokens <= DRAFT_ROWS)
        p->ms[tokens] = p->ms[tokens] > 0 ? p->ms[tokens] * 0.875 + ms * 0.125 : ms;
}

void llm__pace_outcome(struct pace *p, uint32_t guessed, uint32_t kept)
{
    double one = p->ms[1], all = p->ms[guessed + 1];
    double cost = one > 0 && all > 0 ? all / one : COST_UNKNOWN;
    p->yield = p->yield * 0.75 + (1 + kept) * 0.25;
    if (kept == guessed && p->want < DRAFT_MAX)
        p->want++;
    else if (kept * 2 < guessed && p->want > WANT_MIN)
        p->want--;
    if (p->yield >= cost) {
        p->pause = PAUSE_FIRST;
        return;
    }
    // It loses: rest, longer each time, then try once more.
    p->rest = p->pause;
    p->pause = p->pause * 2 < PAUSE_MAX ? p->pause * 2 : PAUSE_MAX;
    p->yield = cost;
}

// ---- a smaller model ----

static int same_tokens(const tokenizer *a, const tokenizer *b)
{
    struct buf x = BUF_INIT, y = BUF_INIT;
    int rc = tokenizer_size(a) == tokenizer_size(b) ? 0 : -EINVAL;
    for (size_t i = 0; !rc && i < tokenizer_size(a); i++) {
        int32_t id = (int32_t)i;
        buf_clear(&x);
        buf_clear(&y);
        rc = tokenizer_decode(a, id, &x);
        rc = rc ? rc : tokenizer_decode(b, id, &y);
        if (!rc && (x.len != y.len || memcmp(x.data, y.data, x.len) ||
                    tokenizer_is_control(a, id) != tokenizer_is_control(b, id)))
            rc = -EINVAL;
    }
    buf_free(&x);
    buf_free(&y);
    return rc;
}

int llm__draft_open(struct draft_model *d, const char *path, struct team *team,
                    const tokenizer *t, struct err *e)
{
    tokenizer *own = NULL;
    struct transformer_info info;
    int rc = gguf_open(path, &d->g, e);
    if (!rc)
        rc = tokenizer_open(d->g, &own, e);
    if (!rc && (rc = same_tokens(t, own)))
        rc =
            rc == -ENOMEM
                ? err_nomem(e)
                : err_set(e, rc, "%s: its tokens are not those of the model that it drafts for",
                          path);
    tokenizer_close(own);
    if (!rc)
        rc = transformer_open(d->g, team, &d->t, e);
    if (rc)
        return rc;
    transformer_describe(d->t, &info);
    if (!info.causal || info.reads_source || info.n_vocab != tokenizer_size(t))
        return err_set(e, -EINVAL, "%s: no decoder of as many tokens as it names", path);
    return 0;
}

void llm__draft_close(struct draft_model *d)
{
    transformer_close(d->t);
    gguf_close(d->g);
    *d = (struct draft_model){0};
}

int llm__draft_line_new(struct draft_model *d, uint32_t n_ctx, struct draft_line *out,
                        struct err *e)
{
    struct transformer_info info;
    transformer_describe(d->t, &info);
    out->n_ctx = n_ctx < info.n_ctx ? n_ctx : info.n_ctx;
    out->tokens = calloc(out->n_ctx, sizeof *out->tokens);
    if (!out->tokens)
        return err_nomem(e);
    uint32_t batch = out->n_ctx < BATCH ? out->n_ctx : BATCH;
    return transformer_session_new(d->t, out->n_ctx, batch, &out->session, e);
}

void llm__draft_line_free(struct draft_line *l)
{
    transformer_session_free(l->session);
    free(l->tokens);
    *l = (struct draft_line){0};
}

// One turn: append tokens; the likeliest next one.
static int append(struct draft_line *l, struct team *team, const int32_t *t, uint32_t n,
                  int32_t *best, const atomic_bool *cancel)
{
    struct err e;
    struct transformer_part part = {
        .session = l->session, .tokens = t, .n = n, .want = TRANSFORMER_BEST, .cancel = cancel};
    int rc = team_take(team, TEAM_INTERACTIVE, cancel, &e);
    if (rc)
        return rc;
    rc = transformer_step(&part, 1, &e);
    team_give(team);
    if (rc)
        return rc;
    memcpy(l->tokens + l->len, t, n * sizeof *t);
    l->len += n;
    *best = part.best;
    return 0;
}

uint32_t llm__draft_guess(struct draft_line *l, struct team *team, const int32_t *t, uint32_t n,
                          uint32_t want, int32_t *out, const atomic_bool *cancel)
{
    uint32_t keep = 0, made = 0;
    int32_t best = 0;
    if (n + want > l->n_ctx)
        return 0;
    while (keep < l->len && keep < n - 1 && l->tokens[keep] == t[keep])
        keep++;
    transformer_session_truncate(l->session, keep);
    l->len = keep;
    while (l->len < n) {
        uint32_t k = n - l->len < BATCH ? n - l->len : BATCH;
        if (append(l, team, t + l->len, k, &best, cancel))
            return 0;
    }
    while (made < want) {
        out[made++] = best;
        if (made < want && append(l, team, &out[made - 1], 1, &best, cancel))
            return made;
    }
    return made;
}
