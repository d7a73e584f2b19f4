// SPDX-License-Identifier: MIT
// What goes back: whole replies, streamed ones, errors.
#include "daemon/conn.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct write {
    uv_write_t req;
    bool close;
    char data[];
};

static void on_written(uv_write_t *req, int status)
{
    struct write *w = (struct write *)req;
    struct conn *c = req->handle->data;
    if (!status && c->replied_ms > 0 && !uv_stream_get_write_queue_size(&c->u.stream)) {
        metrics_stage(&c->s->metrics, STAGE_WRITE, trace_now_ms() - c->replied_ms);
        c->replied_ms = 0;
    }
    if (status)
        conn_close(c);
    else if (w->close)
        conn_finish(c);
    free(w);
}

// Of what is written, does the client take any?
static void on_stall(uv_timer_t *h)
{
    struct conn *c = h->data;
    size_t left = uv_stream_get_write_queue_size(&c->u.stream);
    uint64_t taken = c->written - left;
    double now = trace_now_ms();
    if (!left) {
        uv_timer_stop(h);
    } else if (taken != c->taken) {
        c->taken = taken;
        c->taken_ms = now;
    } else if (now - c->taken_ms >= (double)c->s->config->write_timeout_s * 1e3) {
        c->s->metrics.refused[REFUSED_WRITE_TIMEOUT]++;
        conn_close(c);
    }
}

static void watch_stall(struct conn *c)
{
    size_t left = uv_stream_get_write_queue_size(&c->u.stream);
    uint64_t period = (uint64_t)c->s->config->write_timeout_s * 250;
    if (!left || uv_is_active((uv_handle_t *)&c->stall))
        return;
    c->taken = c->written - left;
    c->taken_ms = trace_now_ms();
    uv_timer_start(&c->stall, on_stall, period, period);
}

void conn_send(struct conn *c, const char *head, size_t head_n, const char *body, size_t n,
               bool close)
{
    if (c->closing)
        return;
    size_t most = (size_t)c->s->config->max_output_kib * 1024;
    bool full = uv_stream_get_write_queue_size(&c->u.stream) + n > most;
    struct write *w = full ? NULL : malloc(sizeof *w + head_n + n);
    if (!w) {
        c->s->metrics.refused[REFUSED_OUTPUT] += full;
        conn_close(c);
        return;
    }
    w->close = close;
    memcpy(w->data, head, head_n);
    if (n)
        memcpy(w->data + head_n, body, n);
    uv_buf_t b = uv_buf_init(w->data, (unsigned)(head_n + n));
    if (uv_write(&w->req, &c->u.stream, &b, 1, on_written)) {
        free(w);
        conn_close(c);
        return;
    }
    c->written += head_n + n;
    watch_stall(c);
}

const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } all[] = {{200, "OK"},
               {400, "Bad Request"},
               {401, "Unauthorized"},
               {403, "Forbidden"},
               {404, "Not Found"},
               {405, "Method Not Allowed"},
               {408, "Request Timeout"},
               {413, "Content Too Large"},
               {415, "Unsupported Media Type"},
               {431, "Request Header Fields Too Large"},
               {500, "Internal Server Error"},
               {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].status == status)
            return all[i].text;
    return "Error";
}

// Those of 503, and a deadline, are counted where they are known.
static void count_refusal(struct metrics *m, int status)
{
    if (status == 401 || status == 403)
        m->refused[REFUSED_NOT_PERMITTED]++;
    else if (status == 413 || status == 431)
        m->refused[REFUSED_TOO_LARGE]++;
    else if (status >= 400 && status < 500 && status != 408)
        m->refused[REFUSED_INVALID]++;
}

