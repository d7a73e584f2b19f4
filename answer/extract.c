// SPDX-License-Identifier: MIT
// The best verbatim sentences of the best passages: the backbone of every answer.
// Score: similarity to the question, rare words shared with it by the sentence or its headings,
// the passage's own score and, where there is a reader, how surely it finds the answer there;
// each alone finds the answer far less often than all together. As many sentences are taken as
// a reader takes in at a glance (docs/quality.md).
#include "answer/internal.h"

#include "base/layout.h"
#include "base/sentence.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define CANDIDATES_MAX 160
#define EMBEDDED_MAX 24 // candidates whose similarity is computed
#define SHORT 40        // bytes: a sentence shorter than this says little by itself
#define LONG 700        // bytes: longer is no quote any more
#define WORTH 0.7       // of the best score: less is not told

struct candidate {
    struct extract x;
    const char *said; // its text, a row's with the names of its columns
    const char *folded;
    double prior;   // before similarity
    double covered; // weighted share of the question's words, headings' among them
};

static int by_prior(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->prior != y->prior)
        return x->prior < y->prior ? 1 : -1;
    if (x->x.passage != y->x.passage)
        return x->x.passage < y->x.passage ? -1 : 1;
    return x->x.start < y->x.start ? -1 : x->x.start > y->x.start;
}

static int by_score(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->x.score != y->x.score)
        return x->x.score < y->x.score ? 1 : -1;
    return by_prior(a, b);
}

// A lead-in ("Run:") is quoted with what it leads to; a stub with its neighbour, but not an
// item of a list with the next one, or a row of a table with anything.
static bool wants_more(const char *text, size_t size, const struct sentence *s,
                       const struct sentence *next)
{
    size_t n = s->end - s->start;
    if (text[s->end - 1] == ':' || (n >= 3 && !memcmp(text + s->end - 3, "：", 3)))
        return true;
    bool items = layout_item(text + s->start, n) &&
                 layout_item(text + next->start, next->end - next->start);
    return n < SHORT && !items && !layout_is_row(text, size, s->start);
}

static bool has_injection(answerer *an, const char *s, size_t n)
{
    const struct safety_text t = {.stage = SAFETY_PASSAGE};
    int rc = safety_scan(an->o.safety, &t, s, n, NULL, NULL, NULL);
    return rc != 0; // what cannot be checked is not quoted
}

size_t extract_words(const char *s, size_t n)
{
    size_t halves = 0, step;
    bool inside = false;
    for (size_t i = 0; i < n; i += step) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        bool cjk = utf8_is_cjk(cp), space = utf8_is_space(cp);
        halves += cjk ? 1 : !space && !inside ? 2 : 0;
        inside = !cjk && !space;
    }
    return (halves + 1) / 2;
}

// Adds the sentences of one passage to c[0..*count); -ENOMEM.
static int collect(answerer *an, const struct answer_passage *p, size_t index,
                   const struct word_list *w, arena *a, struct candidate *list, size_t *count)
{
    const char *text = p->hit.text, *headings = words_of_headings(&p->hit, a);
    size_t n = strlen(text), pos = 0;
    struct sentence s;
    if (!headings)
        return -ENOMEM;
    while (*count < CANDIDATES_MAX && sentence_next(text, n, &pos, &s)) {
        struct sentence next;
        size_t peek = pos;
        while (sentence_next(text, n, &peek, &next) && wants_more(text, n, &s, &next) &&
               next.end - s.start <= LONG) {
            s.end = next.end;
            pos = peek;
        }
        if (s.end - s.start > LONG || s.end - s.start < 8)
            continue;
        if (p->withheld &&
            memmem(text + s.start, s.end - s.start, SAFETY_MARK, strlen(SAFETY_MARK)))
            continue;
        if (p->flagged && has_injection(an, text + s.start, s.end - s.start))
            continue;
        struct extract x = {.passage = index, .start = s.start, .end = s.end};
        if (layout_is_row(text, n, s.start)) {
            layout_head_of(text, n, s.start, &x.head, &x.head_end);
            if (x.head == s.start) // names of columns tell nothing
                continue;
        }
        const char *said = arena_printf(a, "%.*s%s%.*s", (int)(x.head_end - x.head),
                                        text + x.head, x.head_end > x.head ? "\n" : "",
                                        (int)(s.end - s.start), text + s.start);
        const char *folded = said ? words_fold(said, strlen(said), a) : NULL;
        const char *all = folded ? arena_printf(a, "%s %s", headings, folded) : NULL;
        if (!all)
            return -ENOMEM;
        struct candidate *c = &list[(*count)++];
        c->x = x;
        c->said = said;
        c->folded = folded;
        c->x.coverage = words_coverage(w, folded, p->hit.foreign);
        c->covered = words_coverage(w, all, p->hit.foreign);
        c->x.read = retriever_surely(p->hit.reading, s.start, s.end);
        c->prior = c->x.coverage + 0.5 * p->hit.score + c->x.read;
    }
    return 0;
}

