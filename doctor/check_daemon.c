// SPDX-License-Identifier: MIT
// The daemon, if one runs: it is asked what it is.
#include "doctor/doctor.h"

#include "ask/http.h"
#include "ask/interrupt.h"
#include "base/buf.h"
#include "base/file.h"

#include <cJSON.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_S 10
#define REPLY_MAX 65536

static int keep(void *ctx, const char *data, size_t n)
{
    struct buf *b = ctx;
    return b->len + n > REPLY_MAX || buf_add(b, data, n) ? -EPROTO : 0;
}

// What waits for the reply is ended as by Ctrl-C.
static void on_alarm(int signum)
{
    (void)signum;
    raise(SIGINT);
}

static int get_status(const char *socket, int *status, cJSON **out, struct err *e)
{
    struct buf b = BUF_INIT;
    struct http_exchange h = {
        .socket = socket, .method = "GET", .path = "/v1/status", .on_body = keep, .ctx = &b};
    struct sigaction sa = {.sa_handler = on_alarm};
    *out = NULL;
    int rc = interrupt_open(e);
    if (rc)
        return rc;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGALRM, &sa, NULL);
    alarm(WAIT_S);
    rc = http_run(&h, e);
    alarm(0);
    if (rc == -EINTR)
        rc = err_set(e, -ETIMEDOUT, "%s: no answer within %d seconds", socket, WAIT_S);
    *status = h.status;
    if (!rc)
        *out = cJSON_ParseWithLength(b.data, b.len);
    buf_free(&b);
    return rc;
}

static const char *string(const cJSON *o, const char *name)
{
    const cJSON *v = cJSON_GetObjectItem(o, name);
    return cJSON_IsString(v) ? v->valuestring : "";
}

static void look_at(struct examination *x, const cJSON *o)
{
    const char *version = string(o, "version"), *state = string(o, "state"),
               *data = string(o, "data");
    bool same = !strcmp(version, PACKAGE_VERSION);
    if (!same)
        examination_add(x, LEVEL_WARNING, "daemon", "restart askd",
                        "the daemon on %s is version %s, what is installed is " PACKAGE_VERSION,
                        x->config.socket, *version ? version : "(none)");
    if (!strcmp(state, "failed"))
        examination_add(x, LEVEL_FAULT, "daemon", "put that right and restart askd",
                        "askd runs and could not load: %s",
                        *string(o, "error") ? string(o, "error") : "its log says why");
    else if (strcmp(state, "ready") != 0)
        examination_add(x, LEVEL_NOTE, "daemon", NULL, "askd runs and is loading");
    else
        examination_add(x, LEVEL_FINE, "daemon", NULL, "askd %s answers on %s", version,
                        x->config.socket);
    if (*data && strcmp(data, x->config.data) != 0)
        examination_add(x, LEVEL_WARNING, "daemon",
                        "look at what it uses (--data), or restart it with these settings",
                        "the daemon's data folder is %s, these settings say %s", data,
                        x->config.data);
    x->loaded = same && !strcmp(state, "ready");
    if (x->loaded) {
        snprintf(x->fingerprint, sizeof x->fingerprint, "%s", string(o, "embedder"));
        snprintf(x->english, sizeof x->english, "%s", string(o, "embedder_en"));
    }
    if (x->loaded && !strcmp(string(o, "search"), "words"))
        examination_add(x, LEVEL_NOTE, "daemon", NULL,
                        "the daemon searches by words alone, not by meaning");
}

// A folder that others may write to lets them put another socket there.
static void check_socket_folder(struct examination *x)
{
    char folder[PATH_MAX];
    struct stat st;
    file_parent(x->config.socket, folder);
    if (!stat(folder, &st) && st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
        examination_add(x, LEVEL_FAULT, "socket", "chmod o-w the folder",
                        "%s can be written by everybody: anybody could answer in place of askd",
                        folder);
}

void check_daemon(struct examination *x)
{
    struct err e = {0};
    struct stat st;
    cJSON *o;
    int status = 0;
    const char *socket = x->config.socket;
    check_socket_folder(x);
    if (lstat(socket, &st)) {
        if (errno == ENOENT || errno == ENOTDIR)
            examination_add(x, LEVEL_NOTE, "daemon", NULL,
                            "no askd runs on %s; ask starts one where it is the user's own",
                            socket);
        else
            examination_add(x, LEVEL_FAULT, "socket", "join the group that may reach it",
                            "%s: %s", socket, strerror(errno));
        return;
    }
    if (!S_ISSOCK(st.st_mode)) {
        examination_add(x, LEVEL_FAULT, "socket", "move it away, or name another socket",
                        "%s is no socket: askd will not start", socket);
        return;
    }
    int rc = get_status(socket, &status, &o, &e);
    if (rc == -ECONNREFUSED)
        examination_add(x, LEVEL_NOTE, "daemon", NULL,
                        "no askd runs: %s is left over, and the next one replaces it", socket);
    else if (rc == -EACCES || rc == -EPERM)
        examination_add(x, LEVEL_FAULT, "socket", "join its group, and log in again",
                        "you may not connect to %s (uid %u, gid %u, mode %03o)", socket,
                        (unsigned)st.st_uid, (unsigned)st.st_gid, st.st_mode & 0777u);
    else if (rc)
        examination_add(x, LEVEL_FAULT, "daemon", "look at its log, and restart it", "%s",
                        e.msg);
    else if (status == 401 || status == 403)
        examination_add(x, LEVEL_WARNING, "daemon",
                        "give yourself a right in [access] of askd.conf, and send askd SIGHUP",
                        "askd answers on %s and lets you do nothing", socket);
    else if (status != 200 || !o)
        examination_add(x, LEVEL_FAULT, "daemon", "look at its log, and restart it",
                        "what answers on %s is no askd (status %d)", socket, status);
    else
        look_at(x, o);
    cJSON_Delete(o);
}
