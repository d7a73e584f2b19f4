// SPDX-License-Identifier: MIT
// Readers of complex formats are where hostile documents strike, so a crash, a hang or an
// intrusion there must cost one document and no more.
#include "ingest/parser.h"

#include "base/confine.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPEN_FILES 64

// What loads programs: the one that loaded this program. NULL in a static one.
static const char *loader(void)
{
    const ElfW(Phdr) *h = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    const ElfW(Phdr) *interp = NULL;
    size_t n = getauxval(AT_PHNUM);
    const char *base = NULL;
    for (size_t i = 0; h && i < n; i++) {
        if (h[i].p_type == PT_PHDR)
            base = (const char *)h - h[i].p_vaddr;
        if (h[i].p_type == PT_INTERP)
            interp = &h[i];
    }
    return base && interp ? base + interp->p_vaddr : NULL;
}

// In the child: what it may not do, then the program. Only calls that are safe after fork.
static void become(const struct parser *p, const char *ld, int out)
{
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8",
                                      NULL};
    const struct confine_path paths[] = {
        {p->program, CONFINE_EXEC},
        {ld ? ld : p->program, CONFINE_EXEC},
        {p->file, CONFINE_READ},
        {"/usr", CONFINE_READ},
        {"/lib", CONFINE_READ},
        {"/lib64", CONFINE_READ},
        {"/etc/ld.so.cache", CONFINE_READ},
    };
    const struct confine_limits limits = {
        .memory = p->memory, .cpu = p->cpu_s, .file = 0, .files = OPEN_FILES, .processes = 0};
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
        _exit(126);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
        // Not everywhere allowed; what follows holds in any case.
    }
    if (confine_limits(&limits) || confine_files(paths, sizeof paths / sizeof *paths) < 0 ||
        confine_calls(CONFINE_MAY_EXEC) < 0)
        _exit(126);
    execve(p->program, (char *const *)p->argv, (char *const *)env);
    _exit(127);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int too_long(const struct parser *p, struct err *e)
{
    return err_set(e, -ETIME, "%s took more than %d s", p->argv[0], p->wall_s);
}

// Read until the end, the limit or the deadline.
static int read_all(const struct parser *p, int fd, double until, struct buf *out,
                    struct err *e)
{
    size_t start = out->len;
    for (;;) {
        struct pollfd f = {fd, POLLIN, 0};
        double left = until - now();
        if (left <= 0)
            return too_long(p, e);
        if (poll(&f, 1, (int)(left * 1000) + 1) <= 0)
            continue;
        if (out->len - start >= p->output_max)
            return err_set(e, -EFBIG, "more than %zu MiB of text", p->output_max >> 20);
        if (buf_reserve(out, 65536))
            return err_nomem(e);
        ssize_t n = read(fd, out->data + out->len, 65536);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return err_set(e, -errno, "%s: %s", p->argv[0], strerror(errno));
        out->len += n > 0 ? (size_t)n : 0;
        out->data[out->len] = 0;
    }
}

// It may have closed its output and go on.
static int wait_until(const struct parser *p, pid_t pid, double until, int *status,
                      struct err *e)
{
    const struct timespec pause = {0, 2000000};
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            return 0;
        if (got < 0 && errno != EINTR)
            return err_set(e, -errno, "%s: %s", p->argv[0], strerror(errno));
        if (now() >= until)
            return too_long(p, e);
        nanosleep(&pause, NULL);
    }
}

int parser_run(const struct parser *p, struct buf *out, int *status, struct err *e)
{
    int pipes[2], ended = 0;
    const char *ld = loader();
    if (pipe2(pipes, O_CLOEXEC))
        return err_set(e, -errno, "%s: %s", p->argv[0], strerror(errno));
    pid_t pid = fork();
    if (pid < 0) {
        int why = errno;
        close(pipes[0]);
        close(pipes[1]);
        return err_set(e, -why, "%s cannot be started: %s", p->argv[0], strerror(why));
    }
    if (!pid)
        become(p, ld, pipes[1]);
    close(pipes[1]);
    double until = now() + p->wall_s;
    int rc = read_all(p, pipes[0], until, out, e);
    close(pipes[0]);
    if (!rc)
        rc = wait_until(p, pid, until, &ended, e);
    if (rc) {
        kill(pid, SIGKILL);
        while (waitpid(pid, &ended, 0) < 0 && errno == EINTR)
            ;
        return rc;
    }
    if (WIFSIGNALED(ended))
        return err_set(e, -EILSEQ, "%s was ended by signal %d (limits: %d s, %lld MiB)",
                       p->argv[0], WTERMSIG(ended), p->cpu_s, (long long)(p->memory >> 20));
    *status = WEXITSTATUS(ended);
    return 0;
}
