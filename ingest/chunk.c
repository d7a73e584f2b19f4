// SPDX-License-Identifier: MIT
// First every block becomes pieces that fit a passage; then the pieces of each section are
// packed evenly: a section of 500 tokens makes two passages of 250, not 400 and 100.
#include "ingest/chunk.h"

#include "base/sentence.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX_TOKENS 100
#define INTRODUCTION_TOKENS 60
#define DEPTH_MAX 6

struct piece {
    size_t off, len, tokens; // in doc.text
    const struct block *block;
};

struct chunker {
    const struct doc *d;
    const char *title;
    arena *a;
    struct err *e;
    const char *path[DEPTH_MAX]; // headings in force, outermost first
    int levels[DEPTH_MAX];
    size_t depth;
    int title_level;      // of the heading that says the title again, or 0
    struct piece *pieces; // of the section at hand
    size_t n_pieces, cap_pieces;
    struct store_passage *out;
    size_t n_out, cap_out;
};

static int add_piece(struct chunker *c, const struct block *b, size_t off, size_t len)
{
    const char *s = c->d->text.data;
    for (; len && (s[off + len - 1] == ' ' || s[off + len - 1] == '\n'); len--)
        ;
    // The indentation of code stays.
    for (; len && (s[off] == '\n' || (s[off] == ' ' && b->kind != BLOCK_CODE)); len--)
        off++;
    if (!len)
        return 0;
    if (c->n_pieces == c->cap_pieces) {
        size_t cap = c->cap_pieces ? c->cap_pieces * 2 : 64;
        struct piece *p = reallocarray(c->pieces, cap, sizeof *p);
        if (!p)
            return err_nomem(c->e);
        c->pieces = p;
        c->cap_pieces = cap;
    }
    c->pieces[c->n_pieces++] = (struct piece){off, len, chunk_tokens(s + off, len), b};
    return 0;
}

// Bytes of s[0..n) that make at most `max` tokens and end behind white space if any is there.
static size_t fitting(const char *s, size_t n, size_t max)
{
    size_t lo = 0, hi = n < max * 8 ? n : max * 8;
    while (lo < hi) { // the largest prefix that fits
        size_t mid = lo + (hi - lo + 1) / 2;
        if (chunk_tokens(s, mid) <= max)
            lo = mid;
        else
            hi = mid - 1;
    }
    size_t whole = lo;
    while (whole && whole < n && ((unsigned char)s[whole] & 0xC0) == 0x80)
        whole--;
    size_t space = whole;
    while (space > whole / 2 && s[space - 1] != ' ' && s[space - 1] != '\n' &&
           s[space - 1] != '\t')
        space--;
    if (whole == n || space <= whole / 2)
        space = whole;
    if (space)
        return space;
    size_t one = 1; // always one code point at least
    while (one < n && ((unsigned char)s[one] & 0xC0) == 0x80)
        one++;
    return one;
}

// The end of the unit (sentence, line) that starts at `pos` of the block.
static size_t unit_end(const struct block *b, const char *s, size_t pos)
{
    if (b->kind == BLOCK_CODE) {
        const char *end = memchr(s + pos, '\n', b->len - pos);
        return end ? (size_t)(end - s) + 1 : b->len;
    }
    struct sentence one;
    return sentence_next(s, b->len, &pos, &one) ? one.end : b->len;
}

// Tokens of s[start..end), of which the n bytes before it have been cut off; they had `t`
// together. Far from the end an estimate does: counting each time makes a line of many
// megabytes take hours.
static size_t left_over(const char *s, size_t start, size_t end, size_t n, size_t t, size_t max)
{
    size_t cut = chunk_tokens(s + start - n, n);
    return end - start > 64 * max && t > cut + 2 * max ? t - cut
                                                       : chunk_tokens(s + start, end - start);
}

// Cut a block that is too large: whole sentences or lines as far as they fit.
static int split(struct chunker *c, const struct block *b, size_t max)
{
    const char *s = c->d->text.data + b->off;
    // As even as it goes: 450 tokens are halves, not 400 and 50.
    size_t total = chunk_tokens(s, b->len), goal = total / ((total + max - 1) / max) + 16;
    size_t start = 0, tokens = 0;
    if (goal > max)
        goal = max;
    for (size_t pos = 0; pos < b->len;) {
        size_t end = unit_end(b, s, pos);
        if (end <= pos)
            break;
        size_t t = chunk_tokens(s + pos, end - pos);
        if (start < pos && (tokens + t > max || tokens + t / 2 > goal)) {
            if (add_piece(c, b, b->off + start, pos - start))
                return -ENOMEM;
            start = pos;
            tokens = 0;
        }
        while (t > max) { // one sentence or line alone is too long
            size_t n = fitting(s + start, end - start, max);
            if (add_piece(c, b, b->off + start, n))
                return -ENOMEM;
            start += n;
            t = left_over(s, start, end, n, t, max);
        }
        tokens += t;
        pos = end;
    }
    return add_piece(c, b, b->off + start, b->len - start);
}

