// SPDX-License-Identifier: MIT
// What the whole check and the glance say of one store: whole and of each schema, with rows
// that are not what was put, with a foreign schema, damaged, locked, large.
#include "tests/store/texts.h"

#include "store/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef int check_fn(const char *data_dir, store_fault_fn *fn, void *ctx,
                     struct store_health *out, struct err *e);
static check_fn *const checks[] = {store_verify, store_glance};
enum { VERIFY, GLANCE };

struct told {
    int n[STORE_FAULTS];
    int stop_at; // in all
    int all;
    char last[200];
};

static int note(void *ctx, enum store_fault kind, const char *sentence)
{
    struct told *t = ctx;
    t->n[kind]++;
    snprintf(t->last, sizeof t->last, "%s", sentence);
    return ++t->all == t->stop_at;
}

// A store of /0, /1, ... with two passages each, a vector of the first and a repeated block.
static const char *made(const char *name, int documents)
{
    static char folder[200];
    const int64_t first = 1;
    const uint16_t f16 = 7;
    const struct store_repeat repeat = {"/docs", 5, "/0"};
    struct err e;
    store *s;
    snprintf(folder, sizeof folder, "%s/%s", dir, name);
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    assert_int_equal(store_begin(s, &e), 0);
    for (int i = 0; i < documents; i++) {
        char path[20];
        snprintf(path, sizeof path, "/%d", i);
        put(s, path, i ? "giraffe" : "zebra");
    }
    assert_int_equal(store_put_vectors(s, "m:1", &first, 1, 1, &f16, &e), 0);
    assert_int_equal(store_put_repeats(s, "default", &repeat, 1, &e), 0);
    assert_int_equal(store_commit(s, &e), 0);
    store_close(s);
    return folder;
}

static int count_vector(void *ctx, int64_t passage, int64_t collection, const char *text,
                        const uint16_t *f16, size_t dims)
{
    (void)collection;
    assert_true(passage == 1 && dims == 1 && f16[0] == 7);
    assert_string_equal(text, "zebra");
    ++*(int *)ctx;
    return 0;
}

// A store of an older schema is read as it is: everything in it is found, nobody has files in
// it, and what it has no sums for is taken as it is.
static void check_reading(const char *folder, int schema)
{
    const struct rights user = {.by_files = true, .user = true, .uid = 1};
    struct err e;
    store *s;
    store_sizes *z;
    struct store_scope scope;
    struct store_file *files;
    struct store_collection *c;
    struct store_embedder *m;
    struct store_row row, *rows;
    size_t n;
    bool complete;
    int vectors = 0;
    arena *a = arena_new(0);
    assert_int_equal(store_open_reader(folder, &s, &e), 0);
    assert_int_equal(store_is_current(s), schema == STORE_SCHEMA);
    assert_int_equal(store_files(s, "default", "", a, &files, &n, &e), 0);
    assert_true(n == 2 && !strcmp(files[1].hash, "aa"));
    assert_string_equal(files[0].permissions, "?");
    assert_int_equal(store_collections(s, "m:1", NULL, a, &c, &n, &e), 0);
    assert_true(n == 1 && c->documents == 2 && c->passages == 4 && c->with_vectors == 1);
    assert_int_equal(store_collections(s, "m:1", &user, a, &c, &n, &e), 0);
    assert_true(n == 1 && !c->documents && !c->passages);
    assert_int_equal(store_embedders(s, a, &m, &n, &e), 0);
    assert_true(n == 1 && m->vectors == 1);
    assert_int_equal(m->complete, schema < 3); // was not noted before
    assert_int_equal(store_is_complete(s, "another", &complete, &e), 0);
    assert_int_equal(complete, schema < 3);
    assert_int_equal(store_vectors(s, "m:1", 0, count_vector, &vectors, &e), 0);
    assert_int_equal(vectors, 1);
    assert_int_equal(store_passage(s, 1, a, &row, &e), 0);
    assert_string_equal(row.text, "zebra");
    assert_string_equal(row.permissions, "?");
    assert_string_equal(row.section[1], "Quotas");
    assert_int_equal(store_document_rows(s, 2, a, &rows, &n, &e), 0);
    assert_true(n == 2 && rows[1].page == 2);
    assert_int_equal(store_document_rows(s, 99, a, &rows, &n, &e), -ENOENT);
    assert_int_equal(find(s, "giraffe", (struct store_filter){0}), 1);
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    assert_int_equal(store_scope_new(s, z, NULL, 0, &user, &scope, &e), 0);
    assert_int_equal(scope.passages, 0);
    store_scope_free(&scope);
    store_sizes_free(z);
    store_close(s);
    arena_free(a);
}

