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
        assert_int_equal(job_pool_submit(p, job_of(count)), 0);
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
        assert_int_equal(job_pool_submit(p, job_of(block)), 0);
    struct job *extra = job_of(block);
    assert_int_equal(job_pool_submit(p, extra), -EAGAIN);
    free(extra);
    pthread_mutex_unlock(&gate);
    job_pool_free(p);
    assert_int_equal(atomic_load(&done), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_run),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
