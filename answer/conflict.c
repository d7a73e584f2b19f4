// SPDX-License-Identifier: MIT
// Passages that contradict what is quoted: both sides are shown, the newest first, with the
// dates of their documents. Which one holds is for the reader to judge, so no model is asked.
#include "answer/internal.h"

#include "base/claim.h"
#include "base/sentence.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define STATEMENTS_MOST 512 // sentences of the passages shown that are looked at
#define CONFLICTS_MOST 2    // told in one answer
#define SIDES_MOST 4        // more values list different things
#define RELEVANT 0.75       // share of the best extract's coverage of the question

struct statement {
    size_t passage, start, end;
    uint64_t context, title;
    struct claim claim;
};

struct conflict {
    const struct statement *side[SIDES_MOST]; // newest first
    size_t n;
};

static const struct retriever_document *document_of(const struct answer_passages *p,
                                                    const struct statement *s)
{
    return p->passages[s->passage].hit.document;
}

// The statements of one passage that could contradict others.
static size_t read_passage(const struct answer_passages *p, size_t index, struct statement *out,
                           size_t room)
{
    const struct retriever_hit *h = &p->passages[index].hit;
    const char *heading = NULL;
    struct sentence s;
    size_t n = strlen(h->text), pos = 0, count = 0;
    for (size_t i = 0; h->section && h->section[i]; i++)
        heading = h->section[i];
    uint64_t context = claim_context(h->document->title, heading);
    uint64_t title = claim_context(h->document->title, NULL);
    while (count < room && sentence_next(h->text, n, &pos, &s)) {
        struct statement *x = &out[count];
        claim_of(h->text + s.start, s.end - s.start, &x->claim);
        x->passage = index;
        x->start = s.start;
        x->end = s.end;
        x->context = context;
        x->title = title;
        count += x->claim.frame != 0;
    }
    return count;
}

static size_t read_passages(const struct answer_passages *p, struct statement *out)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct answer_passage *x = &p->passages[i];
        if (!x->hidden && !x->withheld && !x->flagged &&
            !claim_is_record(x->hit.document->path))
            n += read_passage(p, i, out + n, STATEMENTS_MOST - n);
    }
    return n;
}

// Does one document say it with several values? Then it lists different things.
static bool is_list(const struct answer_passages *p, const struct statement *s, size_t n,
                    uint64_t frame)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i && s[i].claim.frame == frame; k++)
            if (s[k].claim.frame == frame && s[k].claim.values != s[i].claim.values &&
                document_of(p, &s[k])->id == document_of(p, &s[i])->id)
                return true;
    return false;
}

static bool contradict(const struct statement *a, const struct statement *b)
{
    enum claim_kind kind;
    if (claim_needs_context(&a->claim) && a->context != b->context)
        return false;
    return claim_conflict(&a->claim, &b->claim, a->title == b->title, &kind);
}

// The newer document comes first, the better one of the same time.
static bool before(const struct answer_passages *p, const struct statement *a,
                   const struct statement *b)
{
    int order = strcmp(document_of(p, a)->modified, document_of(p, b)->modified);
    return order ? order > 0 : a->passage < b->passage;
}

// Put a side in its place; of those who say the same the newest stays. False: too many.
static bool add_side(const struct answer_passages *p, struct conflict *c,
                     const struct statement *s)
{
    size_t i = 0;
    while (i < c->n && c->side[i]->claim.values != s->claim.values)
        i++;
    if (i == SIDES_MOST)
        return false;
    if (i == c->n)
        c->n++;
    else if (!before(p, s, c->side[i]))
        return true;
    for (; i && before(p, s, c->side[i - 1]); i--)
        c->side[i] = c->side[i - 1];
    c->side[i] = s;
    return true;
}

// What contradicts statement `q`; 0 sides when nothing does.
static struct conflict oppose(const struct answer_passages *p, const struct statement *s,
                              size_t n, const struct statement *q)
{
    struct conflict c = {.side = {q}, .n = 1};
    if (is_list(p, s, n, q->claim.frame))
        return (struct conflict){.n = 0};
    for (size_t i = 0; i < n; i++) {
        bool same = s[i].claim.frame == q->claim.frame && s[i].claim.values == q->claim.values;
        if ((same || contradict(q, &s[i])) && !add_side(p, &c, &s[i]))
            return (struct conflict){.n = 0};
    }
    c.n = c.n > 1 ? c.n : 0;
    return c;
}

static bool told(const struct conflict *list, size_t n, uint64_t frame)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].side[0]->claim.frame == frame)
            return true;
    return false;
}

// The statements that stand in the extract.
static bool stands_in(const struct statement *s, const struct extract *x)
{
    return s->passage == x->passage && s->start >= x->start && s->end <= x->end;
}

static int tell(struct composer *c, const struct conflict *x, bool chinese, struct err *e)
{
    const struct answer_passages *p = c->p;
    bool dated = strncmp(document_of(p, x->side[0])->modified,
                         document_of(p, x->side[x->n - 1])->modified, 10) != 0;
    const char *lead = chinese ? (dated ? "文档的说法不一致，新的在前：" : "文档的说法不一致：")
                       : dated ? "Your documents disagree; the newest first:"
                               : "Your documents disagree:";
    int rc = c->fed ? composer_text(c, "\n\n", 2, e) : 0;
    if (!rc)
        rc = composer_text(c, lead, strlen(lead), e);
    for (size_t i = 0; i < x->n && !rc; i++) {
        const struct statement *s = x->side[i];
        char date[16];
        int n = snprintf(date, sizeof date, "\n%.10s%s", document_of(p, s)->modified,
                         chinese ? "：" : ": ");
        rc = composer_text(c, date, (size_t)n, e);
        if (!rc)
            rc = composer_text(c, p->passages[s->passage].hit.text + s->start,
                               s->end - s->start, e);
        if (!rc)
            rc = composer_cite(c, s->passage, s->start, s->end, e);
    }
    return rc;
}

int conflict_tell(struct composer *c, struct extract *x, size_t *n, bool *found, struct err *e)
{
    struct statement *s = arena_alloc(c->a, STATEMENTS_MOST * sizeof *s);
    struct conflict list[CONFLICTS_MOST];
    size_t conflicts = 0, kept = 0;
    double best = *n ? x[0].coverage : 0; // x[0] may leave
    *found = false;
    if (!s)
        return err_nomem(e);
    size_t count = read_passages(c->p, s);
    for (size_t k = 0; k < *n; k++) {
        bool mine = false, relevant = x[k].coverage >= RELEVANT * best;
        for (size_t i = 0; i < count; i++) {
            if (!relevant || !stands_in(&s[i], &x[k]))
                continue;
            if (told(list, conflicts, s[i].claim.frame)) {
                mine = true;
            } else if (conflicts < CONFLICTS_MOST) {
                list[conflicts] = oppose(c->p, s, count, &s[i]);
                mine |= list[conflicts].n > 0;
                conflicts += list[conflicts].n > 0;
            }
        }
        if (!mine)
            x[kept++] = x[k];
    }
    *n = kept;
    *found = conflicts > 0;
    int rc = 0;
    for (size_t i = 0; i < conflicts && !rc; i++)
        rc = tell(c, &list[i], utf8_has_cjk(c->r->question), e);
    return rc;
}
