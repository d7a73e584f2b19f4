// SPDX-License-Identifier: MIT
// What was acknowledged is there, whole and unchanged, and what was deleted is not, after:
// power cuts, a disk that fails or is full, flipped bits.
//
// ASKD_FAULTS=all tries every point instead of some, and says how many; an argument names the
// test to run.
#include "tests/store/disk.h"
#include "tests/store/workload.h"

#include "base/buf.h"
#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[PATH_MAX / 2];
static char data[PATH_MAX], cut[PATH_MAX];

static bool all(void)
{
    const char *v = getenv("ASKD_FAULTS");
    return v && !strcmp(v, "all");
}

static void clean(const char *folder)
{
    static const char *const names[] = {"askd.db", "askd.db-wal", "askd.db-shm",
                                        "askd.db-journal"};
    char path[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
}

static int setup(void **state)
{
    struct err e;
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/askd-test-faults-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return -1;
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(cut, sizeof cut, "%s/cut", dir);
    if (file_mkdirs(data, 0700, &e) || file_mkdirs(cut, 0700, &e))
        return -1;
    return disk_install();
}

static int teardown(void **state)
{
    char command[PATH_MAX];
    (void)state;
    disk_note(true); // forget
    disk_note(false);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static void note_ack(void *ctx, int step)
{
    (void)ctx;
    disk_note_ack(step);
}

// After a power cut: what is there, then the rest of the work on top of it.
static void check_cut(size_t n, unsigned seed)
{
    char why[ERR_MSG_MAX] = "";
    struct err e = {0};
    int state = 0, acked;
    clean(cut);
    acked = disk_cut(n, seed, cut);
    if (work_check(cut, acked, &state, why)) {
        print_error("cut after event %zu, seed %u: %s\n", n, seed, why);
        fail();
    }
    if (seed % 8)
        return;
    if (work_run(cut, state + 1, NULL, NULL, &e) || work_check(cut, WORK_STEPS, &state, why)) {
        print_error("cut after event %zu, seed %u, and on: %s %s\n", n, seed, e.msg, why);
        fail();
    }
}

static void test_power(void **state)
{
    struct err e = {0};
    size_t cuts = 0;
    (void)state;
    clean(data);
    disk_note(true);
    assert_int_equal(work_run(data, 1, note_ack, NULL, &e), 0);
    disk_note(false);
    size_t n = disk_events(), by = all() ? 1 : n / 25 + 1;
    for (size_t at = 0; at <= n; at += by)
        for (unsigned seed = 0; seed < (all() ? 8 : 2); seed++, cuts++)
            check_cut(at, (unsigned)at * 64 + seed);
    print_message("# power cuts: %zu at %zu moments, nothing lost\n", cuts, n + 1);
}

struct progress {
    int acked;
};

static void note_progress(void *ctx, int step)
{
    ((struct progress *)ctx)->acked = step;
}

// One run with a failing disk: what fails says so; then the disk works again, and so does the
// store. Returns whether the disk failed at all.
static bool check_failure(enum disk_failure kind, unsigned at, bool on)
{
    struct progress p = {0};
    struct err e = {0};
    char why[ERR_MSG_MAX] = "";
    int state = 0;
    clean(data);
    disk_fail(kind, at, on);
    int rc = work_run(data, 1, note_progress, &p, &e);
    bool failed = disk_has_failed();
    disk_fail(kind, 0, false);
    if (rc && (!failed || !*e.msg || rc > 0)) {
        print_error("call %u: %d %s\n", at, rc, e.msg);
        fail();
    }
    if (work_check(data, p.acked, &state, why)) {
        print_error("call %u fails%s: acknowledged %d: %s (%s)\n", at, on ? " and on" : "",
                    p.acked, why, e.msg);
        fail();
    }
    if (work_run(data, state + 1, NULL, NULL, &e) ||
        work_check(data, WORK_STEPS, &state, why)) {
        print_error("call %u failed%s, and then: %s %s\n", at, on ? " and on" : "", e.msg, why);
        fail();
    }
    return failed;
}

static void check_failures(enum disk_failure kind, const char *what)
{
    unsigned tried = 0, at = 1, by = all() ? 1 : kind == DISK_EIO ? 150 : 40;
    while (check_failure(kind, at, false)) {
        check_failure(kind, at, true);
        tried += 2;
        at += by;
    }
    print_message("# %s: %u runs, nothing lost\n", what, tried);
}

static void test_full(void **state)
{
    (void)state;
    check_failures(DISK_FULL, "disk full");
}

static void test_eio(void **state)
{
    (void)state;
    check_failures(DISK_EIO, "failing calls");
}

// On the same connection: a step that failed is done again and succeeds.
static void test_same_connection(void **state)
{
    unsigned at = 1, by = all() ? 1 : 110, tried = 0;
    bool failed = true;
    (void)state;
    for (; failed; at += by, tried++) {
        struct err e = {0};
        char why[ERR_MSG_MAX] = "";
        store *s;
        int found;
        clean(data);
        disk_fail(DISK_EIO, 0, false);
        assert_int_equal(store_open_writer(data, &s, &e), 0);
        disk_fail(DISK_EIO, at, false);
        for (int i = 1; i <= WORK_STEPS; i++)
            if (work_step(s, i, &e) && work_step(s, i, &e)) {
                print_error("call %u fails, step %d again: %s\n", at, i, e.msg);
                fail();
            }
        failed = disk_has_failed();
        disk_fail(DISK_EIO, 0, false);
        store_close(s);
        if (work_check(data, WORK_STEPS, &found, why)) {
            print_error("call %u failed: %s\n", at, why);
            fail();
        }
    }
    print_message("# failing calls, the same connection: %u runs\n", tried);
}

static int count_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)kind;
    (void)sentence;
    ++*(int *)ctx;
    return 0;
}

