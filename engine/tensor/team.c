// SPDX-License-Identifier: MIT
// Workers wait for a round: they spin for a moment, since the next one usually comes within
// microseconds, and then sleep on a futex.
//
// `state` is the number of the round, whether it is open, and how many workers are in it. The
// taker opens a round and works in it; when it finds no more parts to claim it closes the round
// and waits for those who are in. Who comes late - on a busy machine a worker may be without a
// processor for milliseconds - finds it closed, and nobody has waited.
#include "engine/tensor/team.h"

#include "base/clock.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS 4000
#define INSIDE 0x3FFu // of `state`: workers in the round
#define OPEN 0x400u
#define ROUND 0x800u // one round later
#define THREADS_MOST 1000
#define DEFAULT_MOST 8

struct worker {
    struct team *team;
    unsigned index;
    pthread_t thread;
};

struct team {
    unsigned n;
    struct worker *workers; // n - 1: the taker's thread is the n-th
    // One round. Words that different threads write stand on lines of their own.
    void (*fn)(void *arg, unsigned i, unsigned n);
    void *arg;
    atomic_bool stop;
    alignas(64) _Atomic uint32_t state; // futex
    _Atomic uint32_t workers_asleep;
    alignas(64) _Atomic uint32_t taker_asleep;
    alignas(64) atomic_size_t claimed; // parts of the round
    // Whose turn it is: the first of the line, of the interactive one if anybody is there.
    pthread_mutex_t lock;
    bool taken;
    struct line {
        pthread_cond_t moved;
        struct place *first, **last;
    } lines[2];
};

// Of one who waits: on his stack.
struct place {
    struct place *next;
};

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); // "yield" does nothing on most processors
#endif
}

static bool is_news(uint32_t state, uint32_t seen)
{
    return (state & OPEN) && state / ROUND != seen;
}

static bool is_left(uint32_t state, uint32_t unused)
{
    (void)unused;
    return !(state & INSIDE);
}

// Wait until the state is what is waited for; it is returned. `asleep` counts who may need to
// be woken: whoever changes the state looks at it afterwards. Both are sequentially consistent,
// so either the waker sees the sleeper, or the sleeper sees the change before it sleeps.
static uint32_t wait_until(struct team *t, bool (*good)(uint32_t, uint32_t), uint32_t seen,
                           _Atomic uint32_t *asleep)
{
    uint32_t s;
    for (int i = 0; i < SPINS; i++) {
        if (good(s = atomic_load_explicit(&t->state, memory_order_acquire), seen))
            return s;
        pause_cpu();
    }
    atomic_fetch_add(asleep, 1);
    while (!good(s = atomic_load(&t->state), seen))
        syscall(SYS_futex, &t->state, FUTEX_WAIT_PRIVATE, s, NULL, NULL, 0);
    atomic_fetch_sub(asleep, 1);
    return s;
}

