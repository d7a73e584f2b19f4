// SPDX-License-Identifier: MIT
// HTML through gumbo (the HTML5 parsing algorithm). What surrounds the document on every page,
// navigation, scripts, forms, is passed over; what a reader does not see is not text.
#include "ingest/doc.h"

#include <ctype.h>
#include <errno.h>
#include <gumbo.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// gumbo and this reader follow the tree by recursion.
#define DEPTH_MAX 3000

struct reader {
    struct doc *d;
    struct buf text;
    int first, last;
    bool space; // white space is owed before the next word
    int in_row;
    bool item_open, item;
    unsigned item_number;
    const GumboNode *main; // where the document is, if it says so
};

static int flush(struct reader *r, enum doc_kind kind, int level)
{
    struct doc_block b = {.kind = kind,
                          .level = level,
                          .text = r->text.data,
                          .n = r->text.len,
                          .line_first = r->first,
                          .line_last = r->last};
    r->space = false;
    if (!r->text.len)
        return 0;
    int rc = doc_add(r->d, &b);
    buf_clear(&r->text);
    r->first = r->last = 0;
    return rc;
}

static int flush_flow(struct reader *r)
{
    if (r->in_row) {
        r->space = r->text.len > 0;
        return 0;
    }
    return flush(r, r->item ? DOC_ITEM : DOC_PARAGRAPH, 0);
}

static int open_item(struct reader *r)
{
    if (!r->item_open)
        return 0;
    r->item_open = false;
    return r->item_number ? buf_addf(&r->text, "%u. ", r->item_number)
                          : buf_adds(&r->text, "- ");
}

