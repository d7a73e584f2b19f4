// SPDX-License-Identifier: MIT
#include "ingest/doc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_MAX 200
// Text of one document: far above what a file of the largest accepted size can hold.
#define ARENA_MAX ((size_t)1 << 30)

int doc_new(struct doc **out)
{
    struct doc *d = calloc(1, sizeof *d);
    if (d)
        d->a = arena_new(ARENA_MAX);
    if (!d || !d->a) {
        free(d);
        return -ENOMEM;
    }
    *out = d;
    return 0;
}

void doc_free(struct doc *d)
{
    if (!d)
        return;
    arena_free(d->a);
    free(d->blocks);
    free(d);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

int doc_add(struct doc *d, const struct doc_block *b)
{
    const char *s = b->text;
    size_t n = b->n;
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\n' || s[n - 1] == '\t' || s[n - 1] == '\r'))
        n--;
    // Code keeps the indentation of its first line.
    while (n && (b->kind == DOC_CODE ? *s == '\n' : is_blank(*s))) {
        s++;
        n--;
    }
    if (!n)
        return 0;
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 64;
        struct doc_block *more = realloc(d->blocks, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        d->blocks = more;
        d->cap = cap;
    }
    char *copy = arena_strndup(d->a, s, n);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)copy[i] < 0x20 && copy[i] != '\n' && copy[i] != '\t') ||
            copy[i] == 0x7F)
            copy[i] = ' ';
    d->blocks[d->n] = *b;
    d->blocks[d->n].text = copy;
    d->blocks[d->n++].n = n;
    return 0;
}

int doc_set_title(struct doc *d, const char *s, size_t n)
{
    char t[TITLE_MAX + 1];
    size_t k = 0;
    for (size_t i = 0; i < n && k < TITLE_MAX; i++) {
        char c = (unsigned char)s[i] < 0x20 || s[i] == 0x7F ? ' ' : s[i];
        if (c == ' ' && (!k || t[k - 1] == ' '))
            continue;
        t[k++] = c;
    }
    // Never end inside a code point.
    if (k == TITLE_MAX)
        while (k && ((unsigned char)t[k - 1] & 0xC0) == 0x80)
            k--;
    if (k == TITLE_MAX || (k && (unsigned char)t[k - 1] >= 0xC0))
        k--;
    while (k && t[k - 1] == ' ')
        k--;
    if (!k)
        return 0;
    d->title = arena_strndup(d->a, t, k);
    return d->title ? 0 : -ENOMEM;
}