// Similarity of the first n candidates, scaled to 0..1 within them.
static int add_similarity(answerer *an, const struct answer_request *r,
                          const struct answer_passages *p, arena *a, struct candidate *c,
                          size_t n, struct err *e)
{
    struct embedder_text *texts = arena_alloc(a, n * sizeof *texts);
    float *cos = arena_alloc(a, n * sizeof *cos);
    if (!texts || !cos)
        return err_nomem(e);
    for (size_t i = 0; i < n; i++)
        texts[i] = (struct embedder_text){c[i].said, strlen(c[i].said)};
    int rc = retriever_similarity(an->o.retriever, p->question, texts, n, cos, r->cancel, e);
    if (rc)
        return rc;
    float low = 1, high = -1;
    bool read = false;
    for (size_t i = 0; i < n; i++) {
        const struct retriever_hit *hit = &p->passages[c[i].x.passage].hit;
        cos[i] += (float)hit->moved; // as its passage's
        read |= hit->reading != NULL;
        low = cos[i] < low ? cos[i] : low;
        high = cos[i] > high ? cos[i] : high;
    }
    for (size_t i = 0; i < n; i++) {
        double scaled = high > low ? (double)(cos[i] - low) / (double)(high - low) : 0;
        c[i].x.similarity = (double)cos[i];
        double passage = p->passages[c[i].x.passage].hit.score;
        c[i].x.score =
            read ? 0.2 * scaled + 0.25 * c[i].covered + 0.25 * passage + 0.3 * c[i].x.read
                 : 0.3 * scaled + 0.35 * c[i].covered + 0.35 * passage;
    }
    return 0;
}

// Two copies of a text are told once. Word for word: another number is another statement.
static bool is_told(const char *folded, const char *const *told, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(told[i], folded))
            return true;
    return false;
}

int extract_best(answerer *an, const struct answer_request *r, const struct answer_passages *p,
                 const struct word_list *w, arena *a, struct extract *out, size_t *n,
                 struct err *e)
{
    struct candidate *c = arena_alloc(a, CANDIDATES_MAX * sizeof *c);
    if (!c)
        return err_nomem(e);
    const char *told[EXTRACTS_MAX];
    size_t count = 0, words = 0;
    for (size_t i = 0; i < p->n && i < PASSAGES_READ; i++)
        if (!p->passages[i].hidden && collect(an, &p->passages[i], i, w, a, c, &count))
            return err_nomem(e);
    qsort(c, count, sizeof *c, by_prior);
    if (count > EMBEDDED_MAX)
        count = EMBEDDED_MAX;
    *n = 0;
    if (!count)
        return 0;
    int rc = add_similarity(an, r, p, a, c, count, e);
    if (rc)
        return rc;
    qsort(c, count, sizeof *c, by_score);
    for (size_t i = 0; i < count && *n < EXTRACTS_MAX; i++) {
        const struct extract *x = &c[i].x;
        size_t more =
            extract_words(p->passages[x->passage].hit.text + x->start, x->end - x->start);
        if (*n && (words + more > WORDS_TOLD || x->score < WORTH * c[0].x.score ||
                   is_told(c[i].folded, told, *n)))
            continue;
        words += more;
        told[*n] = c[i].folded;
        out[(*n)++] = c[i].x;
    }
    return 0;
}
