// SPDX-License-Identifier: MIT
// torment SOCKET [--slow N] [--half N] [--mute N] [--connects PER_SECOND] [--asks PER_SECOND]
//         [--uid UID]
// Bad clients of an HTTP server on a Unix socket, all from one thread, until SIGTERM; then the
// counts, as one JSON object.
//
// --slow      N connections that send a request's head, one byte a second; each that is cut
//             comes again
// --half      N connections that send half a request, say that no more comes, and stay
// --mute      N connections that send thousands of requests and read nothing
// --connects  so many a second that connect and vanish: at once, within a head, within a body
// --asks      so many a second that ask a whole question or search and vanish
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 4096
#define MUTE_REQUESTS 8000

enum kind { SLOW, HALF, MUTE, KINDS };

struct client {
    enum kind kind;
    int fd; // -1: none now
    double next_s;
    size_t sent, answered;
    char head[16]; // of what it was answered
};

static struct {
    unsigned long opened[KINDS], cut[KINDS], timed_out, busy, failed, vanished, asked;
} counts;

static const char head[] = "POST /v1/search HTTP/1.1\r\nHost: askd\r\nX-Slow: "
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static volatile sig_atomic_t over;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char *mute_text;
static size_t mute_len;

static void on_signal(int sig)
{
    (void)sig;
    over = 1;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// A full backlog is not waited for: a tormentor that hangs torments nobody.
static int dial(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        fd = -1;
    }
    counts.failed += fd < 0;
    return fd;
}

