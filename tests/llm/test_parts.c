// SPDX-License-Identifier: MIT
// The sampler and the stream of text, which need no model.
#include "llm/internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { N = 6 };
static const float logits[N] = {0.5f, 2.0f, 2.0f, -1.0f, 1.0f, NAN};

static int32_t sample_of(struct llm_sampling o, const float *row, const uint64_t *mask,
                         const int32_t *recent, size_t n_recent)
{
    struct candidate c[N];
    float adjusted[N];
    uint16_t counts[N] = {0};
    struct sampler s;
    llm__sampler_init(&s, &o, &(struct sampler_room){c, adjusted, counts});
    row = llm__sample_adjust(&s, row, N, recent, n_recent);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(counts[i], 0);
    return llm__sample(&s, row, N, mask);
}

static int32_t sample(struct llm_sampling o)
{
    return sample_of(o, logits, NULL, NULL, 0);
}

static void test_sampler(void **state)
{
    (void)state;
    assert_int_equal(sample((struct llm_sampling){0}), 1); // a tie: the lowest id
    int seen[N] = {0}, narrow[N] = {0};
    for (uint64_t seed = 0; seed < 2000; seed++) {
        int32_t id = sample((struct llm_sampling){.temperature = 1, .seed = seed});
        assert_int_equal(id, sample((struct llm_sampling){.temperature = 1, .seed = seed}));
        seen[id]++;
        assert_int_equal(
            sample((struct llm_sampling){.temperature = 1, .top_k = 1, .seed = seed}), 1);
        narrow[sample((struct llm_sampling){.temperature = 1, .min_p = 0.5f, .seed = seed})]++;
        id = sample((struct llm_sampling){.temperature = 1, .top_p = 0.5f, .seed = seed});
        assert_true(id == 1 || id == 2);
    }
    // Weights e^-1.5, 1, 1, e^-3, e^-1: the share of ids 1 and 2 is 2 / 2.64.
    assert_in_range(seen[1] + seen[2], 1440, 1590);
    assert_true(seen[0] && seen[3] && seen[4] && !seen[5]);
    assert_int_equal(narrow[1] + narrow[2], 2000);
    double sum = 0;
    for (int32_t i = 0; i < N - 1; i++)
        sum += exp(llm__logprob(logits, N - 1, i));
    assert_true(fabs(sum - 1) < 1e-9);
}

static void test_penalties_and_bias(void **state)
{
    (void)state;
    static const int32_t recent[] = {1, 1, 2, 1, 1};
    struct llm_bias bias[] = {{4, 1.5f}, {1, -INFINITY}, {99, 5}};
    assert_int_equal(sample((struct llm_sampling){.bias = bias, .n_bias = 1}), 4);
    assert_int_equal(sample((struct llm_sampling){.bias = bias + 1, .n_bias = 2}), 2);
    // 2.0 / 1.5 stays above 1.0; 2.0 / 2.5 does not.
    struct llm_sampling o = {.repetition = 1.5f};
    assert_int_equal(sample_of(o, logits, NULL, recent, 5), 1);
    o.repetition = 2.5f;
    assert_int_equal(sample_of(o, logits, NULL, recent, 5), 4);
    o.window = 2; // token 2 is beyond it
    assert_int_equal(sample_of(o, logits, NULL, recent, 5), 2);
    // Once for each time: four of 1, one of 2. Presence takes from both alike.
    assert_int_equal(
        sample_of((struct llm_sampling){.frequency = 0.3f}, logits, NULL, recent, 5), 2);
    assert_int_equal(
        sample_of((struct llm_sampling){.presence = 0.5f}, logits, NULL, recent, 5), 1);
    assert_int_equal(
        sample_of((struct llm_sampling){.presence = 1.5f}, logits, NULL, recent, 5), 4);
    // A negative logit is multiplied, so it becomes less likely too.
    static const float negative[N] = {-9, -1, -1.5f, -9, -9, -9};
    assert_int_equal(
        sample_of((struct llm_sampling){.repetition = 2}, negative, NULL, recent, 2), 2);
}

