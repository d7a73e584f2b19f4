// SPDX-License-Identifier: MIT
// What is put is found, counted, ranked, replaced and removed.
#include "tests/store/texts.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// Whoever may read some collections counts words in these alone.
static void test_scope(void **state)
{
    (void)state;
    struct err e;
    store *s;
    store_sizes *z;
    struct store_collection *all;
    struct store_scope scope;
    size_t n;
    uint64_t inside, total;
    arena *a = arena_new(0);
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    put_in(s, "scope-a", "/scope/1", "zebrafish swim");
    put_in(s, "scope-b", "/scope/2", "zebrafish sleep");
    put_in(s, "scope-b", "/scope/3", "zebrafish eat");
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, s, &e), 0);
    assert_int_equal(store_collections(s, "", NULL, a, &all, &n, &e), 0);
    int64_t id = 0;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(all[i].name, "scope-a"))
            id = all[i].id;
    assert_int_equal(store_scope_new(s, z, &id, 1, NULL, &scope, &e), 0);
    assert_int_equal(scope.passages, 2);
    const char *word = "zebrafish", *foreign = "sleep";
    assert_int_equal(store_word_counts(s, z, NULL, &word, 1, &total, &e), 0);
    assert_int_equal(store_word_counts(s, z, &scope, &word, 1, &inside, &e), 0);
    assert_int_equal(total, 3);
    assert_int_equal(inside, 1);
    assert_int_equal(store_word_counts(s, z, &scope, &foreign, 1, &inside, &e), 0);
    assert_int_equal(inside, 0);
    store_scope_free(&scope);
    assert_int_equal(store_scope_new(s, z, &id, 0, NULL, &scope, &e), 0);
    assert_int_equal(scope.passages, 0);
    store_scope_free(&scope);
    store_sizes_free(z);
    store_close(s);
    arena_free(a);
}

static void test_words(void **state)
{
    (void)state;
    struct err e;
    store *s, *r;
    store_sizes *z;
    struct store_filter none = {0};
    assert_int_equal(store_open_reader(dir, &r, &e), -ENOENT);
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    put(s, "/a.md",
        "Edit /etc/adduser.conf with --no-install-recommends. SQLITE_BUSY. 如何重置密码？");
    assert_int_equal(store_open_reader(dir, &r, &e), 0);
    assert_int_equal(store_sizes_new(&z, &e), 0);
    assert_int_equal(store_sizes_refresh(z, r, &e), 0);
    assert_int_equal(find(r, "/etc/adduser.conf", none), 1);
    assert_int_equal(find(r, "/etc/adduser.con", none), 0);
    assert_int_equal(find(r, "adduser", none), 1);
    assert_int_equal(find(r, "--no-install-recommends", none), 1);
    assert_int_equal(find(r, "sqlite_busy", none), 1);
    assert_int_equal(find(r, "密码", none), 1);
    assert_int_equal(find(r, "码密", none), 0);
    assert_int_equal(find(r, "edits", none), 1);
    struct store_filter f = {.path_glob = "/b*"};
    assert_int_equal(find(r, "adduser", f), 0);
    f = (struct store_filter){.type = "md", .after = 100, .path_glob = "/a*"};
    assert_int_equal(find(r, "adduser", f), 1);
    f = (struct store_filter){.type = "html"};
    assert_int_equal(find(r, "adduser", f), 0);
    f = (struct store_filter){.after = 101};
    assert_int_equal(find(r, "adduser", f), 0);
    int64_t ids[] = {99, 1};
    f = (struct store_filter){.collections = ids, .n_collections = 1};
    assert_int_equal(find(r, "adduser", f), 0);
    f.n_collections = 2;
    assert_int_equal(find(r, "adduser", f), 1);
    const struct store_word once = {"adduser", 1, 0}, half = {"adduser", 1, 0.5};
    double worth = store_words_worth(z, NULL, &once, 1);
    assert_true(worth > 0 && store_words_worth(z, NULL, &half, 1) == worth / 2);
    store_sizes_free(z);
    store_close(r);
    store_close(s);
}

