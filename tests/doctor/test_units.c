// SPDX-License-Identifier: MIT
// What is found of systemd's units and of the control group, in trees made for it.
#include "base/file.h"
#include "doctor/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char root[] = "/tmp/askd-test-units-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static void put(const char *path, const char *text, mode_t mode)
{
    struct err e;
    char name[PATH_MAX], folder[PATH_MAX];
    snprintf(name, sizeof name, "%s%s", root, path);
    file_parent(name, folder);
    assert_int_equal(file_mkdirs(folder, 0755, &e), 0);
    assert_int_equal(file_write_atomic(name, text, strlen(text), &e), 0);
    assert_int_equal(chmod(name, mode), 0);
}

// The findings of a check as "level sentence; ", from the root on.
static const char *told(const struct examination *x, const char *check)
{
    static char text[4096];
    size_t n = 0;
    *text = 0;
    for (size_t i = 0; i < x->n; i++)
        if (!strcmp(x->list[i].check, check))
            n += (size_t)snprintf(text + n, sizeof text - n, "%d %s; ", (int)x->list[i].level,
                                  x->list[i].what);
    return text;
}

static const char *units(void)
{
    static struct examination x;
    examination_free(&x);
    check_units(&x, root);
    return told(&x, "systemd");
}

static void test_units(void **state)
{
    (void)state;
    assert_string_equal(units(), "1 systemd does not run here; ");
    put("/run/systemd/system/x", "", 0644);
    assert_non_null(strstr(units(), "1 there is no askd.service"));
    put("/usr/lib/systemd/system/askd.service",
        "[Service]\nExecStartPre=/nowhere --check\nExecStart=/usr/bin/askd --flag\n", 0644);
    assert_non_null(strstr(units(), "3 "));
    assert_non_null(strstr(units(), "starts /usr/bin/askd, which is not there"));
    put("/usr/bin/askd", "", 0755);
    assert_non_null(strstr(units(), "askd.service starts /usr/bin/askd; "));
    assert_memory_equal(units(), "0 ", 2);
    // The administrator's own stands before the distribution's.
    put("/etc/systemd/system/askd.service",
        "[Service]\nExecStart=/usr/bin/askd\nPrivateUsers=yes\n", 0644);
    assert_memory_equal(units(), "2 ", 2);
    assert_non_null(strstr(units(), "PrivateUsers"));
    assert_null(strstr(units(), "usr/lib"));
    put("/usr/lib/systemd/user/askd.service", "[Service]\n", 0644);
    assert_non_null(strstr(units(), "3 "));
    assert_non_null(strstr(units(), "starts nothing"));
}

static void test_quota(void **state)
{
    (void)state;
    struct examination x = {0};
    struct err e;
    assert_int_equal(config_init(&x.config, &e), 0);
    x.config.threads = 1;
    put("/sys/fs/cgroup/cpu.max", "30000 100000\n", 0644);
    check_machine(&x, root);
    assert_non_null(strstr(told(&x, "threads"), "2 1 threads compute, and the control group"));
    put("/sys/fs/cgroup/cpu.max", "max 100000\n", 0644);
    x.config.threads = 256;
    check_machine(&x, root);
    assert_non_null(strstr(told(&x, "threads"), "2 256 threads compute on"));
    x.config.threads = 1;
    free(x.config.pin);
    x.config.pin = strdup("1023");
    check_machine(&x, root);
    assert_non_null(strstr(told(&x, "threads"), "3 pin names CPU 1023"));
    x.config.max_connections = 1000000;
    check_machine(&x, root);
    assert_non_null(strstr(told(&x, "limits"), "max_connections (1000000)"));
    assert_int_equal(examination_worst(&x), LEVEL_FAULT);
    examination_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_quota),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
