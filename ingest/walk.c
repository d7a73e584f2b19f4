// SPDX-License-Identifier: MIT
#include "ingest/walk.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define DEPTH_MAX 64
#define RULES_BYTES (1 << 20)

// Folders that hold no documents, and the files that rules are kept in.
static const char always[] = ".git/\n.hg/\n.svn/\nnode_modules/\n__pycache__/\n.venv/\n"
                             ".gitignore\n.askdignore\n";

struct walker {
    struct walk_list *out;
    walk_trouble *trouble;
    void *ctx;
};

// Types that are known not to be text, by name: reading them would only cost time.
static bool is_binary_name(const char *path)
{
    static const char *const known[] = {
        "png",   "jpg", "jpeg", "gif",  "webp",  "ico", "bmp",  "tif", "tiff",   "mp3",
        "mp4",   "ogg", "wav",  "flac", "avi",   "mkv", "webm", "mov", "zip",    "gz",
        "bz2",   "xz",  "zst",  "tar",  "7z",    "rar", "jar",  "war", "deb",    "rpm",
        "so",    "o",   "a",    "exe",  "dll",   "bin", "dat",  "db",  "sqlite", "woff",
        "woff2", "ttf", "otf",  "eot",  "class", "pyc", "iso",  "img", "gguf",   "safetensors",
        "pem",   "key", "css",  "js",   "map"};
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    if (!dot || (slash && dot < slash))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(dot + 1, known[i]))
            return true;
    return false;
}

static int add(struct walk_list *l, const char *path, const struct stat *st)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 256;
        struct walk_file *more = realloc(l->files, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        l->files = more;
        l->cap = cap;
    }
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    l->files[l->n++] =
        (struct walk_file){.path = copy, .size = st->st_size, .modified = st->st_mtime};
    return 0;
}

static int read_rules(struct ignore *g, const char *folder)
{
    static const char *const names[] = {".gitignore", ".askdignore"};
    int rc = 0;
    for (int i = 0; i < 2 && !rc; i++) {
        char path[PATH_MAX];
        struct buf b = BUF_INIT;
        if (snprintf(path, sizeof path, "%s/%s", folder, names[i]) < (int)sizeof path &&
            file_read(path, RULES_BYTES, &b, NULL) == 0)
            rc = ignore_add(g, b.data, b.len);
        buf_free(&b);
    }
    return rc;
}

static int walk_folder(struct walker *w, const struct ignore *above, const char *folder,
                       int depth);

static int walk_entry(struct walker *w, const struct ignore *rules, const char *path, int depth)
{
    struct stat st;
    if (lstat(path, &st)) {
        w->trouble(w->ctx, path, strerror(errno));
        return 0;
    }
    bool folder = S_ISDIR(st.st_mode);
    if (ignore_match(rules, path, folder) || (!folder && is_binary_name(path))) {
        w->out->ignored += !folder;
        return 0;
    }
    if (folder)
        return walk_folder(w, rules, path, depth + 1);
    return S_ISREG(st.st_mode) ? add(w->out, path, &st) : 0;
}

static int walk_folder(struct walker *w, const struct ignore *above, const char *folder,
                       int depth)
{
    struct ignore *rules = NULL;
    char path[PATH_MAX];
    if (depth > DEPTH_MAX) {
        w->trouble(w->ctx, folder, "folders are nested more than 64 deep");
        return 0;
    }
    DIR *d = opendir(folder);
    if (!d) {
        w->trouble(w->ctx, folder, strerror(errno));
        return 0;
    }
    int rc = ignore_new(above, folder, &rules);
    rc = rc ? rc : read_rules(rules, folder);
    for (struct dirent *ent; !rc && (ent = readdir(d));) {
        if (!strcmp(ent->d_name, ".") || !strcmp(ent->d_name, ".."))
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, ent->d_name) >= (int)sizeof path)
            w->trouble(w->ctx, folder, "a path below is too long");
        else
            rc = walk_entry(w, rules, path, depth);
    }
    closedir(d);
    ignore_free(rules);
    return rc;
}

int walk(const char *path, const char *const *excludes, struct walk_list *out,
         walk_trouble *trouble, void *ctx, struct err *e)
{
    char real[PATH_MAX];
    struct stat st;
    if (!realpath(path, real) || stat(real, &st))
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    if (S_ISREG(st.st_mode))
        return add(out, real, &st) ? err_nomem(e) : 0;
    if (!S_ISDIR(st.st_mode))
        return err_set(e, -EINVAL, "%s is neither a file nor a folder", path);
    struct ignore *defaults = NULL, *given = NULL;
    int rc = ignore_new(NULL, real, &defaults);
    rc = rc ? rc : ignore_add(defaults, always, sizeof always - 1);
    rc = rc ? rc : ignore_new(defaults, real, &given);
    for (; excludes && *excludes && !rc; excludes++)
        rc = ignore_add(given, *excludes, strlen(*excludes));
    struct walker w = {.out = out, .trouble = trouble, .ctx = ctx};
    rc = rc ? rc : walk_folder(&w, given, real, 0);
    ignore_free(given);
    ignore_free(defaults);
    return rc ? err_nomem(e) : 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct walk_file *)a)->path, ((const struct walk_file *)b)->path);
}

void walk_sort(struct walk_list *l)
{
    size_t k = 0;
    if (l->n)
        qsort(l->files, l->n, sizeof *l->files, by_path);
    for (size_t i = 0; i < l->n; i++) {
        if (k && !strcmp(l->files[k - 1].path, l->files[i].path))
            free(l->files[i].path);
        else
            l->files[k++] = l->files[i];
    }
    l->n = k;
}

void walk_free(struct walk_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->files[i].path);
    free(l->files);
    *l = (struct walk_list){0};
}
