// SPDX-License-Identifier: MIT
#include "base/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// The list around the first place of `at` in text: its lead-in and its items, or "none".
static void check(const char *text, const char *at, const char *lead, const char *items)
{
    struct layout_list l;
    char got[2][200] = {"", "none"};
    if (layout_list_at(text, strlen(text), (size_t)(strstr(text, at) - text), &l)) {
        snprintf(got[0], sizeof got[0], "%.*s", (int)(l.start - l.lead), text + l.lead);
        snprintf(got[1], sizeof got[1], "%.*s", (int)(l.end - l.start), text + l.start);
    }
    assert_string_equal(got[1], items);
    assert_string_equal(got[0], lead);
}

static void test_lists(void **state)
{
    (void)state;
    const char *ports =
        "Mind this. These ports must\nbe open:\n\n- 443 for HTTPS\n- 22 for SSH,\n"
        "from inside\n\nThat is all.";
    const char *items = "- 443 for HTTPS\n- 22 for SSH,\nfrom inside";
    const char *lead = "These ports must\nbe open:\n\n";
    check(ports, "443", lead, items);
    check(ports, "22", lead, items);
    check(ports, "from inside", lead, items);
    check(ports, "These", lead, items);
    check(ports, "be open", lead, items);
    check(ports, "Mind", "", "none");
    check(ports, "That", "", "none");
    check("1. One.\n2. Two.\n\n   More of two.\n3. Three.", "More", "",
          "1. One.\n2. Two.\n\n   More of two.\n3. Three.");
    check("步骤：\n1. 登录。\n2. 提交。", "提交", "步骤：\n", "1. 登录。\n2. 提交。");
    check("- only", "only", "", "- only");
    check("a: b\nplain", "a", "", "none");
    check("Ends here:", "Ends", "", "none");
    struct layout_list l;
    assert_true(layout_list_at("1) a\n2) b", 9, 6, &l) && l.numbered);
    assert_true(layout_list_at("- a\n- b", 7, 6, &l) && !l.numbered);
    assert_false(layout_list_at("", 0, 0, &l));
}

static void test_items(void **state)
{
    (void)state;
    assert_int_equal(layout_item("- x", 3), 2);
    assert_int_equal(layout_item("  12. x", 7), 6);
    assert_int_equal(layout_item("\xE2\x80\xA2 x", 5), 4);
    assert_int_equal(layout_item("-x", 2), 0);
    assert_int_equal(layout_item("2026. x", 7), 0);
    assert_int_equal(layout_item("1.", 2), 0);
    assert_int_equal(layout_item("", 0), 0);
}

static void test_tables(void **state)
{
    (void)state;
    const char *t = "Text.\nHost | Owner\na | Ana\nb | Wei\n\nps aux | grep x\nend";
    size_t n = strlen(t), start, end, wei = (size_t)(strstr(t, "b |") - t);
    assert_false(layout_is_row(t, n, 0));
    assert_true(layout_is_row(t, n, (size_t)(strstr(t, "Host") - t)));
    assert_true(layout_is_row(t, n, wei));
    assert_false(layout_is_row(t, n, (size_t)(strstr(t, "ps") - t)));
    assert_false(layout_is_row(t, n, n));
    layout_head_of(t, n, wei, &start, &end);
    assert_int_equal(start, 6);
    assert_int_equal(end, 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
