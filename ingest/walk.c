// SPDX-License-Identifier: MIT
#include "ingest/walk.h"

#include "base/buf.h"
#include "base/permissions.h"
#include "ingest/ignore.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 200

// What holds no documents. An ignore file can take it in again ("!vendor/").
static const char *const defaults[] = {
    ".git/",
    ".hg/",
    ".svn/",
    ".bzr/",
    "CVS/",
    "node_modules/",
    "__pycache__/",
    ".venv/",
    ".tox/",
    ".cache/",
    ".idea/",
    ".vscode/",
    ".gitignore",
    ".askdignore",
    ".gitattributes",
    ".DS_Store",
    "*~",
    "*.swp",
    "*.min.js",
    "*.map",
    "*.lock",
    "package-lock.json",
    "*.css",
    "*.js",
};

struct walker {
    struct walk *w;
    arena *a;
    struct err *e;
    char path[PATH_MAX]; // of the folder or file at hand
    size_t top;          // bytes of the part above what rules see: "…/repo/"
    struct permissions_folder last;
    struct ignore_rules excludes;
};

static int fault(struct walker *k, const char *path, const char *why)
{
    struct walk *w = k->w;
    if (w->n_faults == w->cap_faults) {
        size_t cap = w->cap_faults ? w->cap_faults * 2 : 8;
        struct walk_fault *list = arena_alloc(k->a, cap * sizeof *list);
        if (!list)
            return err_nomem(k->e);
        if (w->n_faults)
            memcpy(list, w->faults, w->n_faults * sizeof *list);
        w->faults = list;
        w->cap_faults = cap;
    }
    struct walk_fault *f = &w->faults[w->n_faults++];
    f->path = arena_strdup(k->a, path);
    snprintf(f->why, sizeof f->why, "%s", why);
    return f->path ? 0 : err_nomem(k->e);
}

static int add_file(struct walker *k, const struct stat *st)
{
    struct walk *w = k->w;
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 256;
        struct walk_file *list = arena_alloc(k->a, cap * sizeof *list);
        if (!list)
            return err_nomem(k->e);
        if (w->n)
            memcpy(list, w->files, w->n * sizeof *list);
        w->files = list;
        w->cap = cap;
    }
    char text[PERMISSIONS_MAX];
    permissions_of(k->path, &k->last, text);
    // Neighbours mostly have the same.
    const char *before = w->n ? w->files[w->n - 1].permissions : NULL,
               *permissions =
                   before && !strcmp(before, text) ? before : arena_strdup(k->a, text),
               *path = arena_strdup(k->a, k->path);
    w->files[w->n++] = (struct walk_file){path, permissions, st->st_size, st->st_mtime};
    return path && permissions ? 0 : err_nomem(k->e);
}

static int load_rules(struct walker *k, struct ignore_rules *r)
{
    static const char *const names[] = {".gitignore", ".askdignore"};
    size_t n = strlen(k->path);
    int rc = 0;
    for (size_t i = 0; i < 2 && !rc; i++) {
        struct err inner = {0};
        if ((size_t)snprintf(k->path + n, sizeof k->path - n, "/%s", names[i]) <
                sizeof k->path - n &&
            (rc = ignore_add_file(r, k->a, k->path, &inner)) && rc != -ENOMEM)
            rc = fault(k, k->path, inner.msg);
        k->path[n] = 0;
    }
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int visit_folder(struct walker *k, int fd, const struct ignore_rules *above, int depth);

static int visit(struct walker *k, int dir, const char *name, const struct ignore_rules *rules,
                 int depth)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : fault(k, k->path, strerror(errno));
    bool folder = S_ISDIR(st.st_mode);
    int out = ignore_match(&k->excludes, k->path + k->top, folder);
    if (out < 0)
        out = ignore_match(rules, k->path + k->top, folder);
    if (out == 1) {
        k->w->excluded++;
        return 0;
    }
    if (S_ISREG(st.st_mode))
        return add_file(k, &st);
    if (S_ISLNK(st.st_mode))
        k->w->links++;
    else if (!folder)
        k->w->special++;
    if (!folder)
        return 0;
    if (depth >= DEPTH_MAX)
        return fault(k, k->path, "folders are nested more than 200 deep");
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fault(k, k->path, strerror(errno));
    return visit_folder(k, fd, rules, depth + 1);
}

