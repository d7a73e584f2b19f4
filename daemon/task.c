// SPDX-License-Identifier: MIT
// Work that computes on a pool's thread while the loop keeps the connection.
//
// A task's outbox is the only thing that both threads touch. The worker appends events and
// wakes the loop; uv_async_send coalesces, so the loop drains every outbox each time.
#include "daemon/server.h"

#include "base/log.h"
#include "base/priority.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum event_kind { EVENT_REPLY, EVENT_BEGIN, EVENT_CHUNK, EVENT_END };

struct event {
    struct event *next;
    enum event_kind kind;
    int status;
    const char *type; // static
    struct buf data;
};

void task_lose(struct task *t)
{
    t->lost = true;
    atomic_store(&t->cancel, true);
}

static void post(struct task *t, enum event_kind kind, int status, const char *type,
                 struct buf *data)
{
    struct event *ev = t->lost ? NULL : calloc(1, sizeof *ev);
    if (!ev) {
        if (data)
            buf_free(data);
        task_lose(t);
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
    if (error_json(&b, type, field, message))
        task_lose(t);
    else
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

void task_note(struct task *t, const char *fmt, ...)
{
    size_t n = strlen(t->notes);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->notes + n, sizeof t->notes - n, fmt, ap);
    va_end(ap);
}

// What has been measured of the stage that ends.
static void end_stage(struct task *t, double now)
{
    enum metric_stage s = (enum metric_stage)atomic_load(&t->stage);
    metrics_stage(&t->server->metrics, s, now - t->stage_ms);
    task_note(t, " %s_ms=%.1f", metric_stage_name(s), now - t->stage_ms);
}

void task_stage(struct task *t, enum metric_stage stage)
{
    double now = trace_now_ms();
    if ((int)stage == atomic_load(&t->stage))
        return;
    end_stage(t, now);
    atomic_store(&t->stage, (int)stage);
    t->stage_ms = now;
}

static void on_worker(struct job *j)
{
    struct task *t = (struct task *)j;
    struct server *s = t->server;
    if (t->pool == s->ask_pool)
        (void)priority_step_back(); // searches go first; service.c tells where that may not be
    log_set_request(t->trace.id);
    task_stage(t, STAGE_ANSWER);
    t->run(t);
    double now = trace_now_ms();
    end_stage(t, now);
    log_set_request(NULL);
    uv_mutex_lock(&t->lock);
    t->finished = true;
    t->finished_ms = now;
    uv_mutex_unlock(&t->lock);
    uv_async_send(&s->wake); // the loop frees the task: not touched from here on
}

static void refuse(struct task *t, struct conn *c, int why)
{
    struct server *s = t->server;
    long most = s->config->max_user_questions;
    s->metrics.refused[why == -EDQUOT ? REFUSED_USER_QUESTIONS : REFUSED_QUEUE]++;
    uv_mutex_destroy(&t->lock);
    t->destroy(t);
    if (why == -EDQUOT)
        reply_error(c, 503, "busy", NULL,
                    "%ld of your requests wait or run already, the most that one user may have "
                    "(max_user_questions); wait for one",
                    most);
    else
        reply_error(c, 503, "busy", NULL,
                    "too many requests are waiting (max_queue); try again in a few seconds");
}

void task_start(struct task *t, struct server *s, struct conn *c, job_pool *pool)
{
    t->server = s;
    t->conn = c;
    t->pool = pool;
    t->trace = conn_request(c)->trace;
    t->job.run = on_worker;
    t->job.owner = access_number(&conn_request(c)->who, "");
    t->stage_ms = trace_now_ms();
    uv_mutex_init(&t->lock);
    int rc = job_pool_submit(pool, &t->job, (size_t)s->config->max_user_questions);
    if (rc) {
        refuse(t, c, rc);
        return;
    }
    t->prev = NULL;
    t->next = s->tasks;
    if (s->tasks)
        s->tasks->prev = t;
    s->tasks = t;
    conn_set_task(c, t);
}

// It is over: count and tell it, free it.
static void finish(struct server *s, struct task *t)
{
    char notes[sizeof t->notes + 64];
    double now = trace_now_ms(), stopped = t->finished_ms - t->cancelled_ms;
    size_t n = (size_t)snprintf(notes, sizeof notes, "%s", t->notes);
    if (t->cancelled_ms > 0) {
        stopped = stopped > 0 ? stopped : 0; // it was over when its client went
        metrics_cancel(&s->metrics, t->cancelled, stopped);
        snprintf(notes + n, sizeof notes - n, " cancelled=%s stopped_ms=%.1f",
                 metric_stage_name(t->cancelled), stopped);
    } else {
        metrics_stage(&s->metrics, STAGE_TOTAL, now - t->trace.started_ms);
    }
    trace_end(s, &t->trace, t->status, notes);
    if (t->prev)
        t->prev->next = t->next;
    else
        s->tasks = t->next;
    if (t->next)
        t->next->prev = t->prev;
    uv_mutex_destroy(&t->lock);
    t->destroy(t);
}

// It has not begun, and never will.
static void drop(struct task *t)
{
    struct server *s = t->server;
    end_stage(t, trace_now_ms());
    t->finished_ms = trace_now_ms();
    if (t->question)
        atomic_fetch_add(&s->metrics.outcomes[OUTCOME_CANCELLED], 1);
    if (t->conn) {
        t->status = 503;
        reply_error(t->conn, 503, "busy", NULL, "%s",
                    s->stopping ? "askd is stopping; ask again"
                                : "the request has waited for longer than askd allows "
                                  "(request_timeout_s); try again later");
    }
    finish(s, t);
    if (s->stopping && !s->tasks)
        uv_stop(&s->loop);
}

void task_cancel(struct task *t, bool timed_out)
{
    if (timed_out)
        atomic_store(&t->timed_out, true);
    atomic_store(&t->cancel, true);
    if (!(t->cancelled_ms > 0)) {
        t->cancelled_ms = trace_now_ms();
        t->cancelled = (enum metric_stage)atomic_load(&t->stage);
        if (timed_out && !t->server->stopping)
            t->server->metrics.refused[REFUSED_REQUEST_TIMEOUT]++;
    }
    if (job_pool_remove(t->pool, &t->job))
        drop(t);
}

static void send_event(struct task *t, struct event *ev)
{
    struct conn *c = t->conn;
    if (ev->status)
        t->status = ev->status;
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
                send_event(t, ev);
            buf_free(&ev->data);
            free(ev);
            ev = after;
        }
        if (!finished)
            continue;
        if (t->conn) // no end was posted (memory ran out): do not leave the client waiting
            conn_close(t->conn);
        finish(s, t);
    }
}
