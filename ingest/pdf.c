// SPDX-License-Identifier: MIT
// PDF through the program `pdftotext`, confined.
#include "ingest/extract.h"

#include "base/buf.h"
#include "ingest/parser.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pdf_text(const char *path, struct buf *out, struct err *e)
{
    static const char *const places[] = {"/usr/bin/pdftotext", "/usr/local/bin/pdftotext",
                                         "/bin/pdftotext"};
    const char *const argv[] = {"pdftotext", "-q", "-enc", "UTF-8", "-eol",
                                "unix",      path, "-",    NULL};
    struct parser p = {.argv = argv,
                       .file = path,
                       .memory = (int64_t)2 << 30,
                       .cpu_s = 120,
                       .wall_s = 180,
                       .output_max = 128u << 20};
    int status = 127;
    for (size_t i = 0; i < sizeof places / sizeof *places && !p.program; i++)
        if (!access(places[i], X_OK))
            p.program = places[i];
    int rc = p.program ? parser_run(&p, out, &status, e) : 0;
    if (rc)
        return rc;
    switch (status) {
    case 0:
        return 0;
    case 1:
        return err_set(e, -EILSEQ, "broken PDF, pdftotext cannot open it");
    case 3:
        return err_set(e, -EILSEQ, "the PDF does not permit copying its text");
    case 126:
        return err_set(e, -EPERM,
                       "pdftotext was not started: this system refuses to confine it");
    case 127:
        return err_set(e, -ENOENT, "pdftotext is not installed: install poppler-utils");
    default:
        return err_set(e, -EILSEQ, "pdftotext failed with status %d", status);
    }
}

// ---- pages: lines at head and foot that come again on other pages go ----

struct edge {
    const char *page; // start of the page
    size_t n;
};

// The line number `k` of a page, counted from the top (or, negative, from the bottom, -1 the
// last), empty ones left out. NULL if there is none.
static const char *edge_line(const char *s, size_t n, int k, size_t *len)
{
    const char *end = s + n;
    if (k >= 0) {
        while (s < end) {
            const char *nl = memchr(s, '\n', (size_t)(end - s));
            size_t l = nl ? (size_t)(nl - s) : (size_t)(end - s);
            if (strspn(s, " \t") < l && !k--) {
                *len = l;
                return s;
            }
            s += l + 1;
        }
        return NULL;
    }
    while (end > s) {
        const char *nl = memrchr(s, '\n', (size_t)(end - s));
        const char *start = nl ? nl + 1 : s;
        if (strspn(start, " \t") < (size_t)(end - start) && !++k) {
            *len = (size_t)(end - start);
            return start;
        }
        end = nl ? nl : s;
    }
    return NULL;
}

// Equal but for digits (page numbers) and white space?
static bool alike(const char *a, size_t an, const char *b, size_t bn)
{
    size_t i = 0, k = 0, seen = 0;
    for (;;) {
        while (i < an && strchr(" \t0123456789", a[i]))
            i++;
        while (k < bn && strchr(" \t0123456789", b[k]))
            k++;
        if (i == an || k == bn)
            return i == an && k == bn && (seen || an < 8);
        if (a[i++] != b[k++])
            return false;
        seen++;
    }
}

// Does the page's edge line come again on a page near by (facing pages differ, so up to two
// away)?
static bool repeated(const struct edge *pages, size_t n, size_t at, int k)
{
    size_t len, other_len;
    const char *line = edge_line(pages[at].page, pages[at].n, k, &len), *other;
    if (!line || len > 150)
        return false;
    size_t hits = 0;
    for (size_t i = at > 4 ? at - 4 : 0; i < n && i <= at + 4; i++)
        hits += i != at && (other = edge_line(pages[i].page, pages[i].n, k, &other_len)) &&
                alike(line, len, other, other_len);
    return hits >= 2 || (hits == 1 && n <= 4);
}

// Blank out repeated lines at both edges of every page.
static int drop_edges(char *s, size_t n)
{
    size_t count = 1, at = 0;
    for (size_t i = 0; i < n; i++)
        count += s[i] == '\f';
    struct edge *pages = calloc(count, sizeof *pages);
    bool *drop = calloc(count, 4 * sizeof *drop);
    if (!pages || !drop) {
        free(pages);
        free(drop);
        return -ENOMEM;
    }
    for (size_t i = 0, start = 0; i <= n; i++)
        if (i == n || s[i] == '\f') {
            pages[at++] = (struct edge){s + start, i - start};
            start = i + 1;
        }
    static const int lines[4] = {0, 1, -1, -2};
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < 4; k += 2) {
            drop[i * 4 + k] = repeated(pages, count, i, lines[k]);
            drop[i * 4 + k + 1] = drop[i * 4 + k] && repeated(pages, count, i, lines[k + 1]);
        }
    for (size_t i = 0; i < count; i++) {
        char *line[4] = {0};
        size_t len[4] = {0};
        for (int k = 0; k < 4; k++)
            if (drop[i * 4 + k])
                line[k] = (char *)edge_line(pages[i].page, pages[i].n, lines[k], &len[k]);
        for (int k = 0; k < 4; k++)
            if (line[k])
                memset(line[k], ' ', len[k]);
    }
    free(pages);
    free(drop);
    return 0;
}

int extract_pdf(char *s, size_t n, struct doc *d, struct err *e)
{
    doc_init(d, "pdf");
    return drop_edges(s, n) ? err_nomem(e) : extract_pages(s, n, d, e);
}
