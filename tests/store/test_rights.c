// SPDX-License-Identifier: MIT
// What the permissions of files keep from whom, in the store: what is counted, what is found,
// what is listed; stores of the schema before.
#include "base/permissions.h"
#include "store/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char dir[] = "/tmp/askd-test-rights-XXXXXX";
static const char *const b_alone[] = {"b", NULL};
static const gid_t groups[] = {100};
static const struct rights
    ann = {.by_files = true, .user = true, .uid = 1},
    bob = {.by_files = true, .user = true, .uid = 2, .groups = groups, .n_groups = 1},
    token = {.by_files = true},
    ann_in_b = {.by_files = true, .files_of = b_alone, .user = true, .uid = 1};

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static void put(store *s, const char *collection, const char *path, const char *permissions)
{
    struct err e;
    const struct store_passage p = {.text = "text", .words = "common "};
    struct store_document d = {.collection = collection,
                               .path = path,
                               .title = "",
                               .type = "md",
                               .size = 10,
                               .hash = "h",
                               .text_hash = "same",
                               .permissions = permissions,
                               .passages = &p,
                               .n_passages = 1};
    assert_int_equal(store_put(s, &d, &e), 0);
}

// How many passages of all collections these rights give: counted, found by a word, marked by
// bits, listed; all four must be the same.
static unsigned seen(store *s, const struct rights *r)
{
    struct err e;
    store_sizes *z;
    struct store_scope scope;
    struct store_hit hits[20];
    struct store_word word = {.word = "common"};
    struct store_collection *c;
    size_t n, n_bits, listed = 0, marked = 0, n_c;
    uint8_t *bits;
    arena *a = arena_new(0);
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    assert_int_equal(store_scope_new(s, z, NULL, 0, r, &scope, &e), 0);
    const struct store_filter f = {.scope = &scope};
    assert_int_equal(store_word_counts(s, z, &scope, &word.word, 1, &word.count, &e), 0);
    assert_int_equal(store_search_words(s, z, &word, 1, &f, 20, hits, &n, &e), 0);
    assert_int_equal(store_scope_bits(z, &scope, &bits, &n_bits, &e), 0);
    for (size_t i = 0; i < n_bits; i++)
        marked += bits[i / 8] >> i % 8 & 1;
    assert_int_equal(store_collections(s, "", r, a, &c, &n_c, &e), 0);
    for (size_t i = 0; i < n_c; i++) {
        listed += c[i].passages;
        assert_int_equal(c[i].bytes, 10 * c[i].documents);
        assert_int_equal(!c[i].updated, !c[i].documents);
    }
    for (size_t i = 0; i < n; i++) {
        struct store_row row;
        assert_int_equal(store_passage(s, hits[i].id, a, &row, &e), 0);
        assert_true(rights_document(r, row.collection, row.permissions));
    }
    assert_int_equal(n, scope.passages);
    assert_int_equal(n, word.count);
    assert_int_equal(n, marked);
    assert_int_equal(n, listed);
    free(bits);
    store_scope_free(&scope);
    store_sizes_free(z);
    arena_free(a);
    return (unsigned)n;
}

static void test_who_sees_what(void **state)
{
    (void)state;
    struct err e;
    store *s;
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    put(s, "a", "/all", "");
    put(s, "a", "/ann", "1:100:4");
    put(s, "a", "/group", "1:100:6");
    put(s, "b", "/bob", "2:100:4");
    put(s, "b", "/nobody", PERMISSIONS_UNKNOWN);
    put(s, "b", "/not noted", NULL);
    assert_int_equal(seen(s, NULL), 6);
    assert_int_equal(seen(s, &ann), 3);
    assert_int_equal(seen(s, &bob), 3);
    assert_int_equal(seen(s, &token), 0);
    assert_int_equal(seen(s, &ann_in_b), 3);
    // A change of permissions is there with the next look.
    assert_int_equal(store_put_permissions(s, "b", "/bob", "", &e), 0);
    assert_int_equal(store_put_permissions(s, "a", "/all", "2:100:4", &e), 0);
    assert_int_equal(seen(s, &ann), 3);
    assert_int_equal(seen(s, &bob), 3);
    assert_int_equal(seen(s, &ann_in_b), 4);
    // Written in another way or for another reason, they stay.
    assert_int_equal(store_touch(s, "a", "/all", 77, &e), 0);
    assert_int_equal(seen(s, &ann), 3);
    struct store_health h;
    store_close(s);
    assert_int_equal(store_verify(dir, NULL, NULL, &h, &e), 0); // a fault would crash
    assert_int_equal(h.documents, 6);
}

