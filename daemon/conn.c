// SPDX-License-Identifier: MIT
// One connection: bytes -> llhttp -> one request at a time -> reply -> the next.
//
// While a request is being answered, reading goes on so that a hang-up is noticed at once;
// bytes that arrive meanwhile (pipelining) wait, up to a limit, in `later`.
#include "daemon/conn.h"

#include <ctype.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#define LATER_MAX 65536 // pipelined bytes
#define LINGER_MS 1000
#define ROUND_MOST 16 // requests of one connection in one round of the loop

static void parse(struct conn *c, const char *data, size_t n);
static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b);

// ---- life ----

static void on_closed(uv_handle_t *h)
{
    struct conn *c = h->data;
    if (--c->open_handles)
        return;
    // A reply that was whole and not yet taken: its memory goes now.
    if (c->replied_ms > 0)
        trace_unread(c->s, &c->r.trace, trace_now_ms() - c->closing_ms);
    struct request *r = &c->r;
    struct buf *all[] = {&r->target, &r->path,   &r->accept,        &r->content_type,
                         &r->host,   &r->origin, &r->authorization, &r->body,
                         &c->header, &c->later};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_free(all[i]);
    free(c->groups);
    free(c);
}

void conn_close(struct conn *c)
{
    struct server *s = c->s;
    if (c->closing)
        return;
    struct task *t = c->task;
    c->closing = true;
    c->closing_ms = trace_now_ms();
    c->task = NULL;
    if (!uv_stream_get_write_queue_size(&c->u.stream))
        c->replied_ms = 0;
    if (t) {
        t->conn = NULL;
        task_cancel(t, false);
    }
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    conn_leave_place(c);
    uv_close((uv_handle_t *)&c->timer, on_closed);
    uv_close((uv_handle_t *)&c->stall, on_closed);
    uv_close(&c->u.handle, on_closed);
}

void conn_close_idle(struct server *s)
{
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (!c->busy || c->lingering)
            conn_close(c);
    }
}

struct server *conn_server(struct conn *c)
{
    return c->s;
}

struct request *conn_request(struct conn *c)
{
    return &c->r;
}

void conn_set_task(struct conn *c, struct task *t)
{
    c->task = t;
}

// The request has not arrived in its time, however busily its bytes trickle.
static void refuse_late(struct conn *c)
{
    c->s->metrics.refused[REFUSED_READ_TIMEOUT]++;
    c->busy = true;
    c->r.keep_alive = false;
    if (c->begun)
        reply_error(c, 408, "invalid_request", NULL,
                    "the request has not arrived whole within %ld s (read_timeout_s)",
                    c->s->config->read_timeout_s);
    else
        conn_close(c);
}

// One timer: until a request begins, while it arrives, while it is answered.
static void on_timer(uv_timer_t *t)
{
    struct conn *c = t->data;
    if (c->lingering)
        conn_close(c);
    else if (c->task)
        task_cancel(c->task, true);
    else if (!c->busy && (c->begun || c->fresh))
        refuse_late(c);
    else if (!uv_stream_get_write_queue_size(&c->u.stream))
        conn_close(c); // else it takes its last reply: on_stall sees to that
}

static void set_deadline(struct conn *c, long seconds)
{
    // Again and again, should the first time not end it.
    uv_timer_start(&c->timer, on_timer, (uint64_t)seconds * 1000, (uint64_t)seconds * 1000);
}

static void reset_request(struct conn *c)
{
    struct request *r = &c->r;
    struct buf *all[] = {&r->target, &r->path,          &r->accept, &r->content_type, &r->host,
                         &r->origin, &r->authorization, &r->body,   &c->header};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_clear(all[i]);
    c->head_bytes = 0;
    c->too_large = c->head_too_large = c->streaming = c->complete = c->expects = false;
    c->busy = c->begun = c->fresh = false;
    set_deadline(c, c->s->config->idle_timeout_s);
}

