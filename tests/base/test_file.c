// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void test_write_read(void **state)
{
    (void)state;
    struct err e;
    struct buf b = BUF_INIT;
    assert_int_equal(file_write_atomic(in_dir("f"), "hello", 5, &e), 0);
    assert_int_equal(file_read(in_dir("f"), 5, &b, &e), 0);
    assert_string_equal(b.data, "hello");
    assert_int_equal(file_read(in_dir("f"), 4, &b, &e), -EFBIG);
    assert_string_equal(b.data, "hello");
    assert_non_null(strstr(e.msg, "limit of 4 bytes"));
    assert_int_equal(access(in_dir("f.tmp"), F_OK), -1);
    struct file_map m;
    assert_int_equal(file_map_open(in_dir("f"), &m, &e), 0);
    assert_memory_equal(m.data, "hello", 5);
    file_map_close(&m);
    buf_free(&b);
}

static void test_not_regular(void **state)
{
    (void)state;
    struct err e;
    struct buf b = BUF_INIT;
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_int_equal(file_read(in_dir("fifo"), 100, &b, &e), -EINVAL);
    assert_int_equal(file_read(dir, 100, &b, &e), -EINVAL);
    assert_int_equal(file_read(in_dir("absent"), 100, &b, &e), -ENOENT);
    assert_non_null(strstr(e.msg, "absent"));
}

static void test_mkdirs(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(file_mkdirs(in_dir("a/b/c"), 0700, &e), 0);
    assert_int_equal(file_mkdirs(in_dir("a/b/c"), 0700, &e), 0);
    assert_int_equal(file_mkdirs(in_dir("f/x"), 0700, &e), -ENOTDIR);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/askd-test-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[100];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    return system(cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_read),
        cmocka_unit_test(test_not_regular),
        cmocka_unit_test(test_mkdirs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
