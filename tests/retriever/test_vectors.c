// SPDX-License-Identifier: MIT
// The vector leg against the store: what is put there is found, exactly and in order.
#include "base/buf.h"
#include "retriever/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIMS 8

static char dir[] = "/tmp/askd-test-vectors-XXXXXX";

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

static const struct vectors_among all_of_them = {0};

static void put_text(store *s, const char *collection, int i, const char *text)
{
    struct err e;
    char path[40];
    snprintf(path, sizeof path, "/d/%d", i);
    struct store_passage p = {.text = text ? text : path, .words = "word "};
    struct store_document d = {.collection = collection,
                               .path = path,
                               .title = "t",
                               .type = "md",
                               .hash = "h",
                               .passages = &p,
                               .n_passages = 1};
    assert_int_equal(store_put(s, &d, &e), 0);
}

static void put_document(store *s, const char *collection, int i)
{
    put_text(s, collection, i, NULL);
}

// Passage i gets the unit vector along i mod DIMS; 0x3C00 is 1.0 as a half.
static void put_vectors(store *s)
{
    struct err e;
    struct store_pending *p;
    size_t n;
    arena *a = arena_new(0);
    assert_int_equal(store_pending(s, "m:1", STORE_FOR_ALL, 100, a, &p, &n, &e), 0);
    for (size_t i = 0; i < n; i++) {
        uint16_t f16[DIMS] = {0};
        f16[p[i].id % DIMS] = 0x3C00;
        assert_int_equal(store_put_vectors(s, "m:1", &p[i].id, 1, DIMS, f16, &e), 0);
    }
    arena_free(a);
}

static void test_follows_the_store(void **state)
{
    (void)state;
    struct err e;
    store *s;
    struct vectors *v;
    int64_t ids[10];
    float scores[10], q[DIMS] = {0}, one;
    bool cjk = true;
    size_t n;
    int64_t sequence;
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    assert_int_equal(vectors_new(DIMS, "m:1", &v, &e), 0);
    assert_int_equal(vectors_search(v, q, &all_of_them, false, 5, ids, scores, &n, &e), 0);
    assert_int_equal(n, 0);
    for (int i = 0; i < 5; i++)
        put_document(s, "c", i);
    put_vectors(s);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    assert_int_equal(vectors_count(v, NULL, 0), 5);
    q[3] = 0.5f;
    assert_int_equal(vectors_search(v, q, &all_of_them, false, 10, ids, scores, &n, &e), 0);
    assert_int_equal(n, 5);
    assert_int_equal(ids[0], 3);
    assert_true(scores[0] == 0.5f && scores[1] == 0);
    for (int i = 5; i < 8; i++)
        put_document(s, "c", i);
    put_vectors(s);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    assert_int_equal(vectors_count(v, NULL, 0), 8);
    assert_int_equal(vectors_score(v, q, 3, &one, &cjk), 0);
    assert_true(one == 0.5f);
    assert_int_equal(vectors_score(v, q, 77, &one, &cjk), -ENOENT);
    vectors_free(v);
    store_close(s);
}

// Of some passages alone: the list is that of all with the others struck out.
static void test_among(void **state)
{
    (void)state;
    struct err e;
    store *s;
    struct vectors *v;
    int64_t ids[64], few[64], sequence;
    float scores[64], few_scores[64], q[DIMS];
    size_t n, m, kept = 0;
    for (int i = 0; i < DIMS; i++)
        q[i] = (float)(i % 3 + 1); // with equals
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    for (int i = 100; i < 130; i++)
        put_document(s, i % 2 ? "x" : "y", i);
    put_vectors(s);
    assert_int_equal(vectors_new(DIMS, "m:1", &v, &e), 0);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    assert_int_equal(vectors_search(v, q, &all_of_them, false, 64, ids, scores, &n, &e), 0);
    assert_true(n >= 30 && n < 64);
    const uint8_t bits[] = {0x5A, 0xC3, 0x81, 0x18, 0x01}; // what lies behind is not meant
    const struct vectors_among among = {.bits = bits, .n_bits = 33};
    assert_int_equal(vectors_search(v, q, &among, false, 64, few, few_scores, &m, &e), 0);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 33 && bits[ids[i] / 8] >> ids[i] % 8 & 1) {
            assert_true(kept < m);
            assert_int_equal(few[kept], ids[i]);
            assert_true(few_scores[kept] == scores[i]); // sums of one number: exact
            kept++;
        }
    assert_int_equal(kept, m);
    assert_int_equal(vectors_count(v, bits, 33), m);
    assert_true(m > 3);
    assert_int_equal(vectors_search(v, q, &among, false, 3, few, few_scores, &m, &e), 0);
    assert_int_equal(m, 3);
    const struct vectors_among none = {.bits = bits, .n_bits = 0};
    assert_int_equal(vectors_search(v, q, &none, false, 64, few, few_scores, &m, &e), 0);
    assert_int_equal(m, 0);
    vectors_free(v);
    store_close(s);
}

