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

static int32_t sample(struct llm_sampling o)
{
    struct candidate c[N];
    struct sampler s;
    llm__sampler_init(&s, &o, c);
    return llm__sample(&s, logits, N);
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
    llm__stream_init(&s, &r);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampler),
        cmocka_unit_test(test_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
