// SPDX-License-Identifier: MIT
#include "engine/tensor/team.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static void add_index(void *arg, unsigned i, unsigned n)
{
    (void)n;
    atomic_fetch_add((atomic_int *)arg, (int)i + 1);
}

static void test_every_thread_once(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 4; n++) {
        struct team *t;
        struct err e;
        assert_int_equal(team_new(n, &t, &e), 0);
        assert_int_equal(team_size(t), n);
        for (int round = 0; round < 2000; round++) {
            atomic_int sum = 0;
            team_run(t, add_index, &sum);
            assert_int_equal(sum, (int)(n * (n + 1) / 2));
            if (round % 500 == 0)
                usleep(2000); // let the workers fall asleep
        }
        team_free(t);
    }
}

struct parts {
    struct team *team;
    atomic_int seen[100];
};

static void claim_all(void *arg, unsigned i, unsigned n)
{
    struct parts *p = arg;
    (void)i, (void)n;
    for (size_t k; (k = team_claim(p->team)) < 100;)
        atomic_fetch_add(&p->seen[k], 1);
}

static void test_every_part_once(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 4; n++) {
        struct parts p = {0};
        struct err e;
        assert_int_equal(team_new(n, &p.team, &e), 0);
        for (int round = 1; round <= 50; round++) {
            team_run(p.team, claim_all, &p);
            for (int k = 0; k < 100; k++)
                assert_int_equal(p.seen[k], round);
        }
        team_free(p.team);
    }
}

struct taker {
    struct team *team;
    enum team_class class;
    atomic_int *order;
    int place;
};

static void *take_once(void *p)
{
    struct taker *k = p;
    team_take(k->team, k->class);
    k->place = atomic_fetch_add(k->order, 1);
    team_give(k->team);
    return NULL;
}

static void test_interactive_before_batch(void **state)
{
    (void)state;
    struct team *t;
    struct err e;
    atomic_int order = 0;
    struct taker takers[6];
    pthread_t threads[6];
    assert_int_equal(team_new(1, &t, &e), 0);
    team_take(t, TEAM_BATCH);
    for (int i = 0; i < 6; i++) {
        takers[i] = (struct taker){t, i < 3 ? TEAM_BATCH : TEAM_INTERACTIVE, &order, -1};
        assert_int_equal(pthread_create(&threads[i], NULL, take_once, &takers[i]), 0);
        usleep(20000);
    }
    team_give(t);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(takers[i].place, 3 + i);
        assert_int_equal(takers[i + 3].place, i);
    }
    team_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_thread_once),
        cmocka_unit_test(test_every_part_once),
        cmocka_unit_test(test_interactive_before_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
