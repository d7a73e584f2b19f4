// SPDX-License-Identifier: MIT
// Scores against those of the authors' own rules (tests/golden/score), and the measures of
// ours.
#include "base/buf.h"
#include "base/file.h"
#include "eval/choice.h"
#include "eval/judge.h"
#include "eval/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_against_golden(void **state)
{
    (void)state;
    struct err e;
    struct buf b = BUF_INIT;
    char path[4096];
    int lines = 0;
    snprintf(path, sizeof path, "%s/tests/golden/score/scores.tsv", getenv("ASKD_SRCDIR"));
    assert_int_equal(file_read(path, 1 << 20, &b, &e), 0);
    for (char *line = b.data, *next; *line; line = next, lines++) {
        char *field[5] = {line};
        next = line + strcspn(line, "\n");
        *next++ = 0;
        for (int i = 1; i < 5; i++) {
            field[i] = strchr(field[i - 1], '\t');
            assert_non_null(field[i]);
            *field[i]++ = 0;
        }
        struct match m;
        const char *gold = field[2];
        int rc = !strcmp(field[0], "squad") ? score_squad(field[1], &gold, 1, &m)
                                            : score_cmrc(field[1], &gold, 1, &m);
        assert_int_equal(rc, 0);
        double em = strtod(field[3], NULL), f1 = strtod(field[4], NULL);
        if (m.em != em || m.f1 < f1 - 1e-5 || m.f1 > f1 + 1e-5)
            fail_msg("%s '%s' '%s': %.0f %f, not %.0f %f", field[0], field[1], field[2], m.em,
                     m.f1, em, f1);
    }
    assert_true(lines > 60);
    buf_free(&b);
}

static bool contains(const char *text, const char *gold)
{
    bool yes;
    assert_int_equal(score_contains(text, &gold, 1, &yes), 0);
    return yes;
}

static void test_contains(void **state)
{
    (void)state;
    assert_true(contains("Use edquota -t to set it.", "edquota -t"));
    assert_true(contains("Use EDQUOTA\n -t.", "edquota  -t"));
    assert_false(contains("It runs ntpd.", "ntp"));
    assert_true(contains("It runs ntp.", "ntp"));
    assert_false(contains("In 1410 or 411", "41"));
    assert_true(contains("There are 41.", "41"));
    assert_true(contains("密码长度至少为 12 个字符", "12个字符"));
    assert_false(contains("a b c", "ab"));
    assert_true(contains("the ~ sign", "~"));
    assert_false(contains("", "x"));
    assert_false(contains("x", ""));
}

static void test_rouge_and_quote(void **state)
{
    (void)state;
    const char *gold[] = {"the cat sat on the mat", "x"};
    double r;
    bool yes;
    assert_int_equal(score_rouge_l("the cat on the mat", gold, 2, &r), 0);
    assert_true(r > 0.909 && r < 0.9091); // 2 * 5 / 11
    assert_int_equal(score_rouge_l("", gold, 2, &r), 0);
    assert_true(r == 0);
    assert_int_equal(score_holds_quote("abcdefghij klm", "abc def ghij", &yes), 0);
    assert_true(yes);
    assert_int_equal(score_holds_quote("xxcdefghij", "abcdefghij", &yes), 0);
    assert_true(yes);
    assert_int_equal(score_holds_quote("abcde12345", "abcdefghij", &yes), 0);
    assert_false(yes);
    assert_int_equal(score_holds_quote("", "", &yes), 0);
    assert_false(yes);
}

static bool near(double a, double b)
{
    return a > b - 5e-5 && a < b + 5e-5;
}

// By the formulas, computed in Python with exact binomials.
static void test_intervals(void **state)
{
    (void)state;
    double low, high;
    wilson(5, 10, &low, &high);
    assert_true(near(low, 0.23659) && near(high, 0.76341));
    wilson(0, 20, &low, &high);
    assert_true(low == 0 && near(high, 0.16113));
    wilson(20, 20, &low, &high);
    assert_true(near(low, 0.83887) && high == 1);
    assert_true(near(sign_test(6, 1), 0.125) && near(sign_test(1, 6), 0.125));
    assert_true(near(sign_test(20, 10), 0.09874));
    assert_true(sign_test(0, 0) == 1 && sign_test(4, 4) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_golden),
        cmocka_unit_test(test_contains),
        cmocka_unit_test(test_rouge_and_quote),
        cmocka_unit_test(test_intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
