// SPDX-License-Identifier: MIT
// Turns of the team, shared: requests post the tokens that they want computed; the first of
// those who wait takes the team, runs what all have posted in one pass over the weights, and
// wakes them (flat combining, Hendler et al. 2010). No thread of its own, no order but that of
// posting.
//
// Whoever is cancelled leaves: the queue within CLOCK_LOOK_US, a pass before its next layer. If
// it is he who runs the pass, another of it goes on.
//
// The bytes of a token do not depend on what shares its pass, so neither does an answer.
#include "llm/model.h"

#include <string.h>

// How long a pass waits for requests that were in the last one and choose their token now.
#define WAIT_MS 0.5

void llm__turns_init(struct turns *q)
{
    *q = (struct turns){0};
    q->last = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    clock_cond_init(&q->posted);
    clock_cond_init(&q->turned);
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
    double until = clock_ms() + WAIT_MS, left;
    while (missing(m) && (left = until - clock_ms()) > 0)
        clock_wait(&m->turns.posted, &m->turns.lock, (long)(left * 1e3) + 1);
    for (uint32_t i = 0; i < m->n_slots; i++)
        m->slots[i].late = m->slots[i].decoding && !m->slots[i].queued;
}

// Take what fits one pass off the queue, the first in any case.
static void gather(llm *m)
{
    struct turns *q = &m->turns;
    uint32_t room = m->n_batch;
    struct turn **link = &q->first;
    q->n_batch = 0;
    while (*link) {
        struct turn *t = *link;
        if (q->n_batch && t->n > room) {
            link = &t->next;
            continue;
        }
        q->batch[q->n_batch++] = t;
        room -= t->n;
        t->slot->queued = false;
        *link = t->next;
    }
    q->last = link;
}

static void leave_queue(struct turns *q, struct turn *t)
{
    struct turn **link = &q->first;
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    if (!t->next)
        q->last = link;
    t->slot->queued = false;
    pthread_cond_broadcast(&q->turned); // another may be the first now
}

// Of the pass: nothing of this turn is ours any more.
static void end_turn(struct turns *q, uint32_t i, int rc, const struct err *e)
{
    struct turn *t = q->batch[i];
    q->batch[i] = NULL;
    t->best = q->parts[i].best;
    t->rc = rc;
    if (rc)
        t->e = *e;
    t->done = true;
}

// True: it is the turn of him who runs the pass.
static bool on_left(void *ctx)
{
    struct turn *t = ctx;
    struct turns *q = t->turns;
    struct err e;
    uint32_t i = 0;
    pthread_mutex_lock(&q->lock);
    bool leads = t->leads;
    while (q->batch[i] != t)
        i++;
    end_turn(q, i, err_set(&e, -ECANCELED, "the request was cancelled"), &e);
    pthread_cond_broadcast(&q->turned);
    pthread_mutex_unlock(&q->lock);
    return leads;
}

static struct transformer_part part_of(struct turn *t)
{
    return (struct transformer_part){.session = t->slot->session,
                                     .tokens = t->tokens,
                                     .n = t->n,
                                     .want = t->want,
                                     .all = t->all,
                                     .cancel = t->cancel,
                                     .on_left = on_left,
                                     .ctx = t};
}

// To the end, or until we leave. Of several, one may be wrong: then each gets an answer of its
// own.
static int run(struct turns *q, bool go_on, struct err *e)
{
    for (uint32_t i = 0; i < q->n_batch && !go_on; i++)
        q->parts[i] = part_of(q->batch[i]);
    int rc =
        go_on ? transformer_step_go_on(q->parts, e) : transformer_step(q->parts, q->n_batch, e);
    if (rc == -EAGAIN || rc == -ECANCELED)
        return rc;
    for (uint32_t i = 0; i < q->n_batch; i++) {
        int own = rc;
        if (rc && q->n_batch > 1 && q->batch[i]) {
            q->parts[i] = part_of(q->batch[i]);
            own = transformer_step(&q->parts[i], 1, e);
        }
        if (!q->batch[i])
            continue; // it has left
        pthread_mutex_lock(&q->lock);
        end_turn(q, i, own, e);
        pthread_mutex_unlock(&q->lock);
    }
    return rc;
}

// Run a pass, or go on with one, on behalf of turn t, which is of it. The queue is locked.
static void lead(llm *m, struct turn *t)
{
    struct turns *q = &m->turns;
    struct err e;
    bool go_on = q->left_open;
    if (!go_on && q->n_decoding > 1)
        wait_for_others(m);
    pthread_mutex_unlock(&q->lock);
    int rc = go_on ? 0 : team_take(m->team, TEAM_INTERACTIVE, t->cancel, &e);
    pthread_mutex_lock(&q->lock);
    if (rc)
        return;
    t->leads = true;
    q->left_open = false;
    if (!go_on) {
        gather(m);
        q->passes++;
        q->shared += q->n_batch > 1;
    }
    pthread_mutex_unlock(&q->lock);
    rc = run(q, go_on, &e);
    if (rc != -EAGAIN)
        team_give(m->team);
    pthread_mutex_lock(&q->lock);
    q->left_open = rc == -EAGAIN;
}

// Until it is computed or cancelled. The queue is locked.
static void await(llm *m, struct turn *t)
{
    struct turns *q = &m->turns;
    while (!t->done) {
        bool queued = t->slot->queued;
        if (queued && (t->rc = llm__cancelled(t->cancel, &t->e))) {
            leave_queue(q, t);
            return;
        }
        if (!q->led && (q->left_open ? !queued : q->first == t)) {
            q->led = true;
            lead(m, t);
            q->led = false;
            pthread_cond_broadcast(&q->turned);
        } else if (queued && t->cancel) {
            clock_wait(&q->turned, &q->lock, CLOCK_LOOK_US);
        } else {
            pthread_cond_wait(&q->turned, &q->lock);
        }
    }
}

int llm__turn(llm *m, struct slot *s, struct turn *t, struct err *e)
{
    struct turns *q = &m->turns;
    t->turns = q;
    t->slot = s;
    t->next = NULL;
    t->done = t->leads = false;
    pthread_mutex_lock(&q->lock);
    *q->last = t;
    q->last = &t->next;
    s->queued = true;
    s->late = false;
    pthread_cond_signal(&q->posted);
    await(m, t);
    pthread_mutex_unlock(&q->lock);
    if (t->rc)
        return err_set(e, t->rc, "%s", t->e.msg);
    memcpy(s->tokens + s->len, t->tokens, t->n * sizeof *t->tokens);
    s->len += t->n;
    return 0;
}
