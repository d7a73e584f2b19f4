// SPDX-License-Identifier: MIT
// Markdown (CommonMark with tables) through md4c. Markup goes, structure and code stay; the
// target of a link to elsewhere follows its text.
#include "ingest/extract.h"

#include "base/utf8.h"

#include <md4c.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LISTS_MAX 32 // deeper lists are flattened
#define SPANS_MAX 16

struct md {
    const char *s;
    size_t n;
    struct doc *d;
    struct lines lines;
    int line; // of the last text that came from the source
    struct list {
        bool ordered;
        unsigned next;
        char mark;
    } lists[LISTS_MAX];
    int depth;       // of lists, may pass LISTS_MAX
    int code, cells; // inside a code block; cells of the row so far
    bool item;       // the block that is open is an item's first
    char *urls[SPANS_MAX];
    size_t url_text[SPANS_MAX]; // where the link's text starts
    int links, images;
    bool titled, tag, comment; // first h1 seen; inside <...> of raw HTML
};

static void open_item(struct md *m, const MD_BLOCK_LI_DETAIL *li)
{
    struct list *l = &m->lists[(m->depth < LISTS_MAX ? m->depth : LISTS_MAX) - 1];
    char mark[24] = "-";
    if (l->ordered)
        snprintf(mark, sizeof mark, "%u%c", l->next++, l->mark);
    else if (li->is_task)
        snprintf(mark, sizeof mark, "- [%c]", li->task_mark == ' ' ? ' ' : 'x');
    doc_open_item(m->d, m->depth, mark);
    m->item = true;
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
    struct md *m = ctx;
    struct list *l;
    switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        if (m->depth++ < LISTS_MAX) {
            l = &m->lists[m->depth - 1];
            *l = (struct list){.ordered = type == MD_BLOCK_OL};
            if (l->ordered) {
                l->next = ((MD_BLOCK_OL_DETAIL *)detail)->start;
                l->mark = ((MD_BLOCK_OL_DETAIL *)detail)->mark_delimiter;
            }
        }
        break;
    case MD_BLOCK_LI:
        open_item(m, detail);
        break;
    case MD_BLOCK_H:
        doc_open(m->d, BLOCK_HEADING, (int)((MD_BLOCK_H_DETAIL *)detail)->level);
        break;
    case MD_BLOCK_P:
        if (m->item && m->d->open && m->d->lead[0])
            break; // the item's own text
        doc_open(m->d, BLOCK_PARAGRAPH, 0);
        break;
    case MD_BLOCK_CODE:
        doc_open(m->d, BLOCK_CODE, 0);
        m->code++;
        break;
    case MD_BLOCK_TR:
        doc_open(m->d, BLOCK_ROW, 0);
        m->cells = 0;
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        if (m->cells++)
            doc_add(m->d, " | ", 3, m->line);
        break;
    case MD_BLOCK_HTML:
        doc_open(m->d, BLOCK_PARAGRAPH, 0);
        m->tag = m->comment = false;
        break;
    default:
        break;
    }
    return m->d->rc;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
    struct md *m = ctx;
    (void)detail;
    switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        m->depth--;
        doc_close(m->d);
        break;
    case MD_BLOCK_H: {
        doc_close(m->d);
        struct block *b = m->d->n_blocks ? &m->d->blocks[m->d->n_blocks - 1] : NULL;
        if (!b || b->kind != BLOCK_HEADING || b->level != 1 || m->titled)
            break;
        m->titled = true;
        if (!m->d->title.len && buf_add(&m->d->title, m->d->text.data + b->off, b->len))
            m->d->rc = -ENOMEM;
        break;
    }
    case MD_BLOCK_CODE:
        m->code--;
        doc_close(m->d);
        break;
    case MD_BLOCK_LI:
    case MD_BLOCK_P:
    case MD_BLOCK_TR:
    case MD_BLOCK_HTML:
        doc_close(m->d);
        m->item = false;
        break;
    default:
        break;
    }
    return m->d->rc;
}

static int enter_span(MD_SPANTYPE type, void *detail, void *ctx)
{
    struct md *m = ctx;
    if (type == MD_SPAN_IMG)
        m->images++;
    if (type != MD_SPAN_A)
        return m->d->rc;
    const MD_ATTRIBUTE *href = &((MD_SPAN_A_DETAIL *)detail)->href;
    if (m->links < SPANS_MAX) {
        bool out =
            href->size > 8 && href->size < 500 && !m->images &&
            (!strncasecmp(href->text, "http://", 7) || !strncasecmp(href->text, "https://", 8));
        m->urls[m->links] = out ? strndup(href->text, href->size) : NULL;
        m->url_text[m->links] = m->d->text.len;
    }
    m->links++;
    return m->d->rc;
}

static int leave_span(MD_SPANTYPE type, void *detail, void *ctx)
{
    struct md *m = ctx;
    (void)detail;
    if (type == MD_SPAN_IMG)
        m->images--;
    if (type != MD_SPAN_A || --m->links >= SPANS_MAX || !m->urls[m->links])
        return m->d->rc;
    char *url = m->urls[m->links];
    size_t from = m->url_text[m->links];
    // An autolink names its target already; a badge has no text to follow.
    if (m->d->open && from < m->d->text.len && !strstr(m->d->text.data + from, url)) {
        doc_add(m->d, " (", 2, m->line);
        doc_add(m->d, url, strlen(url), m->line);
        doc_add(m->d, ")", 1, m->line);
    }
    free(url);
    m->urls[m->links] = NULL;
    return m->d->rc;
}

