// SPDX-License-Identifier: MIT
// Where there is no going on: paths that are too long, files that are no store or somebody
// else's, no room, a lock held by another. Each is refused with a sentence, and nothing is left
// behind or changed.
#include "tests/store/texts.h"

#include "base/file.h"
#include "store/internal.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int no_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)ctx;
    fail_msg("fault %d: %s", kind, sentence);
    return 0;
}

static const char *in(const char *name)
{
    static char paths[2][PATH_MAX];
    static int turn;
    char *path = paths[turn++ % 2];
    snprintf(path, PATH_MAX, "%s/%s", dir, name);
    return path;
}

// A path of exactly n bytes below the test's folder.
static void path_of(size_t n, char *out)
{
    size_t len = (size_t)sprintf(out, "%s", dir);
    while (len < n) {
        size_t piece = n - len < 202 ? n - len : n - len < 402 ? (n - len) / 2 : 201;
        out[len++] = '/';
        memset(out + len, 'x', piece - 1);
        len += piece - 1;
    }
    out[len] = 0;
}

static void test_paths(void **state)
{
    (void)state;
    struct err e = {0};
    struct store_health h;
    struct stat st;
    store *s;
    char longer[PATH_MAX], path[PATH_MAX], aside[PATH_MAX];
    const char *data = in("data");
    path_of(STORE_PATH_MAX + 1, longer);
    assert_int_equal(store_open_writer(longer, &s, &e), -ENAMETOOLONG);
    assert_non_null(strstr(e.msg, "too long (503 bytes"));
    assert_int_equal(store_open_reader(longer, &s, &e), -ENAMETOOLONG);
    assert_int_equal(store_verify(longer, no_fault, NULL, &h, &e), -ENAMETOOLONG);
    assert_int_equal(store_glance(longer, no_fault, NULL, &h, &e), -ENAMETOOLONG);
    assert_int_equal(store_open_writer(data, &s, &e), 0);
    put(s, "/a", "zebra");
    store_close(s);
    assert_int_equal(store_snapshot(data, longer, &h, &e), -ENAMETOOLONG);
    assert_int_equal(store_restore(data, longer, aside, &h, &e), -ENAMETOOLONG);
    assert_int_equal(store_restore(longer, data, aside, &h, &e), -ENAMETOOLONG);
    // The store's name fits, the lock's does not; then none of SQLite's own.
    path_of(STORE_PATH_MAX - 9, path);
    assert_int_equal(store_open_writer(path, &s, &e), -ENAMETOOLONG);
    path_of(STORE_PATH_MAX - 7, path);
    assert_int_equal(store_open_writer(path, &s, &e), -ENAMETOOLONG);
    assert_int_equal(lstat(path, &st), -1);
    // The longest one is a store as any other.
    path_of(STORE_PATH_MAX - 12, path);
    assert_int_equal(store_open_writer(path, &s, &e), 0);
    put(s, "/a", "zebra");
    store_close(s);
    assert_int_equal(store_verify(path, no_fault, NULL, &h, &e), 0);
    // Room for the snapshot's name, not for the files in the folder where it is made.
    path_of(STORE_PATH_MAX - 10, path);
    file_parent(path, longer);
    assert_int_equal(file_mkdirs(longer, 0700, &e), 0);
    assert_int_equal(store_snapshot(data, path, &h, &e), -ENAMETOOLONG);
    assert_int_equal(lstat(path, &st), -1);
    strcat(path, ".tmp");
    assert_int_equal(lstat(path, &st), -1);
}

