// SPDX-License-Identifier: MIT
#include "ask/start.h"

#include "ask/http.h"
#include "ask/interrupt.h"
#include "ask/terminal.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/paths.h"

#include <cJSON.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/askd/askd.sock"
#define POLL_MS 50
#define REPLY_MAX 65536

extern char **environ;

static bool answers(const char *socket)
{
    int fd = http_connect(socket, NULL);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int daemon_find(struct daemon *d, const char *named, struct err *e)
{
    *d = (struct daemon){0};
    if (named && *named != '/') {
        char cwd[PATH_MAX];
        if (!getcwd(cwd, sizeof cwd))
            return err_set(e, -errno, "the current folder has no path: %s", strerror(errno));
        if (snprintf(d->socket, sizeof d->socket, "%s/%s", cwd, named) >= PATH_MAX)
            return err_set(e, -ENAMETOOLONG, "socket path '%.100s...' is too long", named);
        return 0;
    }
    if (named) {
        if (snprintf(d->socket, sizeof d->socket, "%s", named) >= PATH_MAX)
            return err_set(e, -ENAMETOOLONG, "socket path '%.100s...' is too long", named);
        return 0;
    }
    int rc = paths_socket(d->socket, sizeof d->socket, e);
    const char *env = getenv("ASKD_SOCKET");
    if (!rc && !(env && *env) && !answers(d->socket) && answers(SYSTEM_SOCKET))
        strcpy(d->socket, SYSTEM_SOCKET);
    return rc;
}

// askd beside this program or in ../sbin, as installed, or above it, as in a build folder.
static bool find_beside(char *out, size_t cap)
{
    static const char *const tails[] = {"/askd", "/../sbin/askd", "/../askd"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return false;
    self[n] = 0;
    char *slash = strrchr(self, '/');
    if (!slash)
        return false;
    *slash = 0;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        if ((size_t)snprintf(out, cap, "%s%s", self, tails[i]) < cap && !access(out, X_OK))
            return true;
    return false;
}

static int open_log(struct daemon *d, struct err *e)
{
    char dir[PATH_MAX];
    struct stat st;
    int rc = paths_state(dir, sizeof dir, e);
    if (!rc)
        rc = file_mkdirs(dir, 0700, e);
    if (rc)
        return rc;
    if (snprintf(d->log, sizeof d->log, "%s/askd.log", dir) >= PATH_MAX)
        return err_set(e, -ENAMETOOLONG, "path too long: %.100s...", dir);
    int fd = open(d->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(e, -errno, "%s: cannot open for askd's log: %s", d->log,
                       strerror(errno));
    d->log_from = fstat(fd, &st) ? 0 : (long)st.st_size;
    return fd;
}

int daemon_start(struct daemon *d, struct err *e)
{
    char program[PATH_MAX] = "askd", flag[] = "--socket";
    char *argv[] = {program, flag, d->socket, NULL};
    bool beside = find_beside(program, sizeof program);
    if (!beside)
        strcpy(program, "askd");
    int log = open_log(d, e);
    if (log < 0)
        return log;
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&at);
    posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, log, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&fa, log, STDERR_FILENO);
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSID);
    int code = beside ? posix_spawn(&d->started, program, &fa, &at, argv, environ)
                      : posix_spawnp(&d->started, program, &fa, &at, argv, environ);
    posix_spawnattr_destroy(&at);
    posix_spawn_file_actions_destroy(&fa);
    close(log);
    if (!code)
        return 0;
    d->started = 0;
    if (code == ENOENT)
        return err_set(e, -code,
                       "askd is neither beside this program nor in PATH: start it "
                       "yourself, or name its socket with --socket");
    return err_set(e, -code, "%s: cannot start: %s", program, strerror(code));
}

// ---- waiting ----

struct readiness {
    struct buf body;
    char shown[128]; // what stderr says already
    bool tty;
};

static int keep(void *ctx, const char *data, size_t n)
{
    struct buf *b = ctx;
    return b->len + n > REPLY_MAX || buf_add(b, data, n) ? -EPROTO : 0;
}

