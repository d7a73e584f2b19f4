// SPDX-License-Identifier: MIT
// The reader's look at the best passages: question and passage together, which tells what the
// two legs cannot, whether the words answer. How many are read depends on what is read alone,
// so that an answer does not depend on how busy the machine is. docs/quality.md shows the
// weight.
#include "retriever/internal.h"

#include <math.h>
#include <string.h>

#define SOFT 6.0 // logits: readers are surer of themselves than they should be
#define READER_WEIGHT 0.2

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

double retriever_surely(const struct reading *r, size_t from, size_t to)
{
    struct reader_span span;
    if (!r || !reader_span(r, from, to, 0, &span))
        return 0;
    return 1 / (1 + exp(-(double)span.score / SOFT));
}

// What has been read, with `read`, counts less by what the legs say.
static void mix(struct retriever_hit *h)
{
    h->score = (1 - READER_WEIGHT) * h->score + READER_WEIGHT * h->read;
}

void retriever_leave_unread(struct retriever_hit *hit)
{
    hit->read = 0;
    mix(hit);
}

int retriever_read(retriever *r, const char *question, struct retriever_hit *const *hits,
                   size_t n, arena *a, const atomic_bool *cancel, struct err *e)
{
    struct reader_text *texts = arena_alloc(a, (n + 1) * sizeof *texts);
    struct reading *readings = arena_alloc(a, (n + 1) * sizeof *readings);
    if (!r->reader || !n)
        return 0;
    if (!texts || !readings)
        return err_nomem(e);
    for (size_t i = 0; i < n; i++) {
        texts[i] = text_of(hits[i], a);
        if (!texts[i].heading)
            return err_nomem(e);
    }
    int rc = reader_read(r->reader, TEAM_INTERACTIVE, question, strlen(question), texts, n, a,
                         readings, cancel, e);
    for (size_t i = 0; i < n && !rc; i++) {
        struct retriever_hit *h = hits[i];
        h->reading = &readings[i];
        h->read = retriever_surely(h->reading, 0, strlen(h->text));
        mix(h);
    }
    return rc;
}
