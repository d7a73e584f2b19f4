// SPDX-License-Identifier: MIT
// Snapshots and restores on a disk that fails, is full, or writes and reads in small pieces:
// each call of SQLite's and each of ours fails in turn, once and from then on. A snapshot is
// there whole or not at all, and the store is the old or the new one; what fails says so; and
// without faults it succeeds afterwards.
//
// ASKD_FAULTS=all tries every call instead of some; an argument names the test to run.
#include "tests/store/disk.h"
#include "tests/store/workload.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// ---- our own calls, which the linker's --wrap leads here ----

static struct {
    unsigned at, calls; // call number `at` fails; 0: none
    bool on, failed;    // and all after it; one has failed
    int error;
    size_t piece; // read and write this many bytes at most, and are interrupted in between
} ours;

static bool fails(void)
{
    if (!ours.at)
        return false;
    ours.calls++;
    bool now = ours.on ? ours.calls >= ours.at : ours.calls == ours.at;
    ours.failed |= now;
    if (now)
        errno = ours.error;
    return now;
}

#define WRAP(name, params, args)                  \
    int __real_##name params;                     \
    int __wrap_##name params;                     \
    int __wrap_##name params                      \
    {                                             \
        return fails() ? -1 : __real_##name args; \
    }
WRAP(rename, (const char *from, const char *to), (from, to))
WRAP(mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(rmdir, (const char *path), (path))
WRAP(unlink, (const char *path), (path))
WRAP(stat, (const char *path, struct stat *st), (path, st))
WRAP(fstat, (int fd, struct stat *st), (fd, st))
WRAP(flock, (int fd, int how), (fd, how))

// As in disk.c, nothing is really synced.
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    (void)fd;
    return fails() ? -1 : 0;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return fails() ? -1 : __real_open(path, flags, mode);
}

// One that fails has closed nevertheless.
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    int rc = __real_close(fd);
    return fails() ? -1 : rc;
}

// In pieces every other call is interrupted.
static bool interrupted(size_t *n)
{
    static unsigned turn;
    if (!ours.piece)
        return false;
    *n = *n < ours.piece ? *n : ours.piece;
    errno = EINTR;
    return turn++ % 2;
}

ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n)
{
    return fails() || interrupted(&n) ? -1 : __real_read(fd, p, n);
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    return fails() || interrupted(&n) ? -1 : __real_write(fd, p, n);
}

// ---- what is tried ----

enum whose { OURS, SQLITES };

#define OLD 10 // the step at which the snapshot that is restored was taken

static char dir[PATH_MAX / 4];
static char data[PATH_MAX / 2], kept[PATH_MAX / 2], made[PATH_MAX / 2], other[PATH_MAX / 2];
static int64_t used; // ids of passages, by the store that is replaced

static void run(const char *fmt, ...)
{
    char command[4 * PATH_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    if (system(command))
        fail_msg("%s", command);
}

static bool there(const char *path)
{
    return !access(path, F_OK);
}

static int64_t last_passage(const char *folder)
{
    char path[PATH_MAX];
    sqlite3 *db;
    sqlite3_stmt *q;
    snprintf(path, sizeof path, "%s/askd.db", folder);
    assert_int_equal(sqlite3_open(path, &db), 0);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT seq FROM sqlite_sequence WHERE name = 'passages'", -1,
                           &q, NULL),
        0);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return n;
}

