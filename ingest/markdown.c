// SPDX-License-Identifier: MIT
// Markdown (CommonMark with tables) through md4c. md4c hands out pointers into the source, and
// that is how a block knows its lines.
#include "ingest/doc.h"

#include <errno.h>
#include <md4c.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 32

struct reader {
    struct doc *d;
    const char *src;
    size_t n;
    const char *seen; // up to here lines were counted
    int line;         // of `seen`
    int first, last;  // lines of the block at hand
    struct buf text;
    bool in_code, in_row, head_row;
    int level;
    struct {
        bool ordered;
        unsigned next;
    } lists[DEPTH_MAX];
    int depth;
    bool item_open; // the next text starts a list item
    unsigned item_number;
    const char *href;
    size_t href_n, link_start;
};

// The line of a pointer into the source; pointers grow, give or take a little.
static int line_of(struct reader *r, const char *p)
{
    for (; r->seen < p; r->seen++)
        r->line += *r->seen == '\n';
    for (; r->seen > p; r->seen--)
        r->line -= r->seen[-1] == '\n';
    return r->line;
}

static void mark(struct reader *r, const char *p, size_t n)
{
    if ((uintptr_t)p < (uintptr_t)r->src || (uintptr_t)p >= (uintptr_t)(r->src + r->n))
        return;
    int first = line_of(r, p);
    if (!r->first || first < r->first)
        r->first = first;
    int last = n ? line_of(r, p + n - 1) : first;
    r->last = last > r->last ? last : r->last;
}

static int flush(struct reader *r, enum doc_kind kind)
{
    struct doc_block b = {.kind = kind,
                          .level = r->level,
                          .text = r->text.data,
                          .n = r->text.len,
                          .line_first = r->first,
                          .line_last = r->last};
    int rc = doc_add(r->d, &b);
    if (kind == DOC_HEADING && !r->d->title && !rc)
        rc = doc_set_title(r->d, r->text.data, r->text.len);
    buf_clear(&r->text);
    r->first = r->last = 0;
    return rc;
}

static int open_item(struct reader *r)
{
    if (!r->item_open)
        return 0;
    r->item_open = false;
    return r->item_number ? buf_addf(&r->text, "%u. ", r->item_number)
                          : buf_adds(&r->text, "- ");
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
    struct reader *r = ctx;
    int rc = 0;
    switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        rc = flush(r, DOC_ITEM); // text of the item that holds this list
        if (r->depth < DEPTH_MAX) {
            r->lists[r->depth].ordered = type == MD_BLOCK_OL;
            r->lists[r->depth].next =
                type == MD_BLOCK_OL ? ((MD_BLOCK_OL_DETAIL *)detail)->start : 0;
        }
        r->depth++;
        break;
    case MD_BLOCK_LI:
        r->item_open = true;
        r->item_number = 0;
        if (r->depth <= DEPTH_MAX && r->depth && r->lists[r->depth - 1].ordered)
            r->item_number = r->lists[r->depth - 1].next++;
        break;
    case MD_BLOCK_H:
        r->level = (int)((MD_BLOCK_H_DETAIL *)detail)->level;
        break;
    case MD_BLOCK_CODE:
        rc = flush(r, DOC_ITEM);
        r->in_code = true;
        rc = rc ? rc : buf_adds(&r->text, "```\n");
        break;
    case MD_BLOCK_TR:
        r->in_row = true;
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        rc = buf_adds(&r->text, r->text.len ? " | " : "| ");
        break;
    default:
        break;
    }
    return rc;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *ctx)
{
    struct reader *r = ctx;
    int rc = 0;
    (void)detail;
    switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        r->depth--;
        break;
    case MD_BLOCK_LI:
        rc = flush(r, DOC_ITEM);
        r->item_open = false;
        break;
    case MD_BLOCK_H:
        rc = flush(r, DOC_HEADING);
        break;
    case MD_BLOCK_P:
        rc = flush(r, r->depth ? DOC_ITEM : DOC_PARAGRAPH);
        break;
    case MD_BLOCK_CODE:
        r->in_code = false;
        if (r->text.len && r->text.data[r->text.len - 1] != '\n')
            rc = buf_addc(&r->text, '\n');
        rc = rc ? rc : buf_adds(&r->text, "```");
        rc = rc ? rc : flush(r, DOC_CODE);
        break;
    case MD_BLOCK_TR:
        r->in_row = false;
        rc = buf_adds(&r->text, " |");
        rc = rc ? rc : flush(r, DOC_ROW);
        break;
    case MD_BLOCK_HTML:
        buf_clear(&r->text);
        break;
    default:
        break;
    }
    return rc;
}

