// SPDX-License-Identifier: MIT
// Page furniture by the names that generators give it (DocBook, Sphinx, MkDocs, Doxygen,
// Docusaurus, MediaWiki, Confluence, pandoc).
#include "ingest/furniture.h"

#include <ctype.h>
#include <string.h>

const char *html_attribute(const GumboElement *e, const char *name)
{
    const GumboAttribute *a = gumbo_get_attribute(&e->attributes, name);
    return a ? a->value : "";
}

// Is `word` one of the white-space separated words?
static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = words; (p = strstr(p, word)); p += n)
        if ((p == words || isspace((unsigned char)p[-1])) &&
            (!p[n] || isspace((unsigned char)p[n])))
            return true;
    return false;
}

static bool furniture(const GumboElement *e)
{
    static const char *const words[] = {
        "docnav",
        "navheader",
        "navfooter",
        "toc",
        "toc-list",
        "nav",
        "navbar",
        "navigation",
        "breadcrumb",
        "breadcrumbs",
        "sidebar-nav",
        "sphinxsidebar",
        "related",
        "footer",
        "page-footer",
        "site-footer",
        "site-header",
        "banner",
        "md-sidebar",
        "md-header",
        "md-footer",
        "wy-nav-side",
        "wy-nav-top",
        "rst-footer-buttons",
        "headerlink",
        "theme-doc-sidebar-container",
        "pagination",
        "pagination-nav",
        "table-of-contents",
        "tableOfContents",
        "mw-jump-link",
        "mw-editsection",
        "printfooter",
        "catlinks",
        "noprint",
        "cookie-banner",
        "skip-link",
        "prevnext",
        "indexterm",
        "edit-page-link",
        "copybtn",
        "linenos",
        "lineno",
        "hidden",
        "visually-hidden",
        "sr-only",
    };
    static const char *const ids[] = {
        "banner",
        "toc",
        "TOC",
        "nav",
        "navbar",
        "navigation",
        "sidebar",
        "footer",
        "header",
        "mw-navigation",
        "mw-head",
        "mw-panel",
        "breadcrumbs",
        "cookie-banner",
        "table-of-contents",
        "top",
        "nav-path",
        "side-nav",
        "MSearchSelectWindow",
    };
    const char *class = html_attribute(e, "class"), *id = html_attribute(e, "id");
    if (e->tag == GUMBO_TAG_BODY || e->tag == GUMBO_TAG_HTML || e->tag == GUMBO_TAG_MAIN)
        return false;
    for (size_t i = 0; *class && i < sizeof words / sizeof *words; i++)
        if (has_word(class, words[i]))
            return true;
    // Publican's page title is two logos.
    if (*id && e->tag == GUMBO_TAG_P && !strcmp(id, "title"))
        return true;
    for (size_t i = 0;
         *id && e->tag != GUMBO_TAG_A && e->tag < GUMBO_TAG_H1 && i < sizeof ids / sizeof *ids;
         i++)
        if (!strcmp(id, ids[i]))
            return true;
    return *id && (e->tag == GUMBO_TAG_DIV || e->tag == GUMBO_TAG_UL) &&
           (!strcmp(id, "banner") || !strcmp(id, "toc") || !strcmp(id, "footer") ||
            !strcmp(id, "header") || !strcmp(id, "sidebar") || !strcmp(id, "navigation") ||
            !strcmp(id, "table-of-contents"));
}

bool html_dropped(const GumboElement *e, bool has_main)
{
    switch (e->tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_FORM:
    case GUMBO_TAG_BUTTON:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TEXTAREA:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_MATH:
    case GUMBO_TAG_CANVAS:
        return true;
    case GUMBO_TAG_HEADER:
        return !has_main;
    default: {
        const char *role = html_attribute(e, "role");
        return !strcmp(role, "navigation") || !strcmp(role, "search") ||
               !strcmp(role, "banner") || !strcmp(role, "contentinfo") ||
               !strcmp(html_attribute(e, "aria-hidden"), "true") ||
               gumbo_get_attribute(&e->attributes, "hidden") || furniture(e);
    }
    }
}