// A text that other people may read is no duplicate.
static void test_same_text(void **state)
{
    (void)state;
    struct err e;
    store *s;
    arena *a = arena_new(0);
    const char *path;
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    put(s, "same", "/one", "1:1:4");
    assert_int_equal(store_same_text(s, "same", "same", "", "/two", a, &path, &e), 0);
    assert_null(path);
    assert_int_equal(store_same_text(s, "same", "same", "1:1:4", "/two", a, &path, &e), 0);
    assert_string_equal(path, "/one");
    store_close(s);
    arena_free(a);
}

static int count(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)sentence;
    assert_int_equal(kind, STORE_FAULT_DOCUMENT);
    ++*(int *)ctx;
    return 0;
}

// Schema 3 knew no permissions: it is read and checked as it is, nobody has files there, and
// lifting it takes no damaged row for a good one.
static void test_schema_3(void **state)
{
    (void)state;
    struct err e;
    char folder[100], path[120];
    store *s;
    sqlite3 *db;
    struct store_health h;
    struct store_row row;
    struct store_file *files;
    size_t n;
    int faults = 0;
    arena *a = arena_new(0);
    snprintf(folder, sizeof folder, "%s/three", dir);
    snprintf(path, sizeof path, "%s/askd.db", folder);
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    put(s, "a", "/good", "");
    put(s, "a", "/damaged", "");
    store_close(s);
    assert_int_equal(sqlite3_open(path, &db), 0);
    assert_int_equal(store_add_sum(db), 0);
    assert_int_equal(
        sqlite3_exec(db,
                     "ALTER TABLE documents DROP COLUMN permissions;"
                     "UPDATE documents SET sum = " SUM_DOCUMENT_3(
                         "") ";"
                             "UPDATE documents SET title = 'other' WHERE path = '/damaged';"
                             "PRAGMA user_version = 3",
                     NULL, NULL, NULL),
        0);
    sqlite3_close(db);
    assert_int_equal(store_verify(folder, count, &faults, &h, &e), 0);
    assert_int_equal(faults, 1);
    assert_int_equal(store_open_reader(folder, &s, &e), 0);
    assert_int_equal(store_passage(s, 1, a, &row, &e), 0);
    assert_string_equal(row.permissions, PERMISSIONS_UNKNOWN);
    assert_int_equal(store_passage(s, 2, a, &row, &e), -EBADMSG);
    assert_int_equal(store_files(s, "a", "", a, &files, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_string_equal(files[0].permissions, PERMISSIONS_UNKNOWN);
    assert_int_equal(seen(s, &ann), 0);
    store_close(s);
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    assert_int_equal(store_passage(s, 1, a, &row, &e), 0);
    assert_int_equal(store_passage(s, 2, a, &row, &e), -EBADMSG);
    assert_int_equal(seen(s, &ann), 0);
    assert_int_equal(store_put_permissions(s, "a", "/good", "", &e), 0);
    assert_int_equal(store_put_permissions(s, "a", "/damaged", "", &e), 0);
    assert_int_equal(seen(s, &ann), 1);
    assert_int_equal(store_passage(s, 2, a, &row, &e), -EBADMSG);
    store_close(s);
    faults = 0;
    assert_int_equal(store_verify(folder, count, &faults, &h, &e), 0);
    assert_int_equal(faults, 1);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_sees_what),
        cmocka_unit_test(test_same_text),
        cmocka_unit_test(test_schema_3),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