// What is replaced or removed goes, in the collection it was in only; what is not asked for is
// not searched.
static void test_removal_and_collections(void **state)
{
    (void)state;
    struct err e;
    store *s;
    struct vectors *v, *anew;
    int64_t ids[20], again[20], sequence, other;
    struct store_collection *all;
    arena *a = arena_new(0);
    float scores[20], scores_again[20], q[DIMS];
    size_t n, m;
    bool removed;
    for (int i = 0; i < DIMS; i++)
        q[i] = (float)(i + 1);
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    assert_int_equal(vectors_new(DIMS, "m:1", &v, &e), 0);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    size_t before = vectors_count(v, NULL, 0);
    for (int i = 20; i < 26; i++)
        put_document(s, i % 2 ? "c" : "d", i);
    put_vectors(s);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    assert_int_equal(vectors_count(v, NULL, 0), before + 6);
    assert_int_equal(store_collections(s, "m:1", NULL, a, &all, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_string_equal(all[1].name, "d");
    other = all[1].id;
    const struct vectors_among among = {.collections = &other, .n_collections = 1};
    arena_free(a);
    assert_int_equal(vectors_search(v, q, &among, false, 20, ids, scores, &n, &e), 0);
    assert_int_equal(n, 3);
    other += 100;
    assert_int_equal(vectors_search(v, q, &among, false, 20, ids, scores, &n, &e), 0);
    assert_int_equal(n, 0);
    put_document(s, "c", 21); // replaced: its vector is due again
    assert_int_equal(store_remove(s, "d", "/d/22", &removed, &e), 0);
    assert_true(removed);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    assert_int_equal(vectors_count(v, NULL, 0), before + 4);
    put_vectors(s);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    assert_int_equal(vectors_count(v, NULL, 0), before + 5);
    // The same as one made from the store as it is.
    assert_int_equal(vectors_new(DIMS, "m:1", &anew, &e), 0);
    assert_int_equal(vectors_refresh(anew, s, &sequence, &e), 0);
    assert_int_equal(vectors_search(v, q, &all_of_them, false, 20, ids, scores, &n, &e), 0);
    assert_int_equal(
        vectors_search(anew, q, &all_of_them, false, 20, again, scores_again, &m, &e), 0);
    assert_int_equal(n, before + 5);
    assert_int_equal(m, n);
    assert_memory_equal(ids, again, n * sizeof *ids);
    assert_memory_equal(scores, scores_again, n * sizeof *scores);
    for (size_t i = 1; i < n; i++)
        assert_true(scores[i] < scores[i - 1] ||
                    (scores[i] == scores[i - 1] && ids[i] > ids[i - 1]));
    vectors_free(v);
    vectors_free(anew);
    store_close(s);
}

static void test_another_fingerprint_is_not_mixed(void **state)
{
    (void)state;
    struct err e;
    store *s;
    struct vectors *v;
    int64_t sequence;
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    assert_int_equal(vectors_new(DIMS, "m:2", &v, &e), 0);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    assert_int_equal(vectors_count(v, NULL, 0), 0);
    vectors_free(v);
    store_close(s);
}

// Passages in CJK script are searched by themselves, and so is how far they are spread.
static void test_scripts_apart(void **state)
{
    (void)state;
    struct err e;
    store *s;
    struct vectors *v;
    struct vectors_spread own, other;
    int64_t ids[64], sequence;
    float scores[64], q[DIMS] = {1, 1, 1, 1},
                      one; // 1 for half of the passages, 0 for the others
    size_t n;
    bool cjk = false;
    assert_int_equal(store_open_writer(dir, &s, &e), 0);
    for (int i = 200; i < 216; i++) {
        put_text(s, "scripts", i, "用 edquota 命令设置磁盘配额。");
        put_text(s, "scripts", i + 100, "A quota (配额) is set by the command edquota.");
    }
    put_vectors(s);
    arena *a = arena_new(0);
    struct store_collection *all;
    assert_int_equal(store_collections(s, "m:1", NULL, a, &all, &n, &e), 0);
    int64_t collection = 0;
    for (size_t i = 0; i < n; i++)
        collection = !strcmp(all[i].name, "scripts") ? all[i].id : collection;
    arena_free(a);
    const struct vectors_among among = {.collections = &collection, .n_collections = 1};
    assert_int_equal(vectors_new(DIMS, "m:1", &v, &e), 0);
    assert_int_equal(vectors_refresh(v, s, &sequence, &e), 0);
    for (int script = 0; script < 2; script++) {
        assert_int_equal(vectors_search(v, q, &among, script, 64, ids, scores, &n, &e), 0);
        assert_int_equal(n, 16);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(vectors_score(v, q, ids[i], &one, &cjk), 0);
            assert_int_equal(cjk, script);
            assert_true(one == scores[i]);
        }
    }
    assert_int_equal(vectors_spread(v, q, &among, false, &other, &e), 0);
    assert_int_equal(vectors_spread(v, q, &among, true, &own, &e), 0);
    assert_int_equal(own.n, 16);
    assert_int_equal(other.n, 16);
    assert_true(own.mean == 0.5 && own.deviation == 0.5);
    assert_true(other.mean == 0.5 && other.deviation == 0.5);
    const struct vectors_among none = {.collections = &collection, .n_collections = 0};
    assert_int_equal(vectors_spread(v, q, &none, true, &own, &e), 0);
    assert_true(own.n == 0 && own.mean == 0 && own.deviation == 0);
    vectors_free(v);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows_the_store),
        cmocka_unit_test(test_removal_and_collections),
        cmocka_unit_test(test_another_fingerprint_is_not_mixed),
        cmocka_unit_test(test_among),
        cmocka_unit_test(test_scripts_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
