// SPDX-License-Identifier: MIT
#include "base/buf.h"
#include "base/ini.h"
#include "base/paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int collect(void *ctx, const char *section, const char *key, const char *value, int line)
{
    return buf_addf(ctx, "%s|%s|%s|%d\n", section, key, value, line);
}

static void test_lines(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct err e;
    const char *text = "# note\na = 1\n\n[s]\nb = two words\n  more\nc=\n";
    assert_int_equal(ini_parse_text("t", text, collect, &b, &e), 0);
    assert_string_equal(b.data, "|a|1|2\ns|b|two words|5\ns|b|more|6\ns|c||7\n");
    buf_free(&b);
}

static void test_bad(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct err e;
    assert_int_equal(ini_parse_text("t.conf", "a = 1\nnonsense\n", collect, &b, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "t.conf:2"));
    char big[600] = "k = ";
    memset(big + 4, 'x', 500);
    assert_int_equal(ini_parse_text("t.conf", big, collect, &b, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "t.conf:1: line too long"));
    assert_int_equal(ini_parse_path("/nonexistent/x", collect, &b, &e), -ENOENT);
    buf_free(&b);
}

static void test_paths(void **state)
{
    (void)state;
    char p[256];
    struct err e;
    setenv("HOME", "/h", 1);
    unsetenv("XDG_DATA_HOME");
    unsetenv("ASKD_DATA");
    assert_int_equal(paths_data(p, sizeof p, &e), 0);
    assert_string_equal(p, "/h/.local/share/askd");
    setenv("XDG_DATA_HOME", "/x", 1);
    assert_int_equal(paths_data(p, sizeof p, &e), 0);
    assert_string_equal(p, "/x/askd");
    setenv("ASKD_DATA", "/d", 1);
    assert_int_equal(paths_data(p, sizeof p, &e), 0);
    assert_string_equal(p, "/d");
    unsetenv("ASKD_SOCKET");
    unsetenv("XDG_RUNTIME_DIR");
    assert_int_equal(paths_socket(p, sizeof p, &e), 0);
    assert_non_null(strstr(p, "/tmp/askd-"));
    assert_int_equal(paths_socket(p, 5, &e), -ENAMETOOLONG);
}

static void test_socket_dir(void **state)
{
    (void)state;
    char dir[] = "/tmp/askd-test-paths-XXXXXX", sock[200], link_[200];
    struct err e;
    assert_non_null(mkdtemp(dir));
    snprintf(sock, sizeof sock, "%s/d/askd.sock", dir);
    assert_int_equal(paths_prepare_socket_dir(sock, &e), 0);
    snprintf(link_, sizeof link_, "%s/d", dir);
    assert_int_equal(chmod(link_, 0777), 0);
    assert_int_equal(paths_prepare_socket_dir(sock, &e), -EPERM);
    assert_int_equal(rmdir(link_), 0);
    assert_int_equal(symlink("/", link_), 0);
    assert_int_equal(paths_prepare_socket_dir(sock, &e), -EPERM);
    unlink(link_);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_socket_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
