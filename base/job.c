// SPDX-License-Identifier: MIT
#include "base/job.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct job_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, **last;
    size_t waiting, running, limit;
    bool closing;
    unsigned n_threads;
    pthread_t threads[];
};

static void *work(void *arg)
{
    job_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->first && !p->closing)
            pthread_cond_wait(&p->wake, &p->lock);
        struct job *j = p->first;
        if (!j)
            break;
        p->first = j->next;
        if (!p->first)
            p->last = &p->first;
        p->waiting--;
        p->running++;
        pthread_mutex_unlock(&p->lock);
        j->run(j);
        pthread_mutex_lock(&p->lock);
        p->running--;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int job_pool_new(unsigned threads, size_t queue, job_pool **out, struct err *e)
{
    job_pool *p = calloc(1, sizeof *p + threads * sizeof p->threads[0]);
    if (!p)
        return err_nomem(e);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->last = &p->first;
    p->limit = queue;
    // Signals are the main thread's business.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = 0;
    for (; p->n_threads < threads && !rc; p->n_threads += rc == 0)
        rc = pthread_create(&p->threads[p->n_threads], NULL, work, p);
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
    for (unsigned i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int job_pool_submit(job_pool *p, struct job *j)
{
    pthread_mutex_lock(&p->lock);
    // A job that finds an idle worker does not count as waiting.
    bool full = p->closing || p->waiting + p->running >= p->limit + p->n_threads;
    if (!full) {
        j->next = NULL;
        *p->last = j;
        p->last = &j->next;
        p->waiting++;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    return full ? -EAGAIN : 0;
}

void job_pool_load(job_pool *p, size_t *waiting, size_t *running)
{
    pthread_mutex_lock(&p->lock);
    *waiting = p->waiting;
    *running = p->running;
    pthread_mutex_unlock(&p->lock);
}
