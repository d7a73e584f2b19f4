// SPDX-License-Identifier: MIT
// Sentences that say the same with another value, across documents. The first reading keeps,
// for each frame (base/claim.h), a hash of the first values seen and whether others came; the
// second notes where the sentences of those frames stand.
#include "base/claim.h"
#include "base/sentence.h"
#include "ingest/doctor.h"

#include <stdlib.h>
#include <string.h>

#define TABLE ((size_t)1 << 22) // frames, 8 bytes each
#define PROBES 16
#define NOTES_MOST ((size_t)1 << 20) // sentences, 48 bytes each
#define VALUES_MOST 4                // a frame with more values lists different things
#define FINDINGS_MOST 1000
#define EXAMPLES_MOST 3 // of what differs between two versions

#define DIFFERS 1u
#define DENIED 2u

struct frame {
    uint32_t check;  // of the frame; 0: free
    uint32_t values; // the first ones seen, and in the low bits DIFFERS, DENIED
};

struct note {
    uint64_t key; // the frame, and the headings where they count
    uint64_t values;
    int64_t passage;
    uint32_t document, start, end;
};

struct conflicts {
    struct frame *table;
    struct note *notes;
    size_t n, cap;
};

int conflicts_new(conflicts **out, struct err *e)
{
    conflicts *c = calloc(1, sizeof *c);
    if (c)
        c->table = calloc(TABLE, sizeof *c->table);
    if (!c || !c->table) {
        free(c);
        return err_nomem(e);
    }
    *out = c;
    return 0;
}

void conflicts_free(conflicts *c)
{
    if (!c)
        return;
    free(c->table);
    free(c->notes);
    free(c);
}

// The frame's place, or a free one for it; NULL: neither.
static struct frame *find(const conflicts *c, uint64_t frame)
{
    uint32_t check = (uint32_t)(frame >> 32) | 1;
    for (size_t i = 0; i < PROBES; i++) {
        struct frame *f = &c->table[(frame + i) % TABLE];
        if (!f->check || f->check == check)
            return f;
    }
    return NULL;
}

void conflicts_look(conflicts *c, const struct store_scan_row *row)
{
    struct sentence s;
    struct claim m;
    size_t pos = 0, n = claim_is_record(row->path) ? 0 : strlen(row->text);
    while (sentence_next(row->text, n, &pos, &s)) {
        claim_of(row->text + s.start, s.end - s.start, &m);
        if (!m.frame || (!m.n_values && !m.negated))
            continue;
        struct frame *f = find(c, m.frame);
        uint32_t values = (uint32_t)(m.values >> 32) & ~3u;
        if (!f)
            continue;
        if (!f->check)
            *f = (struct frame){(uint32_t)(m.frame >> 32) | 1, values};
        if ((f->values & ~3u) != values)
            f->values |= DIFFERS;
        if (m.negated)
            f->values |= DENIED;
    }
}

void conflicts_note(conflicts *c, const struct store_scan_row *row, size_t document)
{
    struct sentence s;
    struct claim m;
    size_t pos = 0, n = claim_is_record(row->path) ? 0 : strlen(row->text);
    while (c->n < NOTES_MOST && sentence_next(row->text, n, &pos, &s)) {
        claim_of(row->text + s.start, s.end - s.start, &m);
        const struct frame *f = m.frame ? find(c, m.frame) : NULL;
        if (!f || !f->check || !(f->values & (DIFFERS | DENIED)))
            continue;
        if (c->n == c->cap) {
            size_t cap = c->cap ? c->cap * 2 : 1024;
            struct note *list = reallocarray(c->notes, cap, sizeof *list);
            if (!list)
                return; // fewer are found
            c->notes = list;
            c->cap = cap;
        }
        uint64_t key = m.frame;
        if (claim_needs_context(&m))
            key ^= claim_context(row->title, row->heading);
        c->notes[c->n++] = (struct note){.key = key,
                                         .values = m.values,
                                         .passage = row->passage,
                                         .document = (uint32_t)document,
                                         .start = (uint32_t)s.start,
                                         .end = (uint32_t)s.end};
    }
}

static int by_key(const void *a, const void *b)
{
    const struct note *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->document != y->document)
        return x->document < y->document ? -1 : 1;
    if (x->passage != y->passage)
        return x->passage < y->passage ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

// One of the values of a frame: the newest document that has it, and how many do.
struct side {
    const struct note *note;
    size_t documents;
    struct store_row row;
    struct claim claim;
};

// The sides of notes[0..n) of one frame; 0 when they list different things or agree.
static size_t sides_of(const struct doctor *d, const struct note *notes, size_t n,
                       struct side *out)
{
    size_t sides = 0;
    for (size_t i = 0; i < n; i++) {
        const struct note *x = &notes[i];
        bool same = i && notes[i - 1].document == x->document;
        if (same && notes[i - 1].values != x->values)
            return 0;
        if (same)
            continue;
        size_t k = 0;
        while (k < sides && out[k].note->values != x->values)
            k++;
        if (k == VALUES_MOST)
            return 0;
        if (k == sides)
            out[sides++] = (struct side){.note = x};
        else if (d->documents[x->document].modified >
                 d->documents[out[k].note->document].modified)
            out[k].note = x;
        out[k].documents++;
    }
    return sides > 1 ? sides : 0;
}

