// SPDX-License-Identifier: MIT
// The words of questions: what counts as found, what as told, when a question leans on the one
// before it.
#include "answer/internal.h"
#include "base/stop.h"
#include "base/utf8.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static arena *a;

static int setup(void **state)
{
    (void)state;
    return (a = arena_new(0)) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static const char *fold(const char *s)
{
    return words_fold(s, strlen(s), a);
}

static void test_fold(void **state)
{
    (void)state;
    assert_string_equal(fold("The\nＤＩＳＫ  Quota"), "the disk  quota");
    assert_non_null(words_fold("\xff\xfe", 2, a));
}

static void test_stop_words(void **state)
{
    (void)state;
    assert_true(stop_word("the"));
    assert_true(stop_word("的"));
    assert_true(stop_word("怎么"));
    assert_false(stop_word("会话")); // a session, though 会 alone says nothing
    assert_false(stop_word("he's")); // not a word of the list
    assert_false(stop_word("quota"));
    assert_false(stop_word(""));
    assert_false(stop_word("a-word-that-is-much-longer-than-any-of-the-list"));
}

static void test_coverage(void **state)
{
    (void)state;
    const char *w[] = {"quotas", "edquota", "密码"};
    double weight[] = {1, 2, 1};
    const struct word_list list = {.w = w, .weight = weight, .n = 3};
    assert_true(words_coverage(&list, fold("A quota is set with edquota; 密码 too"), false) ==
                1);
    assert_true(words_coverage(&list, fold("a QUOTA"), false) == 0.25);
    assert_true(words_coverage(&list, fold("subquotation"), false) == 0); // inside another word
    assert_true(words_coverage(&(struct word_list){0}, "x", false) == 0);
    // In the other script: the terms by what they are called there, and words in Latin letters.
    const struct lexicon_translation quota[] = {{"配额", 0.6}, {"限额", 0.2}},
                                     guest[] = {{"来宾", 0.5}};
    struct retriever_term terms[] = {{quota, 2}, {guest, 1}};
    double term_weight[] = {3, 1};
    const struct word_list both = {.w = w,
                                   .weight = weight,
                                   .n = 2,
                                   .terms = terms,
                                   .term_weight = term_weight,
                                   .n_terms = 2};
    const char *there = fold("用 edquota 设置限额"); // 2 and 3 of 1, 2, 3 and 1
    assert_true(fabs(words_coverage(&both, there, true) - 5.0 / 7) < 1e-9);
    assert_true(fabs(words_coverage(&both, there, false) - 2.0 / 3) < 1e-9);
    assert_true(words_coverage(&both, fold("quotas: edquota"), true) == 1); // its own words
}

static void test_told(void **state)
{
    (void)state;
    const char *quote =
        fold("To cancel a job that was queued with at, type atrm and its number.");
    assert_true(words_told(fold("You can cancel the queued job with atrm."), quote, a));
    assert_false(words_told(fold("Cancel the job with rm."), fold("the job"), a));
    assert_true(words_told(fold("It is."), quote, a)); // says nothing
    assert_true(utf8_has_cjk("use 密码"));
    assert_false(utf8_has_cjk("naïve — “quoted”"));
}

static const char *asked(const char *before, const char *question)
{
    const struct answer_turn turns[] = {{true, before}, {false, "An answer. [1]"}};
    const struct answer_request r = {
        .question = question, .history = turns, .n_history = before ? 2 : 0};
    return followup_standalone(&r, a);
}

static void test_followups(void **state)
{
    (void)state;
    const char *first = "How do I set a disk quota?";
    assert_string_equal(asked(NULL, "And how do I remove it?"), "And how do I remove it?");
    assert_string_equal(asked(first, "And how do I remove it?"),
                        "How do I set a disk quota? And how do I remove it?");
    assert_string_equal(asked(first, "Which port does NFS version 4 use?"),
                        "Which port does NFS version 4 use?");
    assert_string_equal(asked("怎么重置密码？", "它多久过期？"), "怎么重置密码？ 它多久过期？");
    char longer[1300];
    for (size_t i = 0; i < sizeof longer - 1; i++)
        longer[i] = "密"[i % 3];
    longer[sizeof longer - 1] = 0;
    const char *cut = asked(longer, "why?");
    assert_int_equal(strlen(cut), 399 + strlen(" why?")); // at a character's end
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),      cmocka_unit_test(test_stop_words),
        cmocka_unit_test(test_coverage),  cmocka_unit_test(test_told),
        cmocka_unit_test(test_followups),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
