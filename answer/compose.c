// SPDX-License-Identifier: MIT
// Putting an answer together: everything passes the gate, citations get their numbers, and a
// citation is announced once its mark has left.
#include "answer/internal.h"

#include <stdio.h>
#include <string.h>

#define CITATIONS_MAX 32
#define SPAN_WORTH (-8.0f) // logits to no answer: readers are too sure of that

static void announce(struct composer *c)
{
    while (c->announced < c->n_citations &&
           safety_gate_passed(c->gate) >= c->mark_end[c->announced]) {
        if (c->sink->citation)
            c->sink->citation(c->sink->ctx, &c->citations[c->announced]);
        c->announced++;
    }
}

static int on_released(void *ctx, const char *text, size_t n)
{
    struct composer *c = ctx;
    if (!c->first_token)
        c->first_token = clock_ms() - c->started;
    int rc = buf_add(&c->text, text, n);
    if (rc)
        return rc;
    if (c->sink->token && c->sink->token(c->sink->ctx, text, n))
        return -ECANCELED;
    return 0;
}

int composer_open(struct composer *c, struct err *e)
{
    // Links may come from any passage shown, but for those that look as if somebody had put
    // them there for us.
    const char **sources = arena_alloc(c->a, (c->p->n + 1) * sizeof *sources);
    const char **collections = arena_alloc(c->a, (c->p->n + 1) * sizeof *collections);
    size_t n = 0;
    c->citations = arena_alloc(c->a, CITATIONS_MAX * sizeof *c->citations);
    c->mark_end = arena_alloc(c->a, CITATIONS_MAX * sizeof *c->mark_end);
    buf_init(&c->text);
    if (!sources || !collections || !c->citations || !c->mark_end)
        return err_nomem(e);
    for (size_t i = 0; i < c->p->n; i++) {
        collections[i] = c->p->passages[i].hit.document->collection;
        if (!c->p->passages[i].flagged)
            sources[n++] = c->p->passages[i].hit.text;
    }
    collections[c->p->n] = NULL;
    const struct safety_gate_options o = {.text = {.stage = SAFETY_ANSWER,
                                                   .collections = collections,
                                                   .sources = sources,
                                                   .n_sources = n,
                                                   .count = true},
                                          .write = on_released,
                                          .ctx = c};
    return safety_gate_new(c->an->o.safety, &o, &c->gate, e);
}

void composer_close(struct composer *c)
{
    safety_gate_free(c->gate);
    c->gate = NULL;
    buf_free(&c->text);
}

static int gate_said(struct composer *c, int rc)
{
    announce(c);
    if (rc == 1 && !c->withheld) {
        c->withheld = true;
        if (c->sink->withheld)
            c->sink->withheld(c->sink->ctx, safety_gate_finding(c->gate)->category, "answer");
    }
    return rc;
}

int composer_text(struct composer *c, const char *text, size_t n, struct err *e)
{
    if (c->r->cancel && atomic_load(c->r->cancel))
        return err_set(e, -ECANCELED, "the question was cancelled");
    c->fed += n;
    c->last = n ? text[n - 1] : c->last;
    return gate_said(c, safety_gate_feed(c->gate, text, n, e));
}

// Lines of text[start..end) where passage lines and source lines run in step, else all of them.
static void locate(struct answer_citation *c, size_t start, size_t end)
{
    const struct retriever_hit *h = &c->passage->hit;
    int before = 0, within = 0, total = 0;
    for (size_t i = 0; h->text[i]; i++) {
        if (h->text[i] != '\n')
            continue;
        before += i < start;
        within += i >= start && i < end;
        total++;
    }
    c->line_first = h->line_first;
    c->line_last = h->line_last;
    if (h->line_first > 0 && total == h->line_last - h->line_first) {
        c->line_first = h->line_first + before;
        c->line_last = c->line_first + within;
    }
}

int composer_cite(struct composer *c, size_t passage, size_t start, size_t end, struct err *e)
{
    const struct answer_passage *p = &c->p->passages[passage];
    size_t i = 0, n = end - start;
    while (i < c->n_citations &&
           !(c->citations[i].passage == p && strlen(c->citations[i].quote) == n &&
             !memcmp(c->citations[i].quote, p->hit.text + start, n)))
        i++;
    if (i == CITATIONS_MAX)
        return 0;
    char mark[16];
    int len = snprintf(mark, sizeof mark, "%s[%zu]", c->last == '\n' ? "" : " ", i + 1);
    if (i == c->n_citations) {
        struct answer_citation *n_new = &c->citations[i];
        *n_new = (struct answer_citation){.n = (unsigned)i + 1, .passage = p};
        n_new->quote = arena_strndup(c->a, p->hit.text + start, n);
        if (!n_new->quote)
            return err_nomem(e);
        locate(n_new, start, end);
        struct reader_span span;
        if (p->hit.reading && reader_span(p->hit.reading, start, end, 0, &span) &&
            span.score > SPAN_WORTH &&
            !(n_new->span =
                  arena_strndup(c->a, p->hit.text + span.start, span.end - span.start)))
            return err_nomem(e);
        c->mark_end[i] = c->fed + (size_t)len;
        c->n_citations++;
    }
    return composer_text(c, mark, (size_t)len, e);
}

int composer_finish(struct composer *c, struct err *e)
{
    int rc = gate_said(c, safety_gate_finish(c->gate, e));
    c->n_citations = c->announced; // marks that were held back cite nothing
    return rc;
}
