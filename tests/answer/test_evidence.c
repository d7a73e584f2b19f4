// SPDX-License-Identifier: MIT
// How sure there is an answer: which signals count where, and which way.
#include "answer/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct retriever_document document = {.path = "a.md", .title = "Quotas"};
static const char *const section[] = {NULL};

// What may stand behind a question, all in the middle of what is usual.
struct signals {
    double dense, english, fused, read, similarity;
    bool foreign, hidden;
};
static const struct signals usual = {.dense = 0.87, .fused = 0.95, .similarity = 0.88};

static double confidence(struct signals s, const char *question)
{
    const char *w[] = {"quota", "soft"};
    double weight[] = {1, 1};
    const struct word_list words = {.w = w, .weight = weight, .n = 2};
    struct answer_passage passage = {.hit = {.fused = s.fused,
                                             .dense = s.dense,
                                             .english = s.english,
                                             .read = s.read,
                                             .foreign = s.foreign,
                                             .document = &document,
                                             .section = section,
                                             .text = "A quota may be exceeded."},
                                     .hidden = s.hidden};
    const struct answer_passages p = {.passages = &passage, .n = 1, .question = question};
    const struct extract x = {.similarity = s.similarity};
    struct answer_evidence out;
    arena *a = arena_new(0);
    assert_non_null(a);
    assert_int_equal(evidence_measure(&p, &words, &x, 1, a, &out), 0);
    arena_free(a);
    assert_true(out.confidence > 0 && out.confidence < 1);
    return out.confidence;
}

static double english(struct signals s)
{
    return confidence(s, "What is a soft quota?");
}

static void test_more_is_surer(void **state)
{
    (void)state;
    struct signals s = usual, more = usual;
    more.similarity = 0.92;
    assert_true(english(more) > english(s));
    more = s;
    more.dense = 0.91;
    assert_true(english(more) > english(s));
    s.read = 0.1;
    more = s;
    more.read = 0.9;
    assert_true(english(more) > english(s));
    // Cosines of Chinese run higher: the same ones say less.
    assert_true(confidence(usual, "什么是软配额？") < english(usual));
}

static void test_second_embedder(void **state)
{
    (void)state;
    struct signals low = usual, high = usual;
    low.english = 0.2;
    high.english = 0.8;
    assert_true(english(low) < EVIDENCE_DEFAULT_MIN);
    assert_true(english(high) > 0.7);
    low.read = high.read = 0.5;
    assert_true(english(low) < EVIDENCE_DEFAULT_MIN);
    assert_true(english(high) > 0.7);
    // Where it speaks, the first one's cosine of the passage adds nothing.
    struct signals other = high;
    other.dense = 0.8;
    assert_true(english(other) == english(high));
    // It says nothing of a passage in another language, nor does the reader.
    low.foreign = high.foreign = true;
    high.read = 0.9;
    assert_true(english(low) == english(high));
}

static void test_words_alone(void **state)
{
    (void)state;
    const struct signals words = {.fused = 1}, nothing = {.fused = 1, .hidden = true};
    assert_true(english(words) > english(nothing));
    assert_true(english(nothing) < EVIDENCE_DEFAULT_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_more_is_surer),
                                       cmocka_unit_test(test_second_embedder),
                                       cmocka_unit_test(test_words_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
