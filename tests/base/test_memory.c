// SPDX-License-Identifier: MIT
// The bounds of a machine and of control groups, laid out as the kernel shows them.
#include "base/file.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1ull << 20)

static char root[] = "/tmp/askd-test-memory-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[300];
    struct err e;
    snprintf(path, sizeof path, "%s%s", root, name);
    *strrchr(path, '/') = 0;
    assert_int_equal(file_mkdirs(path, 0700, &e), 0);
    snprintf(path, sizeof path, "%s%s", root, name);
    assert_int_equal(file_write_atomic(path, text, strlen(text), &e), 0);
}

static int clear(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s/*", root);
    return system(command);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    return clear(state) | rmdir(root);
}

static void expect(uint64_t bytes, const char *bound)
{
    struct memory_room r;
    memory_room(root, &r);
    assert_int_equal(r.bytes, bytes);
    assert_non_null(strstr(r.bound, bound));
}

static void test_machine(void **state)
{
    (void)state;
    expect(UINT64_MAX, "no bound");
    put("/proc/meminfo", "MemTotal:  4096 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB\n");
    expect(2 * MIB, "MemAvailable");
}

static void test_version_2(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemAvailable: 1048576 kB\n");
    put("/proc/self/cgroup", "0::/a.slice/b\n");
    put("/sys/fs/cgroup/a.slice/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a.slice/b/memory.current", "1\n");
    expect(1024 * MIB, "MemAvailable");
    // A group above holds back, less what its file pages would give.
    put("/sys/fs/cgroup/a.slice/memory.max", "104857600\n");
    put("/sys/fs/cgroup/a.slice/memory.current", "83886080\n");
    expect(20 * MIB, "memory.max");
    put("/sys/fs/cgroup/a.slice/memory.stat", "anon 1\nfile 52428800\nkernel 7\n");
    expect(70 * MIB, "memory.max");
    // The group itself, full.
    put("/sys/fs/cgroup/a.slice/b/memory.max", "1000\n");
    put("/sys/fs/cgroup/a.slice/b/memory.current", "2000\n");
    expect(0, "memory.max");
    // Within a namespace of its own.
    put("/proc/self/cgroup", "0::/\n");
    expect(1024 * MIB, "MemAvailable");
    put("/sys/fs/cgroup/memory.max", "5242880\n");
    put("/sys/fs/cgroup/memory.current", "1048576\n");
    expect(4 * MIB, "memory.max");
}

static void test_version_1(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemAvailable: 1048576 kB\n");
    put("/proc/self/cgroup", "9:name=systemd:/x\n4:memory:/g\n1:cpu:/\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n");
    expect(1024 * MIB, "MemAvailable");
    put("/sys/fs/cgroup/memory/g/memory.limit_in_bytes", "31457280\n");
    put("/sys/fs/cgroup/memory/g/memory.usage_in_bytes", "20971520\n");
    put("/sys/fs/cgroup/memory/g/memory.stat", "cache 1\ntotal_cache 10485760\n");
    expect(20 * MIB, "memory.limit_in_bytes");
}

static void test_addresses(void **state)
{
    struct memory_room before, after;
    int status;
    (void)state;
    pid_t pid = fork();
    if (!pid) {
        const struct rlimit r = {1ull << 46, 1ull << 46}; // a sanitizer has mapped much already
        setrlimit(RLIMIT_AS, &r);
        memory_room(root, &before);
        void *volatile p = malloc(64 * MIB);
        memory_room(root, &after);
        _exit(!p || before.addresses > 1ull << 46 ||
              after.addresses + 64 * MIB > before.addresses);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_machine, clear),
        cmocka_unit_test_teardown(test_version_2, clear),
        cmocka_unit_test_teardown(test_version_1, clear),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
