// SPDX-License-Identifier: MIT
// Work that computes on a pool's thread while the loop keeps the connection.
//
// A task's outbox is the only thing that both threads touch. The worker appends events and
// wakes the loop; uv_async_send coalesces, so the loop drains every outbox each time.
#include "daemon/server.h"

#include <stdlib.h>
#include <time.h>

enum event_kind { EVENT_REPLY, EVENT_BEGIN, EVENT_CHUNK, EVENT_END };

struct event {
    struct event *next;
    enum event_kind kind;
    int status;
    const char *type; // static
    struct buf data;
};

static void post(struct task *t, enum event_kind kind, int status, const char *type,
                 struct buf *data)
{
    struct event *ev = calloc(1, sizeof *ev);
    if (!ev) { // the connection gets no answer; say so by ending it
        if (data)
            buf_free(data);
        atomic_store(&t->cancel, true);
        return;
    }
    *ev = (struct event){.kind = kind, .status = status, .type = type, .data = BUF_INIT};
    if (data) {
        ev->data = *data;
        buf_init(data);
    }
    uv_mutex_lock(&t->lock);
    if (t->last)
        t->last->next = ev;
    else
        t->first = ev;
    t->last = ev;
    uv_mutex_unlock(&t->lock);
    uv_async_send(&t->server->wake);
}

void task_reply(struct task *t, int status, struct buf *body)
{
    post(t, EVENT_REPLY, status, "application/json", body);
}

void task_error(struct task *t, int status, const char *type, const char *field,
                const char *message)
{
    struct buf b = BUF_INIT;
    if (!error_json(&b, type, field, message))
        task_reply(t, status, &b);
    buf_free(&b);
}

void task_begin(struct task *t, int status, const char *type)
{
    post(t, EVENT_BEGIN, status, type, NULL);
}

void task_chunk(struct task *t, struct buf *data)
{
    post(t, EVENT_CHUNK, 0, NULL, data);
}

void task_end(struct task *t)
{
    post(t, EVENT_END, 0, NULL, NULL);
}

static void on_worker(struct job *j)
{
    struct task *t = (struct task *)j;
    struct server *s = t->server;
    t->run(t);
    uv_mutex_lock(&t->lock);
    t->finished = true;
    uv_mutex_unlock(&t->lock);
    uv_async_send(&s->wake); // the loop frees the task: not touched from here on
}

void task_start(struct task *t, struct server *s, struct conn *c, job_pool *pool)
{
    t->server = s;
    t->conn = c;
    t->job.run = on_worker;
    t->started_ms = (double)uv_hrtime() / 1e6;
    uv_mutex_init(&t->lock);
    if (job_pool_submit(pool, &t->job)) {
        s->metrics.refused_busy++;
        uv_mutex_destroy(&t->lock);
        t->destroy(t);
        reply_error(c, 503, "busy", NULL,
                    "too many questions are waiting; try again in a few seconds");
        return;
    }
    t->prev = NULL;
    t->next = s->tasks;
    if (s->tasks)
        s->tasks->prev = t;
    s->tasks = t;
    conn_set_task(c, t);
}

void task_cancel(struct task *t, bool timed_out)
{
    if (timed_out)
        atomic_store(&t->timed_out, true);
    atomic_store(&t->cancel, true);
}

static void send_event(struct conn *c, struct event *ev)
{
    switch (ev->kind) {
    case EVENT_REPLY:
        reply(c, ev->status, ev->type, ev->status == 503 ? "Retry-After: 1\r\n" : NULL,
              ev->data.data, ev->data.len);
        break;
    case EVENT_BEGIN:
        reply_begin(c, ev->status, ev->type);
        break;
    case EVENT_CHUNK:
        reply_chunk(c, ev->data.data, ev->data.len);
        break;
    case EVENT_END:
        reply_end(c);
        break;
    }
}

static void unlink_task(struct server *s, struct task *t)
{
    if (t->prev)
        t->prev->next = t->next;
    else
        s->tasks = t->next;
    if (t->next)
        t->next->prev = t->prev;
}

void task_drain(struct server *s)
{
    for (struct task *t = s->tasks, *next; t; t = next) {
        next = t->next;
        uv_mutex_lock(&t->lock);
        struct event *ev = t->first;
        bool finished = t->finished;
        t->first = t->last = NULL;
        uv_mutex_unlock(&t->lock);
        // The task's link to the connection is cut by the reply's end or by a hang-up.
        while (ev) {
            struct event *after = ev->next;
            if (t->conn)
                send_event(t->conn, ev);
            buf_free(&ev->data);
            free(ev);
            ev = after;
        }
        if (!finished)
            continue;
        if (t->conn) // no end was posted (memory ran out): do not leave the client waiting
            conn_close(t->conn);
        unlink_task(s, t);
        uv_mutex_destroy(&t->lock);
        t->destroy(t);
    }
}
