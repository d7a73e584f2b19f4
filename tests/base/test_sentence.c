// SPDX-License-Identifier: MIT
#include "base/buf.h"
#include "base/sentence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, const char *expected)
{
    struct buf b = BUF_INIT;
    struct sentence s;
    size_t pos = 0, n = strlen(text);
    while (sentence_next(text, n, &pos, &s)) {
        assert_true(s.start < s.end && s.end <= n);
        buf_addf(&b, "<%.*s>", (int)(s.end - s.start), text + s.start);
    }
    assert_string_equal(b.data, expected);
    buf_free(&b);
}

static void test_english(void **state)
{
    (void)state;
    check("", "");
    check(" \n ", "");
    check("One. Two! Three?", "<One.><Two!><Three?>");
    check("See e.g. the manual, v1.2. Done.", "<See e.g. the manual, v1.2.><Done.>");
    check("Edit /etc/fstab.conf now.\nThen reboot", "<Edit /etc/fstab.conf now.><Then reboot>");
    check("Mr. Smith (of X.) said \"stop.\" He left.",
          "<Mr. Smith (of X.) said \"stop.\"><He left.>");
    check("1. First step. 2. Second.", "<1. First step.><2. Second.>");
}

static void test_layout(void **state)
{
    (void)state;
    check("a line\nthat goes on\n\nnew", "<a line\nthat goes on><new>");
    check("Do:\n- one\n- two\n1. three", "<Do:><- one><- two><1. three>");
    check("Run:\n```\nls. -l\nrm x\n```\nEnd.", "<Run:><```\nls. -l\nrm x\n```><End.>");
    check("```\nopen", "<```\nopen>");
    check("See below.\nHost | Owner\na | A. B.\nb | C\nDone. Now",
          "<See below.><Host | Owner><a | A. B.><b | C><Done.><Now>");
    check("Run ps | grep it. Then stop", "<Run ps | grep it.><Then stop>");
}

static void test_chinese(void **state)
{
    (void)state;
    check("第一句。第二句！“第三句？”完", "<第一句。><第二句！><“第三句？”><完>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_english),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_chinese),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
