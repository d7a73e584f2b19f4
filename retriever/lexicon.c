// SPDX-License-Identifier: MIT
#include "retriever/lexicon.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64u << 20)
#define TERM_MAX 8 // characters of a CJK term

struct entry {
    const char *term;
    uint32_t first, n; // of the translations
    uint32_t line;
};

struct lexicon {
    char *path;
    struct buf text; // the file, cut into strings
    struct entry *entries;
    size_t n, cap;
    struct lexicon_translation *translations;
    size_t n_translations, cap_translations;
};

static void *grown(void *list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return list;
    size_t more = *cap ? *cap * 2 : 1024;
    void *p = reallocarray(list, more, size);
    if (p)
        *cap = more;
    return p;
}

static int add_translation(lexicon *l, char *field, uint32_t line, struct err *e)
{
    char *colon = strrchr(field, ':'), *end = NULL;
    double p = colon && colon > field ? strtod(colon + 1, &end) : 0;
    if (!colon || colon == field || end == colon + 1 || *end || !(p > 0 && p <= 1))
        return err_set(
            e, -EINVAL,
            "%s: line %u: '%.40s' is not TRANSLATION:PROBABILITY, with a probability "
            "above 0 and at most 1",
            l->path, line, field);
    *colon = 0;
    struct lexicon_translation *t =
        grown(l->translations, l->n_translations, &l->cap_translations, sizeof *t);
    if (!t)
        return err_nomem(e);
    l->translations = t;
    t[l->n_translations++] = (struct lexicon_translation){field, p};
    return 0;
}

static int add_line(lexicon *l, char *s, uint32_t line, struct err *e)
{
    if (!*s || *s == '#')
        return 0;
    char *tab = strchr(s, '\t');
    if (!tab || tab == s)
        return err_set(e, -EINVAL, "%s: line %u: not TERM<TAB>TRANSLATION:PROBABILITY", l->path,
                       line);
    struct entry *list = grown(l->entries, l->n, &l->cap, sizeof *list);
    if (!list)
        return err_nomem(e);
    l->entries = list;
    struct entry *x = &list[l->n++];
    *x = (struct entry){.term = s, .first = (uint32_t)l->n_translations, .line = line};
    int rc = 0;
    while (tab && !rc) {
        char *field = tab + 1;
        *tab = 0;
        tab = strchr(field, '\t');
        if (tab)
            *tab = 0;
        rc = add_translation(l, field, line, e);
        x->n++;
    }
    return rc;
}

static int by_term(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = strcmp(x->term, y->term);
    return c ? c : (x->line > y->line) - (x->line < y->line);
}

// Sort what is not sorted yet; refuse terms that are told twice.
static int put_in_order(lexicon *l, struct err *e)
{
    bool sorted = true;
    for (size_t i = 1; i < l->n && sorted; i++)
        sorted = by_term(&l->entries[i - 1], &l->entries[i]) < 0;
    if (!sorted)
        qsort(l->entries, l->n, sizeof *l->entries, by_term);
    for (size_t i = 1; i < l->n; i++)
        if (!strcmp(l->entries[i - 1].term, l->entries[i].term))
            return err_set(e, -EINVAL, "%s: line %u: '%.40s' stands in line %u already",
                           l->path, l->entries[i].line, l->entries[i].term,
                           l->entries[i - 1].line);
    return 0;
}

int lexicon_open(const char *path, lexicon **out, struct err *e)
{
    lexicon *l = calloc(1, sizeof *l);
    if (!l || !(l->path = strdup(path))) {
        free(l);
        return err_nomem(e);
    }
    int rc = file_read(path, FILE_MAX, &l->text, e);
    if (!rc && (memchr(l->text.data, 0, l->text.len) || !utf8_valid(l->text.data, l->text.len)))
        rc = err_set(e, -EINVAL, "%s: not a text in UTF-8", path);
    char *s = l->text.data;
    for (uint32_t line = 1; !rc && s && *s; line++) {
        char *end = strchr(s, '\n');
        if (end)
            *end = 0;
        size_t n = strlen(s);
        if (n && s[n - 1] == '\r')
            s[n - 1] = 0;
        rc = add_line(l, s, line, e);
        s = end ? end + 1 : NULL;
    }
    if (!rc)
        rc = put_in_order(l, e);
    if (rc)
        lexicon_close(l);
    else
        *out = l;
    return rc;
}

void lexicon_close(lexicon *l)
{
    if (!l)
        return;
    buf_free(&l->text);
    free(l->entries);
    free(l->translations);
    free(l->path);
    free(l);
}

size_t lexicon_terms(const lexicon *l)
{
    return l->n;
}

const struct lexicon_translation *lexicon_find(const lexicon *l, const char *s, size_t n,
                                               size_t *count)
{
    size_t lo = 0, hi = l->n;
    *count = 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct entry *x = &l->entries[mid];
        int c = strncmp(x->term, s, n);
        if (!c && x->term[n])
            c = 1;
        if (!c) {
            *count = x->n;
            return l->translations + x->first;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

size_t lexicon_longest(const lexicon *l, const char *s, size_t n)
{
    size_t ends[TERM_MAX], chars = 0, step, count;
    for (size_t i = 0; i < n && chars < TERM_MAX; i += step, ends[chars++] = i)
        utf8_decode(s + i, n - i, &step);
    while (chars--)
        if (lexicon_find(l, s, ends[chars], &count))
            return ends[chars];
    return 0;
}
