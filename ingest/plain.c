// SPDX-License-Identifier: MIT
// Plain text: groups of lines between empty ones. What looks like prose is folded, lists become
// items, what is indented stays as it is, anything else keeps its line breaks.
#include "ingest/extract.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int lines_index(struct lines *l, const char *s, size_t n)
{
    size_t count = 1;
    for (const char *p = s; (p = memchr(p, '\n', n - (size_t)(p - s))); p++)
        count++;
    *l = (struct lines){reallocarray(NULL, count, sizeof *l->starts), 0};
    if (!l->starts)
        return -ENOMEM;
    l->starts[l->n++] = 0;
    for (const char *p = s; (p = memchr(p, '\n', n - (size_t)(p - s))); p++)
        l->starts[l->n++] = (size_t)(p - s) + 1;
    return 0;
}

int lines_at(const struct lines *l, size_t off)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->starts[mid] <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (int)(lo > INT32_MAX ? INT32_MAX : lo);
}

void lines_free(struct lines *l)
{
    free(l->starts);
    *l = (struct lines){0};
}

struct line {
    const char *s;
    size_t n, indent; // bytes without the end; leading columns
};

// The line at s[*pos..n), *pos moved behind it.
static struct line next_line(const char *s, size_t n, size_t *pos)
{
    struct line l = {s + *pos, 0, 0};
    const char *end = memchr(l.s, '\n', n - *pos);
    l.n = end ? (size_t)(end - l.s) : n - *pos;
    *pos += l.n + (end != NULL);
    while (l.n && strchr(" \t\r\f", l.s[l.n - 1]))
        l.n--;
    for (size_t i = 0; i < l.n && (l.s[i] == ' ' || l.s[i] == '\t'); i++)
        l.indent += l.s[i] == '\t' ? 8 - l.indent % 8 : 1;
    return l;
}

// Bytes of a list marker ("- ", "* ", "12. ", "3) ") at the line's first visible byte, or 0.
static size_t marker(const struct line *l, size_t *at)
{
    size_t i = 0, k;
    while (i < l->n && (l->s[i] == ' ' || l->s[i] == '\t'))
        i++;
    *at = i;
    if (i + 1 < l->n && strchr("-*+", l->s[i]) && l->s[i + 1] == ' ')
        return 1;
    for (k = 0; k < 3 && i + k < l->n && isdigit((unsigned char)l->s[i + k]); k++)
        ;
    if (k && i + k + 1 < l->n && strchr(".)", l->s[i + k]) && l->s[i + k + 1] == ' ')
        return k + 1;
    return 0;
}

// A line of nothing but one underlining character, as long as what it underlines.
static bool underline(const struct line *l, const struct line *above)
{
    if (l->n < 3 || l->indent || above->indent || !above->n || above->n > 120 ||
        l->n + 3 < above->n || !strchr("=-~^\"*#", l->s[0]))
        return false;
    for (size_t i = 1; i < l->n; i++)
        if (l->s[i] != l->s[0])
            return false;
    return true;
}

struct reader {
    const char *s;
    size_t n;
    struct doc *d;
    char levels[7]; // underlining characters in order of appearance
};

static int heading_level(struct reader *r, char c)
{
    size_t i = 0;
    while (i < 5 && r->levels[i] && r->levels[i] != c)
        i++;
    r->levels[i] = c;
    return (int)i + 1;
}

enum shape { PROSE, LISTING, VERBATIM, LINES };

// What kind of group are the lines in s[from..to)?
static enum shape shape_of(const char *s, size_t from, size_t to)
{
    size_t at, n = 0, indented = 0, shorter = 0;
    bool list = false;
    for (size_t pos = from; pos < to; n++) {
        struct line l = next_line(s, to, &pos);
        list |= n == 0 && marker(&l, &at);
        indented += l.indent >= 4;
        shorter += pos < to && l.n < 50;
    }
    if (list)
        return LISTING;
    if (indented == n)
        return VERBATIM;
    return shorter * 4 <= n || n == 1 ? PROSE : LINES;
}

