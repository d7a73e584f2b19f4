// SPDX-License-Identifier: MIT
// PDF through the program `pdftotext`, in a process of its own with limits, for PDF readers are
// where hostile documents strike: no more than so much memory, time and output, no network
// where the kernel lets us take it away, nothing inherited but the pipe.
#include "ingest/extract.h"

#include "base/buf.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CPU_SECONDS 120
#define WALL_SECONDS 180
#define MEMORY ((rlim_t)2 << 30)
#define OUTPUT_MAX (128u << 20)

// In the child: what it may not do, then the program. Only calls that are safe after fork.
static void become_pdftotext(const char *path, int out)
{
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8",
                                      NULL};
    const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS}, as = {MEMORY, MEMORY}, none = {0, 0};
    int null = open("/dev/null", O_RDWR);
    const char *const argv[] = {"pdftotext", "-q", "-enc", "UTF-8", "-eol",
                                "unix",      path, "-",    NULL};
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
        _exit(126);
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_AS, &as);
    setrlimit(RLIMIT_FSIZE, &none); // it may write to the pipe only
    setrlimit(RLIMIT_CORE, &none);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
        // Not everywhere allowed; the limits above hold in any case.
    }
    sigset_t all;
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setpgid(0, 0);
    static const char *const places[] = {"/usr/bin/pdftotext", "/usr/local/bin/pdftotext",
                                         "/bin/pdftotext"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        execve(places[i], (char *const *)argv, (char *const *)env);
    _exit(127);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Read until the end, the limit or the deadline.
static int read_all(int fd, struct buf *out, struct err *e)
{
    double until = now() + WALL_SECONDS;
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        double left = until - now();
        if (left <= 0)
            return err_set(e, -ETIME, "pdftotext took more than %d s", WALL_SECONDS);
        if (poll(&p, 1, (int)(left * 1000) + 1) <= 0)
            continue;
        if (out->len >= OUTPUT_MAX)
            return err_set(e, -EFBIG, "more than %u MiB of text", OUTPUT_MAX >> 20);
        if (buf_reserve(out, 65536))
            return err_nomem(e);
        ssize_t n = read(fd, out->data + out->len, 65536);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return err_set(e, -errno, "pdftotext: %s", strerror(errno));
        out->len += n > 0 ? (size_t)n : 0;
        out->data[out->len] = 0;
    }
}

static int run_pdftotext(const char *path, struct buf *out, struct err *e)
{
    int pipes[2], status = 0;
    if (pipe2(pipes, O_CLOEXEC))
        return err_set(e, -errno, "pdftotext: %s", strerror(errno));
    pid_t pid = fork();
    if (pid < 0) {
        int why = errno;
        close(pipes[0]);
        close(pipes[1]);
        return err_set(e, -why, "pdftotext cannot be started: %s", strerror(why));
    }
    if (!pid)
        become_pdftotext(path, pipes[1]);
    close(pipes[1]);
    int rc = read_all(pipes[0], out, e);
    close(pipes[0]);
    if (rc)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc)
        return rc;
    if (WIFSIGNALED(status))
        return err_set(e, -EILSEQ, "pdftotext was ended by signal %d (limits: %d s, 2 GiB)",
                       WTERMSIG(status), CPU_SECONDS);
    switch (WEXITSTATUS(status)) {
    case 0:
        return 0;
    case 1:
        return err_set(e, -EILSEQ, "broken PDF, pdftotext cannot open it");
    case 3:
        return err_set(e, -EILSEQ, "the PDF does not permit copying its text");
    case 127:
        return err_set(e, -ENOENT, "pdftotext is not installed: install poppler-utils");
    default:
        return err_set(e, -EILSEQ, "pdftotext failed with status %d", WEXITSTATUS(status));
    }
}

// ---- pages: lines at head and foot that come again on other pages go ----

struct edge {
    const char *page; // start of the page
    size_t n;
};