static void test_masks(void **state)
{
    (void)state;
    const uint64_t only_nan = 1 << 5, two = 1 << 0 | 1 << 3, none = 0;
    static const float equal[N] = {-INFINITY, 1, 1, -INFINITY, 1, NAN};
    for (uint64_t seed = 0; seed < 200; seed++)
        for (int t = 0; t < 2; t++) {
            struct llm_sampling o = {.temperature = (float)t, .top_p = 0.9f, .seed = seed};
            assert_int_equal(sample_of(o, logits, &only_nan, NULL, 0), 5);
            assert_int_equal(sample_of(o, logits, &none, NULL, 0), -1);
            int32_t id = sample_of(o, logits, &two, NULL, 0);
            assert_true(id == 0 || (t && id == 3));
            id = sample_of(o, equal, &two, NULL, 0); // allowed, if infinitely unlikely
            assert_true(id == 0 || (t && id == 3));
        }
}

static void test_alternatives(void **state)
{
    (void)state;
    struct candidate scratch[N];
    struct llm_alternative top[LLM_TOP_MAX];
    double of, sum = 0;
    assert_int_equal(llm__top(logits, N, 4, 3, scratch, top, &of), 3);
    assert_true(top[0].id == 1 && top[1].id == 2 && top[2].id == 4);
    assert_true(top[2].logprob == of && top[0].logprob == top[1].logprob);
    assert_int_equal(llm__top(logits, N, 4, LLM_TOP_MAX, scratch, top, &of), N);
    for (size_t i = 0; i < N; i++)
        sum += exp(top[i].logprob);
    assert_true(fabs(sum - 1) < 1e-9);
    assert_int_equal(llm__top(logits, N, 4, 0, scratch, top, &of), 0);
}

static struct buf got;

static int take(void *ctx, const char *text, size_t n)
{
    assert_int_equal(buf_add(&got, text, n), 0);
    return ctx && got.len >= 4;
}

// Push the pieces one by one; returns what push or finish said.
static int run(const char *const *pieces, const char *const *stop, void *refuse)
{
    struct llm_request r = {.stop = stop, .on_text = take, .ctx = refuse};
    struct stream s;
    int rc = 0;
    buf_clear(&got);
    assert_int_equal(llm__stream_init(&s, &r, 64), 0);
    for (; *pieces && !rc; pieces++) {
        assert_int_equal(buf_adds(&s.held, *pieces), 0);
        rc = llm__stream_push(&s);
    }
    if (!rc)
        rc = llm__stream_finish(&s);
    llm__stream_free(&s);
    return rc;
}

static void test_stream(void **state)
{
    (void)state;
    static const char *const stop[] = {"\nQ:", "END", NULL};
    buf_init(&got);
    assert_int_equal(run((const char *const[]){"one EN", "DLESS", NULL}, stop, NULL),
                     STREAM_STOPPED);
    assert_string_equal(got.data, "one ");
    assert_int_equal(run((const char *const[]){"one E", "N", NULL}, stop, NULL), 0);
    assert_string_equal(got.data, "one EN"); // only a beginning: it is given out at the end
    assert_int_equal(run((const char *const[]){"\xE4", "\xBD", "\xA0.", NULL}, stop, NULL), 0);
    assert_string_equal(got.data, "你.");
    assert_int_equal(run((const char *const[]){"a\xFFz\xE4", NULL}, NULL, NULL), 0);
    assert_string_equal(got.data, "a\uFFFDz\uFFFD");
    assert_int_equal(run((const char *const[]){"12", "34", "56", NULL}, NULL, &got),
                     STREAM_REFUSED);
    assert_string_equal(got.data, "1234");
    buf_free(&got);
}

// A stop string is found wherever token borders fall, and nothing of it goes out.
static void test_stop_at_each_border(void **state)
{
    (void)state;
    static const char text[] = "x \xE4\xBD\xA0 E\xE2\x80\xA6NDE END. more";
    static const char *const stop[] = {"END.", "\xE2\x80\xA6ND.", NULL};
    size_t n = sizeof text - 1;
    buf_init(&got);
    for (size_t a = 1; a < n; a++)
        for (size_t b = a; b < n; b++) {
            char piece[3][sizeof text] = {{0}};
            memcpy(piece[0], text, a);
            memcpy(piece[1], text + a, b - a);
            memcpy(piece[2], text + b, n - b);
            assert_int_equal(
                run((const char *const[]){piece[0], piece[1], piece[2], NULL}, stop, NULL),
                STREAM_STOPPED);
            assert_string_equal(got.data, "x \xE4\xBD\xA0 E\xE2\x80\xA6NDE ");
        }
    buf_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampler), cmocka_unit_test(test_penalties_and_bias),
        cmocka_unit_test(test_masks),   cmocka_unit_test(test_alternatives),
        cmocka_unit_test(test_stream),  cmocka_unit_test(test_stop_at_each_border),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
