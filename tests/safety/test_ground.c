// SPDX-License-Identifier: MIT
#include "safety/ground.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char passage[] =
    "Jobs are queued with at. To cancel an at task, simply run atrm task-number\nwith the "
    "number "
    "that atq shows.\n\nThe limit is 50 jobs per user. Do not edit /etc/at.deny by hand. "
    "The Debian project ships it.";

static void expect(const char *sentence, const char *why)
{
    struct ground_verdict v;
    assert_int_equal(ground_check(sentence, strlen(sentence), passage, strlen(passage), &v), 0);
    if (why) {
        if (v.grounded)
            print_error("let through: %s\n", sentence);
        assert_false(v.grounded);
        assert_string_equal(v.why, why);
    } else {
        if (!v.grounded)
            print_error("%s: %s (%.2f)\n", sentence, v.why, v.overlap);
        assert_true(v.grounded);
    }
}

static void test_english(void **state)
{
    (void)state;
    expect("To cancel an at task, run `atrm task-number`. [1]", NULL);
    expect("You cancel tasks by running atrm.", NULL);
    expect("The limit is 50 jobs per user [1].", NULL);
    expect("The limit is 60 jobs per user.", "number");
    expect("Run `sudo rm -r -p \"atrm\"` to cancel the task.", "literal");
    expect("Edit /etc/at.allow to cancel a task.", "literal");
    expect("The Fedora project ships it.", "name"); // first word is no name
    expect("The task cancels when Fedora runs.", "name");
    expect("Elephants migrate across large savannas every year.", "wording");
    expect("To cancel an at task, do not run atrm task-number.", "negation");
    expect("[1]", "empty");
}

// What counts the items of a list is no number that a sentence may take up.
static void test_list(void **state)
{
    (void)state;
    static const char list[] =
        "Rules\n1. One loop thread owns every socket.\n2. The engine uses "
        "threads of its own.\n  3) At most 16 clients wait.";
    struct ground_verdict v;
    const char *bad = "The engine uses 2 threads.", *good = "At most 16 clients wait.";
    const char *third = "At most 3 clients wait.";
    assert_int_equal(ground_check(third, strlen(third), list, strlen(list), &v), 0);
    assert_string_equal(v.why, "number");
    assert_int_equal(ground_check(bad, strlen(bad), list, strlen(list), &v), 0);
    assert_false(v.grounded);
    assert_string_equal(v.why, "number");
    assert_int_equal(ground_check(good, strlen(good), list, strlen(list), &v), 0);
    assert_true(v.grounded);
}

static void test_chinese(void **state)
{
    (void)state;
    static const char zh[] = "要取消任务，请运行 atrm 命令。每个用户最多 50 个任务。";
    struct ground_verdict v;
    const char *good = "取消任务请运行 atrm 命令。", *bad = "删除文件后重新启动系统。";
    assert_int_equal(ground_check(good, strlen(good), zh, strlen(zh), &v), 0);
    assert_true(v.grounded);
    assert_int_equal(ground_check(bad, strlen(bad), zh, strlen(zh), &v), 0);
    assert_false(v.grounded);
}

// Each line of the check's own rules, from both sides.
static void test_edges(void **state)
{
    (void)state;
    expect("The limit is 50 jobs per user [1, 2].", NULL);
    expect("The limit is 50 jobs per user [x].", NULL); // no citation, no number either
    expect("The limit is 50 jobs per user [].", NULL);
    expect("The limit is 50 jobs per user [12", "number");        // not closed: a number
    expect("Run \"atrm task-number to cancel an at task.", NULL); // one quotation mark alone
    expect("Run `` atrm task-number to cancel an at task.", NULL);
    expect("Do not edit /etc/at.deny by hand.", NULL);
    expect("Do not edit C:\\at.deny by hand.", "literal");
    expect("Do not edit ~/at.deny by hand.", "literal");
    expect("Do not edit at_deny by hand.", "literal");
    expect("Do not edit $AT by hand.", "literal");
    expect("Cancel an at task with -f and atrm.", "literal");
    expect("The\tlimit is\r\n50 jobs\nper user.", NULL); // one space is as good as another
    expect("Do not edit a=b by hand.", "literal");
    expect("Do not edit root@host by hand.", "literal");
    expect("Do not edit at.allow by hand.", "literal");
    expect("Do not edit at.deny by hand.", NULL); // its path is in the passage
    expect("The limit is 50% of jobs per user.", "number");
    expect("The limit is 5 jobs per user.", "number"); // within 50, not itself
    expect("The limit is 150 jobs per user.", "number");
    expect("", "empty");
    expect("!!!", "empty");
    expect("Supercalifragilisticexpialidociousnesses are jobs queued with at.", "wording");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_english),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_chinese),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
