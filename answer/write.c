// SPDX-License-Identifier: MIT
// The model writes; each sentence is held against the passages before it leaves.
#include "answer/internal.h"

#include "base/hash.h"
#include "base/sentence.h"
#include "safety/ground.h"

#include <stdio.h>
#include <string.h>

#define PROMPT_PASSAGES 4
#define PASSAGE_BYTES 1800 // of each passage in the prompt
#define TEMPLATE_TOKENS 64 // what a chat template puts around two messages, and more
#define TOP_P 0.95f
#define TOKENS_SMALL 64
#define TOKENS_LARGE 320
#define SENTENCES_SMALL 1
#define FAILURES_SMALL 2 // a small model that failed twice will not recover

static const char system_prompt[] =
    "You answer questions from the given passages only. Answer in one or two short sentences, "
    "in "
    "the language of the question. Copy commands, names, paths and numbers exactly as they "
    "stand "
    "in the passages. If the passages do not answer the question, say: Not in the passages.";

#define WRITTEN_MAX 32

struct token {
    size_t start; // in the text
    double logprob;
};

struct writer {
    struct composer *c;
    const struct word_list *w;
    const struct extract *x;
    size_t n_x, used_x; // extracts, and how many have replaced a failed sentence
    size_t prompted[PROMPT_PASSAGES], n_prompted;
    struct buf text;   // generated so far
    size_t pos;        // start of what has not been checked
    struct buf tokens; // struct token, where their likelihood is asked for
    size_t told;       // of them, behind which sentence they stood is settled
    struct answer_result *out;
    size_t kept, failed;
    int rc;
    struct err *e;
};

// One passage, or a part of it, under its title and headings.
static int add_passage(struct writer *w, struct buf *user, size_t passage, size_t start,
                       size_t n)
{
    const struct retriever_hit *h = &w->c->p->passages[passage].hit;
    w->prompted[w->n_prompted++] = passage;
    int rc =
        buf_addf(user, "[%zu] %s", w->n_prompted, h->document->title ? h->document->title : "");
    for (size_t s = 0; h->section && h->section[s] && !rc; s++)
        rc = buf_addf(user, " > %s", h->section[s]);
    return rc ? rc : buf_addf(user, "\n%.*s\n\n", (int)n, h->text + start);
}

// A small model reads what is quoted, more would only mislead it; a larger one the passages, in
// the order of the search so that equal questions share a prefix. At most `most` of them.
static int build_prompt(struct writer *w, struct buf *user, size_t most)
{
    const struct answer_passages *p = w->c->p;
    bool small = w->c->an->small;
    size_t n = small ? w->n_x : p->n;
    int rc = 0;
    for (size_t i = 0; i < n && w->n_prompted < most && !rc; i++) {
        size_t passage = small ? w->x[i].passage : i;
        const struct answer_passage *h = &p->passages[passage];
        if (h->hidden || h->flagged)
            continue;
        size_t start = small ? w->x[i].start : 0;
        size_t len = small ? w->x[i].end - start : strlen(h->hit.text);
        if (len > PASSAGE_BYTES) {
            len = PASSAGE_BYTES;
            while (len && ((unsigned char)h->hit.text[start + len] & 0xC0) == 0x80)
                len--;
        }
        rc = add_passage(w, user, passage, start, len);
    }
    return rc ? rc : buf_addf(user, "Question: %s", p->question);
}

// The prompt with as many passages as leave room in the context for `tokens` of answer; without
// any, n_prompted is 0.
static int fit_prompt(struct writer *w, struct buf *user, unsigned tokens)
{
    const llm *m = w->c->an->o.llm;
    struct llm_info info;
    llm_describe(m, &info);
    size_t taken =
        llm_count_tokens(m, system_prompt, strlen(system_prompt)) + TEMPLATE_TOKENS + tokens;
    for (size_t most = PROMPT_PASSAGES; most; most--) {
        buf_clear(user);
        w->n_prompted = 0;
        int rc = build_prompt(w, user, most);
        if (rc || taken + llm_count_tokens(m, user->data, user->len) <= info.n_ctx)
            return rc;
    }
    w->n_prompted = 0;
    return 0;
}

