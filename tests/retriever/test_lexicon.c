// SPDX-License-Identifier: MIT
// The lexicon's file, and questions that find passages in the other language by it.
#include "base/file.h"
#include "retriever/internal.h"
#include "tests/store/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char path[100];

static int setup(void **state)
{
    int rc = texts_setup(state);
    snprintf(path, sizeof path, "%s/lexicon.tsv", dir);
    return rc;
}

static int open_text(const char *text, size_t n, lexicon **l, struct err *e)
{
    assert_int_equal(file_write_atomic(path, text, n, e), 0);
    return lexicon_open(path, l, e);
}

static void test_reads(void **state)
{
    (void)state;
    const char text[] =
        "# ours\n\n防火墙\tfirewall:0.8\tfilter:.1\r\n防\tguard:1\nport\t端口:0.75\n";
    struct err e;
    lexicon *l;
    size_t n;
    assert_int_equal(open_text(text, sizeof text - 1, &l, &e), 0);
    assert_int_equal(lexicon_terms(l), 3);
    const struct lexicon_translation *t = lexicon_find(l, "防火墙的", strlen("防火墙"), &n);
    assert_int_equal(n, 2);
    assert_string_equal(t[0].word, "firewall");
    assert_string_equal(t[1].word, "filter");
    assert_true(t[0].probability == 0.8 && t[1].probability == 0.1);
    assert_null(lexicon_find(l, "por", 3, &n));
    assert_int_equal(n, 0);
    assert_null(lexicon_find(l, "ports", 5, &n));
    assert_int_equal(lexicon_longest(l, "防火墙规则", strlen("防火墙规则")), strlen("防火墙"));
    assert_int_equal(lexicon_longest(l, "防火", strlen("防火")), strlen("防"));
    assert_int_equal(lexicon_longest(l, "火墙", strlen("火墙")), 0);
    lexicon_close(l);
    assert_int_equal(open_text("", 0, &l, &e), 0);
    assert_int_equal(lexicon_terms(l), 0);
    lexicon_close(l);
}

static void refuse(const char *text, size_t n, const char *why)
{
    struct err e;
    lexicon *l;
    assert_int_equal(open_text(text, n, &l, &e), -EINVAL);
    assert_non_null(strstr(e.msg, path));
    if (!strstr(e.msg, why))
        fail_msg("'%s' does not say '%s'", e.msg, why);
}

static void test_refuses(void **state)
{
    (void)state;
#define REFUSE(text, why) refuse(text, sizeof text - 1, why)
    REFUSE("a\tb:1\nno tab\n", "line 2: not TERM");
    REFUSE("\tb:1\n", "line 1: not TERM");
    REFUSE("a\tb\n", "line 1: 'b' is not");
    REFUSE("a\tb:0.5\tc:\n", "'c:' is not");
    REFUSE("a\t:0.5\n", "':0.5' is not");
    REFUSE("a\tb:0\n", "is not");
    REFUSE("a\tb:1.5\n", "is not");
    REFUSE("a\tb:nan\n", "is not");
    REFUSE("a\tb:0.5x\n", "is not");
    REFUSE("a\t\tb:1\n", "'' is not");
    REFUSE("b\tx:1\na\tx:1\nb\ty:1\n", "line 3: 'b' stands in line 1 already");
    REFUSE("a\tb\0:1\n", "not a text in UTF-8");
    REFUSE("a\t\xFF:1\n", "not a text in UTF-8");
    struct err e;
    lexicon *l;
    assert_int_equal(lexicon_open("/nowhere/x.tsv", &l, &e), -ENOENT);
    assert_non_null(strstr(e.msg, "/nowhere/x.tsv"));
}

static void test_the_one_that_comes_with_askd(void **state)
{
    (void)state;
    char shipped[4096];
    struct err e;
    lexicon *l;
    size_t n;
    snprintf(shipped, sizeof shipped, "%s/models/lexicon/en-zh.lexicon.tsv",
             getenv("ASKD_SRCDIR"));
    assert_int_equal(lexicon_open(shipped, &l, &e), 0);
    assert_true(lexicon_terms(l) > 100000);
    assert_string_equal(lexicon_find(l, "防火墙", strlen("防火墙"), &n)->word, "firewall");
    assert_string_equal(lexicon_find(l, "passwords", 9, &n)->word, "密码");
    lexicon_close(l);
}

// The documents found, best first, as the last letters of their paths.
static void found(retriever *r, const char *question, const char *want)
{
    struct err e = {0};
    struct retriever_result out;
    char got[16] = "";
    arena *a = arena_new(0);
    const struct retriever_query q = {.question = question, .k = 10};
    assert_int_equal(retriever_search(r, &q, a, &out, &e), 0);
    for (size_t i = 0; i < out.n && i < 15; i++)
        strncat(got, strrchr(out.hits[i].document->path, '/') + 1, 1);
    assert_string_equal(got, want);
    arena_free(a);
}

static void check_foreign(retriever *r, const char *question, bool foreign)
{
    struct err e = {0};
    struct retriever_result out;
    arena *a = arena_new(0);
    const struct retriever_query q = {.question = question, .k = 1};
    assert_int_equal(retriever_search(r, &q, a, &out, &e), 0);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.hits[0].foreign, foreign);
    arena_free(a);
}

static void test_finds_across(void **state)
{
    (void)state;
    const char text[] = "防火墙\tfirewall:0.8\n放行\tallow:0.5\n端口\tport:0.9\n"
                        "quota\t配额:0.6\tquota:0.1\nfirewall\t防火墙:0.9\n";
    struct err e;
    lexicon *l;
    store *s;
    retriever *r;
    assert_int_equal(open_text(text, sizeof text - 1, &l, &e), 0);
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    put(s, "/a", "The firewall must allow port 41 of the host.");
    put(s, "/b", "A port is where ships land.");
    put(s, "/c", "磁盘配额用命令设置。");
    put(s, "/d", "防火墙。");
    for (int i = 0; i < 8; i++) { // words that are in most passages would count for nothing
        char where[] = "/x0";
        where[2] = (char)('0' + i);
        put(s, where, "Nothing of interest.");
    }
    store_close(s);
    assert_int_equal(retriever_open(dir, NULL, NULL, NULL, &r, &e), 0);
    found(r, "端口放行", "");
    found(r, "quota", "");
    retriever_use_lexicon(r, l);
    found(r, "端口放行", "ab"); // both terms, one
    check_foreign(r, "端口放行", true);
    check_foreign(r, "allow the port", false);
    found(r, "quota", "c");
    found(r, "防火墙", "da"); // as asked, and translated: the shorter one first
    found(r, "无关", "");
    retriever_close(r);
    lexicon_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_the_one_that_comes_with_askd),
        cmocka_unit_test(test_finds_across),
    };
    return cmocka_run_group_tests(tests, setup, texts_teardown);
}