static int setup(void **state)
{
    struct err e;
    struct store_health h;
    store *s;
    const char *tmp = getenv("TMPDIR");
    (void)state;
    snprintf(dir, sizeof dir, "%.900s/askd-test-copies-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return -1;
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(kept, sizeof kept, "%s/kept", dir);
    snprintf(made, sizeof made, "%s/made", dir);
    snprintf(other, sizeof other, "%s/other", dir);
    if (store_open_writer(data, &s, &e))
        return -1;
    for (int i = 1; i <= OLD; i++)
        if (work_step(s, i, &e))
            return -1;
    store_close(s);
    if (store_snapshot(data, kept, &h, &e) || work_run(data, OLD + 1, NULL, NULL, &e))
        return -1;
    used = last_passage(data);
    run("cp -r %s %s.whole && cp -r %s %s.broken", data, data, data, data);
    run("dd if=/dev/zero of=%s.broken/askd.db bs=4096 count=1 conv=notrunc status=none", data);
    return disk_install();
}

static int teardown(void **state)
{
    (void)state;
    run("rm -r %s", dir);
    return 0;
}

static void arm(enum whose whose, bool full, unsigned at, bool on)
{
    ours.failed = false;
    ours.calls = 0;
    ours.at = whose == OURS ? at : 0;
    ours.on = on;
    ours.error = full ? ENOSPC : EIO;
    disk_fail(full ? DISK_FULL : DISK_EIO, whose == SQLITES ? at : 0, on);
}

static bool disarm(void)
{
    bool failed = ours.failed || disk_has_failed();
    ours.at = 0;
    disk_fail(DISK_EIO, 0, false);
    return failed;
}

static void is_state(const char *folder, int want, const char *what)
{
    char why[ERR_MSG_MAX] = "";
    int state;
    if (work_check(folder, want, &state, why) || state != want)
        fail_msg("%s: not the store of step %d: %s", what, want, why);
}

static void check_message(int rc, const struct err *e, const char *what)
{
    if (rc > 0 || (rc && !strchr(e->msg, '/') && rc != -ENOMEM))
        fail_msg("%s: %d %s", what, rc, e->msg);
}

static void check_snapshot(const char *what)
{
    struct err e = {0};
    struct store_health h;
    char aside[PATH_MAX];
    run("rm -rf %s", other);
    if (store_restore(other, made, aside, &h, &e))
        fail_msg("%s: the snapshot cannot be restored: %s", what, e.msg);
    is_state(other, WORK_STEPS, what);
}

// One run; did the call exist?
static bool try_snapshot(enum whose whose, bool full, unsigned at, bool on)
{
    struct err e = {0};
    struct store_health h;
    char what[64];
    snprintf(what, sizeof what, "call %u%s", at, on ? " and on" : "");
    run("rm -rf %s %s.tmp", made, made);
    arm(whose, full, at, on);
    int rc = store_snapshot(data, made, &h, &e);
    bool failed = disarm();
    check_message(rc, &e, what);
    if (rc && there(made) && !on) // on a disk that fails from then on nothing can be removed
        fail_msg("%s: a snapshot that was not acknowledged is there: %s", what, e.msg);
    if (there(made)) {
        check_snapshot(what);
        return failed;
    }
    if (store_snapshot(data, made, &h, &e))
        fail_msg("%s, and again: %s", what, e.msg);
    check_snapshot(what);
    return failed;
}

static bool try_restore(const char *from, enum whose whose, bool full, unsigned at, bool on)
{
    struct err e = {0};
    struct store_health h;
    char what[64], aside[PATH_MAX], path[PATH_MAX];
    bool broken = !strcmp(from, "broken");
    snprintf(what, sizeof what, "call %u%s over a store that is %s", at, on ? " and on" : "",
             from);
    run("rm -rf %s %s; cp -r %s.%s %s", data, other, data, from, data);
    arm(whose, full, at, on);
    int rc = store_restore(data, kept, aside, &h, &e);
    bool failed = disarm();
    check_message(rc, &e, what);
    snprintf(path, sizeof path, "%s/askd.db.damaged-1", data);
    if (broken && there(path)) { // what was there is kept, and told
        run("cmp %s %s.broken/askd.db", path, data);
        if (!strstr(rc ? e.msg : aside, "damaged-1"))
            fail_msg("%s: nobody is told of %s: %s", what, path, e.msg);
    } else if (broken) {
        run("cmp %s/askd.db %s.broken/askd.db", data, data);
        assert_int_not_equal(rc, 0);
    }
    char why[ERR_MSG_MAX];
    int state;
    bool old = !broken && !work_check(data, WORK_STEPS, &state, why);
    if (!rc || (!broken && !old))
        is_state(data, OLD, what);
    if (rc && store_restore(data, kept, aside, &h, &e))
        fail_msg("%s, and again: %s", what, e.msg);
    is_state(data, OLD, what);
    if (!broken && last_passage(data) < used)
        fail_msg("%s: ids are given twice", what);
    return failed;
}

// Every call, or some of them.
static void all_calls(const char *what, const char *from, enum whose whose, bool full,
                      unsigned by)
{
    const char *v = getenv("ASKD_FAULTS");
    bool each = v && !strcmp(v, "all");
    unsigned tried = 0, at = 1, round = 0;
    by = each ? 1 : by;
    for (bool failed = true; failed; at += by, round++) {
        failed = false;
        for (int on = 0; on < (each || round % 4 == 0 ? 2 : 1); on++, tried++)
            failed |= from ? try_restore(from, whose, full, at, on)
                           : try_snapshot(whose, full, at, on);
    }
    print_message("# %s, %s calls, %s: %u runs\n", what, whose == OURS ? "our" : "SQLite's",
                  full ? "no room" : "failing", tried);
}

static void test_snapshot(void **state)
{
    (void)state;
    all_calls("snapshot", NULL, OURS, false, 1);
    all_calls("snapshot", NULL, OURS, true, 4);
    all_calls("snapshot", NULL, SQLITES, false, 53);
    all_calls("snapshot", NULL, SQLITES, true, 5);
    run("rm -rf %s %s", made, other);
}

static void test_restore(void **state)
{
    (void)state;
    all_calls("restore", "whole", OURS, false, 1);
    all_calls("restore", "whole", OURS, true, 3);
    all_calls("restore", "whole", SQLITES, false, 23);
    all_calls("restore", "whole", SQLITES, true, 7);
    all_calls("restore over what is no database", "broken", OURS, false, 1);
    all_calls("restore over what is no database", "broken", SQLITES, false, 41);
    all_calls("restore over what is no database", "broken", SQLITES, true, 11);
}

// Reading and writing in pieces, and interrupted, loses nothing.
static void test_pieces(void **state)
{
    struct err e = {0};
    struct store_health h;
    char aside[PATH_MAX];
    (void)state;
    run("rm -rf %s %s %s; cp -r %s.whole %s", data, other, made, data, data);
    ours.piece = 1021;
    int rc = store_snapshot(data, made, &h, &e);
    if (!rc)
        rc = store_restore(other, made, aside, &h, &e);
    ours.piece = 0;
    if (rc)
        fail_msg("%s", e.msg);
    is_state(other, WORK_STEPS, "in pieces");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_snapshot),
                                       cmocka_unit_test(test_restore),
                                       cmocka_unit_test(test_pieces)};
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, setup, teardown);
}
