// SPDX-License-Identifier: MIT
#include "base/file.h"
#include "daemon/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char heard[2000];

static void hear(void *ctx, const char *sentence)
{
    (void)ctx;
    strncat(heard, sentence, sizeof heard - strlen(heard) - 2);
    strcat(heard, "\n");
}

static int read_text(struct config *c, const char *text, char path[64])
{
    struct err e;
    strcpy(path, "/tmp/askd-test-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(file_write_atomic(path, text, strlen(text), &e), 0);
    *heard = 0;
    int rc = config_read(c, path, hear, NULL, &e);
    unlink(path);
    return rc;
}

static void test_every_error_is_named(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    char path[64], expected[200];
    setenv("HOME", "/h", 1);
    assert_int_equal(config_init(&c, &e), 0);
    assert_int_equal(
        read_text(&c, "max_k = 20\nmax_k = 99\ncolour = red\nlisten = nowhere:80\n", path), 3);
    snprintf(expected, sizeof expected, "%s:2: max_k is a number", path);
    assert_non_null(strstr(heard, expected));
    snprintf(expected, sizeof expected, "%s:3: there is no option 'colour'", path);
    assert_non_null(strstr(heard, expected));
    snprintf(expected, sizeof expected, "%s:4: listen is ADDRESS:PORT", path);
    assert_non_null(strstr(heard, expected));
    assert_int_equal(c.max_k, 20);
    assert_int_equal(read_text(&c, "nonsense\n", path), 1);
    assert_int_equal(config_read(&c, "/nonexistent/askd.conf", hear, NULL, &e), -ENOENT);
    config_free(&c);
}

static void test_sections(void **state)
{
    (void)state;
    struct config c, fresh;
    struct err e;
    char path[64], ignored[100];
    setenv("HOME", "/h", 1);
    assert_int_equal(config_init(&c, &e), 0);
    assert_int_equal(read_text(&c,
                               "listen = 0.0.0.0:80\n[access]\n61234 = read a\n[nothing]\n"
                               "x = y\n",
                               path),
                     1);
    assert_non_null(strstr(heard, ":5: there is no section [nothing]"));
    assert_int_equal(config_check(&c, &e), -EINVAL); // open to all, and no tokens
    assert_non_null(strstr(e.msg, "[tokens]"));
    assert_int_equal(read_text(&c, "[access]\nnosuchuser = read a\n", path), 1);
    assert_non_null(strstr(heard, ":2: 'nosuchuser' is no user"));
    assert_int_equal(config_init(&fresh, &e), 0);
    assert_int_equal(read_text(&fresh,
                               "listen = 0.0.0.0:80\n[tokens]\nbot-x = "
                               "00000000000000000000000000000000"
                               "00000000000000000000000000000000\n[access]\n61234 = read b\n",
                               path),
                     0);
    assert_int_equal(config_check(&fresh, &e), 0);
    config_reload(&c, &fresh, ignored, sizeof ignored);
    assert_true(access_has_tokens(c.access)); // rights change without a restart
    assert_string_equal(ignored, "");
    config_free(&fresh);
    config_free(&c);
}

static void test_listen(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "80",    "127.0.0.1", "127.0.0.1:",  "127.0.0.1:0",  "::1:80",
        "[::1]", "[::1]80",   "[::1]:65536", "[1.2.3.4]:80", "localhost:80",
        ":80",   "[]:80",     "1.2.3.4:8x"};
    char host[CONFIG_HOST_MAX];
    int port;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(config_listen(wrong[i], host, &port));
    assert_true(config_listen("[::1]:65535", host, &port));
    assert_string_equal(host, "::1");
    assert_int_equal(port, 65535);
    assert_true(config_listen("10.1.2.3:1", host, &port));
    assert_string_equal(host, "10.1.2.3");
}

static void test_environment_wins_over_file(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    char path[64];
    setenv("ASKD_DATA", "/from/env", 1);
    assert_int_equal(config_init(&c, &e), 0);
    assert_int_equal(read_text(&c, "data = /from/file\n", path), 0);
    assert_string_equal(c.data, "/from/env");
    unsetenv("ASKD_DATA");
    config_free(&c);
}

static void test_reload(void **state)
{
    (void)state;
    struct config a, b;
    struct err e;
    char ignored[100];
    assert_int_equal(config_init(&a, &e), 0);
    assert_int_equal(config_init(&b, &e), 0);
    assert_int_equal(config_set(&b, "max_k", "10", &e), 0);
    assert_int_equal(config_set(&b, "threads", "3", &e), 0);
    config_reload(&a, &b, ignored, sizeof ignored);
    assert_int_equal(a.max_k, 10);
    assert_int_equal(a.threads, 0);
    assert_string_equal(ignored, "threads");
    config_free(&a);
    config_free(&b);
}

static void test_adapters(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    char path[64], name[CONFIG_NAME_MAX + 1], file[PATH_MAX];
    size_t at = 0;
    assert_int_equal(config_init(&c, &e), 0);
    assert_false(config_adapter(&c, &at, name, file));
    assert_int_equal(read_text(&c,
                               "adapter = law /a/law.gguf\nadapter = law2  /a/two words.gguf\n"
                               "adapter = alone\nadapter = law /b\n",
                               path),
                     1);
    assert_non_null(strstr(heard, ":3: adapter is NAME PATH"));
    assert_true(config_adapter(&c, &at, name, file));
    assert_string_equal(name, "law2");
    assert_string_equal(file, "/a/two words.gguf");
    assert_true(config_adapter(&c, &at, name, file));
    assert_string_equal(name, "law");
    assert_string_equal(file, "/b");
    assert_false(config_adapter(&c, &at, name, file));
    assert_int_equal(config_set(&c, "adapter", "", &e), 0);
    at = 0;
    assert_false(config_adapter(&c, &at, name, file));
    config_free(&c);
}

static void test_cpus(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    unsigned cpus[CONFIG_CPUS_MAX];
    static const char *const wrong[] = {"x",    "-1",   "3-1",    "0,",  ",0",
                                        "0,,1", "1024", "0-9999", "1,1", "0-3,2",
                                        "0 1",  "1-",   "1-2-3",  "0x1", "00001"};
    assert_int_equal(config_init(&c, &e), 0);
    assert_int_equal(config_cpus(c.pin, cpus), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(config_set(&c, "pin", wrong[i], &e), -EINVAL);
    assert_non_null(strstr(e.msg, "list of CPUs"));
    assert_int_equal(config_set(&c, "pin", "6,0-2,1023", &e), 0);
    assert_int_equal(config_cpus(c.pin, cpus), 5);
    assert_int_equal(cpus[0], 6);
    assert_int_equal(cpus[3], 2);
    assert_int_equal(cpus[4], 1023);
    config_free(&c);
}

static void test_long_socket(void **state)
{
    (void)state;
    struct config c;
    struct err e;
    char path[200];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[150] = 0;
    assert_int_equal(config_init(&c, &e), 0);
    assert_int_equal(config_set(&c, "socket", path, &e), 0);
    assert_int_equal(config_check(&c, &e), -ENAMETOOLONG);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_is_named),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_environment_wins_over_file),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_adapters),
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_long_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