static int enter_span(MD_SPANTYPE type, void *detail, void *ctx)
{
    struct reader *r = ctx;
    if (type == MD_SPAN_A) {
        const MD_SPAN_A_DETAIL *a = detail;
        r->href = a->href.text;
        r->href_n = a->href.size;
        r->link_start = r->text.len;
    }
    return 0;
}

// A link out of the documents keeps its address: it may be the answer.
static int leave_span(MD_SPANTYPE type, void *detail, void *ctx)
{
    struct reader *r = ctx;
    (void)detail;
    if (type != MD_SPAN_A || !r->href)
        return 0;
    const char *href = r->href;
    size_t n = r->href_n;
    r->href = NULL;
    bool outside = (n > 8 && !strncasecmp(href, "https://", 8)) ||
                   (n > 7 && !strncasecmp(href, "http://", 7));
    if (!outside || r->link_start > r->text.len ||
        (r->text.len - r->link_start >= 4 &&
         memmem(href, n, r->text.data + r->link_start, r->text.len - r->link_start)))
        return 0;
    return buf_addf(&r->text, " (%.*s)", (int)n, href);
}

// The few entities that documents use inside Markdown; others stay as they are written.
static int add_entity(struct buf *b, const char *s, size_t n)
{
    static const struct {
        const char *name, *text;
    } known[] = {{"&amp;", "&"},   {"&lt;", "<"},    {"&gt;", ">"},
                 {"&quot;", "\""}, {"&nbsp;", " "},  {"&#39;", "'"},
                 {"&copy;", "©"},  {"&mdash;", "—"}, {"&ndash;", "–"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n == strlen(known[i].name) && !memcmp(s, known[i].name, n))
            return buf_adds(b, known[i].text);
    return buf_add(b, s, n);
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *s, MD_SIZE n, void *ctx)
{
    struct reader *r = ctx;
    if (type == MD_TEXT_HTML)
        return n >= 3 && !strncasecmp(s, "<br", 3) ? buf_addc(&r->text, '\n') : 0;
    int rc = open_item(r);
    mark(r, s, n);
    if (rc)
        return rc;
    switch (type) {
    case MD_TEXT_NULLCHAR:
        return buf_addc(&r->text, ' ');
    case MD_TEXT_BR:
    case MD_TEXT_SOFTBR:
        return buf_addc(&r->text, r->in_row ? ' ' : '\n');
    case MD_TEXT_ENTITY:
        return add_entity(&r->text, s, n);
    default:
        return buf_add(&r->text, s, n);
    }
}

// YAML front matter: its title counts, the rest is for machines. Returns its length in bytes.
static size_t front_matter(struct reader *r, int *rc)
{
    const char *s = r->src;
    if (r->n < 8 || memcmp(s, "---\n", 4))
        return 0;
    const char *end = memmem(s + 3, r->n - 3, "\n---\n", 5);
    if (!end)
        return 0;
    for (const char *p = s + 4; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p) + 1);
        if (nl - p > 6 && !strncasecmp(p, "title:", 6)) {
            const char *t = p + 6, *stop = nl;
            while (t < stop && strchr(" \"'", *t))
                t++;
            while (stop > t && strchr(" \"'\r", stop[-1]))
                stop--;
            *rc = doc_set_title(r->d, t, (size_t)(stop - t));
        }
        p = nl + 1;
    }
    return (size_t)(end + 5 - s);
}

int read_markdown(const char *s, size_t n, struct doc *d, struct err *e)
{
    static const MD_PARSER parser = {.flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH |
                                              MD_FLAG_PERMISSIVEAUTOLINKS,
                                     .enter_block = enter_block,
                                     .leave_block = leave_block,
                                     .enter_span = enter_span,
                                     .leave_span = leave_span,
                                     .text = on_text};
    struct reader r = {.d = d, .src = s, .n = n, .seen = s, .line = 1, .text = BUF_INIT};
    d->type = "markdown";
    if (n > UINT32_MAX / 2)
        return err_set(e, -EFBIG, "it is larger than Markdown may be here");
    int rc = 0;
    size_t skip = front_matter(&r, &rc);
    if (!rc)
        rc = md_parse(s + skip, (MD_SIZE)(n - skip), &parser, &r);
    buf_free(&r.text);
    return rc ? err_nomem(e) : 0;
}
