// SPDX-License-Identifier: MIT
// The best span of a reading, against a search of all.
#include "embedder/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t seed = 1;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static bool search(const struct reading *r, size_t from, size_t to, size_t most,
                   struct reader_span *out)
{
    bool found = false;
    double best = 0;
    for (size_t z = 0; z < r->n; z++)
        for (size_t a = z + 1 > most ? z + 1 - most : 0; a <= z; a++) {
            const struct reader_token *s = &r->tokens[a], *t = &r->tokens[z];
            double sum = (double)s->start_logit + (double)t->end_logit;
            if (s->start < from || t->end > to || s->start == s->end || t->start == t->end ||
                (found && sum <= best))
                continue;
            found = true;
            best = sum;
            *out = (struct reader_span){s->start, t->end, (float)(sum - (double)r->null),
                                        s->start_logit, t->end_logit};
        }
    return found;
}

static void test_spans(void **state)
{
    (void)state;
    enum { N = 80 };
    struct reader_token tokens[N];
    size_t hits = 0;
    for (int round = 0; round < 4000; round++) {
        struct reading r = {.null = (float)draw(9) - 4, .tokens = tokens, .n = draw(N + 1)};
        uint32_t at = 0;
        for (size_t i = 0; i < r.n; i++) {
            uint32_t part = i ? tokens[i - 1].end - tokens[i - 1].start : 0;
            tokens[i].start = at + draw(2);
            tokens[i].end = tokens[i].start + draw(4); // some have no bytes
            if (part && draw(8) == 0)                  // some share a character
                tokens[i] = tokens[i - 1];
            // Few values: many are equal.
            tokens[i].start_logit = (float)draw(6) - 3;
            tokens[i].end_logit = (float)draw(6) - 3;
            at = tokens[i].end;
        }
        size_t from = draw(at + 1), to = from + draw(at + 2), most = 1 + draw(N);
        struct reader_span got = {0}, want = {0};
        bool found = reader_span(&r, from, to, most, &got);
        assert_int_equal(found, search(&r, from, to, most, &want));
        assert_true(got.start == want.start && got.end == want.end);
        assert_true(got.score == want.score && got.start_logit == want.start_logit &&
                    got.end_logit == want.end_logit);
        assert_int_equal(reader_span(&r, 0, SIZE_MAX, 0, &got),
                         search(&r, 0, SIZE_MAX, READER_SPAN_TOKENS, &want));
        assert_true(!r.n || got.start == want.start);
        hits += found;
    }
    assert_true(hits > 1000 && hits < 4000);
    // Longer than the queue goes round.
    size_t many = 3 * READER_SPAN_TOKENS_MAX;
    struct reader_token *all = calloc(many, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < many; i++)
        all[i] = (struct reader_token){(uint32_t)i, (uint32_t)i + 1,
                                       (float)(many - i) + (float)draw(64), (float)draw(900)};
    const struct reading r = {.tokens = all, .n = many};
    struct reader_span got, want;
    assert_true(reader_span(&r, 9, many - 9, SIZE_MAX, &got));
    assert_true(search(&r, 9, many - 9, READER_SPAN_TOKENS_MAX, &want));
    assert_true(got.start == want.start && got.end == want.end && got.score == want.score);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
