// SPDX-License-Identifier: MIT
// Memory that runs out while the daemon serves: the whole of it in this process, behind its own
// socket, with every allocation of ours, of cJSON and of libuv failing in turn. A reply is the
// one that is always given, or an error that says so, or the connection ends before the reply
// does: never a part for the whole. The daemon goes on, and what the connection held is given
// back.
#include "tests/store/texts.h"
#include "tests/tools/failing.h"

#include "base/log.h"
#include "daemon/json.h"
#include "daemon/route.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct server server;
static struct service service;
static struct config config;

static const char *request; // what is sent, the last of it with "Connection: close"
static struct buf usual;    // and what comes back to it, made comparable

#define LAST "Host: askd\r\nConnection: close\r\n"

static void on_change(void *ctx)
{
    (void)ctx;
}

static void set(const char *name, const char *value)
{
    struct err e;
    assert_int_equal(config_set(&config, name, value, &e), 0);
}

static int setup(void **state)
{
    struct err e = {0};
    store *s;
    char path[256];
    signal(SIGPIPE, SIG_IGN);
    if (texts_setup(state) || uv_replace_allocator(malloc, realloc, calloc, free))
        return -1;
    json_init();
    if (store_open_writer(dir, &s, &e))
        return -1;
    put(s, "/docs/quotas.md", "The quota of a guest is five pages. Ask \"Ann\" for more.");
    put(s, "/docs/keys.md", "The zebra key opens the store room.");
    store_close(s);
    if (config_init(&config, &e))
        return -1;
    snprintf(path, sizeof path, "%s/askd.sock", dir);
    set("socket", path);
    set("data", dir);
    set("llm", "none");
    set("embedder", "none");
    set("threads", "1");
    set("ask_workers", "1");
    set("search_workers", "1");
    server.service = &service;
    server.handle = route_request;
    server.conversations = conversations_new(8);
    int rc = server.conversations ? server_open(&server, &config, &e) : -ENOMEM;
    if (!rc)
        rc = service_find(&service, &config, &e);
    if (!rc)
        rc = server_start(&server, &e);
    if (!rc)
        rc = service_start(&service, on_change, NULL, &e);
    for (int i = 0; !rc && atomic_load(&service.state) == SERVICE_LOADING && i < 3000; i++)
        usleep(10000);
    if (rc || atomic_load(&service.state) != SERVICE_READY) {
        print_error("the daemon does not start: %s %s\n", e.msg, service.failure.msg);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    while (server.conns)
        conn_close(server.conns);
    server_close(&server);
    service_stop(&service);
    conversations_free(server.conversations);
    config_free(&config);
    buf_free(&usual);
    return texts_teardown(state);
}

// ---- a client ----

static int dial(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "%s", config.socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static bool idle(void)
{
    for (size_t i = 0; i < PLACES; i++)
        if (server.places[i])
            return false;
    return !server.conns && !server.n_conns && !server.n_turned_away && !server.tasks;
}

// Memory is back: what has been counted so far stays known.
static void give_memory_back(void)
{
    failing.at = 0;
}

// Send the request, read until the daemon closes. Who waits to be let in waits until there is
// memory, and is let in then.
static void talk(struct buf *in)
{
    char bytes[65536];
    int fd = dial();
    ssize_t n = 0;
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
                     (ssize_t)strlen(request));
    for (int i = 0; i < 100000; i++) {
        uv_run(&server.loop, UV_RUN_NOWAIT);
        n = recv(fd, bytes, sizeof bytes, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        if (n > 0) {
            unsigned at = failing.at;
            failing.at = 0;
            assert_int_equal(buf_add(in, bytes, (size_t)n), 0);
            failing.at = at;
        } else {
            usleep(100);
        }
        if (server.waits[false])
            give_memory_back();
    }
    if (n != 0 && errno == EAGAIN)
        fail_msg("the daemon neither answers nor hangs up: %s", in->data);
    close(fd);
    give_memory_back();
    for (int i = 0; !idle() && i < 100000; i++) {
        uv_run(&server.loop, UV_RUN_NOWAIT);
        usleep(100);
    }
    assert_true(idle());
}

// ---- what came back ----

// Numbers and ids differ from one reply to the next.
static void comparable(struct buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t skip = strspn(s + i, "0123456789.");
        if (i + 3 < n && !strncmp(s + i, "\"c-", 3))
            skip = 3 + strspn(s + i + 3, "0123456789abcdef");
        else if (!strncmp(s + i, "X-Request-Id: ", 14))
            skip = strcspn(s + i, "\r");
        if (skip)
            assert_int_equal(buf_addc(out, '#'), 0);
        else
            assert_int_equal(buf_addc(out, s[i]), 0);
        i += skip ? skip : 1;
    }
}

// The end of a chunked body, or NULL where it has none; the chunks' content into `out`.
static const char *chunks(const char *s, struct buf *out)
{
    for (;;) {
        char *end;
        unsigned long n = strtoul(s, &end, 16);
        if (end == s || strncmp(end, "\r\n", 2) != 0 || n + 2 > strlen(end + 2))
            return NULL;
        assert_int_equal(buf_add(out, end + 2, n), 0);
        s = end + 2 + n + 2;
        if (!n)
            return s;
    }
}

// One reply from `s` on: its status, its head and body into `out` in comparable form, *rest
// behind it. 0: it is not all there.
static int reply_of(const char *s, struct buf *out, const char **rest)
{
    struct buf body = BUF_INIT;
    const char *head = strstr(s, "\r\n\r\n");
    if (!head)
        return 0;
    assert_int_equal(strncmp(s, "HTTP/1.1 ", 9), 0);
    const char *length = strstr(s, "Content-Length: ");
    const char *end;
    if (length && length < head) {
        size_t n = strtoul(length + 16, NULL, 10);
        end = n <= strlen(head + 4) ? head + 4 + n : NULL;
        if (end)
            assert_int_equal(buf_add(&body, head + 4, n), 0);
    } else {
        end = chunks(head + 4, &body);
    }
    comparable(out, s, (size_t)(head - s) + 4);
    comparable(out, body.data, body.len);
    buf_free(&body);
    *rest = end;
    return end ? atoi(s + 9) : 0;
}

// What is told of another end of a stream than the usual.
static bool ends_with_error(const char *s)
{
    const char *event = strstr(s, "\"event\":\"error\"");
    return event && !strstr(event, "\"event\":\"done\"");
}

static int exchange(struct err *e)
{
    struct buf in = BUF_INIT, one = BUF_INIT, all = BUF_INIT;
    int rc = 0;
    talk(&in);
    const char *s = in.data, *want = usual.data;
    while (!rc && *s) {
        buf_clear(&one);
        int status = reply_of(s, &one, &s);
        if (!status)
            rc = err_set(e, -ENOMEM, "the connection ends within a reply");
        else if (!usual.len)
            assert_int_equal(buf_add(&all, one.data, one.len), 0);
        else if (!strncmp(want, one.data, one.len))
            want += one.len;
        else if (status == 503 || status == 500 || ends_with_error(one.data))
            rc = err_set(e, -ENOMEM, "status %d", status);
        else
            rc = err_set(e, -EINVAL, "%.100s...\nand not\n%.100s", one.data, want);
        if (rc == -EINVAL)
            print_error("%s\nand not\n%s\n", one.data, want);
    }
    if (!rc && !usual.len)
        usual = all;
    else if (!rc && *want)
        rc = err_set(e, -ENOMEM, "the connection ends before a reply");
    buf_free(&one);
    buf_free(&in);
    return rc;
}

static void serve(const char *what, const char *text, unsigned by)
{
    struct err e = {0};
    request = text;
    buf_free(&usual);
    failing.at = 0;
    assert_int_equal(exchange(&e), 0);
    assert_true(usual.len > 0);
    failing_all(exchange, what, by);
    // As if nothing had been.
    assert_int_equal(exchange(&e), 0);
}

#define BODY(path, accept, n, body)                                                       \
    "POST " path " HTTP/1.1\r\nAccept: " accept "\r\nContent-Length: " n "\r\n" LAST "\r" \
    "\n" body

static void test_small(void **state)
{
    (void)state;
    serve("a request that is answered at once", "GET /health%7A HTTP/1.1\r\n" LAST "\r\n", 1);
    assert_non_null(strstr(usual.data, "{\"status\":\"ok\"}"));
    serve("a path that is none", "GET /x%20y HTTP/1.1\r\n" LAST "\r\n", 1);
    assert_non_null(strstr(usual.data, " # Not Found"));
    serve("a method that is none", "PUT /v1/ask HTTP/1.1\r\n" LAST "\r\n", 1);
    assert_non_null(strstr(usual.data, "Allow: POST"));
    serve("what is no HTTP", "nonsense\r\n\r\n", 1);
    assert_non_null(strstr(usual.data, "this is no HTTP"));
    serve("a path that is broken", "GET /%2 HTTP/1.1\r\n" LAST "\r\n", 1);
    assert_non_null(strstr(usual.data, "broken %-escape"));
    serve("a body that is no JSON", BODY("/v1/ask", "*/*", "3", "{a}"), 1);
    assert_non_null(strstr(usual.data, "must be one JSON object"));
}

static void test_told(void **state)
{
    (void)state;
    serve("the state", "GET /v1/status HTTP/1.1\r\n" LAST "\r\n", 1);
    assert_non_null(strstr(usual.data, "\"search\":\"words\""));
    serve("collections", "GET /v1/collections HTTP/1.1\r\n" LAST "\r\n", 1);
    assert_non_null(strstr(usual.data, "\"name\":\"default\""));
    serve("a document", "GET /v1/documents/1 HTTP/1.1\r\n" LAST "\r\n", 1);
    assert_non_null(strstr(usual.data, "five pages"));
    serve("a document that is none", "GET /v1/documents/77 HTTP/1.1\r\n" LAST "\r\n", 1);
    assert_non_null(strstr(usual.data, " # Not Found"));
}

static void test_searched(void **state)
{
    (void)state;
    serve("a search",
          BODY("/v1/search", "*/*", "36", "{\"question\":\"What does zebra open?\"}"), 1);
    assert_non_null(strstr(usual.data, "The zebra key"));
    serve(
        "three requests that are sent at once",
        "GET /healthz HTTP/1.1\r\nHost: askd\r\n\r\n"
        "POST /v1/search HTTP/1.1\r\nHost: askd\r\nContent-Length: 20\r\n\r\n"
        "{\"question\":\"quota\"}" BODY("/v1/search", "*/*", "20", "{\"question\":\"zebra\"}"),
        5);
    assert_non_null(strstr(usual.data, "five pages"));
    assert_non_null(strstr(usual.data, "The zebra key"));
}

#define QUESTION "{\"question\":\"Who waters the quota of plants\"}"

#define ANSWERED "{\"question\":\"What is the quota of a guest\"}"

static void test_asked(void **state)
{
    (void)state;
    assert_int_equal(strlen(QUESTION), 45);
    assert_int_equal(strlen(ANSWERED), 43);
    serve("an answer", BODY("/v1/ask", "*/*", "45", QUESTION), 3);
    assert_non_null(strstr(usual.data, "\"text\":\"The quota of a guest"));
    serve("an answer as lines", BODY("/v1/ask", "application/x-ndjson", "45", QUESTION), 3);
    assert_non_null(strstr(usual.data, "\"event\":\"passages\""));
    assert_non_null(strstr(usual.data, "\"event\":\"done\""));
    serve("an answer as events", BODY("/v1/ask", "text/event-stream", "45", QUESTION), 7);
    assert_non_null(strstr(usual.data, "event: done\n"));
    serve("an answer that cites", BODY("/v1/ask", "*/*", "43", ANSWERED), 1);
    assert_non_null(strstr(usual.data, "\"status\":\"answered\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_searched),
        cmocka_unit_test(test_asked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
