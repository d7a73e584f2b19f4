// SPDX-License-Identifier: MIT
#include "base/job.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    job_pool *pool;
    pthread_t thread;
    bool running;
    int64_t owner; // of the job that runs
};

struct job_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first; // by round
    uint64_t round;    // of the job that began last
    size_t waiting, running, limit;
    bool closing;
    unsigned n_workers;
    struct worker workers[];
};

static void *work(void *arg)
{
    struct worker *w = arg;
    job_pool *p = w->pool;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->first && !p->closing)
            pthread_cond_wait(&p->wake, &p->lock);
        struct job *j = p->first;
        if (!j)
            break;
        p->first = j->next;
        p->round = j->round;
        w->owner = j->owner;
        w->running = true;
        p->waiting--;
        p->running++;
        pthread_mutex_unlock(&p->lock);
        j->run(j);
        pthread_mutex_lock(&p->lock);
        w->running = false;
        p->running--;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int job_pool_new(unsigned threads, size_t queue, job_pool **out, struct err *e)
{
    job_pool *p = calloc(1, sizeof *p + threads * sizeof p->workers[0]);
    if (!p)
        return err_nomem(e);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->limit = queue;
    // Signals are the main thread's business.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = 0;
    for (; p->n_workers < threads && !rc; p->n_workers += rc == 0) {
        struct worker *w = &p->workers[p->n_workers];
        w->pool = p;
        rc = pthread_create(&w->thread, NULL, work, w);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc) {
        job_pool_free(p);
        return err_set(e, -rc, "cannot start a worker thread: %s", strerror(rc));
    }
    *out = p;
    return 0;
}

void job_pool_free(job_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_workers; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static size_t count(const job_pool *p, int64_t owner)
{
    size_t n = 0;
    for (const struct job *j = p->first; j; j = j->next)
        n += j->owner == owner;
    for (unsigned i = 0; i < p->n_workers; i++)
        n += p->workers[i].running && p->workers[i].owner == owner;
    return n;
}

// One round behind the last of the same owner that waits, and behind what came before in that
// round.
static void insert(job_pool *p, struct job *j)
{
    struct job **at = &p->first;
    j->round = p->round + 1;
    for (const struct job *k = p->first; k; k = k->next)
        if (k->owner == j->owner)
            j->round = k->round + 1;
    while (*at && (*at)->round <= j->round)
        at = &(*at)->next;
    j->next = *at;
    *at = j;
}

int job_pool_submit(job_pool *p, struct job *j, size_t most)
{
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    // A job that finds an idle worker does not count as waiting.
    if (p->closing || p->waiting + p->running >= p->limit + p->n_workers) {
        rc = -EAGAIN;
    } else if (most && count(p, j->owner) >= most) {
        rc = -EDQUOT;
    } else {
        insert(p, j);
        p->waiting++;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

bool job_pool_remove(job_pool *p, const struct job *j)
{
    bool found = false;
    pthread_mutex_lock(&p->lock);
    for (struct job **at = &p->first; *at; at = &(*at)->next)
        if ((found = *at == j)) {
            *at = j->next;
            p->waiting--;
            break;
        }
    pthread_mutex_unlock(&p->lock);
    return found;
}

void job_pool_load(job_pool *p, size_t *waiting, size_t *running)
{
    pthread_mutex_lock(&p->lock);
    *waiting = p->waiting;
    *running = p->running;
    pthread_mutex_unlock(&p->lock);
}
