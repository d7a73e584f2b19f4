// SPDX-License-Identifier: MIT
// The gate's promise: however a text is cut, the same bytes come out.
#include "base/buf.h"
#include "safety/safety.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static safety *rules;

static int setup(void **state)
{
    struct err e;
    (void)state;
    return safety_open(NULL, &rules, &e);
}

static int teardown(void **state)
{
    (void)state;
    safety_close(rules);
    return 0;
}

static int collect(void *ctx, const char *text, size_t n)
{
    return buf_add(ctx, text, n);
}

// Feed text in pieces of sizes from `next`; what came out, then "|category" if it closed.
static void run(const char *text, size_t n, size_t (*next)(void *), void *ctx, struct buf *out)
{
    struct err e;
    safety_gate *g;
    const char *src[] = {"https://ok.example/page"};
    struct safety_gate_options o = {
        .stage = SAFETY_ANSWER, .sources = src, .n_sources = 1, .write = collect, .ctx = out};
    assert_int_equal(safety_gate_new(rules, &o, &g, &e), 0);
    for (size_t i = 0; i < n;) {
        size_t k = next(ctx);
        if (k > n - i)
            k = n - i;
        assert_true(safety_gate_feed(g, text + i, k, &e) >= 0);
        i += k;
    }
    assert_true(safety_gate_finish(g, &e) >= 0);
    const struct safety_finding *f = safety_gate_finding(g);
    if (f)
        buf_addf(out, "|%s@%zu-%zu", f->category, f->start, f->end);
    safety_gate_free(g);
}

static size_t whole(void *ctx)
{
    (void)ctx;
    return SIZE_MAX;
}

static size_t one(void *ctx)
{
    (void)ctx;
    return 1;
}

static size_t some(void *ctx)
{
    unsigned *seed = ctx;
    *seed = *seed * 1103515245u + 12345u;
    return 1 + (*seed >> 16) % 7;
}

static const char *const pieces[] = {
    "plain words ",
    "AKIA",
    "IOSFODNN7EXAMPLE",
    "\xE2\x80\x8B",
    "\xEF\xBC\xA1KIA",
    "4111 1111 ",
    "1111 1111 ",
    "1111",
    "https://ok.example/page",
    "https://evil.test/x",
    " ",
    ".",
    "fuck",
    " you",
    "傻",
    "逼",
    "\xE4",
    "\xFF",
    "中文。",
    "DE89 3704 0044 0532 0130 00",
    "-----BEGIN ",
    "RSA PRIVATE",
    " KEY-----",
    "12",
    "-",
    "a@b.co",
    "eyJ0123456789abc.eyJ",
};

static void test_every_cut(void **state)
{
    (void)state;
    unsigned seed = 7, closed = 0;
    for (int round = 0; round < 3000; round++) {
        struct buf text = BUF_INIT, a = BUF_INIT, b = BUF_INIT, c = BUF_INIT;
        for (int i = 0; i < 8; i++) {
            seed = seed * 1103515245u + 12345u;
            buf_adds(&text, pieces[(seed >> 16) % (sizeof pieces / sizeof *pieces)]);
        }
        run(text.data, text.len, whole, NULL, &a);
        run(text.data, text.len, one, NULL, &b);
        run(text.data, text.len, some, &seed, &c);
        closed += strchr(a.data, '|') != NULL;
        if (strcmp(a.data, b.data) || strcmp(a.data, c.data))
            print_error("text: %s\nwhole: %s\nones: %s\nsome: %s\n", text.data, a.data, b.data,
                        c.data);
        assert_string_equal(a.data, b.data);
        assert_string_equal(a.data, c.data);
        buf_free(&text);
        buf_free(&a);
        buf_free(&b);
        buf_free(&c);
    }
    assert_in_range(closed, 300, 2900); // both outcomes were tried
}

static void expect(const char *text, const char *out)
{
    struct buf b = BUF_INIT;
    run(text, strlen(text), one, NULL, &b);
    assert_string_equal(b.data, out);
    buf_free(&b);
}

static void test_outcomes(void **state)
{
    (void)state;
    expect("all is well.", "all is well.");
    expect("see https://ok.example/page.", "see https://ok.example/page.");
    expect("see https://evil.test/a now", "see |link@4-23");
    expect("key: AKIAIOSFODNN7EXAMPLE and more", "key: |secret@5-25");
    // A rule that starts earlier and ends later wins over one inside it.
    expect("x fuck you", "x |abuse@2-10");
    expect("tail AKIA", "tail AKIA");
}

// What is certain is let through at once, so that answers stream.
static void test_streams(void **state)
{
    (void)state;
    struct err e;
    safety_gate *g;
    struct buf out = BUF_INIT;
    struct safety_gate_options o = {.stage = SAFETY_ANSWER, .write = collect, .ctx = &out};
    assert_int_equal(safety_gate_new(rules, &o, &g, &e), 0);
    assert_int_equal(safety_gate_feed(g, "The quota is set in the file. It", 32, &e), 0);
    assert_true(out.len >= 28);
    safety_gate_free(g);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_streams),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
