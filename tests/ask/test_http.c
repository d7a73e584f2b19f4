// SPDX-License-Identifier: MIT
// http_run against servers that say anything.
#include "ask/http.h"
#include "ask/interrupt.h"
#include "base/buf.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/askd-http.XXXXXX";
static char path[108];
static int listener;

struct server {
    const char *reply;
    size_t n;
    bool hold; // do not close until the client does
    char request[4096];
};

static int setup(void **state)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/s", dir);
    memcpy(a.sun_path, path, sizeof path);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    return bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 5);
}

static int teardown(void **state)
{
    (void)state;
    close(listener);
    unlink(path);
    return rmdir(dir);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    char c;
    int fd = accept(listener, NULL, NULL);
    size_t n = 0;
    while (n + 1 < sizeof s->request && !strstr(s->request, "\r\n\r\n{}") &&
           recv(fd, s->request + n, 1, 0) == 1)
        n++;
    for (size_t i = 0; i < s->n; i += 7) // in small pieces
        if (send(fd, s->reply + i, s->n - i < 7 ? s->n - i : 7, MSG_NOSIGNAL) < 0)
            break;
    while (s->hold && recv(fd, &c, 1, 0) == 1) {
    }
    close(fd);
    return NULL;
}

static int collect(void *ctx, const char *data, size_t n)
{
    return buf_add(ctx, data, n);
}

static int stop_at_once(void *ctx, const char *data, size_t n)
{
    (void)ctx;
    (void)data;
    (void)n;
    return -42;
}

static int run(struct server *s, http_body_fn *fn, struct buf *body, int *status, struct err *e)
{
    pthread_t t;
    struct http_exchange x = {.socket = path,
                              .method = "POST",
                              .path = "/v1/ask",
                              .body = "{}",
                              .n = 2,
                              .on_body = fn,
                              .ctx = body};
    assert_int_equal(pthread_create(&t, NULL, serve, s), 0);
    int rc = http_run(&x, e);
    pthread_join(t, NULL);
    *status = x.status;
    return rc;
}

static void expect(const char *reply, int want_rc, int want_status, const char *want_body)
{
    struct server s = {.reply = reply, .n = strlen(reply)};
    struct buf body = BUF_INIT;
    struct err e = {0};
    int status;
    int rc = run(&s, collect, &body, &status, &e);
    assert_int_equal(rc, want_rc);
    if (!rc) {
        assert_int_equal(status, want_status);
        assert_string_equal(body.data, want_body);
    } else {
        assert_true(*e.msg);
    }
    assert_non_null(strstr(s.request, "POST /v1/ask HTTP/1.1\r\n"));
    assert_non_null(strstr(s.request, "Content-Length: 2\r\n"));
    buf_free(&body);
}

static void whole_replies(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, 200, "hello");
    expect(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        0, 200, "hello");
    expect("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 0, 503, "");
    expect("HTTP/1.1 200 OK\r\n\r\nuntil the end", 0, 200, "until the end");
}

static void broken_replies(void **state)
{
    (void)state;
    expect("", -EPROTO, 0, NULL);
    expect("hello\n", -EPROTO, 0, NULL);
    expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", -EPROTO, 0, NULL);
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", -EPROTO, 0,
           NULL);
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", -EPROTO, 0, NULL);
    expect("HTTP/1.1 200 OK\r\nContent-Le", -EPROTO, 0, NULL);
    expect("SSH-2.0-OpenSSH_9.2\r\n", -EPROTO, 0, NULL);
}

static void the_reader_can_end_it(void **state)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello";
    struct server s = {.reply = reply, .n = sizeof reply - 1, .hold = true};
    struct err e = {0};
    int status;
    (void)state;
    assert_int_equal(run(&s, stop_at_once, NULL, &status, &e), -42);
    assert_int_equal(status, 200);
}

static int interrupt_me(void *ctx, const char *data, size_t n)
{
    (void)ctx;
    (void)data;
    (void)n;
    raise(SIGINT);
    return 0;
}

static void ctrl_c_closes_the_socket(void **state)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello";
    struct server s = {.reply = reply, .n = sizeof reply - 1, .hold = true};
    struct err e = {0};
    int status;
    (void)state;
    assert_int_equal(interrupt_open(&e), 0);
    // The server's thread ends, and run() returns, only once the socket is closed.
    assert_int_equal(run(&s, interrupt_me, NULL, &status, &e), -EINTR);
    assert_true(interrupt_seen());
    interrupt_clear();
    assert_false(interrupt_seen());
    expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0, 200, "ok");
}

static void nobody_there(void **state)
{
    struct err e = {0};
    char absent[128], longer[200];
    (void)state;
    snprintf(absent, sizeof absent, "%s/absent", dir);
    assert_int_equal(http_connect(absent, &e), -ENOENT);
    assert_non_null(strstr(e.msg, absent));
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(http_connect(longer, &e), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_replies),         cmocka_unit_test(broken_replies),
        cmocka_unit_test(the_reader_can_end_it), cmocka_unit_test(ctrl_c_closes_the_socket),
        cmocka_unit_test(nobody_there),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