// Raw HTML: what stands between the tags.
static void add_html(struct md *m, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t start = i;
        if (m->comment) {
            const char *end = memmem(s + i, n - i, "-->", 3);
            m->comment = !end;
            i = end ? (size_t)(end - s) + 3 : n;
        } else if (m->tag) {
            const char *end = memchr(s + i, '>', n - i);
            m->tag = !end;
            i = end ? (size_t)(end - s) + 1 : n;
        } else if (s[i] == '<') {
            m->comment = n - i >= 4 && !memcmp(s + i, "<!--", 4);
            m->tag = !m->comment;
            i++;
        } else {
            while (i < n && s[i] != '<')
                i++;
            doc_add(m->d, s + start, i - start, m->line);
        }
        for (; start < i; start++)
            m->line += s[start] == '\n';
    }
    doc_add(m->d, " ", 1, m->line);
}

// "&amp;" and its like; md4c leaves their meaning to us.
static void add_entity(struct md *m, const char *s, size_t n)
{
    static const struct {
        const char *name, *text;
    } known[] = {{"&amp;", "&"},    {"&lt;", "<"},   {"&gt;", ">"},    {"&quot;", "\""},
                 {"&nbsp;", " "},   {"&copy;", "©"}, {"&mdash;", "—"}, {"&ndash;", "–"},
                 {"&hellip;", "…"}, {"&rarr;", "→"}, {"&larr;", "←"},  {"&apos;", "'"},
                 {"&times;", "×"},  {"&reg;", "®"},  {"&trade;", "™"}, {"&deg;", "°"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == n && !memcmp(known[i].name, s, n)) {
            doc_add(m->d, known[i].text, strlen(known[i].text), m->line);
            return;
        }
    char digits[16], out[4];
    if (n > 3 && n < sizeof digits && s[1] == '#') {
        bool hex = s[2] == 'x' || s[2] == 'X';
        memcpy(digits, s + (hex ? 3 : 2), n - (hex ? 3 : 2));
        digits[n - (hex ? 3 : 2)] = 0;
        unsigned long cp = strtoul(digits, NULL, hex ? 16 : 10);
        doc_add(m->d, out, utf8_encode(cp > 0x10FFFF ? 0xFFFD : (uint32_t)cp, out), m->line);
        return;
    }
    doc_add(m->d, s, n, m->line);
}

static int text(MD_TEXTTYPE type, const MD_CHAR *s, MD_SIZE n, void *ctx)
{
    struct md *m = ctx;
    if (s >= m->s && s < m->s + m->n)
        m->line = lines_at(&m->lines, (size_t)(s - m->s));
    if (m->images && type != MD_TEXT_NORMAL)
        return m->d->rc;
    switch (type) {
    case MD_TEXT_BR:
        doc_break(m->d);
        break;
    case MD_TEXT_SOFTBR:
        doc_add(m->d, " ", 1, m->line);
        break;
    case MD_TEXT_HTML:
        add_html(m, s, n);
        break;
    case MD_TEXT_ENTITY:
        add_entity(m, s, n);
        break;
    case MD_TEXT_NULLCHAR:
        break;
    default:
        if (m->code)
            doc_add_exact(m->d, s, n, m->line);
        else
            doc_add(m->d, s, n, m->line);
    }
    return m->d->rc;
}

// A header of "key: value" lines between two "---" lines: its length, and the title it names.
static size_t front_matter(struct md *m)
{
    if (m->n < 8 || (memcmp(m->s, "---\n", 4) && memcmp(m->s, "---\r\n", 5)))
        return 0;
    const char *title = NULL;
    size_t title_n = 0;
    for (size_t pos = 4; pos < m->n;) {
        const char *l = m->s + pos, *end = memchr(l, '\n', m->n - pos);
        size_t len = end ? (size_t)(end - l) : m->n - pos;
        pos += len + (end != NULL);
        if (len && l[len - 1] == '\r')
            len--;
        if (len == 3 && (!memcmp(l, "---", 3) || !memcmp(l, "...", 3))) {
            if (title && buf_add(&m->d->title, title, title_n))
                m->d->rc = -ENOMEM;
            return pos;
        }
        if (pos > 16384)
            break;
        if (len > 6 && !strncasecmp(l, "title:", 6)) {
            for (l += 6, len -= 6; len && strchr(" \t\"'", *l); l++)
                len--;
            while (len && strchr(" \t\"'", l[len - 1]))
                len--;
            title = l;
            title_n = len > DOC_TITLE_MAX ? 0 : len;
        }
    }
    return 0;
}

int extract_markdown(const char *s, size_t n, struct doc *d, struct err *e)
{
    static const MD_PARSER parser = {
        .flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS |
                 MD_FLAG_PERMISSIVEURLAUTOLINKS,
        .enter_block = enter_block,
        .leave_block = leave_block,
        .enter_span = enter_span,
        .leave_span = leave_span,
        .text = text,
    };
    doc_init(d, "markdown");
    struct md m = {.s = s, .n = n, .d = d, .line = 1};
    if (n > UINT32_MAX / 2)
        return err_set(e, -EFBIG, "more than 2 GiB of text");
    if (lines_index(&m.lines, s, n))
        return err_nomem(e);
    size_t skip = front_matter(&m);
    int rc = md_parse(s + skip, (MD_SIZE)(n - skip), &parser, &m);
    if (rc && !d->rc)
        d->rc = -ENOMEM; // the only way md4c fails on its own
    doc_close(d);
    for (int i = 0; i < SPANS_MAX; i++)
        free(m.urls[i]);
    lines_free(&m.lines);
    return d->rc ? err_set(e, d->rc, "%s",
                           d->rc == -ENOMEM ? "out of memory" : "more than 256 MiB of text")
                 : 0;
}
