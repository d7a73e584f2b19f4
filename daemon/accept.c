// SPDX-License-Identifier: MIT
// Who is let in. A connection takes a place of its user's: the uid of the Unix socket's other
// end; over TCP first the address that it comes from, then the token that it shows.
#include "daemon/conn.h"

#include "base/hash.h"
#include "base/log.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNED_AWAY_MAX 64 // that are told so at once
#define OTHER_FILES 192    // models, databases, listeners, pipes
#define TELL_MS 60000

static rlim_t files_wanted(const struct config *c)
{
    return (rlim_t)c->max_connections + TURNED_AWAY_MAX + OTHER_FILES;
}

void accept_prepare(const struct config *c)
{
    struct rlimit l;
    rlim_t want = files_wanted(c);
    if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= want)
        return;
    l.rlim_cur = l.rlim_max < want ? l.rlim_max : want;
    if (setrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur < want)
        log_write(LOG_WARN, "server",
                  "max_connections is %ld, for which %lu open files are too few (ulimit -n, "
                  "LimitNOFILE): %lu are needed",
                  c->max_connections, (unsigned long)l.rlim_cur, (unsigned long)want);
}

static void on_never(uv_poll_t *h, int status, int events)
{
    (void)h;
    (void)status;
    (void)events;
}

int accept_reserve(const struct config *c, uv_loop_t *loop, struct err *e)
{
    struct rlimit l;
    rlim_t want = files_wanted(c);
    uv_poll_t highest;
    if (!getrlimit(RLIMIT_NOFILE, &l) && l.rlim_cur < want)
        want = l.rlim_cur;
    int one = eventfd(0, EFD_CLOEXEC), fd = -1;
    if (one >= 0)
        fd = fcntl(one, F_DUPFD_CLOEXEC, (int)want - 1);
    int rc = fd < 0 ? -errno : uv_poll_init(loop, &highest, fd);
    if (!rc) {
        uv_poll_start(&highest, UV_READABLE, on_never);
        uv_close((uv_handle_t *)&highest, NULL);
        uv_run(loop, UV_RUN_NOWAIT);
    }
    if (fd >= 0)
        close(fd);
    if (one >= 0)
        close(one);
    return rc ? err_set(e, rc, "event loop: %s", uv_strerror(rc)) : 0;
}

// Who connected: the kernel's word, fixed at connect(2). Groups that are not known are rights
// that are not there: without memory for them nobody is let in.
static int note_peer(struct conn *c)
{
    int fd;
    struct ucred cred;
    socklen_t n = sizeof cred;
    if (c->r.tcp || uv_fileno(&c->u.handle, &fd) ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n))
        return 0;
    c->peer = (struct principal){.known = true, .local = true, .uid = cred.uid};
    n = 0; // asked with no room, the kernel says how much it takes
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &n) && errno != ERANGE)
        n = 0;
    if (!(c->groups = malloc(n + sizeof *c->groups)))
        return -ENOMEM;
    c->groups[0] = cred.gid;
    c->peer.groups = c->groups;
    c->peer.n_groups = 1;
    if (n && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, c->groups + 1, &n))
        c->peer.n_groups += n / sizeof *c->groups;
    return 0;
}

// Who has shown no token yet is told apart by where he comes from; of IPv6 by the network.
static int64_t address_number(struct conn *c)
{
    struct sockaddr_storage a;
    int n = sizeof a;
    const void *bytes = &((struct sockaddr_in *)&a)->sin_addr;
    size_t n_bytes = sizeof(struct in_addr);
    if (uv_tcp_getpeername(&c->u.tcp, (struct sockaddr *)&a, &n))
        return -1;
    if (a.ss_family == AF_INET6) {
        bytes = &((struct sockaddr_in6 *)&a)->sin6_addr;
        n_bytes = 8;
    }
    // Below all that access_number gives.
    return INT64_MIN + (int64_t)(hash64_of(bytes, n_bytes, 0) >> 3);
}

struct places {
    struct places *next;
    int64_t user;
    size_t n;
};

// Where the count of a user's places hangs, or would.
static struct places **find(struct server *s, int64_t user)
{
    struct places **p = &s->places[hash64_of(&user, sizeof user, 0) % PLACES];
    while (*p && (*p)->user != user)
        p = &(*p)->next;
    return p;
}

// One more for this user; -EDQUOT: he has as many as he may.
static int take(struct server *s, int64_t user)
{
    struct places **p = find(s, user);
    if (!*p) {
        if (!(*p = calloc(1, sizeof **p)))
            return -ENOMEM;
        (*p)->user = user;
    }
    if ((*p)->n >= (size_t)s->config->max_user_connections)
        return -EDQUOT;
    (*p)->n++;
    return 0;
}

static void give(struct server *s, int64_t user)
{
    struct places **p = find(s, user), *gone = *p;
    if (--gone->n)
        return;
    *p = gone->next;
    free(gone);
}

