// SPDX-License-Identifier: MIT
// HTTP/1.1 on a libuv loop: listeners, connections, replies, and tasks that compute elsewhere.
// Everything here runs on the loop thread, except what is marked otherwise.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/job.h"
#include "daemon/config.h"
#include "daemon/metrics.h"
#include "daemon/trace.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct conn;
struct task;
struct places;
#define PLACES 256

struct request {
    char method[16];
    struct buf target; // path and query as sent
    struct buf path;   // percent-decoded
    struct buf accept, content_type, host, origin, authorization;
    struct buf body;
    bool keep_alive;
    bool tcp;             // came over TCP, not the Unix socket
    struct principal who; // set before the request is handled
    struct trace trace;
};

struct server {
    uv_loop_t loop;
    uv_pipe_t pipe;
    uv_tcp_t tcp;
    uv_async_t wake; // outboxes have something
    uv_signal_t sigterm, sigint, sighup;
    uv_timer_t drain;
    uv_prepare_t round; // of the loop
    uint64_t rounds;    // so far
    unsigned accepted;  // in this one
    bool conns_wait;    // some connections go on in the next
    bool waits[2];      // of the Unix socket, of TCP: somebody is to be accepted in the next
    uv_timer_t again;   // runs while somebody waits for want of memory
    struct config *config;
    const char *config_path;
    struct conn *conns;            // all open ones
    size_t n_conns;                // that have a place
    struct places *places[PLACES]; // how many of these each user has, by the number's hash
    size_t n_turned_away;          // that have none and are told so
    double told_ms;                // when the log last said that some are turned away
    uint64_t untold;               // since
    struct task *tasks;            // all running ones
    bool stopping;
    bool listening_tcp;
    int spare;       // a descriptor to let go when there are no more; -1: it is gone
    int socket_lock; // held from server_open to server_close
    struct metrics metrics;
    job_pool *search_pool, *ask_pool;
    struct service *service;
    struct conversations *conversations;
    // Answers one complete request; must call a reply_* or start a task.
    void (*handle)(struct server *s, struct conn *c, struct request *r);
    void (*on_reload)(struct server *s);
};

// Bind the Unix socket (0660; a stale one is replaced, a live one refused) and, if configured,
// TCP.
int server_open(struct server *s, struct config *config, struct err *e);
// Start the threads that work for it.
int server_start(struct server *s, struct err *e);
// Run until SIGTERM or SIGINT and the drain that follows; cancels what is still running then.
int server_run(struct server *s, struct err *e);
void server_close(struct server *s);

// ---- accept.c ----
// Enough file descriptors for as many connections as the settings allow, as far as may be.
void accept_prepare(const struct config *c);
// libuv's table of descriptors has its full size from now on: it ends the process where there
// is no memory to let it grow. Call it on a loop that has nothing else yet.
int accept_reserve(const struct config *c, uv_loop_t *loop, struct err *e);
// accept(2) gives this error, and libuv calls it again at once and for ever: make a descriptor
// free. Who is let in by the spare one is told so and sent away.
void accept_failed(struct server *s, int status);
// Who connected is served, or told why not. -ENOMEM: there is no memory to do either; he waits
// and is to be accepted again (libuv listens no further until then).
int conn_accept(struct server *s, uv_stream_t *listener, bool tcp);
// The connection is this user's (access_number) from now on; false: he has too many, which it
// has been told.
bool conn_take_place(struct conn *c, int64_t user);
// The connection closes: its place is free.
void conn_leave_place(struct conn *c);

// ---- conn.c: replies ----
struct server *conn_server(struct conn *c);
struct request *conn_request(struct conn *c);
// The task that answers the current request, or NULL.
void conn_set_task(struct conn *c, struct task *t);
void conn_close(struct conn *c);
void conn_close_idle(struct server *s);
// A new round of the loop: those go on that have had their share of the last.
void conn_go_on(struct server *s);

// A whole reply; `body` is copied. `extra` are further header lines ("Retry-After: 1\r\n") or
// NULL.
void reply(struct conn *c, int status, const char *type, const char *extra, const char *body,
           size_t n);
// {"error": {"type", "message", "field"}}; `field` may be NULL.
void reply_error(struct conn *c, int status, const char *type, const char *field,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
// 503: no memory is left to read the request or to begin its work.
void reply_no_memory(struct conn *c);
// A streamed reply (chunked): begin, any number of chunks, end.
void reply_begin(struct conn *c, int status, const char *type);
void reply_chunk(struct conn *c, const char *data, size_t n);
void reply_end(struct conn *c);
// The error object's JSON, for any thread. 0 or -ENOMEM.
int error_json(struct buf *out, const char *type, const char *field, const char *message);
const char *status_text(int status);

// ---- task.c: work on another thread for one connection ----
struct task {
    struct job job; // first
    job_pool *pool;
    struct server *server;
    struct conn *conn; // loop thread; NULL once it has gone
    bool question;     // its outcome is counted
    bool lost;         // worker thread: something could not be posted, so nothing more is
    atomic_bool cancel;
    atomic_bool timed_out;
    struct task *next, *prev;
    uv_mutex_t lock;
    struct event *first, *last;  // outbox, under the lock
    bool finished;               // under the lock
    double finished_ms;          // then
    atomic_int stage;            // enum metric_stage; set by the thread that is in it
    double stage_ms;             // since when; likewise
    char notes[256];             // " queue_ms=0.1 ..."; likewise
    struct trace trace;          // loop thread
    int status;                  // of the reply; loop thread, as is what follows
    double cancelled_ms;         // 0: it was not
    enum metric_stage cancelled; // where it was then
    void (*run)(struct task *t); // worker thread; posts at least a reply or begin .. end
    void (*destroy)(struct task *t);
};

// Start `t` (allocated by the caller, zeroed, run and destroy set) on a pool for the
// connection. On a full queue it answers 503 itself and frees the task.
void task_start(struct task *t, struct server *s, struct conn *c, job_pool *pool);
// Worker thread: the next stage begins; the last one is measured and noted.
void task_stage(struct task *t, enum metric_stage stage);
// Worker thread: further words for the request's line in the log, " key=value".
void task_note(struct task *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Worker thread: what the loop shall send. The bodies are taken over.
void task_reply(struct task *t, int status, struct buf *body);
void task_error(struct task *t, int status, const char *type, const char *field,
                const char *message);
void task_begin(struct task *t, int status, const char *type);
void task_chunk(struct task *t, struct buf *data);
void task_end(struct task *t);
// Worker thread: there is no memory for what is to be sent now. Nothing more is, and the
// connection ends: whoever asked never takes a part for the whole.
void task_lose(struct task *t);
// Loop thread: send what is in the outboxes, free what has finished.
void task_drain(struct server *s);
// The connection has gone, or its time is up: the cores are wanted back. What has not begun is
// gone when this returns.
void task_cancel(struct task *t, bool timed_out);
