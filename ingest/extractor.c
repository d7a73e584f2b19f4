// SPDX-License-Identifier: MIT
#include "ingest/extractor_internal.h"

#include "base/confine.h"
#include "ingest/pack.h"
#include "ingest/report.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// What one child is given, whichever comes first. A fork is dear beside a small file; but a
// child that a document has taken over could change those that come after.
#define CHILD_DOCUMENTS 16
#define CHILD_BYTES (4u << 20)
#define CHILD_SECONDS 1.0

struct keeper {
    pid_t pid;   // 0: not started
    int control; // messages
    int data;    // to its child; -1: it has none
    unsigned documents;
    size_t bytes;
    double since;
    bool busy;
    struct extractor_limits limits; // of a child
};

struct extractors {
    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct keeper *list;
    unsigned n;
    int missing;
};

// ---- a keeper starts and ends ----

// In the child of a process with threads: only calls that are safe after fork.
static void become(int control)
{
    static const char *const argv[] = {EXTRACTOR_NAME, NULL};
    static const char *const env[] = {"LC_ALL=C", NULL};
    int null = open("/dev/null", O_RDWR);
    sigset_t none;
    if (null < 0 || dup2(control, CONTROL_FD) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(127);
    close_range(3, ~0u, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); // ^C is for askd-ingest, which finishes what is in hand
    execve("/proc/self/exe", (char *const *)argv, (char *const *)env);
    _exit(127);
}

static void stop(struct keeper *k)
{
    int status;
    if (k->data >= 0)
        close(k->data);
    k->data = -1;
    if (!k->pid)
        return;
    close(k->control); // it ends its child, and itself
    while (waitpid(k->pid, &status, 0) < 0 && errno == EINTR)
        ;
    k->pid = 0;
}

static ssize_t hear(int fd, void *p, size_t n)
{
    ssize_t got;
    do
        got = recv(fd, p, n, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

static int start(struct keeper *k, int *missing, struct err *e)
{
    int pair[2];
    struct keeper_hello hello;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return err_set(e, -errno, "documents cannot be read: %s", strerror(errno));
    pid_t pid = fork();
    if (!pid)
        become(pair[1]);
    int why = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return err_set(e, -why, "documents cannot be read: no process: %s", strerror(why));
    }
    *k = (struct keeper){.pid = pid, .control = pair[0], .data = -1, .busy = true};
    bool said = hear(k->control, &hello, sizeof hello) == sizeof hello;
    if (said && hello.missing >= 0) {
        *missing = hello.missing;
        k->limits = hello.limits;
        return 0;
    }
    stop(k);
    return said ? err_set(e, -EPERM,
                          "documents cannot be read: this system refuses to confine the "
                          "process that reads them: %s",
                          strerror(-hello.missing))
                : err_set(e, -ENOEXEC,
                          "documents cannot be read: this program cannot start itself again "
                          "from /proc/self/exe");
}

// ---- a child of it ----

static int pass(int control, int fd)
{
    union {
        struct cmsghdr h;
        char space[CMSG_SPACE(sizeof(int))];
    } u = {0};
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = u.space,
                       .msg_controllen = sizeof u.space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(control, &m, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int new_child(struct keeper *k, struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return err_set(e, -errno, "it cannot be read: %s", strerror(errno));
    int rc = pass(k->control, pair[1]);
    close(pair[1]);
    if (rc) {
        close(pair[0]);
        return err_set(e, rc, "it cannot be read: %s", strerror(-rc));
    }
    k->data = pair[0];
    k->documents = 0;
    k->bytes = 0;
    k->since = report_now();
    return 0;
}

// No more documents for this child: wait for its end. False: the keeper is gone.
static bool end_child(struct keeper *k, struct keeper_end *end)
{
    close(k->data);
    k->data = -1;
    return hear(k->control, end, sizeof *end) == sizeof *end;
}

static bool has_done_enough(const struct keeper *k)
{
    return k->documents >= CHILD_DOCUMENTS || k->bytes >= CHILD_BYTES ||
           report_now() - k->since >= CHILD_SECONDS;
}

// Why did the child not say what it made of the document?
static int explain(struct keeper *k, struct err *e)
{
    struct keeper_end end;
    if (!end_child(k, &end)) {
        stop(k);
        return err_set(e, -EILSEQ, "the process that read it was ended");
    }
    if (end.late)
        return err_set(e, -ETIME, "reading it took more than %d s", k->limits.wall_s);
    if (end.signal && end.cpu_s >= k->limits.cpu_s)
        return err_set(e, -ETIME, "reading it took more than %d s of processor time",
                       k->limits.cpu_s);
    return end.signal ? err_set(e, -EILSEQ, "what read it crashed (signal %d)", end.signal)
                      : err_set(e, -EILSEQ, "what read it ended with status %d", end.status);
}

// ---- a document ----

static int read_once(struct keeper *k, enum format f, const struct buf *bytes, struct doc *d,
                     struct err *e)
{
    const struct extract_order order = {(int)f, bytes->len};
    k->documents++;
    k->bytes += bytes->len;
    doc_init(d, extract_type(f));
    // A child that ends early is heard of by its answer, which is not there.
    if (!pack_write(k->data, &order, sizeof order))
        (void)pack_write(k->data, bytes->data, bytes->len);
    int outcome, rc = pack_receive(k->data, extract_type(f), d, &outcome, e);
    if (rc == -EPIPE)
        return explain(k, e);
    if (rc)
        stop(k);
    if (outcome == -ENOMEM)
        err_set(e, outcome, "reading it takes more than %d MiB of memory",
                (int)(k->limits.memory >> 20));
    return rc ? rc : outcome;
}

// A child for the next document; `fresh`: one that has read nothing.
static int get_child(struct keeper *k, bool fresh, struct err *e)
{
    struct keeper_end end;
    int missing, rc = 0;
    if (k->data >= 0 && (fresh || has_done_enough(k)) && !end_child(k, &end))
        stop(k);
    if (k->data >= 0)
        return 0;
    if (k->pid) {
        rc = new_child(k, e);
        if (rc) // the keeper is gone
            stop(k);
    }
    if (!k->pid)
        rc = start(k, &missing, e);
    return rc || k->data >= 0 ? rc : new_child(k, e);
}

static int read_with(struct keeper *k, enum format f, const struct buf *bytes, struct doc *d,
                     struct err *e)
{
    int rc = get_child(k, false, e);
    if (rc)
        return rc;
    bool used = k->documents > 0;
    rc = read_once(k, f, bytes, d, e);
    if (k->data >= 0 || (k->pid && !used))
        return rc;
    // It is gone, and not by this document alone: another may be to blame, or who killed it.
    doc_free(d);
    rc = get_child(k, true, e);
    return rc ? rc : read_once(k, f, bytes, d, e);
}

static struct keeper *take(extractors *x)
{
    struct keeper *k = NULL;
    pthread_mutex_lock(&x->lock);
    while (!k) {
        for (unsigned i = 0; i < x->n && !k; i++)
            if (!x->list[i].busy)
                k = &x->list[i];
        if (!k)
            pthread_cond_wait(&x->idle, &x->lock);
    }
    k->busy = true;
    pthread_mutex_unlock(&x->lock);
    return k;
}

int extractors_read(extractors *x, enum format f, const struct buf *bytes, struct doc *d,
                    struct err *e)
{
    struct keeper *k = take(x);
    doc_init(d, extract_type(f));
    int rc = read_with(k, f, bytes, d, e);
    pthread_mutex_lock(&x->lock);
    k->busy = false;
    pthread_cond_signal(&x->idle);
    pthread_mutex_unlock(&x->lock);
    return rc;
}

// ---- all of them ----

int extractors_new(unsigned n, extractors **out, struct err *e)
{
    extractors *x = calloc(1, sizeof *x);
    *out = NULL;
    if (x)
        x->list = calloc(n, sizeof *x->list);
    if (!x || !x->list) {
        free(x);
        return err_nomem(e);
    }
    x->n = n;
    for (unsigned i = 0; i < n; i++)
        x->list[i].data = -1;
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->idle, NULL);
    int rc = start(&x->list[0], &x->missing, e);
    x->list[0].busy = false;
    if (rc)
        extractors_free(x);
    else
        *out = x;
    return rc;
}

void extractors_free(extractors *x)
{
    if (!x)
        return;
    for (unsigned i = 0; i < x->n; i++)
        stop(&x->list[i]);
    pthread_cond_destroy(&x->idle);
    pthread_mutex_destroy(&x->lock);
    free(x->list);
    free(x);
}

int extractors_missing(const extractors *x)
{
    return x->missing;
}
