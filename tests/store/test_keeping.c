// SPDX-License-Identifier: MIT
// One writer, older and newer schemas, snapshots, and what was acknowledged before a death.
#include "base/utf8.h"
#include "tests/store/texts.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_one_writer_and_newer_schema(void **state)
{
    (void)state;
    struct err e;
    store *s, *other;
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    assert_int_equal(store_open_writer(dir, &other, &e), -EBUSY);
    store_close(s);
    char path[200];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/askd.db", dir);
    assert_int_equal(sqlite3_open(path, &db), 0);
    sqlite3_exec(db, "PRAGMA user_version = 5", NULL, NULL, NULL);
    assert_int_equal(store_open_reader(dir, &s, &e), -EPROTO);
    assert_non_null(strstr(e.msg, "newer askd"));
    sqlite3_exec(db, "PRAGMA user_version = 4", NULL, NULL, NULL);
    sqlite3_close(db);
}

static int no_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)ctx;
    fail_msg("fault %d: %s", kind, sentence);
    return 0;
}

// A store of the first version is read as it is, and brought up to date by the first writer.
static void test_older_schema(void **state)
{
    (void)state;
    struct err e;
    store *s;
    char folder[200];
    struct store_filter none = {0};
    snprintf(folder, sizeof folder, "%s/older", dir);
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    put(s, "/a.md", "zebra");
    store_close(s);
    make_older(folder, 1);
    assert_int_equal(store_open_reader(folder, &s, &e), 0);
    assert_int_equal(find(s, "zebra", none), 1);
    store_close(s);
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    put(s, "/b.md", "giraffe");
    assert_int_equal(find(s, "zebra", none), 1);
    assert_int_equal(find(s, "giraffe", none), 1);
    arena *a = arena_new(0);
    const char *other;
    assert_int_equal(store_same_text(s, "default", "none", "", "/a.md", a, &other, &e), 0);
    assert_null(other);
    arena_free(a);
    store_close(s);
    // The texts that were there have sums now.
    struct store_health h;
    assert_int_equal(store_verify(folder, no_fault, NULL, &h, &e), 0);
    assert_int_equal(h.passages, 4);
}

static size_t pending(store *s, enum store_for who)
{
    struct err e;
    struct store_pending *p;
    size_t n;
    uint64_t counted;
    arena *a = arena_new(0);
    assert_int_equal(store_pending(s, "en:1", who, 10, a, &p, &n, &e), 0);
    assert_int_equal(store_count_pending(s, "en:1", who, &counted, &e), 0);
    assert_int_equal(counted, n);
    for (size_t i = 0; i < n && who == STORE_FOR_NO_CJK; i++)
        assert_false(utf8_in_cjk(p[i].text));
    arena_free(a);
    return n;
}

