// SPDX-License-Identifier: MIT
// HTML through gumbo. The tree is walked without recursion and its memory comes from an arena
// with a limit, so that no page can take the stack or the machine: gumbo itself checks no
// allocation, so beyond the limit we jump out of it.
#include "ingest/extract.h"

#include "base/arena.h"
#include "ingest/furniture.h"

#include <gumbo.h>

#include <ctype.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define TREE_FLOOR (64u << 20) // bytes of tree that any page may take,
#define TREE_SHARE 100         // and for each of its own bytes
#define PARSE_SECONDS 15       // of processor time
#define NESTING_MAX 10000
#define LISTS_MAX 16

struct tree {
    arena *a;
    jmp_buf out;
    unsigned calls;
    double until;
};

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *tree_alloc(void *ctx, size_t n)
{
    struct tree *t = ctx;
    void *p = arena_alloc(t->a, n ? n : 1);
    if (!p || (++t->calls % 64 == 0 && cpu_now() > t->until))
        longjmp(t->out, 1);
    return p;
}

static void tree_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

struct page {
    struct doc *d;
    const GumboNode *body; // what is read
    int pre;               // depth inside <pre>
    struct list {
        bool ordered;
        unsigned next;
    } lists[LISTS_MAX];
    int depth; // of lists
    int cells;
    int line;
    bool defining; // behind a term, before the first of its definition
    bool has_main; // <main> or <article>: a header inside it is content
};

// The tag's place among structure: does it end what stands before it?
static bool is_block(GumboTag t)
{
    switch (t) {
    case GUMBO_TAG_P:
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_MAIN:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_FIGURE:
    case GUMBO_TAG_FIGCAPTION:
    case GUMBO_TAG_TABLE:
    case GUMBO_TAG_CAPTION:
    case GUMBO_TAG_UL:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_DL:
    case GUMBO_TAG_HR:
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_SUMMARY:
    case GUMBO_TAG_FIELDSET:
    case GUMBO_TAG_CENTER:
        return true;
    default:
        return false;
    }
}

// A block begins, unless it is the first thing in a list item, table cell or heading.
static void enter_block(struct page *p)
{
    struct doc *d = p->d;
    if (d->open && !p->pre) {
        enum block_kind k = d->blocks[d->n_blocks - 1].kind;
        bool empty = d->blocks[d->n_blocks - 1].off == d->text.len;
        if (k == BLOCK_ROW || k == BLOCK_HEADING ||
            (k == BLOCK_ITEM && (empty || p->defining))) {
            doc_add(d, " ", 1, p->line);
            return;
        }
    }
    if (!p->pre)
        doc_close(d);
}

static void enter_item(struct page *p, const GumboElement *e)
{
    char mark[24] = "-";
    int depth = p->depth < LISTS_MAX ? p->depth : LISTS_MAX;
    struct list *l = depth ? &p->lists[depth - 1] : NULL;
    if (e->tag == GUMBO_TAG_DT) {
        doc_open(p->d, BLOCK_ITEM, p->depth);
        return;
    }
    if (e->tag == GUMBO_TAG_DD) {
        // The definition goes on the line of its term, if one waits for it.
        struct doc *d = p->d;
        if (d->open && d->blocks[d->n_blocks - 1].kind == BLOCK_ITEM &&
            d->blocks[d->n_blocks - 1].off < d->text.len)
            p->defining = true, doc_add(d, ": ", 2, p->line);
        else
            doc_open(d, BLOCK_ITEM, p->depth);
        return;
    }
    if (l && l->ordered)
        snprintf(mark, sizeof mark, "%u.", l->next++);
    doc_open_item(p->d, depth, mark);
}

