// SPDX-License-Identifier: MIT
#include "base/paths.h"

#include "base/file.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int put(char *out, size_t cap, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int put(char *out, size_t cap, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out, cap, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= cap)
        return err_set(e, -ENAMETOOLONG, "path too long: %.100s...", out);
    return 0;
}

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

static int xdg(char *out, size_t cap, const char *var, const char *below_home, const char *tail,
               struct err *e)
{
    const char *base = env(var);
    if (base && base[0] == '/') // the specification: relative values are ignored
        return put(out, cap, e, "%s/%s", base, tail);
    const char *home = env("HOME");
    if (!home)
        return err_set(e, -EINVAL, "neither %s nor HOME is set: name the path by option", var);
    return put(out, cap, e, "%s/%s/%s", home, below_home, tail);
}

int paths_data(char *out, size_t cap, struct err *e)
{
    const char *v = env("ASKD_DATA");
    return v ? put(out, cap, e, "%s", v)
             : xdg(out, cap, "XDG_DATA_HOME", ".local/share", "askd", e);
}

int paths_config(char *out, size_t cap, struct err *e)
{
    const char *v = env("ASKD_CONFIG");
    return v ? put(out, cap, e, "%s", v)
             : xdg(out, cap, "XDG_CONFIG_HOME", ".config", "askd/askd.conf", e);
}

int paths_socket(char *out, size_t cap, struct err *e)
{
    const char *v = env("ASKD_SOCKET");
    if (v)
        return put(out, cap, e, "%s", v);
    v = env("XDG_RUNTIME_DIR");
    if (v && v[0] == '/')
        return put(out, cap, e, "%s/askd/askd.sock", v);
    return put(out, cap, e, "/tmp/askd-%u/askd.sock", (unsigned)getuid());
}

int paths_state(char *out, size_t cap, struct err *e)
{
    return xdg(out, cap, "XDG_STATE_HOME", ".local/state", "askd", e);
}

int paths_prepare_socket_dir(const char *socket_path, struct err *e)
{
    char dir[PATH_MAX];
    int rc = put(dir, sizeof dir, e, "%s", socket_path);
    if (rc)
        return rc;
    char *slash = strrchr(dir, '/');
    if (!slash || slash == dir)
        return 0;
    *slash = 0;
    struct stat st;
    if (lstat(dir, &st) < 0 && errno == ENOENT) {
        rc = file_mkdirs(dir, 0700, e);
        if (rc)
            return rc;
        if (lstat(dir, &st) < 0)
            return err_set(e, -errno, "%s: cannot stat: %s", dir, strerror(errno));
    }
    if (strncmp(dir, "/tmp/", 5) != 0)
        return 0;
    // Anyone may create names below /tmp: only a private folder of ours is trusted there.
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
        return err_set(e, -EPERM,
                       "%s: not a private folder of yours; remove it or choose another socket "
                       "with --socket",
                       dir);
    return 0;
}