// Takes fd.
static int visit_folder(struct walker *k, int fd, const struct ignore_rules *above, int depth)
{
    size_t len = strlen(k->path), n = 0, cap = 0;
    char **names = NULL;
    struct ignore_rules *rules = arena_alloc(k->a, sizeof *rules);
    DIR *dir = fdopendir(fd);
    if (!rules || !dir) {
        if (dir)
            closedir(dir);
        else
            close(fd);
        return err_nomem(k->e);
    }
    rules->above = above;
    rules->base = len + 1 > k->top ? len + 1 - k->top : 0;
    int rc = load_rules(k, rules);
    struct dirent *ent;
    errno = 0;
    while (!rc && (ent = readdir(dir))) {
        if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            char **more = reallocarray(names, cap, sizeof *names);
            if (!more) {
                rc = err_nomem(k->e);
                break;
            }
            names = more;
        }
        if (!(names[n++] = strdup(ent->d_name)))
            rc = err_nomem(k->e);
        errno = 0;
    }
    if (!rc && errno)
        rc = fault(k, k->path, strerror(errno));
    if (n)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n && !rc; i++) {
        if ((size_t)snprintf(k->path + len, sizeof k->path - len, "/%s", names[i]) >=
            sizeof k->path - len) {
            k->path[len] = 0;
            rc = fault(k, k->path, "a path below is too long");
        } else {
            rc = visit(k, dirfd(dir), names[i], rules, depth);
        }
        k->path[len] = 0;
    }
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    closedir(dir);
    return rc;
}

// The rules of the folders above a root, from the repository's top down; k->top moves up there.
static int rules_above(struct walker *k, const struct ignore_rules **rules)
{
    char root[PATH_MAX], whole[PATH_MAX];
    size_t len = strlen(k->path), tops[64], n = 0;
    memcpy(root, k->path, len + 1);
    memcpy(whole, k->path, len + 1);
    bool repository = false;
    // At the root itself a repository ends too.
    for (char *slash = root + len; slash && n < 64 && !repository;) {
        struct stat st;
        *slash = 0;
        size_t at = strlen(root);
        char probe[PATH_MAX + 8];
        snprintf(probe, sizeof probe, "%s/.git", root);
        repository = !lstat(probe, &st);
        if (at < len)
            tops[n++] = at;
        slash = strrchr(root, '/');
        if (slash == root)
            break;
    }
    if (!repository || !n)
        return 0;
    k->top = tops[n - 1] + 1;
    for (size_t i = n; i-- > 0;) {
        struct ignore_rules *r = arena_alloc(k->a, sizeof *r);
        if (!r)
            return err_nomem(k->e);
        r->above = *rules;
        r->base = tops[i] + 1 - k->top;
        memcpy(k->path, whole, tops[i]);
        k->path[tops[i]] = 0;
        int rc = load_rules(k, r);
        memcpy(k->path, whole, len + 1);
        if (rc)
            return rc;
        *rules = r;
    }
    return 0;
}

static int visit_root(struct walker *k, const char *path, const struct ignore_rules *base)
{
    struct stat st;
    if (!realpath(path, k->path) || stat(k->path, &st))
        return fault(k, path, strerror(errno));
    const char *root = arena_strdup(k->a, k->path);
    if (!root)
        return err_nomem(k->e);
    k->w->roots[k->w->n_roots++] = root;
    if (S_ISREG(st.st_mode))
        return add_file(k, &st);
    if (!S_ISDIR(st.st_mode))
        return fault(k, path, "neither a file nor a folder");
    int fd = open(k->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fault(k, path, strerror(errno));
    if (!strcmp(k->path, "/"))
        k->path[0] = 0;
    k->top = strlen(k->path) + 1;
    const struct ignore_rules *rules = base;
    k->excludes.base = 0;
    int rc = rules_above(k, &rules);
    // Excludes count from the path named, rules from the repository's top.
    k->excludes.base = strlen(k->path) + 1 - k->top;
    if (rc) {
        close(fd);
        return rc;
    }
    return visit_folder(k, fd, rules, 0);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct walk_file *)a)->path, ((const struct walk_file *)b)->path);
}

int walk_run(const char *const *paths, size_t n, const char *const *excludes, size_t n_excludes,
             arena *a, struct walk *out, struct err *e)
{
    struct walker *k = calloc(1, sizeof *k);
    struct ignore_rules base = {0};
    *out = (struct walk){.a = a};
    out->roots = arena_alloc(a, (n + 1) * sizeof *out->roots);
    int rc = k && out->roots ? 0 : err_nomem(e);
    if (!rc)
        *k = (struct walker){.w = out, .a = a, .e = e};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults && !rc; i++)
        rc = ignore_add(&base, a, defaults[i], strlen(defaults[i])) ? err_nomem(e) : 0;
    for (size_t i = 0; i < n_excludes && !rc; i++)
        rc = ignore_add(&k->excludes, a, excludes[i], strlen(excludes[i])) ? err_nomem(e) : 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = visit_root(k, paths[i], &base);
    free(k);
    if (rc)
        return rc;
    if (out->n)
        qsort(out->files, out->n, sizeof *out->files, by_path);
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++)
        if (!kept || strcmp(out->files[kept - 1].path, out->files[i].path))
            out->files[kept++] = out->files[i];
    out->n = kept;
    return 0;
}