// 1: go into the element; 0: leave it out.
static int enter(struct page *p, const GumboNode *n)
{
    const GumboElement *e = &n->v.element;
    struct doc *d = p->d;
    if (html_dropped(e, p->has_main))
        return 0;
    if (e->start_pos.line)
        p->line = (int)e->start_pos.line;
    switch (e->tag) {
    case GUMBO_TAG_H1:
    case GUMBO_TAG_H2:
    case GUMBO_TAG_H3:
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
        doc_open(d, BLOCK_HEADING, 1 + (int)(e->tag - GUMBO_TAG_H1));
        break;
    case GUMBO_TAG_PRE:
        if (!p->pre++)
            doc_open(d, BLOCK_CODE, 0);
        break;
    case GUMBO_TAG_LI:
    case GUMBO_TAG_DT:
    case GUMBO_TAG_DD:
        enter_item(p, e);
        break;
    case GUMBO_TAG_TR:
        doc_open(d, BLOCK_ROW, 0);
        p->cells = 0;
        break;
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
        if (p->cells++ && d->open)
            doc_add(d, " | ", 3, p->line);
        break;
    case GUMBO_TAG_BR:
        if (p->pre)
            doc_add_exact(d, "\n", 1, p->line);
        else
            doc_break(d);
        break;
    default:
        if (!is_block(e->tag))
            break;
        enter_block(p);
        if (e->tag == GUMBO_TAG_UL || e->tag == GUMBO_TAG_OL) {
            if (p->depth < LISTS_MAX)
                p->lists[p->depth] =
                    (struct list){e->tag == GUMBO_TAG_OL,
                                  (unsigned)strtoul(html_attribute(e, "start"), NULL, 10)};
            if (p->depth < LISTS_MAX && !p->lists[p->depth].next)
                p->lists[p->depth].next = 1;
            p->depth++;
        }
    }
    return 1;
}

static void leave(struct page *p, const GumboNode *n)
{
    const GumboElement *e = &n->v.element;
    struct doc *d = p->d;
    switch (e->tag) {
    case GUMBO_TAG_H1:
    case GUMBO_TAG_H2:
    case GUMBO_TAG_H3:
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
    case GUMBO_TAG_LI:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_TR:
        doc_close(d);
        break;
    case GUMBO_TAG_PRE:
        if (!--p->pre)
            doc_close(d);
        break;
    case GUMBO_TAG_UL:
    case GUMBO_TAG_OL:
        p->depth--;
        doc_close(d);
        break;
    default:
        if (!is_block(e->tag) || p->pre)
            break;
        if (d->open && (d->blocks[d->n_blocks - 1].kind == BLOCK_ROW ||
                        d->blocks[d->n_blocks - 1].kind == BLOCK_HEADING || p->defining))
            doc_add(d, " ", 1, p->line);
        else
            doc_close(d);
    }
}

static void add_text(struct page *p, const GumboText *t)
{
    if (t->start_pos.line)
        p->line = (int)t->start_pos.line;
    size_t n = strlen(t->text);
    p->defining &= !t->text[strspn(t->text, " \t\r\n")];
    if (p->pre)
        doc_add_exact(p->d, t->text, n, p->line);
    else
        doc_add(p->d, t->text, n, p->line);
    for (const char *s = t->text; (s = strchr(s, '\n')); s++)
        p->line++;
}

static void walk(struct page *p, const GumboNode *root)
{
    const GumboNode *n = root;
    bool down = true;
    while (!p->d->rc) {
        bool element = n->type == GUMBO_NODE_ELEMENT;
        if (down) {
            if (n->type == GUMBO_NODE_TEXT || n->type == GUMBO_NODE_WHITESPACE ||
                n->type == GUMBO_NODE_CDATA)
                add_text(p, &n->v.text);
            if (element && enter(p, n)) {
                if (n->v.element.children.length) {
                    n = n->v.element.children.data[0];
                    continue;
                }
                leave(p, n);
            }
        } else {
            leave(p, n);
        }
        if (n == root)
            break;
        const GumboVector *siblings = &n->parent->v.element.children;
        size_t next = n->index_within_parent + 1;
        down = next < siblings->length;
        n = down ? siblings->data[next] : n->parent;
    }
    doc_close(p->d);
}

