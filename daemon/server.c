// SPDX-License-Identifier: MIT
// Listeners, signals and the way down.
#include "daemon/server.h"

#include "base/log.h"
#include "base/paths.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024
#define ACCEPT_MAX 32 // in one round of the loop
#define AGAIN_MS 100

// It only starts a round of the loop.
static void on_again(uv_timer_t *h)
{
    (void)h;
}

static void accept_one(struct server *s, bool tcp)
{
    uv_stream_t *listener = tcp ? (uv_stream_t *)&s->tcp : (uv_stream_t *)&s->pipe;
    s->waits[tcp] = conn_accept(s, listener, tcp) == -ENOMEM;
    if (s->waits[tcp] && !uv_is_active((uv_handle_t *)&s->again)) {
        log_write(LOG_WARN, "server", "no memory for another connection: who comes waits");
        uv_timer_start(&s->again, on_again, AGAIN_MS, AGAIN_MS);
    }
}

// libuv accepts as long as somebody waits: a flood would keep it from ever reading. What comes
// beyond a few waits for the next round of the loop.
static void on_connection(uv_stream_t *listener, int status)
{
    struct server *s = listener->data;
    bool tcp = listener == (uv_stream_t *)&s->tcp;
    if (status)
        accept_failed(s, status);
    else if (s->accepted == ACCEPT_MAX)
        s->waits[tcp] = true; // until uv_accept
    else {
        s->accepted++;
        accept_one(s, tcp);
    }
}

static void on_round(uv_prepare_t *h)
{
    struct server *s = h->data;
    s->accepted = 0;
    s->rounds++;
    conn_go_on(s);
    for (int tcp = 0; tcp < 2; tcp++)
        if (s->waits[tcp] && !s->stopping)
            accept_one(s, tcp);
    if (!s->waits[false] && !s->waits[true])
        uv_timer_stop(&s->again);
}

static void on_wake(uv_async_t *h)
{
    struct server *s = h->data;
    task_drain(s);
    if (s->stopping && !s->tasks)
        uv_stop(&s->loop);
}

// What has not begun is gone at once.
static void cancel_all(struct server *s, bool timed_out)
{
    for (struct task *t = s->tasks, *next; t; t = next) {
        next = t->next;
        task_cancel(t, timed_out);
    }
}

static void on_drained(uv_timer_t *h)
{
    struct server *s = h->data;
    cancel_all(s, true);
    if (!s->tasks)
        uv_stop(&s->loop);
}

static void on_stop(uv_signal_t *h, int signum)
{
    struct server *s = h->data;
    if (s->stopping) { // a second signal: do not wait
        on_drained(&s->drain);
        return;
    }
    log_write(LOG_INFO, "server", "signal %d: no new questions; draining", signum);
    s->stopping = true;
    uv_close((uv_handle_t *)&s->pipe, NULL);
    if (s->listening_tcp)
        uv_close((uv_handle_t *)&s->tcp, NULL);
    unlink(s->config->socket);
    conn_close_idle(s);
    if (s->tasks)
        uv_timer_start(&s->drain, on_drained, (uint64_t)s->config->drain_timeout_s * 1000, 0);
    else
        uv_stop(&s->loop);
}

static void on_hangup(uv_signal_t *h, int signum)
{
    struct server *s = h->data;
    (void)signum;
    if (s->on_reload)
        s->on_reload(s);
}

// A socket file that nobody answers on is left over from a crash and goes; a live one stays.
static int clear_stale(const char *path, struct err *e)
{
    struct stat st;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (lstat(path, &st))
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, -EEXIST, "%s exists and is no socket: move it away or choose another",
                       path);
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&addr, sizeof addr);
    bool live = rc == 0 || errno == EAGAIN || errno == EINPROGRESS;
    if (fd >= 0)
        close(fd);
    if (live)
        return err_set(e, -EADDRINUSE, "another askd answers on %s", path);
    unlink(path);
    return 0;
}

// Who holds PATH.lock may take the socket: of two that start at once and both find a stale one,
// the slower would else remove the faster's.
static int lock_socket(struct server *s, const char *path, struct err *e)
{
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s.lock", path);
    s->socket_lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->socket_lock < 0)
        return err_set(e, -errno, "%s: %s", name, strerror(errno));
    if (flock(s->socket_lock, LOCK_EX | LOCK_NB))
        return err_set(e, -EADDRINUSE, "another askd answers on %s, or starts to", path);
    return 0;
}