void conn_leave_place(struct conn *c)
{
    struct server *s = c->s;
    if (c->turned_away) {
        s->n_turned_away--;
        return;
    }
    s->n_conns--;
    give(s, c->user);
}

// One line a minute, however many there are.
static void tell(struct server *s, const char *why)
{
    double now = trace_now_ms();
    s->untold++;
    if (s->told_ms > 0 && now - s->told_ms < TELL_MS)
        return;
    log_write(LOG_WARN, "server", "connections turned away: %llu, the last by %s",
              (unsigned long long)s->untold, why);
    s->told_ms = now;
    s->untold = 0;
}

static void refuse_user(struct conn *c, int why)
{
    struct server *s = c->s;
    c->r.keep_alive = false;
    c->busy = true;
    if (why == -ENOMEM) {
        tell(s, "want of memory");
        reply_no_memory(c);
        return;
    }
    s->metrics.refused[REFUSED_USER_CONNECTIONS]++;
    tell(s, "max_user_connections");
    reply_error(c, 503, "busy", NULL,
                "%ld connections of yours are open, the most that one user may have "
                "(max_user_connections)",
                s->config->max_user_connections);
}

static void refuse_anybody(struct conn *c)
{
    struct server *s = c->s;
    s->metrics.refused[s->stopping ? REFUSED_STOPPING : REFUSED_CONNECTIONS]++;
    c->r.keep_alive = false;
    c->busy = true;
    if (s->stopping) {
        reply_error(c, 503, "busy", NULL, "askd is stopping; ask again");
        return;
    }
    tell(s, "max_connections");
    reply_error(c, 503, "busy", NULL,
                "askd has %ld connections open, its limit "
                "(max_connections)",
                s->config->max_connections);
}

void accept_failed(struct server *s, int status)
{
    tell(s, uv_strerror(status));
    if (s->spare >= 0) {
        close(s->spare);
        s->spare = -1;
    } else if (s->conns) {
        conn_close(s->conns); // another thread was faster
    } else {
        usleep(1000); // they are all files of others, or the system has none
    }
}

static void refuse_last(struct conn *c)
{
    struct server *s = c->s;
    s->metrics.refused[REFUSED_CONNECTIONS]++;
    c->r.keep_alive = false;
    c->busy = true;
    reply_error(c, 503, "busy", NULL,
                "askd may open no more files (ulimit -n, LimitNOFILE); try again in a few "
                "seconds");
    conn_close(c);
    s->spare = fcntl(uv_backend_fd(&s->loop), F_DUPFD_CLOEXEC, 0);
}

bool conn_take_place(struct conn *c, int64_t user)
{
    if (c->user == user)
        return true;
    int rc = take(c->s, user);
    if (rc) {
        refuse_user(c, rc);
        return false;
    }
    give(c->s, c->user);
    c->user = user;
    return true;
}

static struct conn *make(struct server *s, bool tcp)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->s = s;
    c->r.tcp = tcp;
    struct request *r = &c->r;
    struct buf *all[] = {&r->target, &r->path,   &r->accept,        &r->content_type,
                         &r->host,   &r->origin, &r->authorization, &r->body,
                         &c->header, &c->later};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_init(all[i]);
    if (tcp)
        uv_tcp_init(&s->loop, &c->u.tcp);
    else
        uv_pipe_init(&s->loop, &c->u.pipe, 0);
    uv_timer_init(&s->loop, &c->timer);
    uv_timer_init(&s->loop, &c->stall);
    c->open_handles = 3;
    c->u.handle.data = c->timer.data = c->stall.data = c;
    c->r.keep_alive = true;
    c->turned_away = true; // until it has a place
    c->next = s->conns;
    if (s->conns)
        s->conns->prev = c;
    s->conns = c;
    s->n_turned_away++;
    return c;
}

int conn_accept(struct server *s, uv_stream_t *listener, bool tcp)
{
    struct conn *c = make(s, tcp);
    if (!c)
        return -ENOMEM;
    s->metrics.connections_total++;
    if (uv_accept(listener, &c->u.stream)) {
        conn_close(c);
        return 0;
    }
    trace_begin(&c->r.trace);
    if (s->spare < 0) {
        refuse_last(c);
        return 0;
    }
    int rc = note_peer(c);
    c->user = tcp ? address_number(c) : access_number(&c->peer, "");
    // Those who are told why they get no place take none from others, and are not too many.
    if (s->n_conns >= (size_t)s->config->max_connections || s->stopping)
        refuse_anybody(c);
    else if (rc || (rc = take(s, c->user)))
        refuse_user(c, rc);
    else {
        c->turned_away = false;
        s->n_turned_away--;
        s->n_conns++;
        conn_open(c);
        return 0;
    }
    if (s->n_turned_away > TURNED_AWAY_MAX)
        conn_close(c);
    return 0;
}
