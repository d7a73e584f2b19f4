// SPDX-License-Identifier: MIT
// The other side of extractor.h: a keeper and its children.
#include "ingest/extractor_internal.h"

#include "base/confine.h"
#include "ingest/pack.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPEN_FILES 64

const struct extractor_limits extractor_limits = {
    .memory = (int64_t)2 << 30, .cpu_s = 60, .wall_s = 120};

// Sanitizers map terabytes.
static int64_t memory_limit(const struct extractor_limits *l)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    return (void)l, -1;
#else
    return l->memory;
#endif
}

// ---- the child ----

static int one_document(int fd, extract_fn *extract)
{
    struct extract_order order;
    struct buf bytes = BUF_INIT;
    struct err e = {0};
    struct doc d;
    if (pack_read(fd, &order, sizeof order))
        return 1; // there are no more
    if (buf_reserve(&bytes, order.n))
        return pack_send(fd, err_nomem(&e), NULL, &e);
    if (pack_read(fd, bytes.data, order.n))
        return 1;
    bytes.len = order.n;
    bytes.data[bytes.len] = 0;
    doc_init(&d, extract_type((enum format)order.format));
    int rc = extract((enum format)order.format, &bytes, &d, &e);
    rc = pack_send(fd, rc, &d, &e);
    doc_free(&d);
    buf_free(&bytes);
    return rc;
}

static void be_child(int fd, extract_fn *extract, int cpu_s, pid_t keeper)
{
    const struct confine_limits limits = {
        .memory = -1, .cpu = cpu_s, .file = -1, .files = -1, .processes = 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(CONTROL_FD);
    if (getppid() != keeper || confine_limits(&limits) || confine_calls(0) < 0)
        _exit(126);
    while (!one_document(fd, extract))
        ;
    _exit(0);
}

// ---- the keeper ----

static void on_child(int sig)
{
    (void)sig;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Wait for the child's end, or bring it about: at the limit, or when askd-ingest is
// gone. SIGCHLD comes only while we wait.
static struct keeper_end wait_for(pid_t pid, int wall_s)
{
    struct keeper_end end = {0};
    struct rusage use = {0};
    double until = now() + wall_s;
    bool gone = false;
    int status;
    sigset_t open_to;
    sigemptyset(&open_to);
    while (wait4(pid, &status, end.late || gone ? 0 : WNOHANG, &use) != pid) {
        struct pollfd f = {.fd = CONTROL_FD};
        double left = until - now();
        struct timespec t = {left > 0 ? (time_t)left + 1 : 0, 0};
        int n = ppoll(&f, 1, &t, &open_to);
        gone = n > 0;
        end.late = !gone && now() >= until;
        if (gone || end.late)
            kill(pid, SIGKILL);
    }
    if (gone)
        _exit(0);
    end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    long us = use.ru_utime.tv_usec + use.ru_stime.tv_usec;
    end.cpu_s = (int)(use.ru_utime.tv_sec + use.ru_stime.tv_sec + (us + 500000) / 1000000);
    return end;
}

// The next child's socket; -1: askd-ingest is gone.
static int receive(void)
{
    union {
        struct cmsghdr h;
        char space[CMSG_SPACE(sizeof(int))];
    } u = {0};
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = u.space,
                       .msg_controllen = sizeof u.space};
    int fd = -1;
    ssize_t n;
    do
        n = recvmsg(CONTROL_FD, &m, 0);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *c = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

// Can children be kept from system calls? A child tries.
static int try_calls(void)
{
    int status = 0;
    pid_t pid = fork();
    if (!pid) {
        int rc = confine_calls(0);
        _exit(rc < 0 ? 255 : rc);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) == 255)
        return -EPERM;
    return WEXITSTATUS(status);
}

static int confine(const struct extractor_limits *l)
{
    // Conversions of charsets are libraries, loaded when they are needed.
    static const struct confine_path paths[] = {{"/usr/lib", CONFINE_READ},
                                                {"/usr/lib64", CONFINE_READ},
                                                {"/lib", CONFINE_READ},
                                                {"/lib64", CONFINE_READ},
                                                {"/etc/ld.so.cache", CONFINE_READ}};
    const struct confine_limits limits = {
        .memory = memory_limit(l), .cpu = -1, .file = 0, .files = OPEN_FILES, .processes = -1};
    int rc = confine_limits(&limits);
    if (rc)
        return rc;
    rc = confine_files(paths, sizeof paths / sizeof *paths);
    int calls = rc < 0 ? 0 : try_calls();
    return rc < 0 ? rc : calls < 0 ? calls : rc | calls;
}

int extractor_main(extract_fn *extract, const struct extractor_limits *l)
{
    const struct sigaction act = {.sa_handler = on_child};
    const struct keeper_hello hello = {confine(l), *l};
    sigset_t child;
    int fd;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &child, NULL) || sigaction(SIGCHLD, &act, NULL) ||
        send(CONTROL_FD, &hello, sizeof hello, MSG_NOSIGNAL) < 0 || hello.missing < 0)
        return 2;
    pid_t self = getpid();
    while ((fd = receive()) >= 0) {
        struct keeper_end end = {.status = 125}; // no process
        pid_t pid = fork();
        if (!pid)
            be_child(fd, extract, l->cpu_s, self);
        close(fd);
        if (pid > 0)
            end = wait_for(pid, l->wall_s);
        if (send(CONTROL_FD, &end, sizeof end, MSG_NOSIGNAL) < 0)
            break;
    }
    return 0;
}
