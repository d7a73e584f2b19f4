// SPDX-License-Identifier: MIT
#include "engine/tensor/team.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PARTS = 100 };

struct parts {
    struct team *team;
    atomic_int seen[PARTS], inside[8];
    bool slow;
};

static void claim_all(void *arg, unsigned i, unsigned n)
{
    struct parts *p = arg;
    assert_true(i < n);
    assert_int_equal(atomic_fetch_add(&p->inside[i], 1), 0); // an index is one thread's
    for (size_t k; (k = team_claim(p->team)) < PARTS;) {
        atomic_fetch_add(&p->seen[k], 1);
        if (p->slow && k % 30 == 0)
            usleep(1000);
    }
    atomic_fetch_sub(&p->inside[i], 1);
}

static void test_every_part_once(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 6; n++) {
        struct parts p = {0};
        struct err e;
        assert_int_equal(team_new(n, &p.team, &e), 0);
        assert_int_equal(team_size(p.team), n);
        for (int round = 1; round <= 2000; round++) {
            p.slow = round % 100 == 0;
            team_run(p.team, claim_all, &p);
            for (int k = 0; k < PARTS; k++)
                assert_int_equal(p.seen[k], round);
            if (round % 500 == 0)
                usleep(2000); // let the workers fall asleep
        }
        team_free(p.team);
    }
}

struct meeting {
    atomic_int came;
};

// Whoever comes waits for the others: with time enough, all threads come.
static void meet(void *arg, unsigned i, unsigned n)
{
    struct meeting *m = arg;
    (void)i;
    atomic_fetch_add(&m->came, 1);
    for (int k = 0; k < 5000 && atomic_load(&m->came) < (int)n; k++)
        usleep(1000);
}

static void test_all_come(void **state)
{
    (void)state;
    struct team *t;
    struct err e;
    assert_int_equal(team_new(4, &t, &e), 0);
    for (int round = 0; round < 20; round++) {
        struct meeting m = {0};
        team_run(t, meet, &m);
        assert_int_equal(m.came, 4);
    }
    team_free(t);
}

// Where each thread may run, told by itself.
struct places {
    struct meeting meeting;
    int count[8], last[8];
};

static void tell_place(void *arg, unsigned i, unsigned n)
{
    struct places *p = arg;
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    p->count[i] = CPU_COUNT(&set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            p->last[i] = cpu;
    meet(&p->meeting, i, n);
}

static void test_pinned(void **state)
{
    (void)state;
    struct team *t;
    struct err e;
    struct places p = {0};
    cpu_set_t mine;
    unsigned cpus[2] = {0, 0}, absent = CPU_SETSIZE - 1;
    assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
    for (unsigned cpu = 0, n = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
        if (CPU_ISSET(cpu, &mine))
            cpus[n++] = cpu;
    assert_int_equal(team_new(4, &t, &e), 0);
    assert_int_equal(team_pin(t, cpus, 2, &e), 0);
    team_run(t, tell_place, &p);
    assert_int_equal(p.count[0], CPU_COUNT(&mine)); // the taker stays where it is
    for (int i = 1; i < 4; i++) {
        assert_int_equal(p.count[i], 1);
        assert_int_equal(p.last[i], cpus[i % 2]);
    }
    assert_int_equal(team_pin(t, &absent, 1, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "CPU 1023"));
    team_free(t);
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
    team_take(k->team, k->class, NULL, NULL);
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
    team_take(t, TEAM_BATCH, NULL, NULL);
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

struct quitter {
    struct team *team;
    enum team_class class;
    atomic_bool cancel;
    int rc;
};

static void *take_unless(void *p)
{
    struct quitter *q = p;
    struct err e;
    q->rc = team_take(q->team, q->class, &q->cancel, &e);
    if (!q->rc)
        team_give(q->team);
    return NULL;
}

// Whoever gives up is out of the line at once, at its head, in it and at its end; the order of
// the others stays, and those behind do not wait for him.
static void test_giving_up(void **state)
{
    (void)state;
    struct team *t;
    struct err e;
    atomic_int order = 0;
    struct taker takers[3];
    struct quitter quitters[4];
    pthread_t stay[3], go[4];
    assert_int_equal(team_new(1, &t, &e), 0);
    assert_int_equal(team_take(t, TEAM_BATCH, NULL, NULL), 0);
    for (int i = 0; i < 4; i++) {
        quitters[i] = (struct quitter){.team = t, .class = i % 2, .rc = 1};
        assert_int_equal(pthread_create(&go[i], NULL, take_unless, &quitters[i]), 0);
        usleep(20000);
        if (i == 3)
            break;
        takers[i] = (struct taker){t, i < 2 ? TEAM_BATCH : TEAM_INTERACTIVE, &order, -1};
        assert_int_equal(pthread_create(&stay[i], NULL, take_once, &takers[i]), 0);
        usleep(20000);
    }
    for (int i = 0; i < 4; i++) // the team is not given meanwhile
        atomic_store(&quitters[i].cancel, true);
    for (int i = 0; i < 4; i++) {
        pthread_join(go[i], NULL);
        assert_int_equal(quitters[i].rc, -ECANCELED);
    }
    team_give(t);
    for (int i = 0; i < 3; i++)
        pthread_join(stay[i], NULL);
    assert_int_equal(takers[2].place, 0);
    assert_int_equal(takers[0].place, 1);
    assert_int_equal(takers[1].place, 2);
    // Free, and nobody waits: who is cancelled does not get it, anybody else does.
    assert_int_equal(team_take(t, TEAM_INTERACTIVE, &quitters[0].cancel, &e), -ECANCELED);
    atomic_bool no = false;
    assert_int_equal(team_take(t, TEAM_BATCH, &no, &e), 0);
    team_give(t);
    team_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_part_once), cmocka_unit_test(test_all_come),
        cmocka_unit_test(test_pinned),          cmocka_unit_test(test_interactive_before_batch),
        cmocka_unit_test(test_giving_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