// What a text is cut into.
static void test_cut(void **state)
{
    (void)state;
    static char longest[129], longer[130];
    static const struct {
        const char *text, *words;
        size_t n; // bytes, where it is not the text's length
    } cases[] = {
        {"", ""},
        {"One TWO", "one two "},
        {"a", "a "},
        {"7z x\u0661", "7z x\u0661 "},
        {"q\u0301 \u0301", "q\u0301 \u0301 "}, // marks are of words
        {"- ... --", ""},                      // of joints alone there is none
        {"end. key: a=", "end key a "},
        {".x", "x \uE02Ex "},
        {"a.b:", "a b a\uE02Eb "},
        {"-x_", "x \uE02Dx\uE05F "},
        {"a..b", "a b a\uE02E\uE02Eb "},
        {"\u5bc6\u7801 x", "\u5bc6 \u7801 \u5bc6\u7801 x "},
        {"x\u5bc6y\u7801", "x \u5bc6 y \u7801 "},
        {"a\0b", "a b ", 3},
        {"\xFF.a", "a \uE02Ea "},
        {longest, NULL},
        {longer, NULL},
    };
    memset(longest, 'l', 128);
    memset(longer, 'l', 129);
    longest[64] = longer[64] = '-';
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF_INIT;
        size_t n = cases[i].n ? cases[i].n : strlen(cases[i].text);
        assert_int_equal(text_words(&b, cases[i].text, n), 0);
        if (cases[i].words)
            assert_string_equal(b.len ? b.data : "", cases[i].words);
        else // the parts, and what is not too long as a whole
            assert_int_equal(b.len, n == 128 ? 129 + 131 : 130);
        buf_free(&b);
    }
}

static void test_replace_and_remove(void **state)
{
    (void)state;
    struct err e;
    store *s;
    struct store_filter none = {0};
    arena *a = arena_new(0);
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    int64_t before, after;
    put(s, "/b.md", "zebra one");
    assert_int_equal(store_sequence(s, &before, &e), 0);
    put(s, "/b.md", "giraffe two");
    assert_int_equal(store_sequence(s, &after, &e), 0);
    assert_true(after > before);
    assert_int_equal(find(s, "zebra", none), 0);
    assert_int_equal(find(s, "giraffe", none), 1);
    const char *const *paths;
    size_t n;
    assert_int_equal(store_paths(s, "default", "", a, &paths, &n, &e), 0);
    assert_int_equal(n, 2);
    bool removed;
    assert_int_equal(store_remove(s, "default", "/b.md", &removed, &e), 0);
    assert_true(removed);
    assert_int_equal(store_remove(s, "default", "/b.md", &removed, &e), 0);
    assert_false(removed);
    assert_int_equal(find(s, "giraffe", none), 0);
    store_close(s);
    arena_free(a);
}

