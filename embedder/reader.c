// SPDX-License-Identifier: MIT
#include "embedder/reader.h"

#include "base/hash.h"
#include "embedder/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE_KEY "askd.reader.base"
enum { START, END, RELEVANCE };
enum { AROUND = 4 }; // <s>, </s> three times

struct reader {
    embedder *m;
    transformer_adapter *a;
    uint32_t n_out;
    size_t most; // tokens of a sequence
    char sha256[65];
    char *path;
};

// ---- opening ----

static int check_base(const embedder *m, const gguf *g, struct err *e)
{
    struct gguf_str s;
    const char *base = m->fingerprint;
    int rc = gguf_get_str(g, BASE_KEY, &s, e);
    if (rc == -ENOENT)
        return err_set(e, -EINVAL, "%s: " BASE_KEY " is missing; of this embedder it is \"%s\"",
                       gguf_path(g), base);
    if (!rc && (s.n != strlen(base) || memcmp(s.s, base, s.n)))
        rc = err_set(e, -EINVAL,
                     "%s was trained on another embedder: its " BASE_KEY
                     " is '%.*s', this one's '%.100s'",
                     gguf_path(g), (int)(s.n < 100 ? s.n : 100), s.s, base);
    return rc;
}

static int check_embedder(const embedder *m, size_t most, struct err *e)
{
    struct tokens none = TOKENS_INIT;
    struct token_spans spans = TOKEN_SPANS_INIT;
    int rc = tokenizer_encode_spans(m->tok, "", 0, 0, &none, &spans, e);
    tokens_free(&none);
    token_spans_free(&spans);
    if (rc)
        return err_prefix(e, "%s cannot be read with", gguf_path(m->g));
    if (tokenizer_bos(m->tok) < 0 || tokenizer_eos(m->tok) < 0)
        return err_set(e, -EINVAL, "%s has no tokens for the ends of a text", gguf_path(m->g));
    if (most < READER_QUESTION_TOKENS + AROUND + 2 * READER_OVERLAP)
        return err_set(e, -EINVAL, "%s: a context of %zu tokens is too short for a reader",
                       gguf_path(m->g), most);
    return 0;
}