static void test_snapshot_names(void **state)
{
    (void)state;
    struct err e = {0};
    struct store_health h;
    store *s;
    char aside[PATH_MAX];
    const char *data = in("named");
    assert_int_equal(store_open_writer(data, &s, &e), 0);
    put(s, "/a", "zebra");
    store_close(s);
    assert_int_equal(store_snapshot(data, "", &h, &e), -ENAMETOOLONG);
    assert_non_null(strstr(e.msg, "not a usable folder"));
    assert_int_equal(store_snapshot(data, "//", &h, &e), -EEXIST);
    assert_int_equal(store_snapshot(data, in("kept///"), &h, &e), 0);
    assert_int_equal(store_snapshot(data, in("kept"), &h, &e), -EEXIST);
    assert_int_equal(store_snapshot(data, in("no/such/folder"), &h, &e), -ENOENT);
    assert_int_equal(store_snapshot(in("nothing"), in("other"), &h, &e), -ENOENT);
    assert_int_equal(store_restore(in("restored"), in("kept"), aside, &h, &e), 0);
    assert_int_equal(store_verify(in("restored"), no_fault, NULL, &h, &e), 0);
    assert_int_equal(h.documents, 1);
}

// A snapshot without its manifest, or with another's, is not taken back.
static void test_manifests(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "askd snapshot 9\nschema 4\nsha256 ", "askd snapshot 1\nschema 4\n",
        "askd snapshot 1\nschema 4\nsha256 0123", "askd snapshot 1\nschema 4\nsha256 x"};
    struct err e = {0};
    struct store_health h;
    store *s;
    char manifest[PATH_MAX], aside[PATH_MAX];
    const char *data = in("manifested");
    assert_int_equal(store_open_writer(data, &s, &e), 0);
    put(s, "/a", "zebra");
    store_close(s);
    assert_int_equal(store_snapshot(data, in("manifests"), &h, &e), 0);
    snprintf(manifest, sizeof manifest, "%s/MANIFEST", in("manifests"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[200];
        int n = snprintf(
            text, sizeof text, "%s%s\n", wrong[i],
            i ? "" : "0123456789012345678901234567890123456789012345678901234567890123");
        assert_int_equal(file_write_atomic(manifest, text, (size_t)n, &e), 0);
        assert_int_equal(store_restore(data, in("manifests"), aside, &h, &e), -EBADMSG);
        assert_non_null(strstr(e.msg, "not the manifest"));
    }
    assert_int_equal(unlink(manifest), 0);
    assert_int_equal(store_restore(data, in("manifests"), aside, &h, &e), -ENOENT);
    assert_int_equal(store_verify(data, no_fault, NULL, &h, &e), 0); // nothing is changed
    assert_int_equal(h.documents, 1);
}

// What stands in the store's place and is none.
static void test_no_store(void **state)
{
    (void)state;
    struct err e = {0};
    store *s;
    const char *data = in("foreign");
    assert_int_equal(mkdir(data, 0700), 0);
    change(data, "CREATE TABLE theirs (x)");
    assert_int_equal(store_open_writer(data, &s, &e), -EBADMSG);
    assert_non_null(strstr(e.msg, "no store of askd"));
    change(data, "DROP TABLE theirs; PRAGMA user_version = 4");
    assert_int_equal(store_open_reader(data, &s, &e), -EBADMSG);
    change(data, "PRAGMA user_version = -1");
    assert_int_equal(store_open_reader(data, &s, &e), -EBADMSG);
    change(data, "PRAGMA user_version = 0"); // an empty one is filled by the first writer
    assert_int_equal(store_open_reader(data, &s, &e), -ENOENT);
    assert_int_equal(store_open_writer(data, &s, &e), 0);
    put(s, "/a", "zebra");
    store_close(s);
    // A store that cannot be lifted stays what it is.
    make_older(data, 1);
    change(data, "CREATE TABLE repeats (theirs)");
    assert_int_equal(store_open_writer(data, &s, &e), -EIO);
    assert_non_null(strstr(e.msg, "repeats already exists"));
    assert_int_equal(store_open_reader(data, &s, &e), 0);
    assert_int_equal(find(s, "zebra", (struct store_filter){0}), 1);
    store_close(s);
    // No database at all.
    assert_int_equal(
        file_write_atomic(in("foreign/askd.db"), "text, and not a little of it", 28, &e), 0);
    assert_int_equal(store_open_reader(data, &s, &e), -EBADMSG);
    assert_non_null(strstr(e.msg, "askd-ingest verify"));
    // A file where the folder should be.
    char file[PATH_MAX];
    struct store_health h;
    snprintf(file, sizeof file, "%s/askd.db", data);
    assert_int_equal(store_open_writer(file, &s, &e), -ENOTDIR);
    assert_int_equal(store_open_reader(file, &s, &e), -ENOTDIR);
    assert_int_equal(store_verify(file, no_fault, NULL, &h, &e), -ENOTDIR);
}