static size_t header_tokens(const struct chunker *c, size_t from)
{
    size_t n = chunk_tokens(c->title, strlen(c->title));
    for (size_t i = from; i < c->depth; i++)
        n += 1 + chunk_tokens(c->path[i], strlen(c->path[i]));
    return n;
}

static void join(struct chunker *c, struct buf *b, const struct piece *p, size_t n, int *rc)
{
    const char *s = c->d->text.data;
    bool fence = false;
    for (size_t i = 0; i < n && !*rc; i++) {
        const struct piece *q = i ? &p[i - 1] : NULL;
        bool same = q && q->block == p[i].block; // a block cut and put together again
        if (same) {
            size_t behind = q->off + q->len;
            *rc = buf_add(b, s + behind, p[i].off - behind);
        } else if (q) {
            enum block_kind k = p[i].block->kind, was = q->block->kind;
            bool tight = k == was && (k == BLOCK_ITEM || k == BLOCK_ROW);
            *rc = buf_adds(b, fence ? "\n```\n\n" : tight ? "\n" : "\n\n");
        }
        bool code = p[i].block->kind == BLOCK_CODE;
        if (code && !same && !*rc)
            *rc = buf_adds(b, "```\n");
        fence = code;
        if (!*rc)
            *rc = buf_add(b, s + p[i].off, p[i].len);
    }
    if (fence && !*rc)
        *rc = buf_adds(b, "\n```");
}

static int words_of(struct chunker *c, size_t from, const char *text, const char **out)
{
    struct buf b = BUF_INIT, w = BUF_INIT;
    int rc = buf_addf(&b, "%s\n", c->title);
    for (size_t i = from; i < c->depth && !rc; i++)
        rc = buf_addf(&b, "%s\n", c->path[i]);
    if (!rc)
        rc = buf_adds(&b, text);
    if (!rc)
        rc = text_words(&w, b.data, b.len);
    *out = rc ? NULL : arena_strndup(c->a, w.data, w.len);
    buf_free(&b);
    buf_free(&w);
    return *out ? 0 : -ENOMEM;
}

// One passage of p[0..n) under the headings in force from `from` on.
static int emit(struct chunker *c, const struct piece *p, size_t n, size_t from)
{
    if (c->n_out == c->cap_out) {
        size_t cap = c->cap_out ? c->cap_out * 2 : 16;
        struct store_passage *list = arena_alloc(c->a, cap * sizeof *list);
        if (!list)
            return err_nomem(c->e);
        if (c->n_out)
            memcpy(list, c->out, c->n_out * sizeof *list);
        c->out = list;
        c->cap_out = cap;
    }
    struct store_passage *q = &c->out[c->n_out];
    *q = (struct store_passage){.page = p->block->page, .line_first = INT_MAX};
    for (size_t i = 0; i < n; i++) {
        int first = doc_line_at(c->d, p[i].off);
        int last = doc_line_at(c->d, p[i].off + p[i].len - 1);
        q->line_first = first < q->line_first ? first : q->line_first;
        q->line_last = last > q->line_last ? last : q->line_last;
    }
    const char **section = arena_alloc(c->a, (c->depth - from + 1) * sizeof *section);
    struct buf text = BUF_INIT;
    int rc = section ? 0 : -ENOMEM;
    join(c, &text, p, n, &rc);
    q->text = rc ? NULL : arena_strndup(c->a, text.data, text.len);
    buf_free(&text);
    if (!q->text || words_of(c, from, q->text, &q->words))
        return err_nomem(c->e);
    for (size_t i = from; i < c->depth; i++)
        section[i - from] = c->path[i];
    q->section = section;
    c->n_out++;
    return 0;
}

// Does what follows p belong to it? ("Run this:", and then the command.)
static bool leads_on(const struct chunker *c, const struct piece *p)
{
    const char *end = c->d->text.data + p->off + p->len;
    return end[-1] == ':' || (p->len >= 3 && !memcmp(end - 3, "：", 3));
}

