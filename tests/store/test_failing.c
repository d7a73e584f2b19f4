// SPDX-License-Identifier: MIT
// Every function of the store on a connection whose memory runs out, SQLite's or ours: the Nth
// allocation of each fails, once or from then on. It returns -ENOMEM with a sentence or does
// what it does otherwise; what was changed is taken back, and the store is whole at the end.
// And where it is the caller's arena that is full, at each size of it.
//
// Reading is done too on a store that has numbers where texts should be, as damage may leave
// it: SQLite makes each text when it is asked for.
#include "tests/store/failing_sqlite.h"
#include "tests/tools/failing.h"

#include "base/permissions.h"
#include "base/buf.h"
#include "store/internal.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[] = "/tmp/askd-test-failing-XXXXXX";
static char data[64], numbers[64], snapshot[64];
static const char *folder = data; // that functions are tried on
static size_t arena_limit;        // 0: none

// ---- one connection, one function ----

struct use {
    store *s;
    arena *a;
    struct err *e;
};
typedef int use_fn(struct use *u);

static use_fn *function;
static const char *name;
static bool writes;

// Opening has tests of its own; here only the function's allocations count.
static int once(struct err *e)
{
    struct use u = {.e = e};
    unsigned at = failing.at;
    failing.at = 0;
    int rc = writes ? store_open_writer(folder, &u.s, e) : store_open_reader(folder, &u.s, e);
    u.a = arena_new(arena_limit);
    assert_int_equal(rc, 0);
    assert_non_null(u.a);
    if (writes)
        assert_int_equal(store_begin(u.s, e), 0);
    failing.at = at;
    rc = function(&u);
    failing.at = 0;
    if (rc && rc != -ENOMEM)
        print_error("%s: %d, allocation %u\n", name, rc, at);
    if (writes)
        store_rollback(u.s);
    store_close(u.s);
    arena_free(u.a);
    failing.at = at;
    return rc;
}

static unsigned tried;

// An arena of each size that is too small, until one is large enough.
static void check_arenas(void)
{
    struct err e = {0};
    int rc = -ENOMEM;
    failing = (struct failing){.at = 0};
    for (arena_limit = 1; rc == -ENOMEM; arena_limit += 16, tried++)
        if ((rc = once(&e)) && (rc != -ENOMEM || !*e.msg))
            fail_msg("%s, an arena of %zu bytes: %d %s", name, arena_limit, rc, e.msg);
    arena_limit = 0;
}

static void check_run(failing_fn *run, unsigned by)
{
    for (int ours = 0; ours < 2; ours++) {
        bool more = true;
        for (unsigned at = 1; more; at += ours ? 1 : by) {
            more = false;
            for (int on = 0; on < 2; on++, tried++)
                more |= failing_try(run, at, on, ours, NULL);
        }
    }
}

static void check_function(const char *its_name, use_fn *fn, bool writing, unsigned by)
{
    const char *all = getenv("ASKD_FAULTS");
    function = fn;
    name = its_name;
    writes = writing;
    if (all && !strcmp(all, "all"))
        by = 1;
    check_run(once, by);
    check_arenas();
}

// ---- reading ----

static int find(struct use *u)
{
    char hash[33];
    int64_t modified, size;
    bool found;
    int rc = store_find(u->s, "default", "/docs/2.md", hash, &modified, &size, &found, u->e);
    return rc ? rc : found && modified == 102 && !strcmp(hash, "11") ? 0 : -EINVAL;
}

static int paths(struct use *u)
{
    const char *const *list;
    struct store_file *files;
    struct store_repeat *repeats;
    size_t n, m, k;
    const char *same = NULL;
    int rc = store_paths(u->s, "default", "/docs", u->a, &list, &n, u->e);
    if (!rc)
        rc = store_files(u->s, "default", "", u->a, &files, &m, u->e);
    if (!rc)
        rc = store_repeats(u->s, "default", u->a, &repeats, &k, u->e);
    if (!rc)
        rc = store_same_text(u->s, "default", "words-1", PERMISSIONS_UNKNOWN, "/docs/7.md",
                             u->a, &same, u->e);
    return rc ? rc : n == 3 && m == 3 && k == 1 && same ? 0 : -EINVAL;
}