// Another connection, or another statement of this one, is in the way.
static void test_busy(void **state)
{
    (void)state;
    struct err e = {0};
    store *s, *other;
    sqlite3_stmt *q;
    const char *data = in("busy");
    assert_int_equal(store_open_writer(data, &s, &e), 0);
    put(s, "/a", "zebra");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/askd.db", data);
    assert_int_equal(store_open_file(path, SQLITE_OPEN_READWRITE, &other, &e), 0);
    assert_int_equal(store_exec(other, "BEGIN IMMEDIATE", &e), 0);
    sqlite3_busy_timeout(s->db, 0);
    assert_int_equal(store_begin(s, &e), -EBUSY);
    assert_int_equal(store_touch(s, "default", "/a", 500, &e), -EBUSY);
    assert_non_null(strstr(e.msg, "locked"));
    // A copy over it neither, nor from what is no database.
    store *to, *none;
    assert_int_equal(
        store_open_file(in("to"), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &to, &e), 0);
    assert_int_equal(store_copy(other->db, to->db, "to", &e), -EIO); // in a transaction
    assert_int_equal(store_copy(s->db, to->db, "to", &e), -EBUSY);
    assert_int_equal(file_write_atomic(in("none"), path, 100, &e), 0);
    assert_int_equal(store_open_file(in("none"), SQLITE_OPEN_READWRITE, &none, &e), 0);
    assert_int_equal(store_copy(to->db, none->db, "none", &e), -EBADMSG);
    assert_non_null(strstr(e.msg, "none: cannot copy"));
    store_close(none);
    store_close(to);
    assert_int_equal(store_exec(other, "ROLLBACK", &e), 0);
    store_close(other);
    assert_int_equal(store_touch(s, "default", "/a", 500, &e), 0);
    assert_int_equal(store_prepare(s, "SELECT * FROM passages", &q, &e), 0);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_int_equal(store_exec(s, "DROP TABLE passages", &e), -EBUSY);
    sqlite3_reset(q);
    store_close(s);
}

