// SPDX-License-Identifier: MIT
#include "ingest/doc.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void doc_init(struct doc *d, const char *type)
{
    *d = (struct doc){.type = type};
    buf_init(&d->title);
    buf_init(&d->text);
}

void doc_free(struct doc *d)
{
    buf_free(&d->title);
    buf_free(&d->text);
    free(d->blocks);
    free(d->marks);
    d->blocks = NULL;
    d->marks = NULL;
    d->n_blocks = d->cap_blocks = d->n_marks = d->cap_marks = 0;
}

// Room for one more element; NULL (and d->rc) when memory runs out.
static void *grow(struct doc *d, void *list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return list;
    size_t want = *cap ? *cap * 2 : 32;
    void *p = reallocarray(list, want, size);
    if (!p) {
        d->rc = -ENOMEM;
        return NULL;
    }
    *cap = want;
    return p;
}

static void put(struct doc *d, const char *s, size_t n)
{
    if (d->rc)
        return;
    if (d->text.len + n > DOC_TEXT_MAX)
        d->rc = -EFBIG;
    else if (buf_add(&d->text, s, n))
        d->rc = -ENOMEM;
}

static void mark(struct doc *d, int line)
{
    if (d->rc || (d->n_marks && d->marks[d->n_marks - 1].line == line))
        return;
    if (d->n_marks && d->marks[d->n_marks - 1].off == d->text.len) {
        d->marks[d->n_marks - 1].line = line;
        return;
    }
    struct mark *m = grow(d, d->marks, d->n_marks, &d->cap_marks, sizeof *m);
    if (!m)
        return;
    d->marks = m;
    m[d->n_marks++] = (struct mark){d->text.len, line};
}

void doc_open(struct doc *d, enum block_kind kind, int level)
{
    doc_close(d);
    struct block *b = grow(d, d->blocks, d->n_blocks, &d->cap_blocks, sizeof *b);
    if (d->rc)
        return;
    d->blocks = b;
    b[d->n_blocks++] =
        (struct block){.kind = kind, .level = level, .page = d->page, .off = d->text.len};
    d->open = true;
    d->space = false;
    d->lead[0] = 0;
}

void doc_open_item(struct doc *d, int level, const char *marker)
{
    doc_open(d, BLOCK_ITEM, level);
    int depth = level < 1 ? 0 : level > 8 ? 7 : level - 1;
    snprintf(d->lead, sizeof d->lead, "%*s%.20s ", depth * 2, "", marker);
}

void doc_close(struct doc *d)
{
    if (!d->open)
        return;
    d->open = false;
    struct block *b = &d->blocks[d->n_blocks - 1];
    const char *s = d->text.data + b->off;
    size_t n = d->text.len - b->off, lead = 0;
    while (n && strchr(" \n\t", s[n - 1]))
        n--;
    if (b->kind == BLOCK_CODE) // leading empty lines go, indentation stays
        for (size_t i = 0; i < n && strchr(" \n\t", s[i]); i++)
            lead = s[i] == '\n' ? i + 1 : lead;
    if (b->kind == BLOCK_HEADING && n > DOC_TITLE_MAX) {
        n = DOC_TITLE_MAX;
        while (n && ((unsigned char)s[n] & 0xC0) == 0x80)
            n--;
    }
    b->off += lead;
    b->len = n - lead;
    if (!b->len)
        d->n_blocks--;
}

// One code point that may stand in text: no control characters, no byte order marks.
static bool allowed(uint32_t cp)
{
    return cp >= 0x20 && cp != 0x7F && !(cp >= 0x80 && cp < 0xA0) && cp != 0xFEFF &&
           cp != 0xAD && cp != 0x200B && cp != 0x200E && cp != 0x200F &&
           !(cp >= 0x202A && cp <= 0x202E) && !(cp >= 0x2066 && cp <= 0x2069) && cp != 0xFFFD;
}

void doc_add(struct doc *d, const char *s, size_t n, int line)
{
    for (size_t i = 0, step; i < n && !d->rc; i += step) {
        unsigned char c = (unsigned char)s[i];
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f') {
            line += c == '\n' && line;
            d->space = true;
            step = 1;
            continue;
        }
        size_t run = i;
        while (run < n && (unsigned char)s[run] > ' ' && (unsigned char)s[run] < 0x7F)
            run++;
        step = run - i;
        if (!step) {
            uint32_t cp = utf8_decode(s + i, n - i, &step);
            if (cp != 0xA0 && utf8_is_space(cp)) {
                d->space = true;
                continue;
            }
            if (cp == 0xA0 || !allowed(cp)) {
                d->space |= cp == 0xA0;
                continue;
            }
        }
        if (!d->open)
            doc_open(d, BLOCK_PARAGRAPH, 0);
        if (d->rc)
            return;
        if (d->space && d->text.len > d->blocks[d->n_blocks - 1].off &&
            d->text.data[d->text.len - 1] != '\n')
            put(d, " ", 1);
        d->space = false;
        mark(d, line);
        if (d->lead[0]) {
            put(d, d->lead, strlen(d->lead));
            d->lead[0] = 0;
        }
        put(d, s + i, step);
    }
}

void doc_add_exact(struct doc *d, const char *s, size_t n, int line)
{
    if (!d->open)
        doc_open(d, BLOCK_CODE, 0);
    d->space = false;
    for (size_t i = 0, step; i < n && !d->rc; i += step) {
        size_t run = i;
        while (run < n && (unsigned char)s[run] >= ' ' && (unsigned char)s[run] < 0x7F)
            run++;
        step = run - i;
        uint32_t cp = 0;
        if (!step)
            cp = utf8_decode(s + i, n - i, &step);
        if (cp && cp != '\n' && cp != '\t' && !allowed(cp))
            continue;
        if (!cp && !(run - i))
            continue;
        mark(d, line);
        put(d, s + i, step);
        line += cp == '\n' && line;
    }
}

void doc_break(struct doc *d)
{
    if (!d->open || d->rc || d->text.len == d->blocks[d->n_blocks - 1].off)
        return;
    d->space = false;
    if (d->text.data[d->text.len - 1] != '\n')
        put(d, "\n", 1);
}

int doc_line_at(const struct doc *d, size_t off)
{
    size_t lo = 0, hi = d->n_marks; // the last mark at or before off
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->marks[mid].off <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? d->marks[lo - 1].line : 0;
}

void doc_keep(struct doc *d, const bool *keep)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_blocks; i++)
        if (keep[i])
            d->blocks[n++] = d->blocks[i];
    d->n_blocks = n;
}