// What the head says: the title.
static void read_head(struct page *p, const GumboNode *head)
{
    const GumboVector *v = &head->v.element.children;
    for (unsigned i = 0; i < v->length; i++) {
        const GumboNode *n = v->data[i];
        if (n->type != GUMBO_NODE_ELEMENT)
            continue;
        const GumboElement *e = &n->v.element;
        if (e->tag == GUMBO_TAG_TITLE && e->children.length && !p->d->title.len) {
            const GumboNode *t = e->children.data[0];
            if (t->type == GUMBO_NODE_TEXT && buf_adds(&p->d->title, t->v.text.text))
                p->d->rc = -ENOMEM;
        }
    }
}

static bool find_main(const GumboNode *root)
{
    const GumboNode *n = root;
    bool down = true;
    for (;;) {
        if (down && n->type == GUMBO_NODE_ELEMENT) {
            GumboTag t = n->v.element.tag;
            if (t == GUMBO_TAG_MAIN || t == GUMBO_TAG_ARTICLE)
                return true;
            if (n->v.element.children.length) {
                n = n->v.element.children.data[0];
                continue;
            }
        }
        if (n == root)
            return false;
        const GumboVector *siblings = &n->parent->v.element.children;
        size_t next = n->index_within_parent + 1;
        down = next < siblings->length;
        n = down ? siblings->data[next] : n->parent;
    }
}

// How deep could the page be nested? Tags that end by themselves do not count. Parsing takes
// time by its square, so what no page needs is not begun.
static bool too_deep(const char *s, size_t n)
{
    static const char *const alone[] = {
        "p",      "li",    "dt",    "dd",     "tr",    "td",    "th",   "br",   "hr",
        "img",    "input", "meta",  "link",   "col",   "wbr",   "area", "base", "embed",
        "source", "track", "param", "option", "thead", "tbody", "tfoot"};
    size_t depth = 0;
    const char *end = s + n;
    for (const char *p = s; (p = memchr(p, '<', (size_t)(end - p))); p++) {
        bool close = p + 1 < end && p[1] == '/';
        const char *name = p + 1 + close;
        size_t k = 0;
        while (name + k < end && k < 12 && isalnum((unsigned char)name[k]))
            k++;
        bool counts = k && isalpha((unsigned char)*name);
        for (size_t i = 0; counts && i < sizeof alone / sizeof *alone; i++)
            counts = strlen(alone[i]) != k || strncasecmp(alone[i], name, k);
        const char *gt = counts ? memchr(name, '>', (size_t)(end - name)) : NULL;
        counts = counts && gt && gt[-1] != '/';
        if (counts && close)
            depth -= depth > 0;
        else if (counts && ++depth > NESTING_MAX)
            return true;
    }
    return false;
}

int extract_html(const char *s, size_t n, struct doc *d, struct err *e)
{
    doc_init(d, "html");
    if (too_deep(s, n))
        return err_set(e, -EOVERFLOW, "the page is nested more than %d elements deep",
                       NESTING_MAX);
    struct tree t = {.until = cpu_now() + PARSE_SECONDS};
    t.a = arena_new(TREE_FLOOR + n * TREE_SHARE);
    if (!t.a)
        return err_nomem(e);
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = tree_alloc;
    options.deallocator = tree_free;
    options.userdata = &t;
    options.max_errors = 0;
    if (setjmp(t.out)) {
        arena_free(t.a);
        return err_set(e, -EOVERFLOW,
                       "the page's nesting takes more memory or time than a real page does");
    }
    GumboOutput *out = gumbo_parse_with_options(&options, s, n);
    struct page p = {.d = d, .line = 1};
    const GumboVector *top = &out->root->v.element.children;
    for (unsigned i = 0; i < top->length; i++) {
        const GumboNode *c = top->data[i];
        if (c->type == GUMBO_NODE_ELEMENT && c->v.element.tag == GUMBO_TAG_HEAD)
            read_head(&p, c);
    }
    p.has_main = find_main(out->root);
    walk(&p, out->root);
    arena_free(t.a);
    return d->rc ? err_set(e, d->rc, "%s",
                           d->rc == -ENOMEM ? "out of memory" : "more than 256 MiB of text")
                 : 0;
}
