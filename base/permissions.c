// SPDX-License-Identifier: MIT
#include "base/permissions.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define GUARDS_MAX 48  // of one file; more: "?"
#define UNMAPPED 65534 // what the kernel shows for ids that the namespace has not

struct guard {
    uint32_t uid, gid;
    unsigned bits;
};

struct guards {
    struct guard list[GUARDS_MAX];
    size_t n;
    bool unknown;
};

static int compare(const void *a, const void *b)
{
    const struct guard *x = a, *y = b;
    if (x->uid != y->uid)
        return x->uid < y->uid ? -1 : 1;
    if (x->gid != y->gid)
        return x->gid < y->gid ? -1 : 1;
    return (x->bits > y->bits) - (x->bits < y->bits);
}

static void add(struct guards *g, struct guard one)
{
    if (one.bits == 7)
        return;
    if (g->n == GUARDS_MAX)
        g->unknown = true;
    else
        g->list[g->n++] = one;
}

// ---- text ----

static bool number(const char **p, uint32_t most, uint32_t *out)
{
    uint64_t v = 0;
    if (!isdigit((unsigned char)**p))
        return false;
    for (; isdigit((unsigned char)**p); (*p)++)
        if ((v = v * 10 + (uint64_t)(**p - '0')) > most)
            return false;
    *out = (uint32_t)v;
    return true;
}

// The next one; false at the end, and *bad for what is none.
static bool next(const char **p, struct guard *out, bool *bad)
{
    uint32_t bits = 0;
    *bad = false;
    if (!**p)
        return false;
    *bad = !number(p, UINT32_MAX, &out->uid) || *(*p)++ != ':' ||
           !number(p, UINT32_MAX, &out->gid) || *(*p)++ != ':' || !number(p, 6, &bits);
    if (*bad)
        return false;
    out->bits = bits;
    if (**p == ' ' && (*p)[1])
        (*p)++;
    else
        *bad = **p != 0;
    return !*bad;
}

static void read_guards(struct guards *g, const char *text)
{
    struct guard one;
    bool bad;
    while (next(&text, &one, &bad))
        add(g, one);
    g->unknown |= bad;
}

static void write_guards(struct guards *g, char out[PERMISSIONS_MAX])
{
    size_t n = 0;
    *out = 0;
    if (g->n)
        qsort(g->list, g->n, sizeof *g->list, compare);
    for (size_t i = 0; i < g->n && !g->unknown; i++) {
        const struct guard *x = &g->list[i];
        if (i && !compare(x, x - 1))
            continue;
        int more = snprintf(out + n, PERMISSIONS_MAX - n, "%s%u:%u:%u", n ? " " : "", x->uid,
                            x->gid, x->bits);
        n += more > 0 ? (size_t)more : 0;
        g->unknown = more <= 0 || n >= PERMISSIONS_MAX;
    }
    if (g->unknown)
        snprintf(out, PERMISSIONS_MAX, "%s", PERMISSIONS_UNKNOWN);
}

void permissions_join(char text[PERMISSIONS_MAX], const char *other)
{
    struct guards g = {.n = 0};
    if (!strcmp(text, other))
        return;
    read_guards(&g, text);
    read_guards(&g, other);
    write_guards(&g, text);
}

bool permissions_allow(const char *text, uid_t uid, const gid_t *groups, size_t n)
{
    struct guard one;
    bool bad;
    while (next(&text, &one, &bad)) {
        unsigned bit = 1;
        for (size_t i = 0; i < n; i++)
            bit = groups[i] == one.gid ? 2 : bit;
        bit = uid == one.uid ? 4 : bit;
        if (!(one.bits & bit))
            return false;
    }
    return !bad;
}

// ---- files ----

static bool has_acl(const char *path)
{
    static const char *const names[] = {"system.posix_acl_access", "system.nfs4_acl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (lgetxattr(path, names[i], NULL, 0) >= 0 || (errno != ENODATA && errno != ENOTSUP))
            return true;
    return false;
}

// `folder`: it has to be searched; a file has to be read.
static void look_at(struct guards *g, const char *path, bool folder)
{
    struct stat st;
    if (lstat(path, &st) || S_ISLNK(st.st_mode) || has_acl(path)) {
        g->unknown = true;
        return;
    }
    mode_t m = st.st_mode;
    unsigned bits = folder
                        ? (m & S_IXUSR ? 4 : 0) | (m & S_IXGRP ? 2 : 0) | (m & S_IXOTH)
                        : (m & S_IRUSR ? 4 : 0) | (m & S_IRGRP ? 2 : 0) | (m & S_IROTH ? 1 : 0);
    if (bits != 7 && (st.st_uid == UNMAPPED || st.st_gid == UNMAPPED))
        g->unknown = true;
    add(g, (struct guard){st.st_uid, st.st_gid, bits});
}

static void look_at_folders(struct guards *g, const char *folder)
{
    char path[PATH_MAX];
    look_at(g, "/", true);
    for (const char *slash = *folder ? strchr(folder + 1, '/') : NULL;;
         slash = strchr(slash + 1, '/')) {
        size_t n = slash ? (size_t)(slash - folder) : strlen(folder);
        memcpy(path, folder, n);
        path[n] = 0;
        if (n)
            look_at(g, path, true);
        if (!slash)
            break;
    }
}

void permissions_of(const char *path, struct permissions_folder *last,
                    char out[PERMISSIONS_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    struct guards g = {.unknown = !slash || *path != '/' || n >= PATH_MAX};
    if (!g.unknown && last && *last->path && strlen(last->path) == n + 1 &&
        !memcmp(last->path, path, n + 1)) {
        read_guards(&g, last->text);
    } else if (!g.unknown) {
        char folder[PATH_MAX];
        memcpy(folder, path, n);
        folder[n] = 0;
        look_at_folders(&g, folder);
        if (last) {
            snprintf(last->path, sizeof last->path, "%s/", folder);
            write_guards(&g, last->text);
        }
    }
    if (!g.unknown)
        look_at(&g, path, false);
    write_guards(&g, out);
}