static int counts(struct use *u)
{
    struct store_collection *c;
    struct store_embedder *m;
    int64_t *ids, sequence, removals, epoch;
    size_t n, n_m, n_ids;
    uint64_t pending = 0;
    bool complete;
    int rc = store_collections(u->s, "e5", NULL, u->a, &c, &n, u->e);
    if (!rc)
        rc = store_embedders(u->s, u->a, &m, &n_m, u->e);
    if (!rc)
        rc = store_passage_ids(u->s, u->a, &ids, &n_ids, u->e);
    if (!rc)
        rc = store_is_complete(u->s, "e5", &complete, u->e);
    if (!rc)
        rc = store_count_pending(u->s, "other", STORE_FOR_NO_CJK, &pending, u->e);
    if (!rc)
        rc = store_sequence(u->s, &sequence, u->e);
    if (!rc)
        rc = store_removals(u->s, &removals, u->e);
    if (!rc)
        rc = store_epoch(u->s, &epoch, u->e);
    return rc ? rc
           : n == 2 && c->passages == 3 && n_m == 1 && n_ids == 4 && complete && pending == 4
               ? 0
               : -EINVAL;
}

static int count_vector(void *ctx, int64_t passage, int64_t collection, const char *text,
                        const uint16_t *f16, size_t dims)
{
    (void)text;
    (void)passage;
    (void)collection;
    *(size_t *)ctx += dims && f16[0] == 0x3C00;
    return 0;
}

static int vectors(struct use *u)
{
    struct store_pending *pending;
    size_t n = 0, n_pending;
    int rc = store_vectors(u->s, "e5", 0, count_vector, &n, u->e);
    if (!rc)
        rc = store_pending(u->s, "other", STORE_FOR_ALL, 10, u->a, &pending, &n_pending, u->e);
    return rc ? rc : n == 4 && n_pending == 4 ? 0 : -EINVAL;
}

static int passages(struct use *u)
{
    struct store_row row, *rows;
    size_t n;
    int rc = store_passage(u->s, 2, u->a, &row, u->e);
    if (!rc)
        rc = store_document_rows(u->s, 2, u->a, &rows, &n, u->e);
    return rc ? rc : strstr(row.text, "oak") && n == 1 && rows->id == 2 ? 0 : -EINVAL;
}

static int count_row(void *ctx, const struct store_scan_row *row)
{
    *(size_t *)ctx += row->passage != 0;
    return 0;
}

static int scan(struct use *u)
{
    size_t n = 0;
    int rc = store_hold(u->s, u->e);
    if (!rc)
        rc = store_scan(u->s, "default", count_row, &n, u->e);
    return rc ? rc : n == 3 ? 0 : -EINVAL;
}

static int search(struct use *u)
{
    store_sizes *z = NULL;
    const int64_t collections[] = {1};
    struct store_scope scope = {0};
    const char *const words[] = {"oak"};
    uint64_t count = 0;
    struct store_hit hits[4];
    size_t n = 0;
    bool passes = false;
    int rc = store_sizes_new(&z, u->e);
    if (!rc)
        rc = store_sizes_refresh(z, u->s, u->e);
    if (!rc)
        rc = store_scope_new(u->s, z, collections, 1, NULL, &scope, u->e);
    const struct store_filter f = {.collections = collections,
                                   .n_collections = 1,
                                   .scope = &scope,
                                   .path_glob = "/docs/*",
                                   .type = "markdown",
                                   .after = 1};
    if (!rc)
        rc = store_word_counts(u->s, z, &scope, words, 1, &count, u->e);
    const struct store_word w = {words[0], count};
    if (!rc)
        rc = store_search_words(u->s, z, &w, 1, &f, 4, hits, &n, u->e);
    if (!rc)
        rc = store_passes(u->s, 2, &f, &passes, u->e);
    store_scope_free(&scope);
    store_sizes_free(z);
    for (size_t i = 0; i < n && !rc; i++)
        if (hits[i].id > 3)
            return -EPERM; // of a collection that was not asked
    return rc ? rc : count == 3 && n == 2 && passes ? 0 : -EINVAL;
}