static void test_schemas(void **state)
{
    (void)state;
    for (int schema = 1; schema <= STORE_SCHEMA; schema++) {
        char name[20];
        snprintf(name, sizeof name, "schema-%d", schema);
        const char *folder = made(name, 2);
        if (schema < STORE_SCHEMA)
            make_older(folder, schema);
        check_reading(folder, schema);
        for (int i = VERIFY; i <= GLANCE; i++) {
            struct told t = {.n = {0}};
            struct store_health h;
            struct err e;
            assert_int_equal(checks[i](folder, note, &t, &h, &e), 0);
            if (t.all)
                fail_msg("schema %d: %s", schema, t.last);
            assert_true(h.schema == schema && h.documents == 2 && h.passages == 4);
            assert_int_equal(h.vectors, 1);
            assert_int_equal(h.embedders, i == VERIFY); // not counted at a glance
            assert_int_equal(h.unsummed, schema < 3);
        }
        // The next change is seen, where there are sums.
        change(folder, "UPDATE documents SET title = 'other' WHERE id = 2;"
                       "UPDATE passages SET text = 'other' WHERE id = 1");
        struct told t = {.n = {0}};
        struct store_health h;
        struct err e;
        assert_int_equal(store_verify(folder, note, &t, &h, &e), 0);
        assert_int_equal(t.n[STORE_FAULT_DOCUMENT], schema >= 3);
        assert_int_equal(t.n[STORE_FAULT_PASSAGE], schema >= 3);
    }
}

// Lists that grow as they are read hold all, in their order.
static void check_lists(const char *folder, size_t want)
{
    struct err e;
    store *s;
    const char *const *paths;
    struct store_file *files;
    int64_t *ids;
    size_t n;
    arena *a = arena_new(0);
    assert_int_equal(store_open_reader(folder, &s, &e), 0);
    assert_int_equal(store_paths(s, "default", "", a, &paths, &n, &e), 0);
    assert_int_equal(n, want);
    assert_int_equal(store_files(s, "default", "", a, &files, &n, &e), 0);
    assert_int_equal(n, want);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(files[i].path, paths[i]);
        assert_true(!i || strcmp(paths[i - 1], paths[i]) < 0);
    }
    assert_int_equal(store_passage_ids(s, a, &ids, &n, &e), 0);
    assert_int_equal(n, 2 * want);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ids[i], i + 1);
    arena_free(a);
    store_close(s);
}

// 100 sentences of a kind, the rest counted; whoever listens may have enough.
static void test_many_faults(void **state)
{
    (void)state;
    const char *folder = made("many", 130);
    check_lists(folder, 130);
    change(folder, "UPDATE documents SET title = 'other'");
    for (int i = VERIFY; i <= GLANCE; i++) {
        struct told t = {.n = {0}}, enough = {.stop_at = 3};
        struct store_health h;
        struct err e;
        assert_int_equal(checks[i](folder, note, &t, &h, &e), 0);
        assert_int_equal(h.faults[STORE_FAULT_DOCUMENT], 130);
        assert_int_equal(t.n[STORE_FAULT_DOCUMENT], 100);
        assert_int_equal(t.all, 100);
        assert_non_null(strstr(t.last, "not what was put"));
        assert_int_equal(checks[i](folder, note, &enough, &h, &e), -ECANCELED);
        assert_int_equal(enough.all, 3);
    }
}

// What each change is found to be, by the whole check and at a glance (-1: it does not look).
static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        int verify, glance;
        const char *sentence;
    } cases[] = {
        {"CREATE INDEX foreign_one ON documents (title)", STORE_FAULT_TREE, STORE_FAULT_TREE,
         "schema is not the one"},
        {"INSERT INTO meta VALUES ('what', 1)", STORE_FAULT_TREE, STORE_FAULT_TREE,
         "meta has what"},
        {"DELETE FROM meta WHERE key = 'sequence'", STORE_FAULT_TREE, STORE_FAULT_TREE,
         "lost its sequence"},
        {"UPDATE sqlite_sequence SET seq = 1 WHERE name = 'passages'", STORE_FAULT_TREE,
         STORE_FAULT_TREE, "an id of passages"},
        {"UPDATE documents SET collection = 9, sum = askd_sum(9, path, title, type, modified,"
         " size, hash, text_hash, added, permissions) WHERE id = 1",
         STORE_FAULT_TREE, STORE_FAULT_TREE, "no collection"},
        {"UPDATE vectors SET f16 = x'01'", STORE_FAULT_VECTOR, -1, "vectors of m:1"},
        {"UPDATE repeats SET owner = '/x'", STORE_FAULT_REPEAT, -1, "below /docs"},
        {"DELETE FROM words_content WHERE id = 2", STORE_FAULT_WORDS, -1, ""},
        {"INSERT INTO words (rowid, w) VALUES (77, 'x')", STORE_FAULT_WORDS, -1, "gone"},
        {"DROP TABLE words_data; PRAGMA writable_schema=ON;"
         "INSERT INTO words_config VALUES ('x', 1)",
         STORE_FAULT_WORDS, STORE_FAULT_TREE, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[20];
        snprintf(name, sizeof name, "kind-%zu", i);
        const char *folder = made(name, 2);
        change(folder, cases[i].sql);
        for (int k = VERIFY; k <= GLANCE; k++) {
            struct told t = {.n = {0}};
            struct store_health h;
            struct err e;
            int want = k == VERIFY ? cases[i].verify : cases[i].glance;
            assert_int_equal(checks[k](folder, note, &t, &h, &e), 0);
            if (want < 0 ? t.all : !t.n[want])
                fail_msg("%s: %d faults, the last: %s", cases[i].sql, t.all, t.last);
            if (t.all == 1 && !strstr(t.last, cases[i].sentence))
                fail_msg("%s: %s", cases[i].sql, t.last);
        }
    }
}

