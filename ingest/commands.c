// SPDX-License-Identifier: MIT
// rm, ls, status.
#include "ingest/ingest.h"

#include "base/arena.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int ingest_resolve(const char *path, char out[], size_t cap, struct err *e)
{
    char tmp[PATH_MAX], real[PATH_MAX];
    if (realpath(path, real))
        return (size_t)snprintf(out, cap, "%s", real) < cap
                   ? 0
                   : err_set(e, -ENAMETOOLONG, "path too long");
    // It is gone: its folder, and the name below that.
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (!n || n >= sizeof tmp)
        return err_set(e, -ENAMETOOLONG, "%.100s: %s", path,
                       n ? "path too long" : "empty path");
    memcpy(tmp, path, n);
    tmp[n] = 0;
    char *slash = strrchr(tmp, '/');
    const char *name = slash ? slash + 1 : tmp;
    char folder[PATH_MAX] = ".";
    if (slash) {
        memcpy(folder, tmp, (size_t)(slash - tmp));
        folder[slash - tmp] = 0;
        if (slash == tmp)
            strcpy(folder, "/");
    }
    int k;
    if (realpath(folder, real))
        k = snprintf(out, cap, "%s/%s", strcmp(real, "/") ? real : "", name);
    else if (*path == '/')
        k = snprintf(out, cap, "%s", tmp);
    else
        return err_set(e, -ENOENT, "%.100s: %s; name it by its whole path", path,
                       strerror(errno));
    return (size_t)k < cap ? 0 : err_set(e, -ENAMETOOLONG, "%.100s: path too long", path);
}

// Remove what is at or below one path.
static int rm_path(store *s, const struct options *o, const char *path, struct report *r,
                   struct err *e)
{
    char abs[PATH_MAX];
    const char *const *list = NULL;
    size_t n = 0;
    uint64_t before = r->files[OUT_REMOVED];
    arena *a = arena_new(0);
    int rc = a ? ingest_resolve(path, abs, sizeof abs, e) : err_nomem(e);
    if (!rc)
        rc = store_paths(s, o->collection, abs, a, &list, &n, e);
    if (!rc && n && !o->dry_run)
        rc = store_begin(s, e);
    bool open = !rc && n && !o->dry_run;
    for (size_t i = 0; i < n && !rc && !o->dry_run; i++) {
        bool removed = false;
        rc = store_remove(s, o->collection, list[i], &removed, e);
        r->files[OUT_REMOVED] += removed;
    }
    if (open && !rc)
        rc = store_commit(s, e);
    else if (open)
        store_rollback(s);
    if (o->dry_run)
        r->files[OUT_REMOVED] += n;
    if (rc)
        r->files[OUT_REMOVED] = before;
    else if (!n)
        report_failed(r, path, "no document of the collection is at or below it");
    arena_free(a);
    return rc;
}

int ingest_rm(const struct options *o, struct report *r, struct err *e)
{
    store *s = NULL;
    if (!o->n_paths) {
        err_set(e, -EINVAL, "rm needs a PATH");
        return 2;
    }
    // Nothing is made where there is nothing.
    int rc = store_open_reader(o->data, &s, e);
    if (!rc && !o->dry_run) {
        store_close(s);
        s = NULL;
        rc = store_open_writer(o->data, &s, e);
    }
    for (size_t i = 0; i < o->n_paths && !rc; i++)
        rc = rm_path(s, o, o->paths[i], r, e);
    store_close(s);
    if (rc)
        return 2;
    printf("%s%" PRIu64 " removed\n", o->dry_run ? "would be: " : "", r->files[OUT_REMOVED]);
    return r->files[OUT_FAILED] ? 1 : 0;
}

int ingest_ls(const struct options *o, struct err *e)
{
    store *s = NULL;
    char abs[PATH_MAX] = "";
    struct store_file *list = NULL;
    size_t n = 0;
    if (o->n_paths > 1) {
        err_set(e, -EINVAL, "ls takes one PATH at most");
        return 2;
    }
    arena *a = arena_new(0);
    int rc = a ? store_open_reader(o->data, &s, e) : err_nomem(e);
    if (!rc && o->n_paths)
        rc = ingest_resolve(o->paths[0], abs, sizeof abs, e);
    if (!rc)
        rc = store_files(s, o->collection, strcmp(abs, "/") ? abs : "", a, &list, &n, e);
    for (size_t i = 0; i < n && !rc; i++) {
        char when[32] = "?";
        time_t t = (time_t)list[i].modified;
        struct tm tm;
        if (gmtime_r(&t, &tm))
            strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
        printf("%s %10" PRId64 " ", when, list[i].size);
        report_text(stdout, list[i].path);
        putchar('\n');
    }
    store_close(s);
    arena_free(a);
    return rc ? 2 : 0;
}

// While the vectors of an embedder are being made, askd searches without it.
static int print_embedders(store *s, arena *a, struct err *e)
{
    struct store_embedder *m = NULL;
    size_t n = 0;
    int rc = store_embedders(s, a, &m, &n, e);
    for (size_t i = 0; i < n && !rc; i++) {
        printf("embedder %s: %" PRIu64 " vectors", m[i].fingerprint, m[i].vectors);
        puts(m[i].complete ? ""
                           : ", in the making: askd searches without them until `askd-ingest "
                             "embed` is through");
    }
    return rc;
}

int ingest_status(const struct options *o, struct err *e)
{
    store *s = NULL;
    struct store_collection *c = NULL;
    size_t n = 0;
    if (o->n_paths) {
        err_set(e, -EINVAL, "status takes no PATH");
        return 2;
    }
    arena *a = arena_new(0);
    int rc = a ? store_open_reader(o->data, &s, e) : err_nomem(e);
    if (!rc)
        rc = store_collections(s, "", NULL, a, &c, &n, e);
    if (!rc)
        printf("%s\n", o->data);
    for (size_t i = 0; i < n && !rc; i++) {
        // Vectors of several embedders can be there; a passage counts once.
        uint64_t with = c[i].with_vectors < c[i].passages ? c[i].with_vectors : c[i].passages;
        printf("%s: %" PRIu64 " documents (%.1f MB), %" PRIu64 " passages, %" PRIu64
               "%% with vectors\n",
               c[i].name, c[i].documents, (double)c[i].bytes / 1e6, c[i].passages,
               c[i].passages ? with * 100 / c[i].passages : 100);
    }
    if (!rc)
        rc = print_embedders(s, a, e);
    store_close(s);
    arena_free(a);
    return rc ? 2 : 0;
}