// Pack the pieces of a section into passages.
static int flush(struct chunker *c)
{
    size_t from = 0, total = 0;
    while (from < c->depth && header_tokens(c, from) > HEADER_MAX_TOKENS)
        from++;
    for (size_t i = 0; i < c->n_pieces; i++)
        total += c->pieces[i].tokens;
    size_t max = CHUNK_MAX_TOKENS - header_tokens(c, from);
    // As even as it goes: 450 tokens are halves, not 400 and 50.
    size_t parts = (total + max - 1) / max;
    size_t goal = parts ? total / parts : 0, start = 0, tokens = 0;
    for (size_t i = 0; i < c->n_pieces; i++) {
        size_t t = c->pieces[i].tokens;
        bool page = i > start && c->pieces[i].block->page != c->pieces[i - 1].block->page;
        if (i > start &&
            (tokens + t > max || (tokens + t / 2 >= goal && !leads_on(c, &c->pieces[i - 1])) ||
             (page && tokens * 2 > goal))) {
            // A line that leads on to what does not fit any more goes with it.
            size_t end = i;
            if (end > start + 1 && leads_on(c, &c->pieces[end - 1]))
                end--;
            if (emit(c, c->pieces + start, end - start, from))
                return -ENOMEM;
            tokens = 0;
            for (size_t k = start = end; k < i; k++)
                tokens += c->pieces[k].tokens;
            if (tokens + t > max && tokens) {
                if (emit(c, c->pieces + start, i - start, from))
                    return -ENOMEM;
                start = i;
                tokens = 0;
            }
        }
        tokens += t;
    }
    if (c->n_pieces > start && emit(c, c->pieces + start, c->n_pieces - start, from))
        return -ENOMEM;
    c->n_pieces = 0;
    return 0;
}

static bool same_text(const char *a, const char *b, size_t n)
{
    return strlen(a) == n && !memcmp(a, b, n);
}

// A heading: close the section at hand and put it into the path. One with nothing below it is
// text itself.
static int heading(struct chunker *c, size_t at)
{
    const struct block *b = &c->d->blocks[at];
    const char *s = c->d->text.data + b->off;
    size_t tokens = 0;
    for (size_t i = 0; i < c->n_pieces && tokens < INTRODUCTION_TOKENS; i++)
        tokens += c->pieces[i].tokens;
    // A short introduction goes with the first of the sections that it introduces.
    int level = c->depth ? c->levels[c->depth - 1] : c->title_level;
    bool deeper = level < b->level;
    if ((!deeper || tokens >= INTRODUCTION_TOKENS) && flush(c))
        return -ENOMEM;
    while (c->depth && c->levels[c->depth - 1] >= b->level)
        c->depth--;
    bool last = at + 1 == c->d->n_blocks || (c->d->blocks[at + 1].kind == BLOCK_HEADING &&
                                             c->d->blocks[at + 1].level <= b->level);
    if (last && !same_text(c->title, s, b->len))
        return add_piece(c, b, b->off, b->len);
    // The first heading often is the title again.
    bool again = same_text(c->title, s, b->len) && !c->n_out;
    if (again)
        c->title_level = b->level;
    if (again || c->depth == DEPTH_MAX)
        return 0;
    c->path[c->depth] = arena_strndup(c->a, s, b->len);
    if (!c->path[c->depth])
        return err_nomem(c->e);
    c->levels[c->depth++] = b->level;
    return 0;
}

int chunk_doc(const struct doc *d, const char *title, arena *a, struct store_passage **out,
              size_t *n, struct err *e)
{
    struct chunker c = {.d = d, .title = title, .a = a, .e = e};
    int rc = 0;
    *n = 0;
    for (size_t i = 0; i < d->n_blocks && !rc; i++) {
        const struct block *b = &d->blocks[i];
        if (b->kind == BLOCK_HEADING) {
            rc = heading(&c, i);
            continue;
        }
        size_t from = 0;
        while (from < c.depth && header_tokens(&c, from) > HEADER_MAX_TOKENS)
            from++;
        size_t max = CHUNK_MAX_TOKENS - header_tokens(&c, from);
        bool fits = chunk_tokens(d->text.data + b->off, b->len) <= max;
        rc = fits ? add_piece(&c, b, b->off, b->len) : split(&c, b, max);
    }
    if (!rc)
        rc = flush(&c);
    free(c.pieces);
    *out = c.out;
    *n = c.n_out;
    return rc ? err_nomem(e) : 0;
}
