// SPDX-License-Identifier: MIT
// Sketches of documents, and what names say about versions.
#include "ingest/doctor.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sketch sketch_of(const char *text)
{
    struct sketch k;
    sketch_open(&k);
    sketch_add(&k, text, strlen(text));
    sketch_close(&k);
    return k;
}

// `n` words, of which those from `from` on are others.
static void words(struct buf *b, unsigned n, unsigned from)
{
    buf_clear(b);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(buf_addf(b, "%s%u ", i < from ? "w" : "x", i * 7919 % 1000), 0);
}

static void test_alike(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    words(&b, 1000, 1000);
    struct sketch whole = sketch_of(b.data);
    assert_int_equal(whole.runs, 997);
    // Of 997 + 997 runs, those before `from` are common: the estimate follows their share.
    const struct {
        unsigned from;
        double share;
    } cases[] = {{1000, 1}, {900, 0.82}, {500, 0.33}, {0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        words(&b, 1000, cases[i].from);
        struct sketch other = sketch_of(b.data);
        double got = sketch_alike(&whole, &other);
        assert_true(got > cases[i].share - 0.15 && got < cases[i].share + 0.15);
        assert_true(sketch_alike(&other, &whole) == got);
    }
    struct sketch none = sketch_of("three words only");
    assert_int_equal(none.runs, 0);
    assert_true(sketch_alike(&none, &none) == 0);
    buf_free(&b);
    // Case and punctuation are not the text; the parts of a document are read one by one.
    struct sketch a = sketch_of("The disk is full; call the help desk of the site."),
                  c = sketch_of("the DISK is full. Call the help-desk of the site");
    assert_true(sketch_alike(&a, &c) == 1);
}

static void test_language(void **state)
{
    (void)state;
    const struct {
        const char *text;
        enum language want;
    } cases[] = {
        {"The backup of the server starts in the night and ends in the morning of the next "
         "day.",
         LANGUAGE_ENGLISH},
        {"备份每天凌晨开始，早上结束，管理员负责检查。", LANGUAGE_CHINESE},
        {"用 rsync 备份 home 目录，管理员每天检查日志文件是否完整。", LANGUAGE_CHINESE},
        {"Die Sicherung des Servers beginnt in der Nacht und endet am Morgen, wenn alles "
         "läuft.",
         LANGUAGE_OTHER},
        {"バックアップは毎日午前三時に始まり、朝に終わります。", LANGUAGE_OTHER},
        {"Stub.", LANGUAGE_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sketch k = sketch_of(cases[i].text);
        assert_int_equal(sketch_language(&k), cases[i].want);
    }
}

static struct version_name name(const char *path)
{
    struct version_name v;
    version_name_of(path, &v);
    return v;
}

static void test_names(void **state)
{
    (void)state;
    const char *const same[][2] = {
        {"/srv/handbook.md", "/srv/handbook-v2.md"},
        {"/srv/handbook.md", "/srv/Handbook (1).md"},
        {"/srv/handbook.md", "/srv/handbook_old.md"},
        {"/srv/handbook.md", "/srv/handbook copy.md"},
        {"/srv/handbook.md", "/srv/old/handbook.html"},
        {"/srv/handbook.md", "/srv/handbook-2024-11-12.pdf"},
        {"/srv/handbook-1.2.md", "/srv/handbook-1.10.md"},
        {"/srv/v1/guide.md", "/srv/v2/guide.md"},
        {"/srv/policy 2024.md", "/srv/policy 2025.md"},
        {"/srv/用户手册.md", "/srv/用户手册-旧版.md"},
        {"/srv/用户手册.md", "/srv/用户手册（副本）.md"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (name(same[i][0]).key != name(same[i][1]).key)
            fail_msg("%s and %s are one name", same[i][0], same[i][1]);
    const char *const other[][2] = {
        {"/srv/chapter-1.md", "/srv/chapter-2.md"},
        {"/srv/2024-05-01.md", "/srv/2024-05-02.md"},
        {"/srv/a/handbook.md", "/srv/b/handbook.md"},
        {"/srv/handbook.md", "/srv/quotas.md"},
        {"/srv/用户手册.md", "/srv/管理手册.md"},
        {"/srv/server1.md", "/srv/server2.md"},
    };
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (name(other[i][0]).key == name(other[i][1]).key)
            fail_msg("%s and %s are two names", other[i][0], other[i][1]);
    assert_true(name("/srv/handbook_old.md").marked);
    assert_true(name("/srv/旧版手册.md").marked);
    assert_false(name("/srv/handbook-new.md").marked);
    assert_true(name("/srv/h-1.10.md").number > name("/srv/h-1.2.md").number);
    assert_true(name("/srv/h-2025-03.md").number > name("/srv/h-2024-11.md").number);
    assert_true(name("/srv/h.md").number == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alike),
        cmocka_unit_test(test_language),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