static size_t trim_marks(const char *s, size_t n)
{
    // The model's own [1] marks are replaced by ours.
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\n'))
        n--;
    if (n > 2 && s[n - 1] == ']') {
        size_t k = n - 1;
        while (k && s[k - 1] >= '0' && s[k - 1] <= '9')
            k--;
        if (k && s[k - 1] == '[' && k < n - 1)
            return trim_marks(s, k - 1);
    }
    return n;
}

static int keep(struct writer *w, const char *s, size_t n, size_t passage, size_t start,
                size_t end)
{
    int rc = 0;
    if (w->c->fed)
        rc = w->kept ? composer_text(w->c, " ", 1, w->e) : composer_text(w->c, "\n\n", 2, w->e);
    if (!rc)
        rc = composer_text(w->c, s, n, w->e);
    if (!rc)
        rc = composer_cite(w->c, passage, start, end, w->e);
    w->kept++;
    return rc;
}

// The best verbatim sentence in place of one that failed (larger models; of a small one's the
// quotes stand there already).
static int replace(struct writer *w)
{
    w->failed++;
    if (w->c->an->small || w->used_x == w->n_x)
        return 0;
    const struct extract *x = &w->x[w->used_x++];
    const char *text = w->c->p->passages[x->passage].hit.text;
    return keep(w, text + x->start, x->end - x->start, x->passage, x->start, x->end);
}

// What the quotes above say already, in the same words or in as few, is not said again.
static bool repeats_quotes(const struct writer *w, const char *folded)
{
    for (size_t i = 0; w->c->an->small && i < w->n_x; i++) {
        const struct extract *x = &w->x[i];
        const char *text = w->c->p->passages[x->passage].hit.text;
        struct sentence s;
        for (size_t pos = x->start; sentence_next(text, x->end, &pos, &s);) {
            const char *told = words_fold(text + s.start, s.end - s.start, w->c->a);
            if (told && (strstr(told, folded) || (2 * strlen(folded) > strlen(told) &&
                                                  words_told(folded, told, w->c->a))))
                return true;
        }
    }
    return false;
}

// The likelihood of the text up to `end` that has not been told yet.
static struct answer_written likelihood(struct writer *w, size_t end)
{
    struct answer_written v = {0};
    struct token t;
    for (; w->told < w->tokens.len; w->told += sizeof t, v.tokens++) {
        memcpy(&t, w->tokens.data + w->told, sizeof t);
        if (t.start >= end)
            break;
        v.logprob += t.logprob;
    }
    return v;
}

static int tell_written(struct writer *w, const char *s, size_t n, struct answer_written v)
{
    struct answer_result *out = w->out;
    if (!w->c->r->logprobs || out->n_written == WRITTEN_MAX)
        return 0;
    if (!out->written &&
        !(out->written = arena_alloc(w->c->a, WRITTEN_MAX * sizeof *out->written)))
        return err_nomem(w->e);
    if (!(v.text = arena_strndup(w->c->a, s, n)))
        return err_nomem(w->e);
    out->written[out->n_written++] = v;
    return 0;
}

// A small model may put together only what stands there: every content word is the passage's,
// or one of the question's.
static bool only_what_stands(const struct writer *w, const char *folded,
                             const struct retriever_hit *h)
{
    arena *a = w->c->a;
    const char *question = w->c->p->question,
               *asked = words_fold(question, strlen(question), a),
               *text = words_fold(h->text, strlen(h->text), a),
               *headings = words_of_headings(h, a);
    const char *known =
        asked && text && headings ? arena_printf(a, "%s %s %s", asked, headings, text) : NULL;
    return known && words_told(folded, known, a);
}

static int check_sentence(struct writer *w, const char *s, size_t n)
{
    struct answer_written told = likelihood(w, (size_t)(s - w->text.data) + n);
    n = trim_marks(s, n);
    const char *folded = words_fold(s, n, w->c->a);
    if (!folded)
        return err_nomem(w->e);
    if (n < 4 || s[n - 1] == ':' || repeats_quotes(w, folded))
        return 0; // it says nothing new, or leads to what does not come
    for (size_t i = 0; i < w->n_prompted; i++) {
        const struct retriever_hit *h = &w->c->p->passages[w->prompted[i]].hit;
        struct ground_verdict v;
        if (w->c->an->small && !only_what_stands(w, folded, h))
            continue;
        if (ground_check(s, n, h->text, strlen(h->text), &v))
            return err_nomem(w->e);
        // What says nothing about the question is no answer to it, however true.
        if (v.grounded && v.end > v.start && words_coverage(w->w, folded, true) > 0) {
            int rc = keep(w, s, n, w->prompted[i], v.start, v.end);
            return rc ? rc : tell_written(w, s, n, told);
        }
    }
    return replace(w);
}