// A round costs no system call while everybody spins.
static void wake_all(struct team *t, const _Atomic uint32_t *asleep)
{
    if (atomic_load(asleep))
        syscall(SYS_futex, &t->state, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void *work(void *p)
{
    struct worker *w = p;
    struct team *t = w->team;
    for (uint32_t seen = 0;;) {
        uint32_t s = wait_until(t, is_news, seen, &t->workers_asleep);
        if (!atomic_compare_exchange_strong(&t->state, &s, s + 1))
            continue; // another has entered, or it was closed
        seen = s / ROUND;
        if (atomic_load(&t->stop)) {
            atomic_fetch_sub(&t->state, 1);
            return NULL;
        }
        t->fn(t->arg, w->index, t->n);
        if (is_left(atomic_fetch_sub(&t->state, 1) - 1, 0))
            wake_all(t, &t->taker_asleep);
    }
}

static unsigned usable_cpus(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return n < 1 ? 1 : n > DEFAULT_MOST ? DEFAULT_MOST : (unsigned)n;
}

int team_new(unsigned n_threads, struct team **out, struct err *e)
{
    struct team *t = aligned_alloc(alignof(struct team), sizeof *t);
    unsigned n = n_threads ? n_threads : usable_cpus();
    if (!t)
        return err_nomem(e);
    n = n < THREADS_MOST ? n : THREADS_MOST;
    memset(t, 0, sizeof *t);
    if (!(t->workers = calloc(n, sizeof *t->workers))) {
        free(t);
        return err_nomem(e);
    }
    pthread_mutex_init(&t->lock, NULL);
    for (int c = 0; c < 2; c++) {
        clock_cond_init(&t->lines[c].moved);
        t->lines[c].last = &t->lines[c].first;
    }
    for (t->n = 1; t->n < n; t->n++) {
        struct worker *w = &t->workers[t->n - 1];
        *w = (struct worker){.team = t, .index = t->n};
        int rc = pthread_create(&w->thread, NULL, work, w);
        if (rc) {
            team_free(t);
            return err_set(e, -rc, "compute thread %u: %s", t->n, strerror(rc));
        }
    }
    *out = t;
    return 0;
}

void team_free(struct team *t)
{
    if (!t)
        return;
    atomic_store(&t->stop, true);
    atomic_store(&t->state, ((atomic_load(&t->state) / ROUND + 1) * ROUND) | OPEN);
    wake_all(t, &t->workers_asleep);
    for (unsigned i = 0; i + 1 < t->n; i++)
        pthread_join(t->workers[i].thread, NULL);
    pthread_cond_destroy(&t->lines[0].moved);
    pthread_cond_destroy(&t->lines[1].moved);
    pthread_mutex_destroy(&t->lock);
    free(t->workers);
    free(t);
}

unsigned team_size(const struct team *t)
{
    return t->n;
}

int team_pin(struct team *t, const unsigned *cpus, size_t n, struct err *e)
{
    for (unsigned i = 1; i < t->n; i++) {
        unsigned cpu = cpus[i % n];
        cpu_set_t one;
        CPU_ZERO(&one);
        if (cpu < CPU_SETSIZE)
            CPU_SET(cpu, &one);
        int rc = pthread_setaffinity_np(t->workers[i - 1].thread, sizeof one, &one);
        if (rc)
            return err_set(e, -rc, "compute thread %u cannot be kept on CPU %u: %s", i, cpu,
                           strerror(rc));
    }
    return 0;
}

static void stand_in_line(struct line *l, struct place *p)
{
    p->next = NULL;
    *l->last = p;
    l->last = &p->next;
}

static void leave_line(struct line *l, const struct place *p)
{
    struct place **at = &l->first;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (!p->next)
        l->last = at;
}

static bool is_next(const struct team *t, enum team_class c, const struct place *p)
{
    const struct line *lines = t->lines;
    return !t->taken && lines[c].first == p &&
           (c == TEAM_INTERACTIVE || !lines[TEAM_INTERACTIVE].first);
}

// Whoever may be next looks whether he is.
static void call_next(struct team *t)
{
    pthread_cond_broadcast(
        &t->lines[t->lines[TEAM_INTERACTIVE].first ? TEAM_INTERACTIVE : TEAM_BATCH].moved);
}

int team_take(struct team *t, enum team_class c, const atomic_bool *cancel, struct err *e)
{
    struct line *l = &t->lines[c];
    struct place me;
    bool gone;
    pthread_mutex_lock(&t->lock);
    stand_in_line(l, &me);
    while (!(gone = cancel && atomic_load(cancel)) && !is_next(t, c, &me)) {
        if (cancel)
            clock_wait(&l->moved, &t->lock, CLOCK_LOOK_US);
        else
            pthread_cond_wait(&l->moved, &t->lock);
    }
    leave_line(l, &me);
    if (gone)
        call_next(t);
    else
        t->taken = true;
    pthread_mutex_unlock(&t->lock);
    return gone ? err_set(e, -ECANCELED, "cancelled") : 0;
}

void team_give(struct team *t)
{
    pthread_mutex_lock(&t->lock);
    t->taken = false;
    call_next(t);
    pthread_mutex_unlock(&t->lock);
}

void team_run(struct team *t, void (*fn)(void *arg, unsigned i, unsigned n), void *arg)
{
    atomic_store_explicit(&t->claimed, 0, memory_order_relaxed);
    if (t->n == 1) {
        fn(arg, 0, 1);
        return;
    }
    t->fn = fn;
    t->arg = arg;
    // Nobody is inside and it is closed: only the taker changes it.
    atomic_store(&t->state,
                 ((atomic_load_explicit(&t->state, memory_order_relaxed) / ROUND + 1) * ROUND) |
                     OPEN);
    wake_all(t, &t->workers_asleep);
    fn(arg, 0, t->n);
    if (!is_left(atomic_fetch_and(&t->state, ~OPEN), 0))
        wait_until(t, is_left, 0, &t->taker_asleep);
}

size_t team_claim(struct team *t)
{
    return atomic_fetch_add_explicit(&t->claimed, 1, memory_order_relaxed);
}
