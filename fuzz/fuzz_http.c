// SPDX-License-Identifier: MIT
// Bytes of any kind to the daemon's own connections and routes, in pieces, over the Unix socket
// or as over TCP (the first byte says which; the second how large the pieces are): what comes
// back is HTTP/1.1, whole replies and nothing else, and every body of an error is an object.
#include "fuzz/target.h"

#include "daemon/json.h"
#include "daemon/parse.h"
#include "daemon/route.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct server server;
static struct service service; // it loads for ever
static struct config config;
static bool as_tcp;
static char path[] = "/tmp/askd-fuzz-http-XXXXXX/s";

static void on_connection(uv_stream_t *listener, int status)
{
    FUZZ_CHECK(!status);
    conn_accept(&server, listener, as_tcp);
}

// Questions are read as they would be, then done with; the rest goes its way.
static void handle(struct server *s, struct conn *c, struct request *r)
{
    struct question q;
    struct err e = {0};
    const char *field = NULL;
    bool search = !strcmp(r->path.data, "/v1/search");
    if (strcmp(r->method, "POST") || (!search && strcmp(r->path.data, "/v1/ask")) || r->tcp) {
        route_request(s, c, r);
        return;
    }
    arena *a = arena_new(0);
    FUZZ_CHECK(a);
    if (question_parse(r->body.data, r->body.len, search, &config, a, &q, &field, &e))
        reply_error(c, 400, "invalid_request", field, "%s", e.msg);
    else if (q.stream) {
        reply_begin(c, 200, "application/x-ndjson");
        reply_chunk(c, "{}\n", 3);
        reply_end(c);
    } else
        reply(c, 200, "application/json", NULL, "{}\n", 3);
    arena_free(a);
}

static void leave(void)
{
    unlink(path);
    *strrchr(path, '/') = 0;
    rmdir(path);
}

static void prepare(void)
{
    struct err e;
    char *slash = strrchr(path, '/');
    *slash = 0;
    FUZZ_CHECK(mkdtemp(path));
    *slash = '/';
    atexit(leave);
    FUZZ_CHECK(!config_init(&config, &e));
    config.max_body_kib = 4;
    FUZZ_CHECK(!safety_open(NULL, &service.safety, &e));
    server.config = &config;
    server.service = &service;
    server.handle = handle;
    FUZZ_CHECK(!job_pool_new(1, 1, &server.search_pool, &e));
    FUZZ_CHECK(!job_pool_new(1, 1, &server.ask_pool, &e));
    FUZZ_CHECK((server.conversations = conversations_new(1)));
    FUZZ_CHECK(!uv_loop_init(&server.loop) && !uv_pipe_init(&server.loop, &server.pipe, 0));
    FUZZ_CHECK(!uv_pipe_bind(&server.pipe, path));
    FUZZ_CHECK(!uv_listen((uv_stream_t *)&server.pipe, 8, on_connection));
}

static int dial(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(to.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof to));
    FUZZ_CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK));
    return fd;
}

// What the daemon has to say now.
static void listen_to(int fd, struct buf *in)
{
    for (int quiet = 0; quiet < 3;) {
        uv_run(&server.loop, UV_RUN_NOWAIT);
        FUZZ_CHECK(!buf_reserve(in, 65536));
        ssize_t n = recv(fd, in->data + in->len, 65536, 0);
        in->len += n > 0 ? (size_t)n : 0;
        in->data[in->len] = 0;
        quiet = n > 0 ? 0 : quiet + 1;
    }
}

static const char *chunks(const char *s)
{
    for (;;) {
        char *end;
        unsigned long n = strtoul(s, &end, 16);
        FUZZ_CHECK(end > s && !strncmp(end, "\r\n", 2) && n <= strlen(end + 2));
        s = end + 2 + n;
        FUZZ_CHECK(!strncmp(s, "\r\n", 2));
        s += 2;
        if (!n)
            return s;
    }
}

static void check_replies(const char *s)
{
    while (*s) {
        FUZZ_CHECK(!strncmp(s, "HTTP/1.1 ", 9));
        int status = atoi(s + 9);
        const char *head = strstr(s, "\r\n\r\n");
        FUZZ_CHECK(head && status >= 100 && status < 600);
        const char *length = strcasestr(s, "\r\nContent-Length: ");
        const char *chunked = strcasestr(s, "\r\nTransfer-Encoding: chunked");
        const char *body = head + 4;
        s = body;
        if (status == 100)
            continue;
        if (chunked && chunked < head) {
            s = chunks(body);
            continue;
        }
        FUZZ_CHECK(length && length < head);
        size_t n = strtoul(length + 18, NULL, 10);
        FUZZ_CHECK(n <= strlen(body));
        s += n;
        cJSON *o = status >= 400 ? cJSON_ParseWithLength(body, n) : NULL;
        FUZZ_CHECK(status < 400 || cJSON_IsObject(o));
        cJSON_Delete(o);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[] = {1, 7, 64, 4096};
    struct buf in = BUF_INIT;
    if (size < 2)
        return 0;
    if (!server.config)
        prepare();
    as_tcp = data[0] & 1;
    size_t piece = size > 2000 ? 4096 : pieces[data[1] % 4];
    int fd = dial();
    for (size_t i = 2; i < size; i += piece) {
        size_t n = size - i < piece ? size - i : piece;
        ssize_t put = send(fd, data + i, n, MSG_NOSIGNAL);
        if (put < (ssize_t)n)
            break; // it has had enough
        uv_run(&server.loop, UV_RUN_NOWAIT);
    }
    listen_to(fd, &in);
    check_replies(in.data);
    close(fd);
    for (int i = 0; server.n_conns && i < 1000; i++)
        uv_run(&server.loop, UV_RUN_NOWAIT);
    FUZZ_CHECK(!server.n_conns && !server.conns);
    buf_free(&in);
    return 0;
}