// ---- writing ----

enum { SECRET = 4 }; // the document of another collection

static int put_one(store *s, int i, struct err *e)
{
    static const char *const section[] = {"Part", "Section", NULL};
    char path[20], text[60], hash[33];
    struct buf words = BUF_INIT;
    snprintf(path, sizeof path, "/docs/%d.md", i);
    snprintf(text, sizeof text, "The oak number %d has leaves.", i);
    snprintf(hash, sizeof hash, "words-%d", i);
    if (text_words(&words, text, strlen(text)))
        return err_nomem(e);
    struct store_passage p = {.section = section, .text = text, .words = words.data};
    struct store_document d = {.collection = i == SECRET ? "secret" : "default",
                               .path = path,
                               .title = "Oaks",
                               .type = "markdown",
                               .modified = 100 + i,
                               .hash = "11",
                               .passages = &p,
                               .n_passages = 1};
    strcpy(d.text_hash, hash);
    int rc = store_put(s, &d, e);
    buf_free(&words);
    return rc;
}

static int put(struct use *u)
{
    int rc = put_one(u->s, 9, u->e);         // new
    return rc ? rc : put_one(u->s, 1, u->e); // again
}

static int change(struct use *u)
{
    bool removed = false;
    int rc = store_remove(u->s, "default", "/docs/2.md", &removed, u->e);
    if (!rc)
        rc = store_touch(u->s, "default", "/docs/1.md", 500, u->e);
    if (!rc)
        rc = store_put_permissions(u->s, "default", "/docs/1.md", "", u->e);
    return rc ? rc : removed ? 0 : -EINVAL;
}

static int repeats(struct use *u)
{
    const struct store_repeat list[] = {{"/docs", 7, "/docs/1.md"},
                                        {"/docs", 8, "/docs/99.md"}};
    size_t dropped = 0;
    int rc = store_put_repeats(u->s, "default", list, 2, u->e);
    if (!rc)
        rc = store_drop_repeats(u->s, "default", &dropped, u->e);
    if (!rc)
        rc = store_remove_repeat(u->s, "default", 7, "/docs/1.md", u->e);
    return rc ? rc : dropped == 1 ? 0 : -EINVAL;
}

static int put_vectors(struct use *u)
{
    const int64_t ids[] = {1, 2, 3};
    const uint16_t f16[6] = {0x3C00, 0, 0x3C00, 0, 0x3C00};
    size_t n;
    int rc = store_put_vectors(u->s, "other", ids, 3, 2, f16, u->e);
    if (!rc)
        rc = store_complete(u->s, "other", STORE_FOR_ALL, u->e);
    if (!rc)
        rc = store_drop_damaged_vectors(u->s, "e5", &n, u->e);
    return rc ? rc : n == 0 ? 0 : -EINVAL;
}

static int words(struct use *u)
{
    return store_rebuild_words(u->s, u->e);
}

// ---- whole files ----

static int count_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)kind;
    (void)sentence;
    ++*(int *)ctx;
    return 0;
}

static int verify(struct err *e)
{
    struct store_health h;
    int n = 0;
    int rc = store_verify(data, count_fault, &n, &h, e);
    return rc ? rc : !n && h.passages == 4 ? 0 : -EINVAL;
}

static int look(struct err *e)
{
    struct store_health h;
    int n = 0;
    int rc = store_glance(data, count_fault, &n, &h, e);
    return rc ? rc : !n && h.passages == 4 ? 0 : -EINVAL;
}

static int take_snapshot(struct err *e)
{
    struct store_health h;
    char command[200];
    unsigned at = failing.at;
    failing.at = 0;
    snprintf(command, sizeof command, "rm -rf %s %s.tmp", snapshot, snapshot);
    assert_int_equal(system(command), 0);
    failing.at = at;
    int rc = store_snapshot(data, snapshot, &h, e);
    return rc ? rc : h.passages == 4 ? 0 : -EINVAL;
}

