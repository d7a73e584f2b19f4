// SPDX-License-Identifier: MIT
// Plain text: paragraphs between empty lines; a line that stands alone and is underlined or
// numbered like a heading is one.
#include "ingest/doc.h"

#include <ctype.h>
#include <string.h>

struct line {
    const char *s;
    size_t n;
};

static bool next_line(const char **p, const char *end, struct line *out)
{
    if (*p >= end)
        return false;
    const char *nl = memchr(*p, '\n', (size_t)(end - *p));
    const char *stop = nl ? nl : end;
    *out = (struct line){*p, (size_t)(stop - *p)};
    *p = nl ? nl + 1 : end;
    while (out->n && strchr(" \t\r\f", out->s[out->n - 1]))
        out->n--;
    return true;
}

// "====", "----", "~~~~" below a line.
static bool is_underline(struct line l)
{
    if (l.n < 3 || !strchr("=-~^", *l.s))
        return false;
    for (size_t i = 1; i < l.n; i++)
        if (l.s[i] != *l.s)
            return false;
    return true;
}

// "3.2 Quotas": a short numbered line without a full stop.
static int numbered_level(struct line l)
{
    size_t i = 0;
    int level = 0;
    while (i < l.n && isdigit((unsigned char)l.s[i])) {
        size_t digits = 0;
        while (i < l.n && isdigit((unsigned char)l.s[i])) {
            i++;
            digits++;
        }
        if (digits > 2)
            return 0;
        level++;
        if (i < l.n && l.s[i] == '.')
            i++;
        else
            break;
    }
    if (!level || i >= l.n || l.s[i] != ' ' || l.n > 80 || strchr(".,;:?!", l.s[l.n - 1]))
        return 0;
    return level < 6 ? level : 6;
}

static int add(struct doc *d, enum doc_kind kind, int level, const char *from, const char *to,
               int first, int last)
{
    struct doc_block b = {.kind = kind,
                          .level = level,
                          .text = from,
                          .n = (size_t)(to - from),
                          .line_first = first,
                          .line_last = last};
    int rc = doc_add(d, &b);
    if (!rc && kind == DOC_HEADING && !d->title)
        rc = doc_set_title(d, from, b.n);
    return rc;
}

int read_text(const char *s, size_t n, struct doc *d, struct err *e)
{
    const char *p = s, *end = s + n, *from = NULL, *to = NULL;
    struct line l = {0};
    int line = 0, first = 0, lines = 0, rc = 0;
    d->type = "text";
    while (!rc && next_line(&p, end, &l)) {
        line++;
        if (lines == 1 && is_underline(l) && to - from < 120) {
            rc = add(d, DOC_HEADING, *l.s == '=' ? 1 : 2, from, to, first, line);
            lines = 0;
            continue;
        }
        if (l.n) {
            if (!lines++) {
                from = l.s;
                first = line;
            }
            to = l.s + l.n;
            continue;
        }
        if (lines) {
            int level =
                lines == 1 ? numbered_level((struct line){from, (size_t)(to - from)}) : 0;
            rc = add(d, level ? DOC_HEADING : DOC_PARAGRAPH, level, from, to, first,
                     first + lines - 1);
        }
        lines = 0;
    }
    if (!rc && lines)
        rc = add(d, DOC_PARAGRAPH, 0, from, to, first, first + lines - 1);
    return rc ? err_nomem(e) : 0;
}
