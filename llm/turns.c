// SPDX-License-Identifier: MIT
// Turns of the team, shared: requests post the tokens that they want computed; one of those who
// wait takes the team, runs what all have posted in one pass over the weights, and wakes them
// (flat combining, Hendler et al. 2010). No thread of its own, no order but that of posting.
//
// The bytes of a token do not depend on what shares its pass, so neither does an answer.
#include "llm/model.h"

#include <string.h>
#include <time.h>

// How long a pass waits for requests that were in the last one and choose their token now.
#define WAIT_NS 500000L

void llm__turns_init(struct turns *q)
{
    pthread_condattr_t attr;
    *q = (struct turns){0};
    q->last = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->posted, &attr);
    pthread_cond_init(&q->turned, &attr);
    pthread_condattr_destroy(&attr);
}

void llm__turns_free(struct turns *q)
{
    pthread_cond_destroy(&q->posted);
    pthread_cond_destroy(&q->turned);
    pthread_mutex_destroy(&q->lock);
}

void llm__turns_decoding(llm *m, struct slot *s, bool decoding)
{
    pthread_mutex_lock(&m->turns.lock);
    s->decoding = decoding;
    s->late = false;
    m->turns.n_decoding += decoding ? 1 : -1;
    pthread_cond_signal(&m->turns.posted);
    pthread_mutex_unlock(&m->turns.lock);
}

uint32_t llm__turns_others(llm *m)
{
    pthread_mutex_lock(&m->turns.lock);
    uint32_t n = (uint32_t)m->turns.n_decoding;
    pthread_mutex_unlock(&m->turns.lock);
    return n > 1 ? n - 1 : 0;
}

static uint32_t missing(const llm *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_slots; i++)
        n += m->slots[i].decoding && !m->slots[i].queued && !m->slots[i].late;
    return n;
}

// Give those a moment who are about to post. Who is held up (a slow reader) is waited for once.
static void wait_for_others(llm *m)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    while (missing(m))
        if (pthread_cond_timedwait(&m->turns.posted, &m->turns.lock, &until))
            break;
    for (uint32_t i = 0; i < m->n_slots; i++)
        m->slots[i].late = m->slots[i].decoding && !m->slots[i].queued;
}

// Take what fits one pass off the queue, the first in any case; its number. Who waits for
// nothing any more is let go.
static uint32_t gather(llm *m, struct turn **batch)
{
    uint32_t n = 0, room = m->n_batch;
    struct turn **link = &m->turns.first;
    while (*link) {
        struct turn *t = *link;
        if ((t->rc = llm__cancelled(t->cancel, &t->e))) {
            t->slot->queued = false;
            t->done = true;
            *link = t->next;
            continue;
        }
        if (n && t->n > room) {
            link = &t->next;
            continue;
        }
        batch[n++] = t;
        room -= t->n;
        t->slot->queued = false;
        *link = t->next;
    }
    m->turns.last = link;
    return n;
}

static struct transformer_part part_of(const struct turn *t)
{
    return (struct transformer_part){.session = t->slot->session,
                                     .tokens = t->tokens,
                                     .n = t->n,
                                     .want = t->want,
                                     .all = t->all};
}

static void run_alone(struct turn *t)
{
    struct transformer_part part = part_of(t);
    t->rc = transformer_step(&part, 1, t->cancel, &t->e);
    t->best = part.best;
}

static void run(struct turn **batch, uint32_t n)
{
    struct transformer_part parts[SESSIONS_MAX] = {{0}};
    struct err e;
    for (uint32_t i = 0; i < n; i++)
        parts[i] = part_of(batch[i]);
    // Whoever is cancelled among several learns of it behind the pass.
    if (n > 1 && !transformer_step(parts, n, NULL, &e)) {
        for (uint32_t i = 0; i < n; i++) {
            batch[i]->rc = 0;
            batch[i]->best = parts[i].best;
        }
        return;
    }
    // Alone, or one of them is wrong: then each gets an answer of its own.
    for (uint32_t i = 0; i < n; i++)
        run_alone(batch[i]);
}

// One pass for whoever waits. The queue is locked, and not empty.
static void lead(llm *m)
{
    struct turns *q = &m->turns;
    struct turn *batch[SESSIONS_MAX];
    if (q->n_decoding > 1)
        wait_for_others(m);
    pthread_mutex_unlock(&q->lock);
    team_take(m->team, TEAM_INTERACTIVE);
    pthread_mutex_lock(&q->lock);
    uint32_t n = gather(m, batch);
    pthread_mutex_unlock(&q->lock);
    if (n)
        run(batch, n);
    team_give(m->team);
    pthread_mutex_lock(&q->lock);
    for (uint32_t i = 0; i < n; i++)
        batch[i]->done = true;
    q->passes += n > 0;
    q->shared += n > 1;
}

int llm__turn(llm *m, struct slot *s, struct turn *t, struct err *e)
{
    struct turns *q = &m->turns;
    int rc = llm__cancelled(t->cancel, e);
    if (rc)
        return rc;
    t->slot = s;
    t->next = NULL;
    t->done = false;
    pthread_mutex_lock(&q->lock);
    *q->last = t;
    q->last = &t->next;
    s->queued = true;
    s->late = false;
    pthread_cond_signal(&q->posted);
    while (!t->done) {
        if (q->led) {
            pthread_cond_wait(&q->turned, &q->lock);
            continue;
        }
        q->led = true;
        lead(m);
        q->led = false;
        pthread_cond_broadcast(&q->turned);
    }
    pthread_mutex_unlock(&q->lock);
    if (t->rc)
        return err_set(e, t->rc, "%s", t->e.msg);
    memcpy(s->tokens + s->len, t->tokens, t->n * sizeof *t->tokens);
    s->len += t->n;
    return 0;
}
