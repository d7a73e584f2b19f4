// SPDX-License-Identifier: MIT
// A reader gives the same bytes in any company: alone or with other texts, with any number of
// threads, beside embedding; and stops when told to.
#include "tests/embedder/reader_rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void same(const struct reading *x, const struct reading *y)
{
    assert_memory_equal(&x->null, &y->null, sizeof x->null);
    assert_memory_equal(&x->relevance, &y->relevance, sizeof x->relevance);
    assert_int_equal(x->n, y->n);
    if (x->n)
        assert_memory_equal(x->tokens, y->tokens, x->n * sizeof *x->tokens);
}

static void test_alone_or_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODELS; i++) {
        struct texts t;
        struct reading all[TEXTS];
        arena *a = arena_new(0);
        make_texts(&t);
        for (unsigned threads = 1; threads <= (i ? 2 : 4); threads++) {
            struct rig r;
            struct reading again[TEXTS];
            if (!open_rig(&r, i, threads))
                break;
            if (threads == 1)
                read_all(&r, question, t.at, TEXTS, a, all);
            read_all(&r, question, t.at, TEXTS, a, again);
            for (size_t k = 0; k < TEXTS; k++)
                same(&all[k], &again[k]);
            for (size_t k = 0; k < (i ? 5 : TEXTS) && threads == 1; k++) {
                read_all(&r, question, &t.at[k], 1, a, again);
                same(&all[k], again);
            }
            read_all(&r, question, NULL, 0, a, NULL);
            close_rig(&r);
        }
        drop_texts(&t);
        arena_free(a);
    }
}

// Several threads embed and read with the same weights at once.
struct worker {
    pthread_t thread;
    struct rig *r;
    const struct texts *t;
    const struct reading *want;
    const float *vector;
    bool embeds, failed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct err e;
    size_t dims = embedder_dims(w->r->m);
    float *v = malloc(dims * sizeof *v);
    const struct embedder_text text = {question, strlen(question)};
    for (int i = 0; i < 5 && v; i++) {
        arena *a = arena_new(0);
        struct reading out[3];
        if (w->embeds)
            w->failed |= (i % 2 ? embedder_query(w->r->m, text.s, text.n, v, NULL, &e)
                                : embedder_embed(w->r->m, EMBEDDER_QUERY, TEAM_BATCH, &text, 1,
                                                 v, NULL, &e)) ||
                         memcmp(v, w->vector, dims * sizeof *v);
        else
            w->failed |=
                reader_read(w->r->r, TEAM_INTERACTIVE, question, strlen(question), w->t->at, 3,
                            a, out, NULL, &e) ||
                out[0].n != w->want[0].n ||
                memcmp(out[0].tokens, w->want[0].tokens, out[0].n * sizeof *out[0].tokens) ||
                memcmp(&out[2].null, &w->want[2].null, sizeof out[2].null);
        arena_free(a);
    }
    free(v);
    return NULL;
}

static void test_threads(void **state)
{
    enum { WORKERS = 4 };
    (void)state;
    struct rig r;
    struct texts t;
    struct reading want[TEXTS];
    struct worker all[WORKERS];
    struct err e;
    assert_true(open_rig(&r, 0, 2));
    make_texts(&t);
    arena *a = arena_new(0);
    float *v = malloc(embedder_dims(r.m) * sizeof *v);
    const struct embedder_text text = {question, strlen(question)};
    assert_int_equal(embedder_embed(r.m, EMBEDDER_QUERY, TEAM_BATCH, &text, 1, v, NULL, &e), 0);
    read_all(&r, question, t.at, 3, a, want);
    for (int i = 0; i < WORKERS; i++) {
        all[i] = (struct worker){.r = &r, .t = &t, .want = want, .vector = v, .embeds = i % 2};
        assert_int_equal(pthread_create(&all[i].thread, NULL, work, &all[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(all[i].thread, NULL);
        assert_false(all[i].failed);
    }
    free(v);
    arena_free(a);
    drop_texts(&t);
    close_rig(&r);
}

static void test_cancel(void **state)
{
    (void)state;
    struct rig r;
    struct reading out;
    struct err e;
    const struct reader_text text = {"", 0, "the inn", 7};
    atomic_bool cancel = true;
    assert_true(open_rig(&r, 0, 1));
    arena *a = arena_new(0), *none = arena_new(1);
    assert_int_equal(reader_read(r.r, TEAM_BATCH, "x", 1, &text, 1, a, &out, &cancel, &e),
                     -ECANCELED);
    assert_int_equal(reader_read(r.r, TEAM_BATCH, "x", 1, &text, 1, none, &out, NULL, &e),
                     -ENOMEM);
    arena_free(a);
    arena_free(none);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_or_together),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