static void tell(struct readiness *r, const char *text)
{
    struct buf clean = BUF_INIT;
    if (!strcmp(r->shown, text))
        return;
    snprintf(r->shown, sizeof r->shown, "%s", text);
    if (!terminal_clean_text(text, true, &clean))
        fprintf(stderr, r->tty ? "\r\033[Kask: %s" : "ask: %s\n", clean.data);
    fflush(stderr);
    buf_free(&clean);
}

static void tell_no_more(struct readiness *r)
{
    if (r->tty && *r->shown)
        fputs("\r\033[K", stderr);
    buf_free(&r->body);
}

// 0 ready, 1 loading, or an error.
static int probe(struct daemon *d, struct readiness *r, struct err *e)
{
    struct http_exchange x = {.socket = d->socket,
                              .method = "GET",
                              .path = "/readyz",
                              .on_body = keep,
                              .ctx = &r->body};
    buf_clear(&r->body);
    int rc = http_run(&x, e);
    if (rc)
        return rc;
    if (x.status == 200)
        return 0;
    char text[128] = "askd is loading";
    cJSON *o = cJSON_ParseWithLength(r->body.data, r->body.len);
    const cJSON *l = cJSON_GetObjectItem(o, "loading"),
                *stage = cJSON_GetObjectItem(l, "stage"),
                *done = cJSON_GetObjectItem(l, "done"),
                *total = cJSON_GetObjectItem(l, "total"),
                *why = cJSON_GetObjectItem(cJSON_GetObjectItem(o, "error"), "message");
    if (x.status != 503)
        rc = err_set(e, -EIO, "%s",
                     cJSON_IsString(why) ? why->valuestring : "askd does not become ready");
    else if (cJSON_IsString(stage) && cJSON_IsNumber(done) && cJSON_IsNumber(total))
        snprintf(text, sizeof text, "askd is loading: %.60s (%d of %d)", stage->valuestring,
                 done->valueint, total->valueint);
    cJSON_Delete(o);
    if (!rc)
        tell(r, text);
    return rc ? rc : 1;
}

// The last line that the daemon wrote since we started it.
static void last_words(const struct daemon *d, char *out, size_t cap)
{
    char tail[1024];
    FILE *f = fopen(d->log, "re");
    *out = 0;
    if (!f)
        return;
    if (!fseek(f, d->log_from, SEEK_SET))
        while (fgets(tail, sizeof tail, f))
            if (tail[strspn(tail, " \n")])
                snprintf(out, cap, "%.*s", (int)strcspn(tail, "\n"), tail);
    fclose(f);
}

// Whether the daemon we started has ended badly. One that ended because another was faster is
// no loss: that one answers.
static int check_child(struct daemon *d, struct err *e)
{
    char words[200];
    int status;
    if (!d->started || waitpid(d->started, &status, WNOHANG) != d->started)
        return 0;
    d->started = 0;
    if (answers(d->socket))
        return 0;
    last_words(d, words, sizeof words);
    return err_set(e, -ECHILD, "askd ended at once: %s (%s)",
                   *words ? words : "it said nothing", d->log);
}

int daemon_wait(struct daemon *d, long seconds, struct err *e)
{
    struct readiness r = {.body = BUF_INIT, .tty = isatty(STDERR_FILENO)};
    double until = clock_ms() + (double)seconds * 1e3;
    int rc;
    for (;;) {
        rc = probe(d, &r, e);
        // The daemon we started may not listen yet, or hang up as it ends.
        bool absent = (rc == -ENOENT || rc == -ECONNREFUSED || rc == -ECONNRESET ||
                       rc == -EPIPE || rc == -EPROTO) &&
                      d->started;
        if (rc != 1 && !absent)
            break;
        if ((rc = check_child(d, e)))
            break;
        if (clock_ms() >= until) {
            rc = err_set(e, -ETIMEDOUT, "askd is still loading; ask again in a while");
            break;
        }
        struct pollfd p = {.fd = interrupt_fd(), .events = POLLIN};
        if (poll(&p, 1, POLL_MS) > 0 || interrupt_seen()) {
            rc = err_set(e, -EINTR, "interrupted");
            break;
        }
    }
    tell_no_more(&r);
    return rc;
}
