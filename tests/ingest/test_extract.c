// SPDX-License-Identifier: MIT
// Formats -> blocks, as one readable string: "h2@4 Heading", "p@6-7 text", one line a block.
#include "ingest/extract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char shown[65536];

static void show(const struct doc *d)
{
    static const char *const kinds[] = {"h", "p", "i", "c", "r"};
    char *to = shown, *end = shown + sizeof shown;
    *to = 0;
    for (size_t i = 0; i < d->n_blocks; i++) {
        const struct block *b = &d->blocks[i];
        int first = doc_line_at(d, b->off), last = doc_line_at(d, b->off + b->len - 1);
        to += snprintf(to, (size_t)(end - to), "%s", kinds[b->kind]);
        if (b->kind == BLOCK_HEADING)
            to += snprintf(to, (size_t)(end - to), "%d", b->level);
        to += b->page         ? snprintf(to, (size_t)(end - to), "#%d", b->page)
              : first == last ? snprintf(to, (size_t)(end - to), "@%d", first)
                              : snprintf(to, (size_t)(end - to), "@%d-%d", first, last);
        to += snprintf(to, (size_t)(end - to), " %.*s\n", (int)b->len, d->text.data + b->off);
    }
}

typedef int extractor(const char *, size_t, struct doc *, struct err *);

static void check(extractor *fn, const char *source, const char *title, const char *want)
{
    struct doc d;
    struct err e = {0};
    assert_int_equal(fn(source, strlen(source), &d, &e), 0);
    show(&d);
    assert_string_equal(shown, want);
    assert_string_equal(d.title.data, title);
    doc_free(&d);
}

static void test_markdown(void **state)
{
    (void)state;
    check(extract_markdown,
          "---\ntitle: \"Front\"\n---\n# Top *it*\n\nSome `code` and\nmore **text**.\nHard  "
          "\nbreak &amp; &#x41;\n\n"
          "## Sub\n\n- one\n- two\n  more\n   1. deep\n\n```sh\nls -l\n\n  x\n```\n"
          "| a | b |\n|---|---|\n| 1 | 2 |\n\n<!-- gone -->\n\n> "
          "quoted\n\n[x](https://e.org/p) ![alt](i.png)\n"
          "<b>raw</b>\n",
          "Front",
          "h1@4 Top it\n"
          "p@6-9 Some code and more text. Hard\nbreak & A\n"
          "h2@11 Sub\n"
          "i@13 - one\n"
          "i@14-15 - two more\n"
          "i@16   1. deep\n"
          "c@19-21 ls -l\n\n  x\n"
          "r@23 a | b\n"
          "r@25 1 | 2\n"
          "p@29 quoted\n"
          "p@31-32 x (https://e.org/p) alt raw\n");
}

static void test_text(void **state)
{
    (void)state;
    check(extract_text,
          "Title here\n==========\n\nThis is a paragraph of prose, whose lines are long enough "
          "to be\n"
          "prose, and the second one is as long as the first so that they are folded\ninto "
          "one.\n\n- item one\n  goes on\n- item two\n\n"
          "    indented code\n      stays\n\nName: x\nSort: y\nSize: z\n",
          "Title here",
          "h1@1 Title here\n"
          "p@4-6 This is a paragraph of prose, whose lines are long enough to be prose, and "
          "the second one is as long as the first so "
          "that they "
          "are folded into one.\n"
          "i@8-9 - item one goes on\n"
          "i@10 - item two\n"
          "c@12-13     indented code\n      stays\n"
          "p@15-17 Name: x\nSort: y\nSize: z\n");
}

static void test_html(void **state)
{
    (void)state;
    check(extract_html,
          "<!DOCTYPE html><html><head><title>Page &amp; title</title>\n"
          "<link rel='up' title='Chapter 2'><style>p{}</style></head><body>\n"
          "<nav>menu</nav><div class='docnav top'>Prev Next</div><script>x()</script>\n"
          "<h1>Head</h1><p>One <b>two</b>\nthree.</p>text alone<ul>\n"
          "<li>a</li><li><p>b</p><ol start='3'><li>deep</li></ol></li></ul>\n"
          "<pre>x  y\n  <b>z</b></pre><dl><dt>term</dt><dd>meaning</dd></dl>\n"
          "<table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td><p>2</p></td></tr></table>\n"
          "<div hidden>h</div><p>last<br>line</p><footer>licence</footer></body></html>",
          "Page & title",
          "h1@4 Head\n"
          "p@4-5 One two three.\n"
          "p@5 text alone\n"
          "i@6 - a\n"
          "i@6 - b\n"
          "i@6   3. deep\n"
          "c@7-8 x  y\n  z\n"
          "i@8 term: meaning\n"
          "r@9 k | v\n"
          "r@9 1 | 2\n"
          "p@10 last\nline\n");
}

