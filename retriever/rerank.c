// SPDX-License-Identifier: MIT
// The reader's look at the first passages: question and passage together, which tells what the
// two legs cannot, whether the words answer. What it thinks of a passage is mixed into the
// order; docs/quality.md shows the weight. Always the same number of passages, so that an answer
// does not depend on how busy the machine is.
#include "retriever/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define READER_WEIGHT 0.25
#define SOFT 3.0 // logits: how far apart two scores are that differ clearly

// "Title > innermost heading", as the reader was trained on.
static struct reader_text text_of(const struct retriever_hit *h, arena *a)
{
    const char *title = h->document->title ? h->document->title : "", *last = NULL;
    for (size_t i = 0; h->section && h->section[i]; i++)
        last = h->section[i];
    if (last && !strcmp(last, title))
        last = NULL;
    const char *heading =
        last ? arena_printf(a, "%s%s%s", title, *title ? " > " : "", last) : title;
    return (struct reader_text){heading, heading ? strlen(heading) : 0, h->text,
                                strlen(h->text)};
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static int best_first(const void *a, const void *b)
{
    const struct retriever_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (x->fused != y->fused)
        return x->fused < y->fused ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

int rerank(retriever *r, const struct retriever_query *q, arena *a,
           struct retriever_result *out, struct err *e)
{
    size_t n = out->n < READ_MOST ? out->n : READ_MOST;
    struct reader_text texts[READ_MOST];
    struct reading *readings = arena_alloc(a, READ_MOST * sizeof *readings);
    double start = now_ms();
    if (!readings)
        return err_nomem(e);
    for (size_t i = 0; i < n; i++) {
        texts[i] = text_of(&out->hits[i], a);
        if (!texts[i].heading)
            return err_nomem(e);
    }
    int rc = reader_read(r->reader, TEAM_INTERACTIVE, q->question, strlen(q->question), texts,
                         n, a, readings, q->cancel, e);
    for (size_t i = 0; i < out->n && !rc; i++) {
        struct retriever_hit *h = &out->hits[i];
        struct reader_span span;
        h->score = (1 - READER_WEIGHT) * h->fused;
        if (i >= n)
            continue;
        h->reading = &readings[i];
        double answers = reader_span(h->reading, 0, strlen(h->text), 0, &span)
                             ? logistic((double)span.score / SOFT)
                             : 0;
        double relevant = isnan(readings[i].relevance) ? answers
                                                       : logistic((double)readings[i].relevance);
        h->read = (answers + relevant) / 2;
        h->score += READER_WEIGHT * h->read;
    }
    if (!rc)
        qsort(out->hits, out->n, sizeof *out->hits, best_first);
    out->read_ms = now_ms() - start;
    return rc;
}
