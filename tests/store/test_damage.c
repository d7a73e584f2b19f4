// SPDX-License-Identifier: MIT
// Rows that this program never puts, as a damaged or foreign file may hold them: texts that are
// missing, numbers out of range, an index of words that leads nowhere. What is wrong is left
// out or refused with a sentence; the rest is given.
#include "tests/store/texts.h"

#include "store/internal.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// A store of its own with /a (zebra; passages 1 and 2), /b (giraffe; 3 and 4), /c (hippo; 5 and
// 6), a vector of each first passage, a repeated block.
static const char *made(const char *name)
{
    static char folder[200];
    const int64_t ids[] = {1, 3, 5};
    const uint16_t f16[3] = {7, 7, 7};
    const struct store_repeat repeat = {"/docs", 5, "/a"};
    struct err e;
    store *s;
    snprintf(folder, sizeof folder, "%s/%s", dir, name);
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    put(s, "/a", "zebra");
    put(s, "/b", "giraffe");
    put(s, "/c", "hippo");
    assert_int_equal(store_put_vectors(s, "m:1", ids, 3, 1, f16, &e), 0);
    assert_int_equal(store_put_repeats(s, "default", &repeat, 1, &e), 0);
    store_close(s);
    return folder;
}

static store *reader(const char *folder)
{
    struct err e;
    store *s;
    assert_int_equal(store_open_reader(folder, &s, &e), 0);
    return s;
}

static int count_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)kind;
    assert_true(*sentence);
    ++*(int *)ctx;
    return 0;
}

static int faults(const char *folder)
{
    struct err e;
    struct store_health h;
    int n = 0;
    assert_int_equal(store_verify(folder, count_fault, &n, &h, &e), 0);
    return n;
}

struct seen {
    int rows, without_path, without_text, stop;
    char texts[200];
};

static int see_row(void *ctx, const struct store_scan_row *row)
{
    struct seen *x = ctx;
    x->rows++;
    x->without_path += !*row->path;
    x->without_text += !*row->text;
    return 0;
}

static int see_vector(void *ctx, int64_t passage, int64_t collection, const char *text,
                      const uint16_t *f16, size_t dims)
{
    struct seen *x = ctx;
    (void)passage;
    (void)collection;
    assert_true(dims == 1 && f16[0] == 7);
    strcat(strcat(x->texts, text), ";");
    return x->stop;
}

// A document without a path, one without hash and permissions, a passage without a text.
static void test_missing_texts(void **state)
{
    (void)state;
    struct err e;
    const char *folder = made("texts");
    change(folder, "UPDATE documents SET text_hash = 'same';"
                   "UPDATE documents SET sum = " SUM_DOCUMENT(""));
    change_nullable(folder, "documents",
                    "UPDATE documents SET path = NULL, title = NULL WHERE id = 1;"
                    "UPDATE documents SET hash = NULL, permissions = NULL WHERE id = 2");
    change_nullable(folder, "passages",
                    "UPDATE passages SET text = NULL, section = NULL"
                    " WHERE id IN (1, 5)");
    change_nullable(folder, "repeats", "UPDATE repeats SET owner = NULL");
    store *s = reader(folder);
    arena *a = arena_new(0);
    const char *const *paths, *same;
    struct store_file *files;
    struct store_repeat *repeats;
    struct store_pending *pending;
    struct store_row row;
    struct seen seen = {0};
    size_t n;
    assert_int_equal(store_paths(s, "default", "", a, &paths, &n, &e), 0);
    assert_int_equal(n, 3);
    assert_string_equal(paths[0], "");
    assert_string_equal(paths[2], "/c");
    assert_int_equal(store_files(s, "default", "", a, &files, &n, &e), 0);
    assert_int_equal(n, 3);
    assert_string_equal(files[2].hash, "aa");
    assert_string_equal(files[1].path, "/b");
    assert_string_equal(files[1].hash, "");
    char hash[33] = "?";
    int64_t modified, size;
    bool found;
    assert_int_equal(store_find(s, "default", "/b", hash, &modified, &size, &found, &e), 0);
    assert_true(found && !*hash && modified == 100);
    assert_int_equal(store_same_text(s, "default", "same", "?", "/b", a, &same, &e), 0);
    assert_string_equal(same, "/c"); // no path is not another path
    assert_int_equal(store_same_text(s, "default", "", "?", "/b", a, &same, &e), 0);
    assert_null(same);
    assert_int_equal(store_repeats(s, "default", a, &repeats, &n, &e), 0);
    assert_true(n == 1 && !*repeats->owner && !strcmp(repeats->folder, "/docs"));
    assert_int_equal(store_pending(s, "m:2", STORE_FOR_ALL, 9, a, &pending, &n, &e), 0);
    assert_int_equal(n, 6);
    assert_string_equal(pending[0].heading, ""); // of neither section nor title
    assert_string_equal(pending[0].text, "");
    assert_string_equal(pending[2].heading, "Quotas");
    assert_int_equal(store_scan(s, "default", see_row, &seen, &e), 0);
    assert_true(seen.rows == 6 && seen.without_path == 2 && seen.without_text == 2);
    assert_int_equal(store_vectors(s, "m:1", 0, see_vector, &seen, &e), 0);
    assert_string_equal(seen.texts, ";giraffe;;");
    seen.stop = 7;
    assert_int_equal(store_vectors(s, "m:1", 1, see_vector, &seen, &e), 7);
    assert_string_equal(seen.texts, ";giraffe;;giraffe;");
    // What is shown to people is refused.
    assert_int_equal(store_passage(s, 1, a, &row, &e), -EBADMSG);
    assert_int_equal(store_passage(s, 3, a, &row, &e), -EBADMSG);
    assert_int_equal(store_passage(s, 6, a, &row, &e), 0);
    assert_string_equal(row.text, "second");
    arena_free(a);
    store_close(s);
    assert_true(faults(folder) >= 5);
}

