// SPDX-License-Identifier: MIT
// Settings and the folder of the data.
#include "doctor/doctor.h"

#include "base/paths.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define NO_ROOM (64 * MIB)

static void on_error(void *ctx, const char *sentence)
{
    examination_add(ctx, LEVEL_FAULT, "config",
                    "correct that line; askd --check-config looks again", "%s", sentence);
}

// Who can write the settings says who may read what.
static void check_file(struct examination *x)
{
    struct stat st;
    if (stat(x->config_path, &st))
        return;
    if (st.st_mode & S_IWOTH)
        examination_add(x, LEVEL_FAULT, "config", "chmod o-w the file",
                        "%s can be written by everybody, who could so give himself any right",
                        x->config_path);
}

bool check_config(struct examination *x, const char *path, const struct setting *set, size_t n)
{
    struct err e = {0};
    int errors = 0, rc = config_init(&x->config, &e);
    if (!rc && path)
        rc = snprintf(x->config_path, PATH_MAX, "%s", path) >= PATH_MAX
                 ? err_set(&e, -ENAMETOOLONG, "--config: the path is too long")
                 : 0;
    else if (!rc)
        rc = paths_config(x->config_path, PATH_MAX, &e);
    if (rc) {
        examination_add(x, LEVEL_FAULT, "config", "name the files: see --help", "%s", e.msg);
        return false;
    }
    rc = config_read(&x->config, x->config_path, on_error, x, &e);
    bool asked = path || getenv("ASKD_CONFIG");
    if (rc == -ENOENT && !asked)
        examination_add(x, LEVEL_FINE, "config", NULL, "%s: there is none; the defaults hold",
                        x->config_path);
    else if (rc < 0)
        examination_add(x, LEVEL_FAULT, "config",
                        "name a file that is there, or let it be read", "%s", e.msg);
    else
        check_file(x);
    errors = rc == -ENOENT && !asked ? 0 : rc;
    for (size_t i = 0; i < n; i++)
        if (config_set(&x->config, set[i].name, set[i].value, &e)) {
            examination_add(x, LEVEL_FAULT, "config", NULL, "%s", e.msg);
            errors = 1;
        }
    if (!errors && config_check(&x->config, &e)) {
        examination_add(x, LEVEL_FAULT, "config", "correct the setting", "%s", e.msg);
        errors = 1;
    }
    if (!errors && rc >= 0)
        examination_add(x, LEVEL_FINE, "config", NULL, "%s: no errors", x->config_path);
    return *x->config.data == '/';
}

static void check_owner(struct examination *x, const struct stat *st)
{
    const char *data = x->config.data;
    uid_t me = geteuid();
    if (st->st_mode & (S_IROTH | S_IXOTH))
        examination_add(
            x, LEVEL_WARNING, "data", "chmod o-rwx the folder",
            "%s is open to everybody on this machine, and the texts of all documents "
            "with it",
            data);
    if (st->st_mode & S_IWOTH)
        examination_add(x, LEVEL_FAULT, "data", "chmod o-rwx the folder",
                        "%s can be written by everybody", data);
    if (me && access(data, R_OK | W_OK | X_OK))
        examination_add(x, LEVEL_FAULT, "data",
                        "run this as the user of the daemon, or chown the folder to that user",
                        "%s cannot be written by you (uid %u): it is uid %u's", data,
                        (unsigned)me, (unsigned)st->st_uid);
    else if (me == st->st_uid)
        examination_add(x, LEVEL_FINE, "data", NULL, "%s is yours, mode %03o", data,
                        st->st_mode & 0777u);
    else
        examination_add(x, LEVEL_NOTE, "data", NULL,
                        "%s is uid %u's, mode %03o; askd has to run as that user", data,
                        (unsigned)st->st_uid, st->st_mode & 0777u);
}

static void check_room(struct examination *x)
{
    char db[PATH_MAX];
    struct statvfs fs;
    struct stat st;
    if (statvfs(x->config.data, &fs))
        return;
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    bool has = (size_t)snprintf(db, sizeof db, "%s/askd.db", x->config.data) < sizeof db &&
               !stat(db, &st);
    uint64_t size = has ? (uint64_t)st.st_size : 0;
    if (fs.f_flag & ST_RDONLY)
        examination_add(x, LEVEL_FAULT, "disk",
                        "mount it for writing, or name another data folder",
                        "%s is on a file system that is mounted read-only", x->config.data);
    if (room < NO_ROOM)
        examination_add(x, LEVEL_FAULT, "disk", "make room, or move the data folder",
                        "%" PRIu64 " MiB are free for %s; nothing can be taken in", room / MIB,
                        x->config.data);
    else if (room < 2 * size)
        examination_add(x, LEVEL_WARNING, "disk",
                        "make room before the next rebuild or restore",
                        "%" PRIu64 " MiB are free beside a store of %" PRIu64
                        " MiB, which may need as much again and more",
                        room / MIB, size / MIB);
    else
        examination_add(x, LEVEL_FINE, "disk", NULL, "%" PRIu64 " MiB are free", room / MIB);
}

void check_folder(struct examination *x)
{
    struct stat st;
    if (stat(x->config.data, &st)) {
        examination_add(x, errno == ENOENT ? LEVEL_WARNING : LEVEL_FAULT, "data",
                        errno == ENOENT ? "askd-ingest add PATH makes it"
                                        : "run this as the user of the daemon",
                        "%s: %s", x->config.data, strerror(errno));
        return;
    }
    if (!S_ISDIR(st.st_mode)) {
        examination_add(x, LEVEL_FAULT, "data", "name another data folder", "%s is no folder",
                        x->config.data);
        return;
    }
    check_owner(x, &st);
    check_room(x);
}