static void add_group(struct reader *r, size_t from, size_t to, int line)
{
    enum shape shape = shape_of(r->s, from, to);
    struct doc *d = r->d;
    if (shape == VERBATIM)
        doc_open(d, BLOCK_CODE, 0);
    else if (shape != LISTING)
        doc_open(d, BLOCK_PARAGRAPH, 0);
    for (size_t pos = from; pos < to; line++) {
        size_t start = pos, at, m;
        struct line l = next_line(r->s, to, &pos);
        if (shape == VERBATIM) {
            doc_add_exact(d, r->s + start, pos - start, line);
        } else if (shape == LISTING && (m = marker(&l, &at))) {
            char mark[8];
            memcpy(mark, l.s + at, m);
            mark[m] = 0;
            doc_open_item(d, (int)(l.indent / 2 > 7 ? 7 : l.indent / 2) + 1, mark);
            doc_add(d, l.s + at + m, l.n - at - m, line);
        } else {
            doc_add(d, l.s, l.n, line);
            if (shape == LINES)
                doc_break(d);
        }
        doc_add(d, " ", 1, line);
    }
    doc_close(d);
}

// "3.2 Quotas" alone in its group, as PDF has it: the level, or 0.
static int numbered(const struct line *l)
{
    size_t i = 0;
    int level = 0;
    while (i < l->n && isdigit((unsigned char)l->s[i]) && level < 6) {
        while (i < l->n && isdigit((unsigned char)l->s[i]))
            i++;
        level++;
        if (i + 1 < l->n && l->s[i] == '.' && isdigit((unsigned char)l->s[i + 1]))
            i++;
        else
            break;
    }
    if (!level || i > 12)
        return 0;
    i += i < l->n && l->s[i] == '.';
    size_t words = i;
    while (i < l->n && l->s[i] == ' ')
        i++;
    bool letter =
        i < l->n && (isupper((unsigned char)l->s[i]) || (unsigned char)l->s[i] >= 0x80);
    bool ends = l->n && strchr(".,;:", l->s[l->n - 1]);
    return letter && i > words && i - words <= 4 && l->n <= 90 && !ends ? level : 0;
}

// Blocks of s[0..n). `lines` false: the format has no lines of its own (a PDF's page).
static void read_groups(struct reader *r, bool lines)
{
    struct doc *d = r->d;
    size_t group = 0, above_start = 0;
    struct line above = {"", 0, 0};
    int line = lines, group_line = lines;
    for (size_t pos = 0; pos <= r->n && !d->rc; line += lines) {
        size_t start = pos;
        bool end = pos == r->n;
        struct line l = {"", 0, 0};
        if (end)
            pos++;
        else
            l = next_line(r->s, r->n, &pos);
        int level = 0;
        if (!l.n) {
            bool alone = above.n && above_start == group;
            if (!lines && alone && (level = numbered(&above))) {
                doc_open(d, BLOCK_HEADING, level);
                doc_add(d, above.s, above.n, 0);
                doc_close(d);
            } else if (start > group) {
                add_group(r, group, start, group_line);
            }
            group = pos;
            group_line = line + lines;
        } else if (lines && underline(&l, &above) && above_start == group) {
            doc_open(d, BLOCK_HEADING, heading_level(r, l.s[0]));
            doc_add(d, above.s, above.n, line - 1);
            doc_close(d);
            if (!d->title.len && buf_add(&d->title, above.s, above.n))
                d->rc = -ENOMEM;
            group = pos;
            group_line = line + 1;
        }
        above = l;
        above_start = start;
    }
}

static int result(const struct doc *d, struct err *e)
{
    return d->rc ? err_set(e, d->rc, "%s",
                           d->rc == -ENOMEM ? "out of memory" : "more than 256 MiB of text")
                 : 0;
}

int extract_text(const char *s, size_t n, struct doc *d, struct err *e)
{
    struct reader r = {s, n, d, {0}};
    doc_init(d, "text");
    read_groups(&r, true);
    return result(d, e);
}

int extract_pages(const char *s, size_t n, struct doc *d, struct err *e)
{
    d->page = 1;
    for (size_t pos = 0; pos < n; d->page++) {
        const char *end = memchr(s + pos, '\f', n - pos);
        size_t len = end ? (size_t)(end - s) - pos : n - pos;
        struct reader r = {s + pos, len, d, {0}};
        read_groups(&r, false);
        pos += len + 1;
    }
    return result(d, e);
}