// Who is listed what of a collection without a name, and of documents whose permissions are
// missing.
static void test_missing_rights(void **state)
{
    (void)state;
    static const char *const named[] = {"default", NULL};
    const struct rights of_default = {.collections = named},
                        user = {.by_files = true, .user = true, .uid = 1};
    struct err e;
    const char *folder = made("rights");
    store *s;
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    put_in(s, "lost", "/lost", "text");
    assert_int_equal(store_put_permissions(s, "lost", "/lost", "", &e), 0);
    assert_int_equal(store_put_permissions(s, "default", "/a", "", &e), 0);
    assert_int_equal(store_put_permissions(s, "default", "/b", "", &e), 0);
    store_close(s);
    change_nullable(folder, "collections",
                    "UPDATE collections SET name = NULL WHERE name = 'lost'");
    change_nullable(folder, "documents",
                    "UPDATE documents SET permissions = NULL WHERE id = 2");
    s = reader(folder);
    arena *a = arena_new(0);
    struct store_collection *c;
    size_t n;
    assert_int_equal(store_collections(s, "", NULL, a, &c, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_true(!*c[0].name && c[0].documents == 1 && c[1].documents == 3);
    assert_int_equal(store_collections(s, "", &of_default, a, &c, &n, &e), 0);
    assert_true(n == 1 && !strcmp(c->name, "default"));
    // Nothing says that files do not decide in it: they do.
    assert_int_equal(store_collections(s, "", &user, a, &c, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_int_equal(c[0].documents, 1);
    assert_int_equal(c[1].documents, 1); // /a; nobody reads /b, whose permissions are missing
    // Where no rights are bound, nothing may be read.
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_prepare_v2(s->db,
                                        "SELECT askd_by_files(?1, 'default'),"
                                        " askd_may_read(?1, ''), askd_by_files(?2, NULL),"
                                        " askd_may_read(?2, NULL), askd_may_read(?2, '')",
                                        -1, &q, NULL),
                     0);
    assert_int_equal(store_bind_rights(q, 2, &user), 0);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    static const int want[] = {1, 0, 1, 0, 1};
    for (int i = 0; i < 5; i++)
        assert_int_equal(sqlite3_column_int(q, i), want[i]);
    sqlite3_finalize(q);
    arena_free(a);
    store_close(s);
}

// Passages that the index of words knows and the store does not, or not under such a number.
static void test_index_beyond(void **state)
{
    (void)state;
    struct err e;
    const char *folder = made("index");
    bool removed;
    store *s;
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    assert_int_equal(store_remove(s, "default", "/b", &removed, &e), 0);
    store_close(s);
    change(folder,
           "INSERT INTO words (rowid, w) VALUES (-3, 'hippo'), (3, 'hippo'),"
           " (999999, 'hippo');"
           "INSERT INTO documents SELECT -9, collection, '/below', title, type, modified,"
           " size, hash, added, text_hash, sum, permissions FROM documents WHERE id = 1;"
           "INSERT INTO documents SELECT 77, collection, '/beyond', title, type,"
           " modified, size, hash, added, text_hash, sum, permissions FROM documents"
           " WHERE id = 1");
    s = reader(folder);
    store_sizes *z;
    struct store_scope scope;
    const int64_t collection = 1;
    const char *const words[] = {"hippo", "zebra", "", "say \"x\""};
    uint64_t all[4], inside[4];
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    assert_int_equal(store_scope_new(s, z, &collection, 1, NULL, &scope, &e), 0);
    assert_int_equal(scope.passages, 4); // the two documents have none
    assert_int_equal(store_word_counts(s, z, &scope, words, 4, inside, &e), 0);
    assert_int_equal(store_word_counts(s, z, NULL, words, 4, all, &e), 0);
    assert_int_equal(inside[0], 1);
    assert_int_equal(inside[1], 1);
    assert_int_equal(all[0], 4); // as the index has it
    for (int i = 2; i < 4; i++)  // nothing that a text could hold
        assert_true(!inside[i] && !all[i]);
    // Those are not found; a document that came after the scope was taken is not in it.
    struct store_filter any = {0}, in_scope = {.scope = &scope};
    assert_int_equal(find(s, "hippo", any), 1);
    store *w;
    assert_int_equal(store_open_writer(folder, &w, &e), 0);
    put(w, "/d", "hippo");
    store_close(w);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    const struct store_word word = {"hippo", 2, 0};
    struct store_hit hits[4];
    size_t n;
    assert_int_equal(store_search_words(s, z, &word, 1, &any, 4, hits, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_int_equal(store_search_words(s, z, &word, 1, &in_scope, 4, hits, &n, &e), 0);
    assert_true(n == 1 && hits[0].id == 5);
    assert_int_equal(store_search_words(s, z, &word, 1, &any, 0, hits, &n, &e), 0);
    assert_int_equal(n, 0); // none is asked for
    store_scope_free(&scope);
    // Scoring is for searching alone.
    assert_int_equal(
        store_exec(s, "SELECT askd_score(words) FROM words WHERE words MATCH 'hippo'", &e),
        -EIO);
    assert_non_null(strstr(e.msg, "for searching only"));
    store_sizes_free(z);
    store_close(s);
}

// Lengths that are missing, too long, or of passages that there are not.
static void test_lengths(void **state)
{
    (void)state;
    struct err e;
    const char *folder = made("lengths");
    change(folder, "INSERT INTO words_docsize VALUES (0, x'05'), (-7, x'05'), (999999, x'05');"
                   "UPDATE words_docsize SET sz = x'81818101' WHERE id = 1;"
                   "UPDATE words_docsize SET sz = x'' WHERE id = 2;"
                   "UPDATE words_docsize SET sz = x'80' WHERE id = 3;"
                   "UPDATE words_docsize SET sz = x'84FF7F' WHERE id = 4;"
                   "DELETE FROM words_docsize WHERE id = 5;"
                   // Numbers of documents and of passages need not go up together.
                   "UPDATE passages SET document = 9 WHERE document = 1");
    store *s = reader(folder);
    store_sizes *z;
    struct store_scope scope;
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    assert_int_equal(store_scope_new(s, z, NULL, 0, NULL, &scope, &e), 0);
    assert_int_equal(scope.passages, 6);
    assert_int_equal(scope.words, 4 * 65535 + 1); // 65535 where it is not known
    static const char *const words[] = {"zebra", "giraffe", "hippo", "second"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(find(s, words[i], (struct store_filter){0}), i < 3 ? 1 : 3);
    store_scope_free(&scope);
    store_sizes_free(z);
    store_close(s);
    assert_true(faults(folder) > 0);
}

// Numbers that no table in memory can have: the store is not searched, and says which it is.
static void test_numbers(void **state)
{
    (void)state;
    static const char *const wrong[] = {"UPDATE passages SET id = -4 WHERE id = 4",
                                        "UPDATE passages SET id = 0 WHERE id = 4",
                                        "UPDATE passages SET id = 1 << 40 WHERE id = 4",
                                        "UPDATE passages SET id = 1 << 30 WHERE id = 4",
                                        "UPDATE passages SET document = -2 WHERE id = 4",
                                        "UPDATE passages SET document = 1 << 31 WHERE id = 4"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err e = {0};
        char name[20];
        store_sizes *z;
        struct store_row row;
        snprintf(name, sizeof name, "numbers-%zu", i);
        const char *folder = made(name);
        change(folder, wrong[i]);
        store *s = reader(folder);
        arena *a = arena_new(0);
        assert_int_equal(store_sizes_new(&z, &e), 0);
        assert_int_equal(store_sizes_refresh(z, s, &e), -EOVERFLOW);
        assert_non_null(strstr(e.msg, "out of range"));
        assert_int_equal(store_sizes_passages(z), 0);
        assert_int_equal(store_passage(s, 1, a, &row, &e), 0); // what is whole is given
        assert_string_equal(row.text, "zebra");
        store_sizes_free(z);
        arena_free(a);
        store_close(s);
        assert_true(faults(folder) > 0);
    }
}

// Restoring over a store whose counters make no sense goes on from the snapshot's.
static void test_counters(void **state)
{
    (void)state;
    struct err e;
    struct store_health h;
    char to[200], aside[PATH_MAX];
    int64_t sequence, kept;
    const char *folder = made("counters");
    snprintf(to, sizeof to, "%s/counters-kept", dir);
    assert_int_equal(store_snapshot(folder, to, &h, &e), 0);
    kept = h.sequence;
    change(folder, "UPDATE sqlite_sequence SET seq = -7 WHERE name = 'documents';"
                   "UPDATE sqlite_sequence SET seq = 1 << 40 WHERE name = 'passages';"
                   "DELETE FROM meta WHERE key = 'sequence'");
    store *s = reader(folder);
    store_sizes *z;
    assert_int_equal(store_sequence(s, &sequence, &e), -EBADMSG);
    assert_non_null(strstr(e.msg, "a counter is missing"));
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, s, &e), -EBADMSG);
    store_sizes_free(z);
    store_close(s);
    assert_true(faults(folder) >= 2);
    assert_int_equal(store_restore(folder, to, aside, &h, &e), 0);
    assert_string_equal(aside, "");
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    assert_int_equal(store_sequence(s, &sequence, &e), 0);
    assert_true(sequence > kept);
    put(s, "/d", "okapi");
    arena *a = arena_new(0);
    int64_t *ids;
    size_t n;
    assert_int_equal(store_passage_ids(s, a, &ids, &n, &e), 0);
    assert_true(n == 8 && ids[7] == 8);
    arena_free(a);
    store_close(s);
    assert_int_equal(faults(folder), 0);
}

// A vector that is not what was put is not searched; it is dropped, and made again.
static void test_vectors(void **state)
{
    (void)state;
    struct err e;
    const char *folder = made("vectors");
    struct seen seen = {0};
    struct store_pending *pending;
    int64_t before, after;
    size_t n;
    store *s;
    arena *a = arena_new(0);
    change(folder, "UPDATE vectors SET f16 = x'0800' WHERE passage = 3");
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    assert_int_equal(store_vectors(s, "m:1", 0, see_vector, &seen, &e), 0);
    assert_string_equal(seen.texts, "zebra;hippo;");
    assert_int_equal(store_epoch(s, &before, &e), 0);
    assert_int_equal(store_drop_damaged_vectors(s, "m:1", &n, &e), 0);
    assert_int_equal(n, 1);
    assert_int_equal(store_epoch(s, &after, &e), 0);
    assert_true(before != after); // whoever has taken it in begins anew
    assert_int_equal(store_pending(s, "m:1", STORE_FOR_ALL, 9, a, &pending, &n, &e), 0);
    assert_true(n == 4 && pending[1].id == 3);
    assert_int_equal(store_drop_damaged_vectors(s, "m:1", &n, &e), 0);
    assert_int_equal(n, 0);
    assert_int_equal(store_epoch(s, &before, &e), 0);
    assert_true(before == after);
    arena_free(a);
    store_close(s);
    assert_int_equal(faults(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_texts), cmocka_unit_test(test_missing_rights),
        cmocka_unit_test(test_index_beyond),  cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_counters),
        cmocka_unit_test(test_vectors)};
    return cmocka_run_group_tests(tests, texts_setup, texts_teardown);
}