// The line number `k` of a page, counted from the top (or, negative, from the bottom, -1 the
// last), empty ones left out. NULL if there is none.
static const char *edge_line(const char *s, size_t n, int k, size_t *len)
{
    const char *end = s + n;
    if (k >= 0) {
        while (s < end) {
            const char *nl = memchr(s, '\n', (size_t)(end - s));
            size_t l = nl ? (size_t)(nl - s) : (size_t)(end - s);
            if (strspn(s, " \t") < l && !k--) {
                *len = l;
                return s;
            }
            s += l + 1;
        }
        return NULL;
    }
    while (end > s) {
        const char *nl = memrchr(s, '\n', (size_t)(end - s));
        const char *start = nl ? nl + 1 : s;
        if (strspn(start, " \t") < (size_t)(end - start) && !++k) {
            *len = (size_t)(end - start);
            return start;
        }
        end = nl ? nl : s;
    }
    return NULL;
}

// Equal but for digits (page numbers) and white space?
static bool alike(const char *a, size_t an, const char *b, size_t bn)
{
    size_t i = 0, k = 0, seen = 0;
    for (;;) {
        while (i < an && strchr(" \t0123456789", a[i]))
            i++;
        while (k < bn && strchr(" \t0123456789", b[k]))
            k++;
        if (i == an || k == bn)
            return i == an && k == bn && (seen || an < 8);
        if (a[i++] != b[k++])
            return false;
        seen++;
    }
}

// Does the page's edge line come again on a page near by (facing pages differ, so up to two
// away)?
static bool repeated(const struct edge *pages, size_t n, size_t at, int k)
{
    size_t len, other_len;
    const char *line = edge_line(pages[at].page, pages[at].n, k, &len), *other;
    if (!line || len > 150)
        return false;
    size_t hits = 0;
    for (size_t i = at > 4 ? at - 4 : 0; i < n && i <= at + 4; i++)
        hits += i != at && (other = edge_line(pages[i].page, pages[i].n, k, &other_len)) &&
                alike(line, len, other, other_len);
    return hits >= 2 || (hits == 1 && n <= 4);
}

// Blank out repeated lines at both edges of every page.
static int drop_edges(char *s, size_t n)
{
    size_t count = 1, at = 0;
    for (size_t i = 0; i < n; i++)
        count += s[i] == '\f';
    struct edge *pages = calloc(count, sizeof *pages);
    bool *drop = calloc(count, 4 * sizeof *drop);
    if (!pages || !drop) {
        free(pages);
        free(drop);
        return -ENOMEM;
    }
    for (size_t i = 0, start = 0; i <= n; i++)
        if (i == n || s[i] == '\f') {
            pages[at++] = (struct edge){s + start, i - start};
            start = i + 1;
        }
    static const int lines[4] = {0, 1, -1, -2};
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < 4; k += 2) {
            drop[i * 4 + k] = repeated(pages, count, i, lines[k]);
            drop[i * 4 + k + 1] = drop[i * 4 + k] && repeated(pages, count, i, lines[k + 1]);
        }
    for (size_t i = 0; i < count; i++) {
        char *line[4] = {0};
        size_t len[4] = {0};
        for (int k = 0; k < 4; k++)
            if (drop[i * 4 + k])
                line[k] = (char *)edge_line(pages[i].page, pages[i].n, lines[k], &len[k]);
        for (int k = 0; k < 4; k++)
            if (line[k])
                memset(line[k], ' ', len[k]);
    }
    free(pages);
    free(drop);
    return 0;
}

int extract_pdf(const char *path, struct doc *d, struct err *e)
{
    struct buf out = BUF_INIT;
    doc_init(d, "pdf");
    int rc = run_pdftotext(path, &out, e);
    if (!rc && drop_edges(out.data, out.len))
        rc = err_nomem(e);
    if (!rc)
        rc = extract_pages(out.data, out.len, d, e);
    buf_free(&out);
    return rc;
}
