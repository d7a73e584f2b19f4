// SPDX-License-Identifier: MIT
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_append(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_string_equal(b.data, "");
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_addf(&b, "%d,", i), 0);
    assert_int_equal(b.len, strlen(b.data));
    assert_memory_equal(b.data, "0,1,2,", 6);
    buf_truncate(&b, 3);
    assert_string_equal(b.data, "0,1");
    char *s = buf_detach(&b);
    assert_string_equal(s, "0,1");
    assert_int_equal(b.len, 0);
    free(s);
}

static void test_overflow(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_int_equal(buf_adds(&b, "abc"), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 2), -ENOMEM);
    assert_string_equal(b.data, "abc");
    buf_free(&b);
}

static void test_arena(void **state)
{
    (void)state;
    arena *a = arena_new(100000);
    char *s = arena_printf(a, "%s-%d", "x", 7);
    assert_string_equal(s, "x-7");
    for (int i = 0; i < 50; i++) {
        char *p = arena_alloc(a, 1000);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_int_equal(p[999], 0);
    }
    assert_null(arena_alloc(a, 60000));
    assert_null(arena_alloc(a, SIZE_MAX));
    arena_free(a);
}

static void test_err(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(err_set(&e, -ENOENT, "a %s", "b"), -ENOENT);
    assert_int_equal(err_prefix(&e, "line %d", 3), -ENOENT);
    assert_string_equal(e.msg, "line 3: a b");
    char longtext[400];
    for (size_t i = 0; i + 3 < sizeof longtext; i += 3)
        memcpy(longtext + i, "\xE4\xB8\xAD", 4);
    err_set(&e, -EINVAL, "x%s", longtext);
    assert_true(strlen(e.msg) < ERR_MSG_MAX);
    assert_int_equal((strlen(e.msg) - 1) % 3, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_err),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
