// SPDX-License-Identifier: MIT
// talk SOCKET [-d MS] [-n BYTES] [-w]: sends stdin to a Unix socket and prints what comes back
// until the other end closes. -d: one byte at a time, MS apart. -n: hang up after that many
// bytes of reply. -w: do not read before everything is sent. Exit 0 when the other end closed,
// 3 after 20 s of silence.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static size_t load(char **out)
{
    size_t n = 0, cap = 1 << 16;
    char *p = malloc(cap);
    for (ssize_t got; p && (got = read(STDIN_FILENO, p + n, cap - n)) > 0;) {
        n += (size_t)got;
        if (n == cap)
            p = realloc(p, cap *= 2);
    }
    *out = p;
    return n;
}

// Print what has come. 0 while the connection lives.
static int take(int fd, long *left)
{
    char chunk[4096];
    ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return 1;
    fwrite(chunk, 1, (size_t)n, stdout);
    fflush(stdout);
    *left -= n;
    return *left <= 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    long delay = 0, left = 1L << 40;
    int ch, wait = 0;
    while ((ch = getopt(argc, argv, "d:n:w")) != -1) {
        if (ch == 'd')
            delay = atol(optarg);
        else if (ch == 'n')
            left = atol(optarg);
        else
            wait = 1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (optind >= argc || fd < 0)
        return 2;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", argv[optind]);
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
        perror(argv[optind]);
        return 2;
    }
    char *p = NULL;
    size_t n = load(&p), at = 0;
    for (;;) {
        struct pollfd w = {.fd = fd, .events = POLLIN};
        if (at < n && !delay)
            w.events |= POLLOUT;
        if (at < n && wait)
            w.events &= ~POLLIN;
        int got = poll(&w, 1, at < n && delay ? (int)delay : 20000);
        if (!got && at >= n)
            return 3;
        if (w.revents & (POLLIN | POLLHUP | POLLERR) && take(fd, &left))
            break;
        if (at < n && (delay ? !got : w.revents & POLLOUT)) {
            ssize_t sent = send(fd, p + at, delay ? 1 : n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno != EAGAIN)
                at = n; // it no longer listens; what it said is still to be read
            else if (sent > 0)
                at += (size_t)sent;
        }
    }
    free(p);
    return 0;
}
