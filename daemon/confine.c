// SPDX-License-Identifier: MIT
#include "daemon/confine.h"

#include "base/confine.h"
#include "base/file.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATHS_MAX (32 + LLM_ADAPTERS_MAX)

struct paths {
    struct confine_path list[PATHS_MAX];
    char text[LLM_ADAPTERS_MAX + 2][PATH_MAX]; // of those made here
    size_t n, n_text;
};

static void add(struct paths *p, const char *path, enum confine_use use)
{
    if (path && *path && p->n < PATHS_MAX)
        p->list[p->n++] = (struct confine_path){path, use};
}

static char *room(struct paths *p)
{
    return p->text[p->n_text++];
}

// The folder of a file: what is written anew takes another inode.
static void add_folder(struct paths *p, const char *file, enum confine_use use)
{
    char *folder = room(p);
    file_parent(file, folder);
    add(p, folder, use);
}

// What libraries read: the C library for names of users, time zones and locales.
static void add_system(struct paths *p)
{
    static const char *const readable[] = {
        "/usr",       "/lib",           "/lib64",       "/etc/passwd",
        "/etc/group", "/etc/localtime", "/dev/urandom", "/etc/nsswitch.conf",
        "/proc",      "/sys/fs/cgroup", "/dev/null",    "/sys/devices/system",
        PKGDATADIR,
    };
    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++)
        add(p, readable[i], CONFINE_READ);
}

static void list_paths(struct paths *p, const struct config *c, const struct service *s,
                       const char *config_path)
{
    char name[CONFIG_NAME_MAX + 1];
    add_system(p);
    add(p, c->data, CONFINE_WRITE);
    add(p, s->llm_path, CONFINE_READ);
    add(p, s->embedder_path, CONFINE_READ);
    add(p, s->english_path, CONFINE_READ);
    add(p, s->reader_path, CONFINE_READ);
    add(p, s->lexicon_path, CONFINE_READ);
    add(p, c->draft, CONFINE_READ);
    for (size_t at = 0, n = 0; n < LLM_ADAPTERS_MAX; n++) {
        char *path = p->text[p->n_text];
        if (!config_adapter(c, &at, name, path))
            break;
        add(p, room(p), CONFINE_READ);
    }
    add_folder(p, c->socket, CONFINE_REMOVE);
    if (*config_path) {
        add(p, config_path, CONFINE_READ); // it may be a link
        add_folder(p, config_path, CONFINE_READ);
    }
}

// The leak checker of a sanitizer's build traces the process at its end.
static int filter_calls(void)
{
#ifdef __SANITIZE_ADDRESS__
    return CONFINE_NO_SECCOMP;
#else
    return confine_calls(0);
#endif
}

int confine_daemon(const struct config *c, const struct service *s, const char *config_path,
                   struct err *e)
{
    static struct paths p;
    char what[256];
    p.n = p.n_text = 0;
    // Made now, for what is not there cannot be named to the kernel.
    int rc = file_mkdirs(c->data, 0750, e);
    if (rc)
        return rc;
    // SQLite sorts what is large in a file, which it puts where it may.
    if (setenv("SQLITE_TMPDIR", c->data, 1))
        return err_nomem(e);
    list_paths(&p, c, s, config_path);
    int files = confine_files(p.list, p.n), calls = files < 0 ? 0 : filter_calls();
    if (files < 0 || calls < 0)
        return err_set(e, files < 0 ? files : calls, "the kernel refuses to confine askd: %s",
                       strerror(files < 0 ? -files : -calls));
    confine_describe(files | calls, what, sizeof what);
    log_write(files | calls ? LOG_WARN : LOG_INFO, "confine", "%s", what);
    return 0;
}