static ssize_t say(int fd, const char *s, size_t n)
{
    return send(fd, s, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void hang_up(struct client *c, double now)
{
    if (!strncmp(c->head, "HTTP/1.1 408", 12))
        counts.timed_out++;
    else if (!strncmp(c->head, "HTTP/1.1 503", 12))
        counts.busy++;
    counts.cut[c->kind]++;
    close(c->fd);
    c->fd = -1;
    c->next_s = now + 1;
}

static void begin(struct client *c, double now)
{
    c->next_s = now + 1; // after a failure
    c->fd = dial();
    c->sent = c->answered = 0;
    memset(c->head, 0, sizeof c->head);
    if (c->fd < 0)
        return;
    c->next_s = now;
    counts.opened[c->kind]++;
    if (c->kind == HALF) {
        say(c->fd, head, 60);
        shutdown(c->fd, SHUT_WR);
    }
}

// Its turn has come: a byte more.
static void go_on(struct client *c, double now)
{
    if (c->fd < 0) {
        begin(c, now);
    } else if (c->kind == SLOW) {
        say(c->fd, c->sent < sizeof head - 1 ? head + c->sent : "a", 1);
        c->sent++;
        c->next_s = now + 1;
    } else if (c->kind == MUTE) {
        ssize_t n = say(c->fd, mute_text + c->sent, mute_len - c->sent);
        c->sent += n > 0 ? (size_t)n : 0;
        c->next_s = now + 0.1;
    } else {
        c->next_s = now + 1;
    }
}

// Something came, or the end.
static void hear(struct client *c, double now)
{
    char chunk[4096];
    ssize_t n = recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n > 0) {
        size_t room = sizeof c->head - 1 - c->answered;
        size_t k = (size_t)n < room ? (size_t)n : room;
        memcpy(c->head + c->answered, chunk, k);
        c->answered += k;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        hang_up(c, now);
    }
}

static void vanish(unsigned long i)
{
    static const size_t parts[] = {0, 1, 30, sizeof head - 1};
    int fd = dial();
    if (fd < 0)
        return;
    say(fd, head, parts[i % 4]);
    close(fd);
    counts.vanished++;
}

static void ask(unsigned long i)
{
    char body[128], text[256];
    int fd = dial(), n;
    if (fd < 0)
        return;
    n = snprintf(body, sizeof body, "{\"question\":\"How do I cancel job %lu of the queue?\"}",
                 i);
    n = snprintf(text, sizeof text, "POST /v1/%s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s",
                 i % 2 ? "ask" : "search", n, body);
    say(fd, text, (size_t)n);
    // A moment, so that some have begun when their client goes.
    static int kept[8];
    static bool any;
    if (!any)
        memset(kept, -1, sizeof kept);
    any = true;
    if (kept[i % 8] >= 0)
        close(kept[i % 8]);
    kept[i % 8] = fd;
    counts.asked++;
}

static void torment(struct client *clients, size_t n, double connects, double asks)
{
    static struct pollfd fds[CLIENTS_MAX];
    double start = now_s(), now;
    unsigned long made = 0, asked = 0;
    while (!over) {
        now = now_s();
        for (size_t i = 0; i < n; i++)
            if (now >= clients[i].next_s)
                go_on(&clients[i], now);
        // What it is behind with is not caught up with in one go.
        for (int k = 0; k < 50 && (double)made < (now - start) * connects; k++)
            vanish(made++);
        for (int k = 0; k < 5 && (double)asked < (now - start) * asks; k++)
            ask(asked++);
        for (size_t i = 0; i < n; i++) {
            fds[i].fd = clients[i].fd;
            // Who reads nothing learns of the end alone.
            fds[i].events = clients[i].kind == MUTE ? 0 : POLLIN;
        }
        if (poll(fds, n, 5) <= 0)
            continue;
        for (size_t i = 0; i < n; i++)
            if (fds[i].revents && clients[i].kind == MUTE)
                hang_up(&clients[i], now);
            else if (fds[i].revents)
                hear(&clients[i], now);
    }
}

static int make_mute(void)
{
    static const char one[] = "GET /healthz HTTP/1.1\r\n\r\n";
    mute_len = MUTE_REQUESTS * (sizeof one - 1);
    mute_text = malloc(mute_len);
    for (size_t i = 0; mute_text && i < MUTE_REQUESTS; i++)
        memcpy(mute_text + i * (sizeof one - 1), one, sizeof one - 1);
    return mute_text ? 0 : -1;
}

static int become(long uid)
{
    if (uid < 0)
        return 0;
    return setgroups(0, NULL) || setgid((gid_t)uid) || setuid((uid_t)uid) ? -1 : 0;
}

static void print_counts(void)
{
    static const char *const names[KINDS] = {"slow", "half", "mute"};
    printf("{");
    for (int k = 0; k < KINDS; k++)
        printf("\"%s\": {\"opened\": %lu, \"cut\": %lu}, ", names[k], counts.opened[k],
               counts.cut[k]);
    printf("\"timed_out\": %lu, \"busy\": %lu, \"no_connection\": %lu, \"vanished\": %lu, "
           "\"asked\": %lu}\n",
           counts.timed_out, counts.busy, counts.failed, counts.vanished, counts.asked);
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"slow", 1, NULL, SLOW},
                                          {"half", 1, NULL, HALF},
                                          {"mute", 1, NULL, MUTE},
                                          {"connects", 1, NULL, 'c'},
                                          {"asks", 1, NULL, 'a'},
                                          {"uid", 1, NULL, 'u'},
                                          {0}};
    static struct client clients[CLIENTS_MAX];
    double connects = 0, asks = 0;
    long uid = -1;
    size_t n = 0;
    int ch;
    while ((ch = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (ch == 'c')
            connects = atof(optarg);
        else if (ch == 'a')
            asks = atof(optarg);
        else if (ch == 'u')
            uid = atol(optarg);
        else if (ch < KINDS)
            for (long i = atol(optarg); i > 0 && n < CLIENTS_MAX; i--)
                clients[n++] = (struct client){.kind = (enum kind)ch, .fd = -1};
        else
            return 2;
    }
    if (optind + 1 != argc || strlen(argv[optind]) >= sizeof address.sun_path)
        return 2;
    strcpy(address.sun_path, argv[optind]);
    if (make_mute() || become(uid)) {
        perror("torment");
        return 2;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    torment(clients, n, connects, asks);
    print_counts();
    return 0;
}
