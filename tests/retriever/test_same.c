// SPDX-License-Identifier: MIT
// Near-duplicates of a passage: a word or two may differ, a value may not.
#include "retriever/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool same(const char *a, const char *b)
{
    struct shingles x, y;
    arena *mem = arena_new(0);
    assert_int_equal(shingles_of(a, mem, &x), 0);
    assert_int_equal(shingles_of(b, mem, &y), 0);
    bool yes = shingles_same(&x, &y);
    assert_int_equal(shingles_same(&y, &x), yes);
    arena_free(mem);
    return yes;
}

// 100 words of its own for each seed; word `at` is `other` when that is not NULL.
static const char *text(char *out, size_t cap, int seed, int at, const char *other)
{
    size_t n = 0;
    for (int i = 0; i < 100; i++)
        n += (size_t)(i == at && other ? snprintf(out + n, cap - n, "%s ", other)
                                       : snprintf(out + n, cap - n, "w%c%c%c ", 'a' + i % 26,
                                                  'a' + i / 26, 'a' + seed));
    return out;
}

static void test_same(void **state)
{
    (void)state;
    char a[1000], b[1000];
    text(a, sizeof a, 1, 0, NULL);
    assert_true(same(a, a));
    assert_true(same(a, text(b, sizeof b, 1, 50, "changed")));
    assert_false(same(a, text(b, sizeof b, 2, 0, NULL)));
    text(a, sizeof a, 1, 50, "8080");
    assert_false(same(a, text(b, sizeof b, 1, 50, "9090")));
    text(a, sizeof a, 1, 50, "not");
    assert_false(same(a, text(b, sizeof b, 1, 50, "always")));
    text(a, sizeof a, 1, 50, "--force");
    assert_false(same(a, text(b, sizeof b, 1, 50, "--quiet")));
    text(a, sizeof a, 1, 50, "/srv");
    assert_false(same(a, text(b, sizeof b, 1, 50, "/opt")));
    text(a, sizeof a, 1, 50, "五");
    assert_false(same(a, text(b, sizeof b, 1, 50, "三")));
    assert_true(same("Mount it. Then, READ it!", "mount it then read it"));
    assert_false(same("Mount it.", "Unmount it."));
    assert_true(same("请重置密码，然后登录。", "请重置密码 然后登录"));
    assert_false(same("请重置密码", "请修改密码"));
    assert_true(same("", ""));
    assert_false(same("", "word"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