// Scores are those of FTS5's bm25(), kept up while documents come and go.
static void test_bm25(void **state)
{
    (void)state;
    static const char *const vocabulary[] = {"ash", "birch", "cedar", "elm", "fir", "oak"};
    struct err e;
    char folder[300], path[340], text[600], query[100];
    snprintf(folder, sizeof folder, "%s/bm25", dir);
    store *s;
    store_sizes *z;
    sqlite3 *db;
    sqlite3_stmt *q;
    unsigned seed = 7;
    assert_int_equal(store_open_writer(folder, &s, &e), 0);
    assert_int_equal(store_sizes_new(&z, &e), 0);
    snprintf(path, sizeof path, "%s/askd.db", folder);
    assert_int_equal(sqlite3_open(path, &db), 0);
    for (int round = 0; round < 60; round++) {
        size_t len = 0;
        for (int i = 0, n = 1 + (int)(seed % 90); i < n; i++) {
            seed = seed * 1103515245 + 12345;
            unsigned word = (seed >> 16) % 36; // some words are rarer than others
            word = word < 6 ? word : word % 3;
            len += (size_t)snprintf(text + len, sizeof text - len, "%s ", vocabulary[word]);
        }
        char name[40];
        snprintf(name, sizeof name, "/%d", round % 40);
        put(s, name, text);
        bool removed;
        if (round % 7 == 6)
            assert_int_equal(store_remove(s, "default", "/3", &removed, &e), 0);
        if (round % 5)
            continue;
        struct store_word words[3] = {{"elm", 0}, {"cedar", 0}, {"oak", 0}};
        struct store_hit hits[200];
        size_t n;
        assert_int_equal(store_sizes_refresh(z, s, &e), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(
                store_word_counts(s, NULL, NULL, &words[i].word, 1, &words[i].count, &e), 0);
        struct store_filter none = {0};
        assert_int_equal(store_search_words(s, z, words, 3, &none, 20, hits, &n, &e), 0);
        snprintf(query, sizeof query,
                 "SELECT -rank FROM words WHERE words MATCH"
                 " 'elm OR cedar OR oak' ORDER BY rank LIMIT 20");
        assert_int_equal(sqlite3_prepare_v2(db, query, -1, &q, NULL), 0);
        size_t k = 0;
        for (; sqlite3_step(q) == SQLITE_ROW; k++) {
            double want = sqlite3_column_double(q, 0);
            assert_true(k < n && hits[k].bm25 > want * 0.99999 - 1e-9 &&
                        hits[k].bm25 < want * 1.00001 + 1e-9);
        }
        assert_int_equal(k, n);
        sqlite3_finalize(q);
    }
    sqlite3_close(db);
    store_sizes_free(z);
    store_close(s);
}

static int count_vectors(void *ctx, int64_t passage, int64_t collection, const char *text,
                         const uint16_t *f16, size_t dims)
{
    (void)text;
    (void)passage;
    (void)collection;
    assert_int_equal(dims, 2);
    assert_int_equal(f16[1], 7);
    ++*(int *)ctx;
    return 0;
}

static void test_vectors_and_rows(void **state)
{
    (void)state;
    struct err e;
    store *s;
    arena *a = arena_new(0);
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    struct store_pending *p;
    size_t n;
    assert_int_equal(store_pending(s, "m:1", STORE_FOR_ALL, 10, a, &p, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_string_equal(p[0].heading, "Quotas");
    assert_string_equal(p[1].heading, "Title");
    const int64_t ids[2] = {p[0].id, 123456};
    const uint16_t v[4] = {1, 7, 1, 7};
    assert_int_equal(store_put_vectors(s, "m:1", ids, 2, 2, v, &e), 0);
    assert_int_equal(store_pending(s, "m:1", STORE_FOR_ALL, 10, a, &p, &n, &e), 0);
    assert_int_equal(n, 1);
    assert_int_equal(store_pending(s, "m:2", STORE_FOR_ALL, 10, a, &p, &n, &e), 0);
    assert_int_equal(n, 2);
    int count = 0;
    assert_int_equal(store_vectors(s, "m:1", 0, count_vectors, &count, &e), 0);
    assert_int_equal(count, 1);
    struct store_row row, *rows;
    assert_int_equal(store_passage(s, ids[0], a, &row, &e), 0);
    assert_string_equal(row.section[1], "Quotas");
    assert_null(row.section[2]);
    assert_int_equal(row.line_last, 4);
    assert_int_equal(row.n_passages, 2);
    assert_int_equal(store_document_rows(s, row.document, a, &rows, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_int_equal(rows[1].page, 2);
    assert_int_equal(store_passage(s, 999999, a, &row, &e), -ENOENT);
    struct store_collection *c;
    assert_int_equal(store_collections(s, "m:1", NULL, a, &c, &n, &e), 0);
    assert_true(n == 1 && c->documents == 1 && c->passages == 2 && c->with_vectors == 1);
    assert_int_equal(store_collections(s, "", NULL, a, &c, &n, &e), 0);
    assert_int_equal(c->with_vectors, 1); // of any embedder
    assert_int_equal(store_collections(s, "m:2", NULL, a, &c, &n, &e), 0);
    assert_int_equal(c->with_vectors, 0);
    store_close(s);
    arena_free(a);
}

struct scanned {
    int passages, with_vectors, stop_at;
    char last[64];
};

static int note_row(void *ctx, const struct store_scan_row *row)
{
    struct scanned *x = ctx;
    assert_string_equal(row->collection, "default");
    assert_true(row->passage > 0 && row->document > 0);
    assert_string_equal(row->heading, row->page ? "" : "Quotas");
    assert_true(strcmp(row->path, x->last) >= 0);
    snprintf(x->last, sizeof x->last, "%s", row->path);
    x->with_vectors += row->has_vector;
    return ++x->passages == x->stop_at ? 7 : 0;
}

static void test_scan(void **state)
{
    (void)state;
    struct err e;
    store *s, *w;
    struct scanned x = {0}, y = {.stop_at = 1}, z = {0};
    assert_int_equal(store_open_writer(dir, &w, &e), 0);
    put(w, "/zz", "one more text");
    assert_int_equal(store_open_reader(dir, &s, &e), 0);
    assert_int_equal(store_hold(s, &e), 0);
    assert_int_equal(store_scan(s, NULL, note_row, &x, &e), 0);
    assert_string_equal(x.last, "/zz");
    assert_int_equal(x.with_vectors, 1);
    assert_int_equal(store_scan(s, "default", note_row, &y, &e), 7); // stopped
    assert_int_equal(y.passages, 1);
    // What is held does not see what others write.
    bool removed;
    assert_int_equal(store_remove(w, "default", "/zz", &removed, &e), 0);
    assert_true(removed);
    assert_int_equal(store_scan(s, "default", note_row, &z, &e), 0);
    assert_int_equal(z.passages, x.passages);
    assert_int_equal(store_scan(s, "another", note_row, &z, &e), 0);
    assert_int_equal(z.passages, x.passages);
    store_close(s);
    store_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_replace_and_remove),
        cmocka_unit_test(test_bm25),
        cmocka_unit_test(test_vectors_and_rows),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_scope),
    };
    return cmocka_run_group_tests(tests, texts_setup, texts_teardown);
}