static void test_embedder_without_chinese(void **state)
{
    (void)state;
    struct err e;
    store *s;
    const uint16_t v[2] = {1, 7};
    bool complete = true;
    arena *a = arena_new(0);
    struct store_pending *p;
    size_t n;
    char folder[200];
    snprintf(folder, sizeof folder, "%s/english", dir);
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    put(s, "/docs/en.md", "The quota is set by the administrator");
    put(s, "/docs/zh.md", "磁盘配额由管理员按月设置 quota");
    assert_int_equal(pending(s, STORE_FOR_ALL), 4);
    assert_int_equal(pending(s, STORE_FOR_NO_CJK), 3);
    assert_int_equal(store_complete(s, "en:1", STORE_FOR_NO_CJK, &e), 0);
    assert_int_equal(store_is_complete(s, "en:1", &complete, &e), 0);
    assert_false(complete);
    assert_int_equal(store_pending(s, "en:1", STORE_FOR_NO_CJK, 10, a, &p, &n, &e), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(store_put_vectors(s, "en:1", &p[i].id, 1, 2, v, &e), 0);
    assert_int_equal(pending(s, STORE_FOR_NO_CJK), 0);
    assert_int_equal(pending(s, STORE_FOR_ALL), 1);
    assert_int_equal(store_complete(s, "en:1", STORE_FOR_ALL, &e), 0);
    assert_int_equal(store_is_complete(s, "en:1", &complete, &e), 0);
    assert_false(complete);
    assert_int_equal(store_complete(s, "en:1", STORE_FOR_NO_CJK, &e), 0);
    assert_int_equal(store_is_complete(s, "en:1", &complete, &e), 0);
    assert_true(complete);
    arena_free(a);
    store_close(s);
}

// A snapshot is of one moment, whatever is written meanwhile; what is not what its manifest
// says is not restored; ids go on.
static void test_snapshot(void **state)
{
    (void)state;
    struct err e;
    store *s, *r;
    struct store_health h;
    struct store_filter none = {0};
    char folder[200], to[240], aside[PATH_MAX], path[260];
    snprintf(folder, sizeof folder, "%s/kept", dir);
    snprintf(to, sizeof to, "%s/snapshot", dir);
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    put(s, "/a", "zebra");
    int64_t before, after, highest;
    assert_int_equal(store_begin(s, &e), 0);
    put(s, "/b", "giraffe"); // under way
    assert_int_equal(store_snapshot(folder, to, &h, &e), 0);
    assert_true(h.documents == 1 && h.passages == 2);
    assert_int_equal(store_commit(s, &e), 0);
    assert_int_equal(store_snapshot(folder, to, &h, &e), -EEXIST);
    assert_int_equal(store_restore(folder, to, aside, &h, &e), -EBUSY);
    assert_int_equal(store_verify(folder, no_fault, NULL, &h, &e), -EBUSY);
    assert_int_equal(store_sequence(s, &before, &e), 0);
    store_close(s);
    assert_int_equal(store_open_reader(folder, &r, &e), 0);
    assert_int_equal(find(r, "giraffe", none), 1);
    assert_int_equal(store_restore(folder, to, aside, &h, &e), 0);
    assert_string_equal(aside, "");
    assert_int_equal(find(r, "giraffe", none), 0); // without opening it again
    assert_int_equal(find(r, "zebra", none), 1);
    assert_int_equal(store_sequence(r, &after, &e), 0);
    assert_true(after > before);
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    put(s, "/c", "hippo");
    arena *a = arena_new(0);
    int64_t *ids;
    size_t n;
    assert_int_equal(store_passage_ids(s, a, &ids, &n, &e), 0);
    highest = ids[n - 1];
    assert_true(n == 4 && highest == 6); // 3 and 4 were those of /b
    arena_free(a);
    store_close(s);
    store_close(r);
    snprintf(path, sizeof path, "%s/askd.db", to);
    assert_int_equal(truncate(path, 8192), 0);
    assert_int_equal(store_restore(folder, to, aside, &h, &e), -EBADMSG);
    assert_non_null(strstr(e.msg, "manifest"));
    assert_int_equal(store_verify(folder, no_fault, NULL, &h, &e), 0);
    assert_int_equal(h.documents, 2);
}

// What was acknowledged survives the death of the writer.
static void test_kill(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t pid = fork();
        if (!pid) {
            struct err e;
            store *s;
            if (store_open_writer(dir, &s, &e))
                _exit(1);
            for (int i = 0;; i++) {
                char name[40];
                snprintf(name, sizeof name, "/k/%d-%d", round, i);
                put(s, name, "killed text");
                if (write(pipes[1], &i, sizeof i) != sizeof i)
                    _exit(1);
            }
        }
        close(pipes[1]);
        int acknowledged = -1, i;
        usleep((useconds_t)(2000 + round * 1500));
        kill(pid, SIGKILL);
        while (read(pipes[0], &i, sizeof i) == sizeof i)
            acknowledged = i;
        close(pipes[0]);
        waitpid(pid, NULL, 0);
        struct err e;
        store *s;
        assert_int_equal(store_open_writer(dir, &s, &e), 0);
        for (i = 0; i <= acknowledged; i++) {
            char name[40], hash[33];
            int64_t m, size;
            bool found;
            snprintf(name, sizeof name, "/k/%d-%d", round, i);
            assert_int_equal(store_find(s, "default", name, hash, &m, &size, &found, &e), 0);
            assert_true(found);
        }
        store_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_writer_and_newer_schema),
        cmocka_unit_test(test_older_schema),
        cmocka_unit_test(test_embedder_without_chinese),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_kill),
    };
    return cmocka_run_group_tests(tests, texts_setup, texts_teardown);
}