// Check every sentence that is complete; at the end of the text also the last.
static int check_complete(struct writer *w, bool all)
{
    struct sentence s;
    size_t pos = w->pos;
    while (!w->rc && sentence_next(w->text.data, w->text.len, &pos, &s)) {
        if (pos >= w->text.len && !all)
            break;
        w->pos = pos;
        w->rc = check_sentence(w, w->text.data + s.start, s.end - s.start);
        if (w->c->an->small && (w->kept >= SENTENCES_SMALL || w->failed >= FAILURES_SMALL))
            return 1;
    }
    return w->rc;
}

static int on_text(void *ctx, const char *text, size_t n)
{
    struct writer *w = ctx;
    if (buf_add(&w->text, text, n)) {
        w->rc = err_nomem(w->e);
        return 1;
    }
    return check_complete(w, false);
}

static int on_token(void *ctx, const struct llm_token *t)
{
    struct writer *w = ctx;
    const struct token token = {w->text.len, t->logprob};
    if (buf_add(&w->tokens, &token, sizeof token)) {
        w->rc = err_nomem(w->e);
        return 1;
    }
    return 0;
}

static void on_stage(void *ctx, enum llm_stage stage)
{
    struct writer *w = ctx;
    answer_enter(w->c, stage == LLM_PREFILL ? ANSWER_AT_PREFILL : ANSWER_AT_DECODE);
}

// Run the model on the prompt; what it writes is checked as it comes.
static int generate(struct writer *w, const char *user, unsigned max_tokens,
                    struct llm_result *used)
{
    const struct answer_request *r = w->c->r;
    const struct llm_message messages[] = {{"system", system_prompt}, {"user", user}};
    struct llm_request q = {.messages = messages,
                            .n_messages = 2,
                            .max_tokens = max_tokens,
                            .sampling = r->sampling,
                            .adapters = r->adapters,
                            .n_adapters = r->n_adapters,
                            .asker = r->asker,
                            .cancel = r->cancel,
                            .on_text = on_text,
                            .on_token = r->logprobs ? on_token : NULL,
                            .on_stage = on_stage,
                            .ctx = w};
    if (!(q.sampling.top_p > 0))
        q.sampling.top_p = TOP_P;
    answer_enter(w->c, ANSWER_AT_SESSION);
    int rc = llm_generate(w->c->an->o.llm, &q, used, w->e);
    // What ended by itself may leave a last sentence; what was cut is none.
    if (!rc && !w->rc && used->finish == LLM_STOP)
        check_complete(w, true);
    return rc ? rc : w->rc;
}

int write_answer(struct composer *c, const struct word_list *words, const struct extract *x,
                 size_t n, struct answer_result *out, size_t *sentences, struct err *e)
{
    struct writer w = {.c = c, .w = words, .x = x, .n_x = n, .out = out, .e = e};
    struct buf user = BUF_INIT, prompt = BUF_INIT;
    struct llm_result used = {0};
    unsigned most = c->an->small ? TOKENS_SMALL : TOKENS_LARGE;
    if (c->r->max_tokens && c->r->max_tokens < most)
        most = c->r->max_tokens;
    buf_init(&w.text);
    buf_init(&w.tokens);
    int rc = fit_prompt(&w, &user, most);
    if (rc)
        err_nomem(e);
    if (!rc && w.n_prompted) {
        rc = generate(&w, user.data, most, &used);
        if (!rc && !buf_addf(&prompt, "%s\n%s", system_prompt, user.data))
            hash_sha256(prompt.data, prompt.len, out->prompt_sha256);
    }
    out->prompt_tokens = used.prompt_tokens;
    out->cached_tokens = used.cached_tokens;
    out->completion_tokens = used.completion_tokens;
    *sentences = w.kept;
    buf_free(&prompt);
    buf_free(&user);
    buf_free(&w.text);
    buf_free(&w.tokens);
    return rc;
}