// A flipped bit is found by verify, or it changes nothing that is read; and whatever verify
// says, no text is read that was not put.
static void test_flips(void **state)
{
    struct err e = {0};
    char path[PATH_MAX + 16], why[ERR_MSG_MAX] = "";
    unsigned found = 0, unread = 0, errors = 0, seed = 5;
    int end;
    (void)state;
    clean(data);
    assert_int_equal(work_run(data, 1, NULL, NULL, &e), 0);
    snprintf(path, sizeof path, "%s/askd.db", data);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END), by = all() ? 8 : size / 200;
    assert_true(fd >= 0 && size > 50000);
    for (off_t at = 0; at < size; at += by) {
        unsigned char byte, flipped;
        int faults = 0;
        struct store_health h;
        seed = seed * 1103515245 + 12345;
        off_t here = at + (off_t)(seed >> 16) % by;
        assert_int_equal(pread(fd, &byte, 1, here < size ? here : at), 1);
        flipped = byte ^ (unsigned char)(1 << (seed >> 8) % 8);
        here = here < size ? here : at;
        assert_int_equal(pwrite(fd, &flipped, 1, here), 1);
        int rc = store_verify(data, count_fault, &faults, &h, &e);
        int read = work_read(data, why);
        if (read < 0 || (!rc && !faults && work_check(data, WORK_STEPS, &end, why))) {
            print_error("byte %lld flipped, verify finds %d faults: %s\n", (long long)here,
                        faults, why);
            fail();
        }
        found += rc || faults;
        unread += !rc && !faults;
        errors += read > 0;
        assert_int_equal(pwrite(fd, &byte, 1, here), 1);
    }
    close(fd);
    if (work_check(data, WORK_STEPS, &end, why))
        fail_msg("with every bit turned back: %s", why);
    print_message("# flipped bits: %u found by verify, %u change nothing that is read; %u times"
                  " reading failed, no wrong text\n",
                  found, unread, errors);
    assert_true(found > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power), cmocka_unit_test(test_full),
        cmocka_unit_test(test_eio),   cmocka_unit_test(test_same_connection),
        cmocka_unit_test(test_flips),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, setup, teardown);
}