static void overwrite(const char *folder, off_t at, const char *with, size_t n)
{
    char path[300];
    snprintf(path, sizeof path, "%s/askd.db", folder);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, with, n, at), n);
    close(fd);
}

// What is no store of this program, or cannot be read as a file of SQLite's.
static void test_no_store(void **state)
{
    (void)state;
    for (int i = VERIFY; i <= GLANCE; i++) {
        char name[20];
        struct told t = {.n = {0}};
        struct store_health h;
        struct err e = {0};
        snprintf(name, sizeof name, "none-%d", i);
        assert_int_equal(checks[i]("/nowhere", note, &t, &h, &e), -ENOENT);
        const char *folder = made(name, 60);
        change(folder, "PRAGMA user_version = 99");
        assert_int_equal(checks[i](folder, note, &t, &h, &e), -EPROTO);
        assert_non_null(strstr(e.msg, "newer askd"));
        change(folder, "PRAGMA user_version = 0");
        assert_int_equal(checks[i](folder, note, &t, &h, &e), 0);
        assert_true(t.all == 1 && t.n[STORE_FAULT_FILE] == 1);
        change(folder, "PRAGMA user_version = 4");
        // The root of a table is no page of a tree; then there is no database at all.
        sqlite3 *db;
        sqlite3_stmt *q;
        char path[300], nothing[4096] = "";
        snprintf(path, sizeof path, "%s/askd.db", folder);
        assert_int_equal(sqlite3_open(path, &db), 0);
        assert_int_equal(sqlite3_prepare_v2(db,
                                            "SELECT rootpage FROM sqlite_schema"
                                            " WHERE name = 'documents'",
                                            -1, &q, NULL),
                         0);
        assert_int_equal(sqlite3_step(q), SQLITE_ROW);
        int root = sqlite3_column_int(q, 0);
        sqlite3_finalize(q);
        sqlite3_close(db);
        overwrite(folder, (off_t)(root - 1) * 4096, nothing, sizeof nothing);
        t = (struct told){.n = {0}};
        assert_int_equal(checks[i](folder, note, &t, &h, &e), 0);
        assert_true(t.n[STORE_FAULT_TREE] > 0 && t.n[STORE_FAULT_DOCUMENT] > 0);
        overwrite(folder, 0, "no SQLite at all", 16);
        t = (struct told){.n = {0}};
        assert_int_equal(checks[i](folder, note, &t, &h, &e), 0);
        assert_true(t.all == 1 && t.n[STORE_FAULT_FILE] == 1);
        t = (struct told){.stop_at = 1};
        assert_int_equal(checks[i](folder, note, &t, &h, &e), -ECANCELED);
    }
}

// While somebody has the file for himself nothing is said of it.
static void test_locked(void **state)
{
    (void)state;
    const char *folder = made("locked", 1);
    char path[300];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/askd.db", folder);
    assert_int_equal(sqlite3_open(path, &db), 0);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA locking_mode=EXCLUSIVE;"
                                  "UPDATE meta SET value = value + 1",
                                  NULL, NULL, NULL),
                     0);
    struct told t = {.n = {0}};
    struct store_health h;
    struct err e = {0};
    assert_int_equal(store_glance(folder, note, &t, &h, &e), -EBUSY);
    assert_non_null(strstr(e.msg, "locked"));
    assert_int_equal(t.all, 0);
    sqlite3_close(db);
    assert_int_equal(store_glance(folder, note, &t, &h, &e), 0);
    assert_int_equal(t.all, 0);
}

// Of a file that takes long to read the glance leaves out the trees: here pages that belong to
// nothing.
static void test_large(void **state)
{
    (void)state;
    const char *folder = made("large", 1);
    char path[300];
    struct told t = {.n = {0}};
    struct store_health h;
    struct err e;
    for (int larger = 0; larger < 2; larger++) {
        const unsigned pages = larger ? (unsigned)(STORE_GLANCE_MAX / 4096) + 1 : 300;
        const unsigned char count[4] = {(unsigned char)(pages >> 24),
                                        (unsigned char)(pages >> 16),
                                        (unsigned char)(pages >> 8), (unsigned char)pages};
        snprintf(path, sizeof path, "%s/askd.db", folder);
        assert_int_equal(truncate(path, (off_t)pages * 4096), 0);
        overwrite(folder, 28, (const char *)count, 4);
        t = (struct told){.n = {0}};
        assert_int_equal(store_glance(folder, note, &t, &h, &e), 0);
        assert_int_equal(h.documents, 1);
        assert_int_equal(t.n[STORE_FAULT_TREE] == 0, larger);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemas), cmocka_unit_test(test_many_faults),
        cmocka_unit_test(test_kinds),   cmocka_unit_test(test_no_store),
        cmocka_unit_test(test_locked),  cmocka_unit_test(test_large)};
    return cmocka_run_group_tests(tests, texts_setup, texts_teardown);
}
