// SPDX-License-Identifier: MIT
#include "base/job.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static atomic_int done;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void count(struct job *j)
{
    atomic_fetch_add(&done, 1);
    free(j);
}

static void block(struct job *j)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    count(j);
}

static struct job *job_of(void (*run)(struct job *))
{
    struct job *j = calloc(1, sizeof *j);
    assert_non_null(j);
    j->run = run;
    return j;
}

// Freeing the pool runs everything that was accepted.
static void test_all_run(void **state)
{
    (void)state;
    job_pool *p;
    struct err e;
    atomic_store(&done, 0);
    assert_int_equal(job_pool_new(3, 1000, &p, &e), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(job_pool_submit(p, job_of(count), 0), 0);
    job_pool_free(p);
    assert_int_equal(atomic_load(&done), 1000);
}

// One worker held back, room for two waiting: the fourth job is refused and stays ours.
static void test_full(void **state)
{
    (void)state;
    job_pool *p;
    struct err e;
    atomic_store(&done, 0);
    pthread_mutex_lock(&gate);
    assert_int_equal(job_pool_new(1, 2, &p, &e), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(job_pool_submit(p, job_of(block), 0), 0);
    struct job *extra = job_of(block);
    assert_int_equal(job_pool_submit(p, extra, 0), -EAGAIN);
    free(extra);
    pthread_mutex_unlock(&gate);
    job_pool_free(p);
    assert_int_equal(atomic_load(&done), 3);
}

// What ran, in its order: one worker.
static char order[64];
static size_t n_order;

static void note(struct job *j)
{
    order[n_order++] = (char)j->owner;
    free(j);
}

static struct job *job_for(char owner)
{
    struct job *j = job_of(note);
    j->owner = owner;
    return j;
}

// A pool of one worker, which the gate holds; it has begun.
static job_pool *held(size_t queue)
{
    job_pool *p;
    struct err e;
    size_t waiting, running;
    n_order = 0;
    pthread_mutex_lock(&gate);
    assert_int_equal(job_pool_new(1, queue, &p, &e), 0);
    assert_int_equal(job_pool_submit(p, job_of(block), 0), 0);
    do
        job_pool_load(p, &waiting, &running);
    while (!running);
    return p;
}

static const char *released(job_pool *p)
{
    pthread_mutex_unlock(&gate);
    job_pool_free(p);
    order[n_order] = 0;
    return order;
}

// Who came late waits for one job of each other owner, not for all of them.
static void test_turns(void **state)
{
    (void)state;
    job_pool *p = held(100);
    for (const char *o = "aaaaaaabbbca"; *o; o++)
        assert_int_equal(job_pool_submit(p, job_for(*o), 0), 0);
    assert_string_equal(released(p), "abcababaaaaa");
}

// An owner's share counts what waits and what runs; others have theirs.
static void test_share(void **state)
{
    (void)state;
    job_pool *p = held(100);
    assert_int_equal(job_pool_submit(p, job_for('a'), 2), 0);
    assert_int_equal(job_pool_submit(p, job_for('a'), 2), 0);
    struct job *extra = job_for('a');
    assert_int_equal(job_pool_submit(p, extra, 2), -EDQUOT);
    assert_int_equal(job_pool_submit(p, extra, 3), 0);
    assert_int_equal(job_pool_submit(p, job_for('b'), 1), 0);
    // Owner 0 is the one that runs.
    extra = job_for(0);
    assert_int_equal(job_pool_submit(p, extra, 1), -EDQUOT);
    free(extra);
    assert_string_equal(released(p), "abaa");
}

// What waits can be taken back, from any place; what has begun cannot.
static void test_remove(void **state)
{
    (void)state;
    struct job *j[4];
    job_pool *p = held(4);
    for (int i = 0; i < 4; i++) {
        j[i] = job_for((char)('a' + i));
        assert_int_equal(job_pool_submit(p, j[i], 0), 0);
    }
    for (int i = 0; i < 4; i += 3) {
        assert_true(job_pool_remove(p, j[i]));
        assert_false(job_pool_remove(p, j[i]));
        free(j[i]);
    }
    struct job *more = job_for('e');
    assert_int_equal(job_pool_submit(p, more, 0), 0); // there is room again
    assert_string_equal(released(p), "bce");
    p = held(1);
    struct job none = {0};
    assert_false(job_pool_remove(p, &none));
    released(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_run), cmocka_unit_test(test_full),
        cmocka_unit_test(test_turns),   cmocka_unit_test(test_share),
        cmocka_unit_test(test_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