// The request is answered: take the next one, or close.
void conn_answered(struct conn *c)
{
    if (c->task) {
        c->task->conn = NULL;
        c->task = NULL;
    }
    if (c->closing || c->close_after)
        return;
    reset_request(c);
    llhttp_resume(&c->parser);
    if (!c->parsing)
        parse(c, NULL, 0);
}

void conn_finish(struct conn *c)
{
    if (c->closing || c->lingering)
        return;
    // A connection refused when it was accepted has not been read from yet.
    if (c->complete || uv_shutdown(&c->shutdown, &c->u.stream, NULL)) {
        conn_close(c);
        return;
    }
    c->lingering = true;
    uv_read_start(&c->u.stream, on_alloc, on_read);
    uv_timer_start(&c->timer, on_timer, LINGER_MS, 0);
}

// ---- reading ----

static bool count_head(struct conn *c, size_t n)
{
    c->head_bytes += n;
    c->head_too_large |= c->head_bytes > (size_t)c->s->config->max_head_kib * 1024;
    return !c->head_too_large;
}

static int keep(struct conn *c, struct buf *b, const char *at, size_t n)
{
    c->no_memory |= buf_add(b, at, n) != 0;
    return c->no_memory ? -1 : 0;
}

// From here on it has so much time, in all.
static int on_begin(llhttp_t *p)
{
    struct conn *c = p->data;
    c->begun = true;
    trace_begin(&c->r.trace);
    set_deadline(c, c->s->config->read_timeout_s);
    return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct conn *c = p->data;
    return count_head(c, n) ? keep(c, &c->r.target, at, n) : -1;
}

static int on_header_field(llhttp_t *p, const char *at, size_t n)
{
    struct conn *c = p->data;
    return count_head(c, n) ? keep(c, &c->header, at, n) : -1;
}

static int on_header_value(llhttp_t *p, const char *at, size_t n)
{
    struct conn *c = p->data;
    struct request *r = &c->r;
    const struct {
        const char *name;
        struct buf *to;
    } wanted[] = {{"accept", &r->accept},
                  {"content-type", &r->content_type},
                  {"host", &r->host},
                  {"origin", &r->origin},
                  {"authorization", &r->authorization}};
    if (!count_head(c, n))
        return -1;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strcasecmp(c->header.data, wanted[i].name))
            return keep(c, wanted[i].to, at, n);
    c->expects |= !strcasecmp(c->header.data, "expect");
    return 0;
}

static int on_header_done(llhttp_t *p)
{
    struct conn *c = p->data;
    buf_clear(&c->header);
    return 0;
}

// A body that is announced too large is refused before it comes; one that is waited with is
// asked for.
static int on_headers(llhttp_t *p)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct conn *c = p->data;
    if (p->content_length > (uint64_t)c->s->config->max_body_kib * 1024) {
        c->too_large = true;
        return -1;
    }
    if (c->expects)
        conn_send(c, go_on, sizeof go_on - 1, NULL, 0, false);
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct conn *c = p->data;
    if (c->r.body.len + n > (size_t)c->s->config->max_body_kib * 1024) {
        c->too_large = true;
        return -1;
    }
    return keep(c, &c->r.body, at, n);
}