void reply(struct conn *c, int status, const char *type, const char *extra, const char *body,
           size_t n)
{
    char head[512];
    if (c->closing)
        return;
    if (n > (size_t)c->s->config->max_output_kib * 1024 && status != 413) {
        reply_error(c, 413, "too_large", NULL,
                    "the reply has %zu KiB, more than askd writes (max_output_kib is %ld)",
                    n / 1024, c->s->config->max_output_kib);
        return;
    }
    c->close_after |= !c->r.keep_alive || c->s->stopping;
    count_refusal(&c->s->metrics, status);
    int h = snprintf(head, sizeof head,
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "X-Content-Type-Options: nosniff\r\nX-Request-Id: %s\r\n%s%s\r\n",
                     status, status_text(status), type, n, c->r.trace.id, extra ? extra : "",
                     c->close_after ? "Connection: close\r\n" : "");
    if (c->task)
        c->task->status = status;
    else
        trace_end(c->s, &c->r.trace, status, "");
    c->replied_ms = trace_now_ms();
    conn_send(c, head, (size_t)h, body, n, c->close_after);
    conn_answered(c);
}

void reply_begin(struct conn *c, int status, const char *type)
{
    char head[512];
    c->close_after |= !c->r.keep_alive || c->s->stopping;
    int h = snprintf(head, sizeof head,
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n"
                     "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                     "X-Request-Id: %s\r\n%s\r\n",
                     status, status_text(status), type, c->r.trace.id,
                     c->close_after ? "Connection: close\r\n" : "");
    c->streaming = true;
    conn_send(c, head, (size_t)h, NULL, 0, false);
}

void reply_chunk(struct conn *c, const char *data, size_t n)
{
    struct buf b = BUF_INIT;
    if (!n || c->closing)
        return;
    if (buf_addf(&b, "%zx\r\n", n) || buf_add(&b, data, n) || buf_adds(&b, "\r\n"))
        conn_close(c);
    else
        conn_send(c, b.data, b.len, NULL, 0, false);
    buf_free(&b);
}

void reply_end(struct conn *c)
{
    if (c->closing)
        return;
    c->replied_ms = trace_now_ms();
    conn_send(c, "0\r\n\r\n", 5, NULL, 0, c->close_after);
    conn_answered(c);
}

// A message may quote what was sent, so it may hold anything.
static int json_text(struct buf *out, const char *s)
{
    size_t n = strlen(s), step;
    int rc = buf_addc(out, '"');
    for (size_t i = 0; i < n && !rc; i += step) {
        unsigned char ch = (unsigned char)s[i];
        step = utf8_valid_step(s + i, n - i);
        if (!step) {
            step = 1;
            rc = buf_adds(out, "\\ufffd");
        } else if (ch == '"' || ch == '\\') {
            rc = buf_addf(out, "\\%c", ch);
        } else if (ch < 0x20 || ch == 0x7F) {
            rc = buf_addf(out, "\\u%04x", ch);
        } else {
            rc = buf_add(out, s + i, step);
        }
    }
    return rc ? rc : buf_addc(out, '"');
}

int error_json(struct buf *out, const char *type, const char *field, const char *message)
{
    int rc = buf_addf(out, "{\"error\":{\"type\":\"%s\",\"message\":", type);
    if (!rc)
        rc = json_text(out, message);
    if (!rc && field)
        rc = buf_adds(out, ",\"field\":");
    if (!rc && field)
        rc = json_text(out, field);
    return rc ? rc : buf_adds(out, "}}\n");
}

void reply_no_memory(struct conn *c)
{
    c->s->metrics.refused[REFUSED_MEMORY]++;
    reply_error(c, 503, "busy", NULL,
                "askd has no memory left for this request; try again in a few seconds");
}

void reply_error(struct conn *c, int status, const char *type, const char *field,
                 const char *fmt, ...)
{
    char message[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    struct buf b = BUF_INIT;
    if (error_json(&b, type, field, message))
        conn_close(c);
    else
        reply(c, status, "application/json",
              status == 503   ? "Retry-After: 2\r\n"
              : status == 401 ? "WWW-Authenticate: Bearer\r\n"
                              : NULL,
              b.data, b.len);
    buf_free(&b);
}