static int newest_first(const struct doctor *d, const struct side *a, const struct side *b)
{
    int64_t x = d->documents[a->note->document].modified,
            y = d->documents[b->note->document].modified;
    if (x != y)
        return x > y ? -1 : 1;
    return a->note->document < b->note->document ? -1 : 1;
}

static void sort_sides(const struct doctor *d, struct side *s, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k && newest_first(d, &s[k], &s[k - 1]) < 0; k--) {
            struct side x = s[k];
            s[k] = s[k - 1];
            s[k - 1] = x;
        }
}

// Lines of the sentence, where the passage's lines and the source's run in step.
static void locate(const struct side *x, struct spot *s)
{
    int before = 0, within = 0, total = 0;
    for (size_t i = 0; x->row.text[i]; i++)
        if (x->row.text[i] == '\n') {
            before += i < x->note->start;
            within += i >= x->note->start && i < x->note->end;
            total++;
        }
    s->page = x->row.page;
    s->line_first = x->row.line_first;
    s->line_last = x->row.line_last;
    if (s->line_first > 0 && total == s->line_last - s->line_first) {
        s->line_first += before;
        s->line_last = s->line_first + within;
    }
}

static int add_side(struct doctor *d, struct finding *f, const struct side *x, const char *role)
{
    const char *text = arena_printf(d->a, "%.*s", (int)(x->note->end - x->note->start),
                                    x->row.text + x->note->start);
    struct spot s = {.role = role,
                     .path = x->row.path,
                     .modified = x->row.modified,
                     .text = text ? text : ""};
    locate(x, &s);
    if (x->documents > 1)
        s.text = arena_printf(d->a, "%s (and %zu more documents)", s.text, x->documents - 1);
    return s.text ? doctor_spot(d, f, &s) : err_nomem(d->e);
}

// Both are versions of one document: an example for the finding that tells of them.
static int add_example(struct doctor *d, struct side *s, size_t n)
{
    size_t newest = d->documents[s[0].note->document].group;
    struct finding *f = &d->findings[d->documents[newest].finding - 1];
    size_t had = 0;
    int rc = 0;
    for (size_t i = 0; i < f->n_spots; i++)
        had += !strcmp(f->spots[i].role, "differs: newer");
    if (had >= EXAMPLES_MOST)
        return 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = add_side(d, f, &s[i], i ? "differs: older" : "differs: newer");
    return rc;
}

// Read the sentences again and keep the sides that contradict the newest. *n gets how many.
static int verify(struct doctor *d, arena *a, struct side *s, size_t *n, enum claim_kind *kind,
                  bool *one_document)
{
    size_t kept = 0;
    *one_document = true;
    for (size_t i = 0; i < *n; i++) {
        int rc = store_passage(d->s, s[i].note->passage, a, &s[i].row, d->e);
        if (rc)
            return rc;
        claim_of(s[i].row.text + s[i].note->start, s[i].note->end - s[i].note->start,
                 &s[i].claim);
        bool one = d->documents[s[i].note->document].group ==
                       d->documents[s[0].note->document].group &&
                   d->documents[d->documents[s[0].note->document].group].finding;
        enum claim_kind k;
        if (i && !claim_conflict(&s[0].claim, &s[i].claim, one, &k))
            continue;
        if (i && !kept)
            continue;
        if (i)
            *kind = k;
        *one_document &= one;
        s[kept++] = s[i];
    }
    *n = kept;
    return 0;
}

static int tell(struct doctor *d, struct side *s, size_t n, size_t *told)
{
    enum claim_kind kind = CLAIM_NUMBER;
    bool one;
    arena *a = arena_new(0);
    int rc = a ? 0 : err_nomem(d->e);
    sort_sides(d, s, n);
    if (!rc)
        rc = verify(d, a, s, &n, &kind, &one);
    if (!rc && n > 1 && one) {
        rc = add_example(d, s, n);
    } else if (!rc && n > 1 && ++*told <= FINDINGS_MOST) {
        struct finding *f = doctor_finding(
            d, AIL_CONFLICT,
            arena_printf(d->a, "%zu statements that differ in a %s", n, claim_kind_name(kind)),
            "Correct the wrong one, or remove its document with askd-ingest rm.");
        rc = f ? 0 : err_nomem(d->e);
        bool dated = s[0].row.modified != s[n - 1].row.modified;
        for (size_t i = 0; i < n && !rc; i++)
            rc = add_side(d, f, &s[i], !dated ? "says" : i ? "older" : "newest");
    }
    arena_free(a);
    return rc;
}

int conflicts_report(conflicts *c, struct doctor *d)
{
    size_t told = 0;
    int rc = 0;
    if (c->n)
        qsort(c->notes, c->n, sizeof *c->notes, by_key);
    for (size_t i = 0, k; i < c->n && !rc; i = k) {
        struct side s[VALUES_MOST];
        for (k = i + 1; k < c->n && c->notes[k].key == c->notes[i].key; k++)
            ;
        size_t n = sides_of(d, c->notes + i, k - i, s);
        if (n)
            rc = tell(d, s, n, &told);
    }
    if (!rc && told > FINDINGS_MOST)
        d->more[AIL_CONFLICT] = told - FINDINGS_MOST;
    return rc;
}