static int listen_unix(struct server *s, struct err *e)
{
    const char *path = s->config->socket;
    int rc = paths_prepare_socket_dir(path, e);
    if (!rc)
        rc = lock_socket(s, path, e);
    if (!rc)
        rc = clear_stale(path, e);
    if (rc)
        return rc;
    mode_t old = umask(0117); // never wider than 0660, not even for an instant
    rc = uv_pipe_bind(&s->pipe, path);
    umask(old);
    if (!rc)
        rc = uv_listen((uv_stream_t *)&s->pipe, BACKLOG, on_connection);
    return rc ? err_set(e, rc, "%s: %s", path, uv_strerror(rc)) : 0;
}

static int listen_tcp(struct server *s, struct err *e)
{
    const char *spec = s->config->listen;
    if (!*spec)
        return 0;
    char host[CONFIG_HOST_MAX];
    int port;
    struct sockaddr_storage addr;
    if (!config_listen(spec, host, &port))
        return err_set(e, -EINVAL, "listen: '%s' is no address and port", spec);
    int rc = strchr(host, ':') ? uv_ip6_addr(host, port, (struct sockaddr_in6 *)&addr)
                               : uv_ip4_addr(host, port, (struct sockaddr_in *)&addr);
    if (!rc)
        rc = uv_tcp_bind(&s->tcp, (struct sockaddr *)&addr, 0);
    if (!rc)
        rc = uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_connection);
    s->listening_tcp = true;
    return rc ? err_set(e, rc, "%s: %s", spec, uv_strerror(rc)) : 0;
}

int server_open(struct server *s, struct config *config, struct err *e)
{
    s->config = config;
    s->socket_lock = -1;
    accept_prepare(config);
    int rc = uv_loop_init(&s->loop);
    if (rc)
        return err_set(e, rc, "event loop: %s", uv_strerror(rc));
    s->spare = fcntl(uv_backend_fd(&s->loop), F_DUPFD_CLOEXEC, 0);
    rc = accept_reserve(config, &s->loop, e);
    uv_pipe_init(&s->loop, &s->pipe, 0);
    uv_tcp_init(&s->loop, &s->tcp);
    uv_async_init(&s->loop, &s->wake, on_wake);
    uv_timer_init(&s->loop, &s->drain);
    uv_timer_init(&s->loop, &s->again);
    uv_prepare_init(&s->loop, &s->round);
    s->round.data = s;
    uv_prepare_start(&s->round, on_round);
    uv_signal_init(&s->loop, &s->sigterm);
    uv_signal_init(&s->loop, &s->sigint);
    uv_signal_init(&s->loop, &s->sighup);
    s->pipe.data = s->tcp.data = s->wake.data = s->drain.data = s;
    s->sigterm.data = s->sigint.data = s->sighup.data = s;
    uv_signal_start(&s->sigterm, on_stop, SIGTERM);
    uv_signal_start(&s->sigint, on_stop, SIGINT);
    uv_signal_start(&s->sighup, on_hangup, SIGHUP);
    if (!rc)
        rc = listen_unix(s, e);
    if (!rc)
        rc = listen_tcp(s, e);
    return rc;
}

int server_start(struct server *s, struct err *e)
{
    const struct config *config = s->config;
    int rc =
        job_pool_new((unsigned)config->ask_workers, (size_t)config->max_queue, &s->ask_pool, e);
    if (!rc)
        rc = job_pool_new((unsigned)config->search_workers, (size_t)config->max_queue * 2,
                          &s->search_pool, e);
    return rc;
}

int server_run(struct server *s, struct err *e)
{
    int rc = uv_run(&s->loop, UV_RUN_DEFAULT);
    // What is written but not sent gets a moment; a client that does not read gets no more.
    while (s->conns)
        conn_close(s->conns);
    return rc < 0 ? err_set(e, rc, "event loop: %s", uv_strerror(rc)) : 0;
}

static void close_one(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

void server_close(struct server *s)
{
    // Pools run what is queued; every task has been cancelled, so that is quick.
    cancel_all(s, false);
    job_pool_free(s->ask_pool);
    job_pool_free(s->search_pool);
    task_drain(s);
    uv_walk(&s->loop, close_one, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    if (s->socket_lock >= 0)
        close(s->socket_lock);
    if (s->spare >= 0)
        close(s->spare);
}
