// SPDX-License-Identifier: MIT
#include "ask/http.h"

#include "ask/interrupt.h"
#include "base/buf.h"

#include <llhttp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_CHUNK 16384

struct reading {
    struct http_exchange *x;
    bool complete;
    int stop; // what on_body returned
};

int http_connect(const char *path, struct err *e)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return err_set(e, -ENAMETOOLONG,
                       "socket path '%.60s...' is longer than the %zu bytes that a Unix socket "
                       "may have",
                       path, sizeof addr.sun_path - 1);
    memcpy(addr.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(e, -errno, "no socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&addr, sizeof addr)) {
        int code = errno;
        close(fd);
        if (code == EACCES)
            return err_set(e, -code,
                           "you may not use %s; its group may (id shows yours, ls -l the "
                           "socket's)",
                           path);
        return err_set(e, -code, "no askd answers on %s (%s)", path, strerror(code));
    }
    return fd;
}

// Wait until fd is ready for `what`, or Ctrl-C.
static int wait_for(int fd, short what, struct err *e)
{
    struct pollfd p[2] = {{.fd = fd, .events = what}, {.fd = interrupt_fd(), .events = POLLIN}};
    for (;;) {
        if (interrupt_seen())
            return err_set(e, -EINTR, "interrupted");
        int n = poll(p, 2, -1);
        if (n < 0 && errno != EINTR)
            return err_set(e, -errno, "waiting for askd: %s", strerror(errno));
        if (n > 0 && p[0].revents)
            return 0;
    }
}

static int send_all(int fd, const char *data, size_t n, struct err *e)
{
    while (n) {
        int rc = wait_for(fd, POLLOUT, e);
        if (rc)
            return rc;
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EPIPE)
            return 0; // it has answered already and closed: the reply says why
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return err_set(e, -errno, "askd hung up: %s", strerror(errno));
        if (sent > 0) {
            data += sent;
            n -= (size_t)sent;
        }
    }
    return 0;
}

static int send_request(int fd, const struct http_exchange *x, struct err *e)
{
    struct buf b = BUF_INIT;
    int rc = buf_addf(&b, "%s %s HTTP/1.1\r\nHost: askd\r\nConnection: close\r\nAccept: %s\r\n",
                      x->method, x->path, x->accept ? x->accept : "application/json");
    if (!rc && x->body)
        rc = buf_addf(&b, "Content-Type: application/json\r\nContent-Length: %zu\r\n", x->n);
    if (!rc)
        rc = buf_adds(&b, "\r\n");
    if (!rc && x->body)
        rc = buf_add(&b, x->body, x->n);
    rc = rc ? err_nomem(e) : send_all(fd, b.data, b.len, e);
    buf_free(&b);
    return rc;
}

static int on_headers(llhttp_t *p)
{
    struct reading *r = p->data;
    r->x->status = llhttp_get_status_code(p);
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct reading *r = p->data;
    if (r->x->on_body)
        r->stop = r->x->on_body(r->x->ctx, at, n);
    return r->stop ? -1 : 0;
}

static int on_complete(llhttp_t *p)
{
    struct reading *r = p->data;
    r->complete = true;
    return HPE_PAUSED;
}

static int read_reply(int fd, struct reading *r, struct err *e)
{
    static const llhttp_settings_t settings = {.on_headers_complete = on_headers,
                                               .on_body = on_body,
                                               .on_message_complete = on_complete};
    char chunk[READ_CHUNK];
    llhttp_t parser;
    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = r;
    while (!r->complete && !r->stop) {
        int rc = wait_for(fd, POLLIN, e);
        if (rc)
            return rc;
        ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return err_set(e, -EPROTO, "askd hung up: %s", strerror(errno));
        llhttp_errno_t h =
            n ? llhttp_execute(&parser, chunk, (size_t)n) : llhttp_finish(&parser);
        if (r->complete || r->stop)
            break;
        if (h != HPE_OK)
            return err_set(e, -EPROTO, "%s does not speak HTTP/1.1 as askd does (%s)",
                           r->x->socket, llhttp_errno_name(h));
        if (!n)
            return err_set(e, -EPROTO, "askd hung up before its reply was whole; ask again");
    }
    return r->stop;
}

int http_run(struct http_exchange *x, struct err *e)
{
    struct reading r = {.x = x};
    int fd = http_connect(x->socket, e);
    if (fd < 0)
        return fd;
    x->status = 0;
    int rc = send_request(fd, x, e);
    if (!rc)
        rc = read_reply(fd, &r, e);
    close(fd);
    return rc;
}