static void test_pages(void **state)
{
    (void)state;
    struct doc d;
    struct err e = {0};
    doc_init(&d, "pdf");
    const char *s = "1.2 Quotas\n\nFirst page.\n\fSecond page.\n\n\f";
    assert_int_equal(extract_pages(s, strlen(s), &d, &e), 0);
    show(&d);
    assert_string_equal(shown, "h2#1 1.2 Quotas\np#1 First page.\np#2 Second page.\n");
    assert_int_equal(doc_line_at(&d, 0), 0);
    doc_free(&d);
}

// Hostile input comes back as text or as an error, never as a crash, and within bounds.
static void test_hostile(void **state)
{
    (void)state;
    static const char *const parts[] = {"<div>", "<b a=1>", "<table><td>", "<p><a>", "> ",
                                        "- ",    "[",       "<!--",        "*a_",    "\n#",
                                        "&#x0;", "\r",      "```\n"};
    extractor *const fns[] = {extract_html, extract_markdown, extract_text};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t one = strlen(parts[i]), n = 20000 * one;
        char *s = malloc(n + 1);
        assert_non_null(s);
        for (size_t k = 0; k < n; k += one)
            memcpy(s + k, parts[i], one);
        s[n] = 0;
        for (size_t f = 0; f < 3; f++) {
            struct doc d;
            struct err e = {0};
            int rc = fns[f](s, n, &d, &e);
            assert_true(rc == 0 || (rc == -EOVERFLOW && *e.msg));
            doc_free(&d);
        }
        free(s);
    }
}

static void decode(const char *s, size_t n, enum format f, const char *want)
{
    struct buf b = BUF_INIT;
    struct err e = {0};
    const char *charset;
    assert_int_equal(buf_add(&b, s, n), 0);
    int rc = extract_charset(&b, f, &charset, &e);
    if (!want)
        assert_int_equal(rc, -EILSEQ);
    else
        assert_string_equal(b.data, want);
    buf_free(&b);
}

static void test_charset(void **state)
{
    (void)state;
    decode("\xEF\xBB\xBFmark", 7, FORMAT_TEXT, "mark");
    decode("\xFF\xFEh\0\xe9\0", 6, FORMAT_TEXT, "h\xC3\xA9");
    decode("\xFE\xFF\0h\x4e\x2d", 6, FORMAT_TEXT, "h\xE4\xB8\xAD");
    decode("plain \xE4\xB8\xAD", 9, FORMAT_TEXT, "plain \xE4\xB8\xAD");
    const char *page = "<meta charset=\"iso-8859-1\"><p>caf\xE9 na\xEFve d\xE9j\xE0";
    decode(page, strlen(page), FORMAT_HTML,
           "<meta charset=\"iso-8859-1\"><p>caf\xC3\xA9 na\xC3\xAFve d\xC3\xA9j\xC3\xA0");
    // Text in GB18030, told from its bytes alone.
    const char *gb = "\xD6\xD0\xCE\xC4\xCE\xC4\xB5\xB5\xA3\xAC\xD5\xE2\xCA\xC7\xD2\xBB\xB6\xCE"
                     "\xB2\xE2\xCA\xD4\xCE\xC4\xB1\xBE\xA1\xA3";
    decode(gb, strlen(gb), FORMAT_TEXT, "中文文档，这是一段测试文本。");
    decode("ELF\0\1\2", 6, FORMAT_TEXT, NULL);
}

static void test_format(void **state)
{
    (void)state;
    assert_int_equal(extract_format("a/b.MD", "x", 1), FORMAT_MARKDOWN);
    assert_int_equal(extract_format("a.b/c", "\n <!DOCTYPE HTML>", 17), FORMAT_HTML);
    assert_int_equal(extract_format("x.bin", "%PDF-1.4", 8), FORMAT_PDF);
    assert_int_equal(extract_format("x.md/readme", "", 0), FORMAT_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markdown), cmocka_unit_test(test_text),
        cmocka_unit_test(test_html),     cmocka_unit_test(test_pages),
        cmocka_unit_test(test_hostile),  cmocka_unit_test(test_charset),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests_name("extract", tests, NULL, NULL);
}