static int on_complete(llhttp_t *p)
{
    struct conn *c = p->data;
    c->complete = true;
    return HPE_PAUSED; // one at a time
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_done,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

static int hex(char ch)
{
    return isdigit((unsigned char)ch)    ? ch - '0'
           : isxdigit((unsigned char)ch) ? tolower((unsigned char)ch) - 'a' + 10
                                         : -1;
}

// Path without query, percent-decoded; NUL and broken escapes are refused (-EINVAL).
static int decode_path(struct request *r)
{
    const char *s = r->target.data;
    for (size_t i = 0; i < r->target.len && s[i] != '?'; i++) {
        int ch = (unsigned char)s[i];
        if (ch == '%') {
            if (i + 2 >= r->target.len || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
                return -EINVAL;
            ch = hex(s[i + 1]) * 16 + hex(s[i + 2]);
            i += 2;
        }
        if (!ch)
            return -EINVAL;
        if (buf_addc(&r->path, (char)ch))
            return -ENOMEM;
    }
    return 0;
}

static void refuse_parse(struct conn *c)
{
    c->close_after = true;
    c->r.keep_alive = false;
    c->busy = true;
    if (c->no_memory)
        reply_no_memory(c);
    else if (c->too_large)
        reply_error(c, 413, "too_large", NULL, "the body is larger than %ld KiB (max_body_kib)",
                    c->s->config->max_body_kib);
    else if (c->head_too_large)
        reply_error(c, 431, "too_large", NULL,
                    "the request's head is larger than %ld KiB (max_head_kib)",
                    c->s->config->max_head_kib);
    else
        reply_error(c, 400, "invalid_request", NULL, "this is no HTTP/1.1 request: %s",
                    llhttp_get_error_reason(&c->parser) ? llhttp_get_error_reason(&c->parser)
                                                        : "malformed");
}

static void parse_some(struct conn *c, const char *data, size_t n)
{
    llhttp_errno_t state = llhttp_execute(&c->parser, data, n);
    if (state == HPE_OK)
        return;
    if (state != HPE_PAUSED || !c->complete) {
        refuse_parse(c);
        return;
    }
    const char *stop = llhttp_get_error_pos(&c->parser);
    size_t used = stop ? (size_t)(stop - data) : n;
    if (used < n && buf_add(&c->later, data + used, n - used)) {
        conn_close(c);
        return;
    }
    struct request *r = &c->r;
    snprintf(r->method, sizeof r->method, "%s",
             llhttp_method_name(llhttp_get_method(&c->parser)));
    r->keep_alive = llhttp_should_keep_alive(&c->parser);
    r->who = c->peer;
    r->trace.started_ms = trace_now_ms();
    trace_user(&r->trace, &r->who);
    c->busy = true;
    c->s->metrics.requests_total++;
    set_deadline(c, c->s->config->request_timeout_s);
    int rc = decode_path(r);
    if (rc == -ENOMEM)
        reply_no_memory(c);
    else if (rc)
        reply_error(c, 400, "invalid_request", NULL, "the path holds a broken %%-escape");
    else
        c->s->handle(c->s, c, r);
}

// May it be answered once more in this round? Who sends thousands of requests ahead would else
// keep the loop from everybody while they last.
static bool has_share(struct conn *c)
{
    struct server *s = c->s;
    if (c->round != s->rounds)
        c->in_round = 0;
    c->round = s->rounds;
    if (c->in_round++ < ROUND_MOST)
        return true;
    c->waits = s->conns_wait = true;
    uv_read_stop(&c->u.stream);
    uv_async_send(&s->wake); // the next round begins at once
    return false;
}

void conn_go_on(struct server *s)
{
    if (!s->conns_wait)
        return;
    s->conns_wait = false;
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (!c->waits)
            continue;
        c->waits = false;
        uv_read_start(&c->u.stream, on_alloc, on_read);
        parse(c, NULL, 0);
    }
}

// Bytes that have arrived (n may be 0), then what waits, for as long as each request is
// answered at once and the connection has a share of the round.
static void parse(struct conn *c, const char *data, size_t n)
{
    if (c->busy) {
        if (c->later.len + n > LATER_MAX || buf_add(&c->later, data, n))
            conn_close(c);
        return;
    }
    c->parsing = true;
    if (n)
        parse_some(c, data, n);
    while (c->later.len && !c->busy && !c->closing && !c->close_after && has_share(c)) {
        struct buf later = c->later;
        buf_init(&c->later);
        parse_some(c, later.data, later.len);
        buf_free(&later);
    }
    c->parsing = false;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
    struct conn *c = h->data;
    (void)suggested;
    *b = uv_buf_init(c->chunk, sizeof c->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct conn *c = stream->data;
    if (n < 0)
        conn_close(c); // a hang-up gives the cores back at once
    else if (n > 0 && !c->closing && !c->close_after)
        parse(c, b->base, (size_t)n);
}

void conn_open(struct conn *c)
{
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
    c->fresh = true;
    set_deadline(c, c->s->config->read_timeout_s);
    uv_read_start(&c->u.stream, on_alloc, on_read);
}