static void mark(struct reader *r, const GumboText *t, const char *s)
{
    int line = (int)t->start_pos.line, last = line;
    size_t lead = 0;
    for (; s[lead] && isspace((unsigned char)s[lead]); lead++)
        line += s[lead] == '\n';
    size_t n = strlen(s);
    while (n > lead && isspace((unsigned char)s[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        last += s[i] == '\n';
    if (!r->first || line < r->first)
        r->first = line;
    r->last = last > r->last ? last : r->last;
}

static int add_flow(struct reader *r, const GumboText *t)
{
    const char *s = t->text;
    if (!s[strspn(s, " \t\r\n\f")]) {
        r->space = r->space || (*s && r->text.len);
        return 0;
    }
    int rc = open_item(r);
    mark(r, t, s);
    for (; *s && !rc; s++) {
        if (isspace((unsigned char)*s)) {
            r->space = r->text.len > 0;
            continue;
        }
        if (r->space && r->text.len && !strchr(" \n", r->text.data[r->text.len - 1]))
            rc = buf_addc(&r->text, ' ');
        r->space = false;
        rc = rc ? rc : buf_addc(&r->text, *s);
    }
    return rc;
}

// All text below a node, to the byte.
static int add_verbatim(struct reader *r, const GumboNode *n)
{
    if (n->type == GUMBO_NODE_TEXT || n->type == GUMBO_NODE_WHITESPACE ||
        n->type == GUMBO_NODE_CDATA) {
        if (n->type == GUMBO_NODE_TEXT)
            mark(r, &n->v.text, n->v.text.text);
        return buf_adds(&r->text, n->v.text.text);
    }
    if (n->type != GUMBO_NODE_ELEMENT)
        return 0;
    int rc = n->v.element.tag == GUMBO_TAG_BR ? buf_addc(&r->text, '\n') : 0;
    for (unsigned i = 0; i < n->v.element.children.length && !rc; i++)
        rc = add_verbatim(r, n->v.element.children.data[i]);
    return rc;
}

static const char *attribute(const GumboNode *n, const char *name)
{
    const GumboAttribute *a = gumbo_get_attribute(&n->v.element.attributes, name);
    return a ? a->value : NULL;
}

static bool has_word(const char *list, const char *const *words)
{
    for (const char *p = list; p && *p;) {
        size_t n = strcspn(p, " \t\r\n\f");
        for (const char *const *w = words; *w; w++)
            if (strlen(*w) == n && !strncasecmp(p, *w, n))
                return true;
        p += n;
        p += strspn(p, " \t\r\n\f");
    }
    return false;
}

static bool is_chrome(const GumboNode *n)
{
    static const char *const classes[] = {
        "nav",        "navbar",      "navigation",    "docnav",     "menu",
        "breadcrumb", "breadcrumbs", "toc",           "footer",     "navfooter",
        "navheader",  "related",     "skip-link",     "headerlink", "header",
        "pagination", "cookie",      "sphinxsidebar", NULL};
    static const char *const roles[] = {"navigation", "banner", "contentinfo", "search", NULL};
    switch (n->v.element.tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_BUTTON:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TEXTAREA:
    case GUMBO_TAG_MATH:
        return true;
    case GUMBO_TAG_BODY:
    case GUMBO_TAG_HTML:
    case GUMBO_TAG_MAIN:
        return false;
    default:
        break;
    }
    const char *style = attribute(n, "style");
    if (attribute(n, "hidden") || (style && strstr(style, "display:none")) ||
        (style && strstr(style, "display: none")))
        return true;
    return has_word(attribute(n, "class"), classes) || has_word(attribute(n, "role"), roles);
}

static int read_children(struct reader *r, const GumboNode *n);

static int read_list(struct reader *r, const GumboNode *list)
{
    bool ordered = list->v.element.tag == GUMBO_TAG_OL;
    const char *start = attribute(list, "start");
    unsigned number = start ? (unsigned)strtoul(start, NULL, 10) : 1;
    int rc = flush_flow(r);
    for (unsigned i = 0; i < list->v.element.children.length && !rc; i++) {
        const GumboNode *c = list->v.element.children.data[i];
        if (c->type != GUMBO_NODE_ELEMENT || is_chrome(c))
            continue;
        bool outer = r->item;
        r->item = r->item_open = true;
        r->item_number = ordered ? number++ : 0;
        rc = read_children(r, c);
        rc = rc ? rc : flush_flow(r);
        r->item = outer;
        r->item_open = false;
    }
    return rc;
}

static int read_row(struct reader *r, const GumboNode *row)
{
    int rc = flush_flow(r);
    bool any = false;
    r->in_row++;
    for (unsigned i = 0; i < row->v.element.children.length && !rc; i++) {
        const GumboNode *c = row->v.element.children.data[i];
        if (c->type != GUMBO_NODE_ELEMENT || is_chrome(c))
            continue;
        size_t before = r->text.len;
        r->space = false;
        rc = buf_adds(&r->text, before ? " | " : "| ");
        size_t start = r->text.len;
        rc = rc ? rc : read_children(r, c);
        any = any || r->text.len > start;
    }
    r->in_row--;
    if (!rc && any && !r->in_row)
        rc = buf_adds(&r->text, " |");
    if (!any)
        buf_clear(&r->text);
    return rc || r->in_row ? rc : flush(r, DOC_ROW, 0);
}

static int read_code(struct reader *r, const GumboNode *n)
{
    if (r->in_row)
        return add_verbatim(r, n);
    int rc = flush_flow(r);
    rc = rc ? rc : buf_adds(&r->text, "```\n");
    rc = rc ? rc : add_verbatim(r, n);
    size_t len = r->text.len;
    while (len > 4 && isspace((unsigned char)r->text.data[len - 1]))
        len--;
    buf_truncate(&r->text, len);
    if (len <= 4)
        buf_clear(&r->text);
    else
        rc = rc ? rc : buf_adds(&r->text, "\n```");
    return rc ? rc : flush(r, DOC_CODE, 0);
}

static int read_link(struct reader *r, const GumboNode *n)
{
    size_t start = r->text.len;
    const char *href = attribute(n, "href");
    int rc = read_children(r, n);
    if (rc || !href || r->text.len <= start ||
        (strncasecmp(href, "http://", 7) && strncasecmp(href, "https://", 8)))
        return rc;
    while (start < r->text.len && r->text.data[start] == ' ')
        start++;
    // The address is named already when it is the link's own text.
    if (r->text.len - start >= 4 && strstr(href, r->text.data + start))
        return 0;
    return buf_addf(&r->text, " (%s)", href);
}

static int read_element(struct reader *r, const GumboNode *n)
{
    GumboTag tag = n->v.element.tag;
    int rc;
    if (is_chrome(n))
        return 0;
    switch (tag) {
    case GUMBO_TAG_H1:
    case GUMBO_TAG_H2:
    case GUMBO_TAG_H3:
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
        rc = flush_flow(r);
        rc = rc ? rc : read_children(r, n);
        if (!rc && !r->d->title)
            rc = doc_set_title(r->d, r->text.data, r->text.len);
        return rc || r->in_row ? rc : flush(r, DOC_HEADING, (int)(tag - GUMBO_TAG_H1) + 1);
    case GUMBO_TAG_UL:
    case GUMBO_TAG_OL:
        return read_list(r, n);
    case GUMBO_TAG_TR:
        return read_row(r, n);
    case GUMBO_TAG_PRE:
        return read_code(r, n);
    case GUMBO_TAG_A:
        return read_link(r, n);
    case GUMBO_TAG_BR:
        r->space = false;
        return r->text.len ? buf_addc(&r->text, r->in_row ? ' ' : '\n') : 0;
    case GUMBO_TAG_DT:
        rc = flush_flow(r);
        rc = rc ? rc : read_children(r, n);
        // The term opens its definition.
        return rc || !r->text.len ? rc : buf_adds(&r->text, ": ");
    case GUMBO_TAG_P:
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_TABLE:
    case GUMBO_TAG_CAPTION:
    case GUMBO_TAG_FIGURE:
    case GUMBO_TAG_FIGCAPTION:
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_HR:
    case GUMBO_TAG_DL:
    case GUMBO_TAG_BODY:
    case GUMBO_TAG_MAIN:
    case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_SUMMARY: {
        // A block that opens a definition goes on behind its term.
        bool behind = r->text.len > 2 && !memcmp(r->text.data + r->text.len - 2, ": ", 2);
        rc = behind ? 0 : flush_flow(r);
        rc = rc ? rc : read_children(r, n);
        return rc ? rc : flush_flow(r);
    }
    case GUMBO_TAG_DD:
        rc = read_children(r, n);
        return rc ? rc : flush_flow(r);
    default:
        return read_children(r, n);
    }
}

static int read_children(struct reader *r, const GumboNode *n)
{
    int rc = 0;
    for (unsigned i = 0; i < n->v.element.children.length && !rc; i++) {
        const GumboNode *c = n->v.element.children.data[i];
        if (c->type == GUMBO_NODE_ELEMENT)
            rc = read_element(r, c);
        else if (c->type == GUMBO_NODE_TEXT || c->type == GUMBO_NODE_WHITESPACE ||
                 c->type == GUMBO_NODE_CDATA)
            rc = add_flow(r, &c->v.text);
    }
    return rc;
}

// <title>, and the first <main>.
static int find_landmarks(struct reader *r, const GumboNode *n)
{
    int rc = 0;
    if (n->type != GUMBO_NODE_ELEMENT)
        return 0;
    if (n->v.element.tag == GUMBO_TAG_TITLE && !r->d->title) {
        struct reader t = {.d = r->d, .text = BUF_INIT};
        rc = add_verbatim(&t, n);
        rc = rc ? rc : doc_set_title(r->d, t.text.data, t.text.len);
        buf_free(&t.text);
        return rc;
    }
    if (n->v.element.tag == GUMBO_TAG_MAIN && !r->main)
        r->main = n;
    for (unsigned i = 0; i < n->v.element.children.length && !rc; i++)
        rc = find_landmarks(r, n->v.element.children.data[i]);
    return rc;
}

// Elements that a closing tag of an inline element does not reach through (HTML 13.2.4.2,
// "special"), as far as documents use them.
static bool is_special(const char *name)
{
    static const char *const names[] = {
        "address", "article", "aside", "blockquote", "body",     "center", "details",
        "dir",     "div",     "dl",    "fieldset",   "figure",   "footer", "form",
        "h1",      "h2",      "h3",    "h4",         "h5",       "h6",     "header",
        "html",    "main",    "menu",  "nav",        "object",   "ol",     "pre",
        "section", "select",  "table", "tbody",      "template", "tfoot",  "thead",
        "ul",      NULL};
    return has_word(name, names);
}

// An upper bound of how deep the tree will be, from the tags alone: a closing tag closes what
// it certainly closes.
static bool too_deep(const char *s, size_t n)
{
    static const char *const flat[] = {"p",      "li",     "dt",  "dd",  "tr",    "td",
                                       "th",     "br",     "hr",  "img", "input", "meta",
                                       "link",   "option", "col", "wbr", "area",  "base",
                                       "source", "param",  NULL};
    char(*open)[12] = malloc(DEPTH_MAX * sizeof *open);
    size_t depth = 0;
    bool deep = !open;
    for (const char *p = s, *end = s + n; !deep && (p = memchr(p, '<', (size_t)(end - p)));) {
        p++;
        bool closing = p < end && *p == '/';
        p += closing;
        if (p >= end || !isalpha((unsigned char)*p))
            continue;
        char name[12] = "";
        for (size_t k = 0; p < end && isalnum((unsigned char)*p) && k < sizeof name - 1; k++)
            name[k] = (char)tolower((unsigned char)*p++);
        if (has_word(name, flat))
            continue;
        if (!closing) {
            deep = depth == DEPTH_MAX;
            if (!deep)
                memcpy(open[depth++], name, sizeof name);
            continue;
        }
        bool special = is_special(name);
        for (size_t k = depth; k-- > 0;) {
            if (!strcmp(open[k], name)) {
                depth = k;
                break;
            }
            if (special ? !strcmp(open[k], "table") : is_special(open[k]))
                break;
        }
    }
    free(open);
    return deep;
}

int read_html(const char *s, size_t n, struct doc *d, struct err *e)
{
    struct reader r = {.d = d, .text = BUF_INIT};
    d->type = "html";
    if (too_deep(s, n))
        return err_set(e, -EINVAL, "its tags are nested more than %d deep", DEPTH_MAX);
    GumboOptions o = kGumboDefaultOptions;
    o.max_errors = 0;
    GumboOutput *tree = gumbo_parse_with_options(&o, s, n);
    if (!tree)
        return err_nomem(e);
    int rc = find_landmarks(&r, tree->root);
    if (!rc)
        rc = read_children(&r, r.main ? r.main : tree->root);
    if (!rc)
        rc = flush_flow(&r);
    gumbo_destroy_output(&o, tree);
    buf_free(&r.text);
    return rc ? err_nomem(e) : 0;
}