// A file that may not grow: nothing of the document is there, and the next try succeeds.
static void test_no_room(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct err e = {0};
    struct store_health h;
    struct rlimit old, small = {0};
    const struct store_passage p = {.text = text, .words = "large "};
    struct store_document d = {.collection = "default",
                               .path = "/large",
                               .title = "",
                               .type = "md",
                               .hash = "h",
                               .passages = &p,
                               .n_passages = 1};
    store *s;
    const char *data = in("full");
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(store_open_writer(data, &s, &e), 0);
    put(s, "/a", "zebra");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = sizeof text / 2, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = store_put(s, &d, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(rc, -ENOSPC);
    assert_non_null(strstr(e.msg, "no room left"));
    store_close(s);
    assert_int_equal(store_verify(data, no_fault, NULL, &h, &e), 0);
    assert_int_equal(h.documents, 1);
    assert_int_equal(store_open_writer(data, &s, &e), 0);
    assert_int_equal(store_put(s, &d, &e), 0);
    // As many pages as there are, by SQLite's own count.
    assert_int_equal(store_exec(s, "PRAGMA max_page_count = 1", &e), 0);
    d.path = "/larger";
    assert_int_equal(store_put(s, &d, &e), -ENOSPC);
    store_close(s);
    assert_int_equal(store_verify(data, no_fault, NULL, &h, &e), 0);
    assert_int_equal(h.documents, 2);
}

// More passages with a word, and more kinds of statements, than fit where few do.
static void test_many(void **state)
{
    (void)state;
    enum { PASSAGES = 5000 };
    static char sql[70][32];
    static struct store_passage p[PASSAGES];
    struct err e = {0};
    struct store_document d = {.collection = "default",
                               .path = "/many",
                               .title = "",
                               .type = "md",
                               .hash = "h",
                               .passages = p,
                               .n_passages = PASSAGES};
    store *s;
    store_sizes *z;
    sqlite3_stmt *q;
    static struct store_hit hits[PASSAGES];
    const struct store_word word = {"zebra", PASSAGES, 0};
    const struct store_filter none = {0};
    size_t n;
    int64_t sequence;
    assert_int_equal(store_open_writer(in("many"), &s, &e), 0);
    for (int i = 0; i < PASSAGES; i++)
        p[i] = (struct store_passage){.text = "zebra", .words = i % 2 ? "zebra " : "a zebra "};
    assert_int_equal(store_put(s, &d, &e), 0);
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    assert_int_equal(store_search_words(s, z, &word, 1, &none, PASSAGES, hits, &n, &e), 0);
    assert_int_equal(n, PASSAGES);
    for (size_t i = 1; i < n; i++) // best first, equals by id
        assert_true(hits[i - 1].bm25 > hits[i].bm25 ||
                    (hits[i - 1].bm25 == hits[i].bm25 && hits[i - 1].id < hits[i].id));
    assert_true(hits[0].id == 2 && hits[0].bm25 > hits[n - 1].bm25);
    // A transaction that was left open, of an earlier moment, hides nothing.
    assert_int_equal(store_hold(s, &e), 0);
    assert_int_equal(store_sequence(s, &sequence, &e), 0);
    store *w;
    assert_int_equal(store_open_file(s->path, SQLITE_OPEN_READWRITE, &w, &e), 0);
    assert_int_equal(store_exec(w,
                                "DELETE FROM passages WHERE id > 3;"
                                "INSERT OR REPLACE INTO meta VALUES ('removals', 9);"
                                "UPDATE meta SET value = value + 1 WHERE key = 'sequence'",
                                &e),
                     0);
    store_close(w);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    assert_int_equal(store_sizes_passages(z), 3);
    // Nor does another file that has come as far.
    store *twin;
    assert_int_equal(store_open_writer(in("twin"), &twin, &e), 0);
    put(twin, "/a", "zebra");
    assert_int_equal(store_exec(twin, "UPDATE meta SET value = 2 WHERE key = 'sequence'", &e),
                     0);
    int64_t other;
    assert_int_equal(store_sequence(s, &sequence, &e), 0);
    assert_int_equal(store_sequence(twin, &other, &e), 0);
    assert_int_equal(sequence, other);
    assert_int_equal(store_sizes_refresh(z, twin, &e), 0);
    assert_int_equal(store_sizes_passages(z), 2);
    store_close(twin);
    store_sizes_free(z);
    // The file of the name is another, or none.
    assert_true(store_is_current(s));
    char moved[PATH_MAX + 8];
    snprintf(moved, sizeof moved, "%s.moved", s->path);
    assert_int_equal(rename(s->path, moved), 0);
    assert_false(store_is_current(s));
    assert_int_equal(file_write_atomic(s->path, "", 0, &e), 0);
    assert_false(store_is_current(s));
    assert_int_equal(rename(moved, s->path), 0);
    assert_true(store_is_current(s));
    size_t room = sizeof s->cache / sizeof *s->cache, i = s->n_cache;
    for (; i < room; i++) {
        snprintf(sql[i], sizeof sql[i], "SELECT %zu", i);
        assert_int_equal(store_prepare(s, sql[i], &q, &e), 0);
    }
    assert_int_equal(store_prepare(s, "SELECT 99", &q, &e), -ENOSPC);
    assert_non_null(strstr(e.msg, "too many kinds"));
    assert_int_equal(store_prepare(s, sql[room - 1], &q, &e), 0); // known
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),     cmocka_unit_test(test_snapshot_names),
        cmocka_unit_test(test_manifests), cmocka_unit_test(test_no_store),
        cmocka_unit_test(test_busy),      cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, texts_setup, texts_teardown);
}