static int restore(struct err *e)
{
    struct store_health h;
    char aside[PATH_MAX];
    int rc = store_restore(data, snapshot, aside, &h, e);
    return rc ? rc : h.passages == 4 && !*aside ? 0 : -EINVAL;
}

#define CHECK(fn, writing, by) check_function(#fn, fn, writing, by)

static void check_reading(const char *where, unsigned by)
{
    tried = 0;
    folder = where;
    CHECK(find, false, by);
    CHECK(paths, false, by);
    CHECK(counts, false, 2 + by);
    CHECK(vectors, false, 1 + by);
    CHECK(passages, false, 1 + by);
    CHECK(scan, false, 1 + by);
    CHECK(search, false, 2 + by);
    folder = data;
}

static void test_reading(void **state)
{
    (void)state;
    check_reading(data, 1);
    print_message("# reading: %u runs\n", tried);
    check_reading(numbers, 1);
    print_message("# reading numbers for texts: %u runs\n", tried);
}

static void test_writing(void **state)
{
    (void)state;
    tried = 0;
    CHECK(put, true, 7);
    CHECK(change, true, 7);
    CHECK(repeats, true, 5);
    CHECK(put_vectors, true, 7);
    CHECK(words, true, 13);
    print_message("# writing: %u runs\n", tried);
}

static void test_files(void **state)
{
    struct err e;
    (void)state;
    tried = 0;
    check_run(verify, 97);
    check_run(look, 29);
    check_run(take_snapshot, 211);
    assert_int_equal(take_snapshot(&e), 0);
    check_run(restore, 211);
    assert_int_equal(verify(&e), 0);
    print_message("# whole files: %u runs\n", tried);
}

static int fill(const char *where)
{
    struct err e;
    store *s;
    const int64_t ids[] = {1, 2, 3, SECRET};
    const uint16_t f16[8] = {0x3C00, 0, 0x3C00, 0, 0x3C00, 0, 0x3C00};
    const struct store_repeat repeat = {"/docs", 5, "/docs/1.md"};
    int rc = store_open_writer(where, &s, &e);
    for (int i = 1; i <= SECRET && !rc; i++)
        rc = put_one(s, i, &e);
    if (!rc)
        rc = store_put_vectors(s, "e5", ids, 4, 2, f16, &e);
    if (!rc)
        rc = store_complete(s, "e5", STORE_FOR_ALL, &e);
    if (!rc)
        rc = store_put_repeats(s, "default", &repeat, 1, &e);
    store_close(s);
    return rc;
}

// Rows that are as they were put, by their sums, but that their texts are numbers.
static int make_numbers(void)
{
    char path[80];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/askd.db", numbers);
    int rc = sqlite3_open(path, &db);
    if (!rc)
        rc = store_add_sum(db);
    if (!rc)
        rc = sqlite3_exec(db,
                          "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql ="
                          " replace(sql, 'TEXT NOT NULL', 'NOT NULL') WHERE type = 'table';"
                          "PRAGMA writable_schema=RESET;"
                          "UPDATE documents SET hash = 11, title = 12;"
                          "UPDATE passages SET section = 13;"
                          "UPDATE passages SET text = 14 WHERE document = 1;"
                          "UPDATE documents SET sum = " SUM_DOCUMENT(
                              "") ";"
                                  "UPDATE passages SET sum = " SUM_PASSAGE("") ";",
                          NULL, NULL, NULL);
    return rc | sqlite3_close(db);
}

static int setup(void **state)
{
    (void)state;
    failing_sqlite();
    if (!mkdtemp(dir))
        return -1;
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(numbers, sizeof numbers, "%s/numbers", dir);
    snprintf(snapshot, sizeof snapshot, "%s/snapshot", dir);
    return fill(data) || fill(numbers) || make_numbers();
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading),
                                       cmocka_unit_test(test_writing),
                                       cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