int reader_open(embedder *m, const char *path, reader **out, struct err *e)
{
    reader *r = calloc(1, sizeof *r);
    gguf *g = NULL;
    if (!r)
        return err_nomem(e);
    r->m = m;
    r->most = m->info.n_ctx < READER_TOKENS ? m->info.n_ctx : READER_TOKENS;
    r->path = strdup(path);
    int rc = r->path ? check_embedder(m, r->most, e) : err_nomem(e);
    if (!rc)
        rc = gguf_open(path, &g, e);
    if (!rc)
        rc = transformer_adapter_open(g, m->t, &r->a, e);
    if (!rc)
        rc = check_base(m, g, e);
    if (!rc) {
        r->n_out = transformer_adapter_outputs(r->a);
        if (r->n_out != 2 && r->n_out != 3)
            rc = err_set(e, -EINVAL,
                         "%s: its head, tensor reader.weight, has %u outputs, not 2 or 3", path,
                         r->n_out);
    }
    if (!rc)
        rc = hash_sha256_file(path, r->sha256, e);
    gguf_close(g);
    if (rc) {
        reader_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

void reader_close(reader *r)
{
    if (!r)
        return;
    transformer_adapter_close(r->a);
    free(r->path);
    free(r);
}

const char *reader_fingerprint(const reader *r)
{
    return r->sha256;
}

// ---- what is read: the form that reader.h describes ----

// Tokens [first, last) of text `text`, in a sequence of their own.
struct window {
    size_t text, first, last;
};

struct job {
    const reader *r;
    const struct reader_text *texts;
    size_t n;
    struct tokens question, ids; // ids: of all texts, one after the other
    struct token_spans spans;    // of ids, in heading ": " passage
    size_t *at;                  // [n + 1], of each text among ids
    struct window *windows;
    size_t n_windows;
    struct reader_token **tokens; // [n], of each passage: out[i].tokens, to be filled
    size_t *context;              // [n], of each text: its tokens in front of the passage
};

static size_t prefix_of(const struct reader_text *x)
{
    return x->n_heading ? x->n_heading + 2 : 0;
}

// The tokens of heading ": " passage.
static int add_text(struct job *j, const struct reader_text *x, struct err *e)
{
    size_t prefix = prefix_of(x);
    if (x->n > UINT32_MAX / 2 || x->n_heading > UINT32_MAX / 2)
        return err_set(e, -E2BIG, "a passage of %zu bytes is too long to be read", x->n);
    char *whole = malloc(prefix + x->n + 1);
    if (!whole)
        return err_nomem(e);
    if (prefix) {
        memcpy(whole, x->heading, x->n_heading);
        memcpy(whole + x->n_heading, ": ", 2);
    }
    if (x->n)
        memcpy(whole + prefix, x->s, x->n);
    int rc =
        tokenizer_encode_spans(j->r->m->tok, whole, prefix + x->n, 0, &j->ids, &j->spans, e);
    free(whole);
    return rc;
}

static size_t room_of(const struct job *j)
{
    return j->r->most - AROUND - j->question.len;
}

// How many windows n tokens take. One at least: also a text of no tokens has a null score.
static size_t windows_of(size_t n, size_t room)
{
    size_t step = room - READER_OVERLAP;
    return n <= room ? 1 : 1 + (n - room + step - 1) / step;
}

static int lay_windows(struct job *j, struct err *e)
{
    size_t room = room_of(j), step = room - READER_OVERLAP, total = 0;
    for (size_t i = 0; i < j->n; i++)
        total += windows_of(j->at[i + 1] - j->at[i], room);
    j->windows = malloc((total + 1) * sizeof *j->windows);
    if (!j->windows)
        return err_nomem(e);
    for (size_t i = 0; i < j->n; i++) {
        size_t n = j->at[i + 1] - j->at[i], many = windows_of(n, room);
        for (size_t w = 0; w < many; w++)
            j->windows[j->n_windows++] =
                (struct window){i, w * step, w * step + room < n ? w * step + room : n};
    }
    return 0;
}

// A window's sequence.
static int add_sequence(const struct job *j, const struct window *w, struct tokens *out)
{
    const tokenizer *t = j->r->m->tok;
    const int32_t *ids = j->ids.ids + j->at[w->text];
    int rc = tokens_add(out, tokenizer_bos(t));
    for (size_t i = 0; i < j->question.len && !rc; i++)
        rc = tokens_add(out, j->question.ids[i]);
    for (int i = 0; i < 2 && !rc; i++)
        rc = tokens_add(out, tokenizer_eos(t));
    for (size_t i = w->first; i < w->last && !rc; i++)
        rc = tokens_add(out, ids[i]);
    return rc ? rc : tokens_add(out, tokenizer_eos(t));
}

// ---- what comes out ----

// The passage's tokens, with their bytes.
static int place_tokens(struct job *j, size_t i, arena *a, struct reading *out, struct err *e)
{
    const struct token_span *spans = j->spans.at + j->at[i];
    size_t n = j->at[i + 1] - j->at[i], prefix = prefix_of(&j->texts[i]), first = 0;
    while (first < n && spans[first].end <= prefix)
        first++;
    struct reader_token *t = arena_alloc(a, (n - first) * sizeof *t + 1);
    if (!t)
        return err_nomem(e);
    for (size_t k = first; k < n; k++) {
        size_t start = spans[k].start > prefix ? spans[k].start : prefix;
        t[k - first].start = (uint32_t)(start - prefix);
        t[k - first].end = (uint32_t)(spans[k].end - prefix);
    }
    j->context[i] = first;
    j->tokens[i] = t;
    *out = (struct reading){.null = INFINITY, .relevance = NAN, .tokens = t, .n = n - first};
    return 0;
}

// The logits of a window's sequence, [tokens, n_out].
static int take_logits(const struct job *j, const struct window *w, const float *logits,
                       struct reading *all, struct err *e)
{
    const uint32_t n_out = j->r->n_out;
    struct reading *out = &all[w->text];
    size_t n = j->at[w->text + 1] - j->at[w->text], context = j->context[w->text],
           len = j->question.len + AROUND + w->last - w->first,
           from = w->first ? w->first + READER_OVERLAP / 2 : 0,
           to = w->last < n ? w->last - READER_OVERLAP / 2 : n;
    for (size_t i = 0; i < len * n_out; i++)
        if (!isfinite(logits[i]))
            return err_set(e, -EINVAL, "%s: its logits are no numbers: it is damaged",
                           j->r->path);
    float null = logits[START] + logits[END];
    out->null = null < out->null ? null : out->null;
    if (n_out > RELEVANCE && !(logits[RELEVANCE] <= out->relevance))
        out->relevance = logits[RELEVANCE];
    logits += (j->question.len + AROUND - 1) * n_out; // of the text's first token
    for (size_t k = from > context ? from : context; k < to; k++) {
        struct reader_token *t = &j->tokens[w->text][k - context];
        t->start_logit = logits[(k - w->first) * n_out + START];
        t->end_logit = logits[(k - w->first) * n_out + END];
    }
    return 0;
}

// ---- reading ----

// Windows [first, last) in one turn of the team.
static int read_turn(const struct job *j, enum team_class c, const int32_t *ids,
                     const uint32_t *starts, size_t first, size_t last, struct reading *out,
                     const atomic_bool *cancel, struct err *e)
{
    const reader *r = j->r;
    float *logits = malloc((size_t)starts[last - first] * r->n_out * sizeof *logits);
    if (!logits)
        return err_nomem(e);
    int rc = team_take(r->m->team, c, cancel, e);
    if (!rc) {
        rc = transformer_encode_tokens(r->m->t, r->a, ids, starts, (uint32_t)(last - first),
                                       logits, cancel, e);
        team_give(r->m->team);
    }
    for (size_t w = first; w < last && !rc; w++)
        rc = take_logits(j, &j->windows[w], logits + (size_t)starts[w - first] * r->n_out, out,
                         e);
    free(logits);
    return rc;
}

static int read_windows(const struct job *j, enum team_class c, struct reading *out,
                        const atomic_bool *cancel, struct err *e)
{
    struct tokens ids = TOKENS_INIT;
    uint32_t *starts = malloc((j->n_windows + 1) * sizeof *starts);
    int rc = starts ? 0 : err_nomem(e);
    for (size_t done = 0; done < j->n_windows && !rc;) {
        size_t n = 0;
        ids.len = 0;
        while (done + n < j->n_windows && ids.len < EMBEDDER_TURN_TOKENS && !rc) {
            starts[n] = (uint32_t)ids.len;
            if (add_sequence(j, &j->windows[done + n], &ids))
                rc = err_nomem(e);
            n++;
        }
        starts[n] = (uint32_t)ids.len;
        if (!rc)
            rc = read_turn(j, c, ids.ids, starts, done, done + n, out, cancel, e);
        done += n;
    }
    tokens_free(&ids);
    free(starts);
    return rc;
}

// All tokens of the question and the texts, before the team is taken.
static int tokenize(struct job *j, const char *question, size_t n_question, struct err *e)
{
    int rc = tokenizer_encode(j->r->m->tok, question, n_question, 0, &j->question);
    if (rc)
        return err_set(e, rc, "a question of %zu bytes cannot be read", n_question);
    if (j->question.len > READER_QUESTION_TOKENS)
        j->question.len = READER_QUESTION_TOKENS;
    for (size_t i = 0; i < j->n && !rc; i++) {
        j->at[i] = j->ids.len;
        rc = add_text(j, &j->texts[i], e);
    }
    j->at[j->n] = j->ids.len;
    return rc ? rc : lay_windows(j, e);
}

int reader_read(reader *r, enum team_class c, const char *question, size_t n_question,
                const struct reader_text *texts, size_t n, arena *a, struct reading *out,
                const atomic_bool *cancel, struct err *e)
{
    struct job j = {.r = r, .texts = texts, .n = n};
    j.at = calloc(n + 1, sizeof *j.at);
    j.context = calloc(n + 1, sizeof *j.context);
    j.tokens = calloc(n + 1, sizeof(*j.tokens));
    int rc = j.at && j.context && j.tokens ? 0 : err_nomem(e);
    if (!rc)
        rc = tokenize(&j, question, n_question, e);
    for (size_t i = 0; i < n && !rc; i++)
        rc = place_tokens(&j, i, a, &out[i], e);
    if (!rc)
        rc = read_windows(&j, c, out, cancel, e);
    free(j.at);
    free(j.context);
    free(j.tokens);
    free(j.windows);
    tokens_free(&j.question);
    tokens_free(&j.ids);
    token_spans_free(&j.spans);
    return rc;
}
