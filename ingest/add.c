// SPDX-License-Identifier: MIT
// Workers read, extract and chunk; this thread writes what they made, in the order of the
// paths, several documents to a commit. What is counted is committed.
#include "ingest/ingest.h"

#include "base/confine.h"
#include "base/job.h"
#include "base/permissions.h"
#include "ingest/take.h"
#include "ingest/walk.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_DOCUMENTS 256      // at most so many to a commit,
#define GROUP_BYTES (8u << 20)   // so much source
#define GROUP_SECONDS 1.0        // or so long: what a kill can cost
#define AHEAD_BYTES (256u << 20) // of source files being worked on

struct line; // the files on their way through the workers

struct item {
    struct job job;
    struct line *line;
    const struct walk_file *file;
    const struct store_file *known;
    struct taken taken;
    bool done;
};

struct line {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    job_pool *pool;
    const struct options *o;
    struct report *r;
    extractors *x;
    store *s; // NULL in a dry run
    struct item *items;
    size_t n, sent, ahead_bytes, max_ahead;
    bool force; // read again even what has not changed
    struct repeats repeats;
    arena *a;
    // the open group
    bool open;
    size_t group_docs, group_bytes;
    double group_since;
    struct report waiting; // counts of the group, not acknowledged yet
};

static void run(struct job *j)
{
    struct item *it = (struct item *)j;
    const char *hash = it->known && !it->line->force ? it->known->hash : NULL;
    take_file(it->line->x, it->file, hash, it->line->o->collection, it->line->o->max_file,
              &it->line->repeats, &it->taken);
    pthread_mutex_lock(&it->line->lock);
    it->done = true;
    pthread_cond_broadcast(&it->line->ready);
    pthread_mutex_unlock(&it->line->lock);
}

// Keep the workers busy, within bounds; at least item `at` is sent.
static void send(struct line *l, size_t at)
{
    while (l->sent < l->n && l->sent < at + l->max_ahead) {
        struct item *it = &l->items[l->sent];
        size_t size = (size_t)it->file->size;
        if (l->sent > at && l->ahead_bytes + size > AHEAD_BYTES)
            break;
        it->job.run = run;
        if (job_pool_submit(l->pool, &it->job, 0))
            break;
        l->ahead_bytes += size;
        l->sent++;
    }
}

static void receive(struct line *l, struct item *it)
{
    pthread_mutex_lock(&l->lock);
    while (!it->done)
        pthread_cond_wait(&l->ready, &l->lock);
    pthread_mutex_unlock(&l->lock);
    l->ahead_bytes -= (size_t)it->file->size;
}

static int commit(struct line *l, struct err *e)
{
    if (!l->open)
        return 0;
    l->open = false;
    int rc = store_commit(l->s, e);
    struct report *w = &l->waiting;
    for (size_t i = 0; i < OUT_KINDS && !rc; i++)
        l->r->files[i] += w->files[i];
    l->r->passages += rc ? 0 : w->passages;
    l->r->bytes += rc ? 0 : w->bytes;
    for (size_t i = 0; i < DROP_KINDS && !rc; i++) {
        l->r->dropped_blocks[i] += w->dropped_blocks[i];
        l->r->dropped_bytes[i] += w->dropped_bytes[i];
    }
    *w = (struct report){0};
    return rc;
}

static int begin(struct line *l, struct err *e)
{
    if (l->open)
        return 0;
    int rc = store_begin(l->s, e);
    if (rc)
        return rc;
    l->open = true;
    l->group_docs = l->group_bytes = 0;
    l->group_since = report_now();
    return 0;
}

static bool group_full(const struct line *l)
{
    return l->open && (l->group_docs >= GROUP_DOCUMENTS || l->group_bytes >= GROUP_BYTES ||
                       report_now() - l->group_since >= GROUP_SECONDS);
}

// Remove a document that has no text (any more), or whose file is gone.
static int drop(struct line *l, const char *path, struct err *e)
{
    bool removed = false;
    int rc = l->s ? begin(l, e) : 0;
    if (!rc && l->s)
        rc = store_remove(l->s, l->o->collection, path, &removed, e);
    l->group_docs++;
    (l->s ? &l->waiting : l->r)->files[OUT_REMOVED] += removed || !l->s;
    return rc;
}

// Is the same text there already, in a document that stays? Then this one is a duplicate.
static int check_duplicate(struct line *l, struct item *it, struct err *e)
{
    struct taken *t = &it->taken;
    const char *other = NULL;
    if (!l->s || t->owner)
        return 0;
    int rc = store_same_text(l->s, l->o->collection, t->doc.text_hash, t->doc.permissions,
                             it->file->path, t->a, &other, e);
    if (rc || !other)
        return rc;
    // One that is still to be read may be another text by then.
    for (struct item *later = it + 1; later < l->items + l->n; later++)
        if (!strcmp(later->file->path, other))
            return 0;
    t->outcome = OUT_SKIPPED;
    t->skip = SKIP_DUPLICATE;
    err_set(&t->err, -EEXIST, "the same text as %s", other);
    return 0;
}

// A document goes to the store, and what was left out of it into the report.
static int put_document(struct line *l, struct item *it, struct err *e)
{
    static const char *const names[] = {"repeated text left out", "poor text left out"};
    struct taken *t = &it->taken;
    struct report *counts = l->s ? &l->waiting : l->r;
    int rc = l->s ? begin(l, e) : 0;
    if (!rc && l->s)
        rc = store_put(l->s, &t->doc, e);
    for (size_t i = 0; i < t->n_lost && !rc && l->s; i++)
        rc = store_remove_repeat(l->s, l->o->collection, t->lost[i], t->doc.path, e);
    counts->files[it->known ? OUT_UPDATED : OUT_NEW]++;
    counts->passages += t->doc.n_passages;
    counts->bytes += (uint64_t)t->doc.size;
    for (size_t i = 0; i < DROP_KINDS; i++) {
        counts->dropped_blocks[i] += t->left_out[i].blocks;
        counts->dropped_bytes[i] += t->left_out[i].bytes;
        if (t->left_out[i].blocks)
            report_left_out(l->r, t->doc.path, names[i],
                            t->left_out[i].note ? t->left_out[i].note : "");
    }
    l->group_docs++;
    l->group_bytes += (size_t)t->doc.size;
    return rc;
}

static int put_permissions(struct line *l, const struct store_file *known,
                           const char *permissions, struct err *e)
{
    if (!l->s || !strcmp(known->permissions, permissions))
        return 0;
    int rc = begin(l, e);
    if (!rc)
        rc = store_put_permissions(l->s, l->o->collection, known->path, permissions, e);
    l->group_docs++;
    return rc;
}

// Write one result. Only the store's own failure is an error.
static int put(struct line *l, struct item *it, struct err *e)
{
    struct taken *t = &it->taken;
    const char *path = it->file->path;
    int rc = t->outcome == OUT_NEW ? check_duplicate(l, it, e) : 0;
    if (rc)
        return rc;
    switch (t->outcome) {
    case OUT_FAILED:
        report_failed(l->r, path, t->err.msg);
        break;
    case OUT_SKIPPED:
        l->r->files[OUT_SKIPPED]++;
        l->r->skipped[t->skip]++;
        report_left_out(l->r, path, "skipped", t->err.msg);
        if (it->known)
            rc = drop(l, path, e);
        break;
    case OUT_UNCHANGED:
        l->r->files[OUT_UNCHANGED]++;
        if (!l->s)
            break;
        rc = begin(l, e);
        if (!rc)
            rc = store_touch(l->s, l->o->collection, path, it->file->modified, e);
        if (!rc)
            rc = put_permissions(l, it->known, t->permissions, e);
        break;
    default:
        rc = put_document(l, it, e);
    }
    if (!rc && group_full(l))
        rc = commit(l, e);
    return rc;
}

static int run_line(struct line *l, struct err *e)
{
    double since = report_now();
    int rc = 0;
    size_t i = 0;
    for (; i < l->n && !rc && !ingest_signal; i++) {
        send(l, i);
        receive(l, &l->items[i]);
        rc = put(l, &l->items[i], e);
        taken_free(&l->items[i].taken);
        report_progress(l->r, "reading", i + 1, l->n, since);
    }
    for (; i < l->sent; i++) { // stopped early: what is under way is let finish, and dropped
        receive(l, &l->items[i]);
        taken_free(&l->items[i].taken);
    }
    return rc;
}

static int by_path(const void *key, const void *file)
{
    return strcmp(key, ((const struct store_file *)file)->path);
}

static int by_walk_path(const void *key, const void *file)
{
    return strcmp(key, ((const struct walk_file *)file)->path);
}

static bool below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    if (n == 1 && *folder == '/')
        return true;
    return !strncmp(path, folder, n) && (!path[n] || path[n] == '/');
}

// The same size, time and readers, and not written so shortly before it was read that a second
// write could have had the same time.
static bool untouched(const struct walk_file *f, const struct store_file *known)
{
    return known->size == f->size && known->modified == f->modified &&
           known->added > known->modified + 1 && !strcmp(known->permissions, f->permissions);
}

static struct store_file *find_known(struct store_file *known, size_t n, const char *path)
{
    return n ? bsearch(path, known, n, sizeof *known, by_path) : NULL;
}

// Whoever may not read the file any more does not see what the store has of it from here on.
// Whoever may read it now has to wait until it was read: what the store has may be older.
static int tighten(struct line *l, struct store_file *known, const char *now, struct err *e)
{
    char text[PERMISSIONS_MAX];
    if (!strcmp(now, known->permissions))
        return 0;
    l->r->permissions++;
    snprintf(text, sizeof text, "%s", known->permissions);
    permissions_join(text, now);
    int rc = put_permissions(l, known, text, e);
    if (!rc && !(known->permissions = arena_strdup(l->a, text)))
        rc = err_nomem(e);
    return rc;
}

// Choose what goes to the workers: everything but what has plainly not changed.
static int choose(struct line *l, const struct walk *w, struct store_file *known,
                  size_t n_known, struct err *e)
{
    l->items = calloc(w->n ? w->n : 1, sizeof *l->items);
    if (!l->items)
        return err_nomem(e);
    for (size_t i = 0; i < w->n; i++) {
        struct store_file *k = find_known(known, n_known, w->files[i].path);
        bool same = k && !l->force && untouched(&w->files[i], k);
        int rc = k ? tighten(l, k, w->files[i].permissions, e) : 0;
        l->r->unknown_readers += !strcmp(w->files[i].permissions, PERMISSIONS_UNKNOWN);
        if (!rc && group_full(l))
            rc = commit(l, e);
        if (rc)
            return rc;
        if (same)
            l->r->files[OUT_UNCHANGED]++;
        else
            l->items[l->n++] = (struct item){.line = l, .file = &w->files[i], .known = k};
    }
    return l->s ? commit(l, e) : 0;
}

// Is there anything to read?
static bool any_changed(const struct line *l, const struct walk *w, struct store_file *known,
                        size_t n_known)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct store_file *k = find_known(known, n_known, w->files[i].path);
        if (!k || l->force || !untouched(&w->files[i], k))
            return true;
    }
    return false;
}

// Learn what the documents repeat, from those to be read and those that were read before.
static int survey(struct line *l, const struct walk *w, struct store_file *known,
                  size_t n_known, struct err *e)
{
    struct repeats before = {0};
    struct store_repeat *list = NULL, *fresh = NULL;
    size_t n = 0, n_fresh = 0, forgotten = 0;
    int rc = 0;
    if (l->s)
        rc = store_drop_repeats(l->s, l->o->collection, &forgotten, e);
    if (!rc && l->s)
        rc = store_repeats(l->s, l->o->collection, l->a, &list, &n, e);
    if (!rc)
        rc = repeats_join(&before, list, n, l->a, &before, e);
    if (!rc && (forgotten || any_changed(l, w, known, n_known)))
        rc = repeats_survey(l->x, w, &before, l->o->max_file, l->a, &fresh, &n_fresh, e);
    if (!rc && l->s)
        rc = store_put_repeats(l->s, l->o->collection, fresh, n_fresh, e);
    for (size_t i = 0; i < n_fresh && !rc; i++) {
        struct store_file *k = find_known(known, n_known, fresh[i].owner);
        if (k) {
            k->hash[0] = 0;
            k->modified = -1;
        }
    }
    return rc ? rc : repeats_join(&before, fresh, n_fresh, l->a, &l->repeats, e);
}

// Documents below the roots whose files are gone, or left out by a rule now. Of those below a
// folder that could not be read it cannot be told who may read them.
static int drop_vanished(struct line *l, const struct walk *w, struct store_file *known,
                         size_t n_known, struct err *e)
{
    char now[PERMISSIONS_MAX];
    int rc = 0;
    for (size_t i = 0; i < n_known && !rc; i++) {
        bool asked = false, blind = false;
        for (size_t k = 0; k < w->n_roots; k++)
            asked |= below(known[i].path, w->roots[k]);
        for (size_t k = 0; k < w->n_faults; k++)
            blind |= below(known[i].path, w->faults[k].path);
        if (!asked ||
            (w->n && bsearch(known[i].path, w->files, w->n, sizeof *w->files, by_walk_path)))
            continue;
        if (blind) {
            permissions_of(known[i].path, NULL, now);
            rc = tighten(l, &known[i], now, e);
        } else {
            rc = drop(l, known[i].path, e);
        }
        if (!rc && group_full(l))
            rc = commit(l, e);
    }
    return rc;
}

static int take_all(struct line *l, const struct walk *w, struct store_file *known,
                    size_t n_known, struct err *e)
{
    for (size_t i = 0; i < w->n_faults; i++)
        report_failed(l->r, w->faults[i].path, w->faults[i].why);
    // What is gone first: a file that was moved is no duplicate of what it was.
    int rc = drop_vanished(l, w, known, n_known, e);
    if (!rc && l->s)
        rc = commit(l, e);
    if (!rc)
        rc = survey(l, w, known, n_known, e);
    if (!rc)
        rc = choose(l, w, known, n_known, e);
    l->max_ahead = (size_t)l->o->threads * 8;
    if (!rc)
        rc = job_pool_new(l->o->threads, l->max_ahead + 1, &l->pool, e);
    if (!rc)
        rc = run_line(l, e);
    if (l->pool)
        job_pool_free(l->pool);
    if (!rc && l->s)
        rc = commit(l, e);
    if (rc && l->open)
        store_rollback(l->s);
    report_clear(l->r);
    return rc;
}

static int open_for(const struct options *o, store **s, struct err *e)
{
    if (!o->dry_run)
        return store_open_writer(o->data, s, e);
    int rc = store_open_reader(o->data, s, e);
    return rc == -ENOENT ? (*s = NULL, 0) : rc;
}

static void warn_unconfined(struct line *l)
{
    char what[200];
    int missing = extractors_missing(l->x);
    if (!(missing & (CONFINE_NO_LANDLOCK | CONFINE_NO_SECCOMP)))
        return;
    confine_describe(missing, what, sizeof what);
    report_warning(l->r, "documents are read less confined than they could be", what);
}

// `w` is taken in; then vectors.
static int ingest(const struct options *o, struct report *r, store *s, const struct walk *w,
                  bool force, arena *a, struct err *e)
{
    struct line l = {.o = o, .r = r, .s = o->dry_run ? NULL : s, .force = force, .a = a};
    struct store_file *known = NULL;
    size_t n_known = 0;
    int rc = s && force && !o->dry_run ? store_rebuild_words(s, e) : 0;
    if (!rc && s)
        rc = store_files(s, o->collection, "", a, &known, &n_known, e);
    if (rc)
        return rc;
    rc = extractors_new(o->threads, &l.x, e);
    if (rc)
        return rc;
    warn_unconfined(&l);
    pthread_mutex_init(&l.lock, NULL);
    pthread_cond_init(&l.ready, NULL);
    rc = take_all(&l, w, known, n_known, e);
    extractors_free(l.x);
    free(l.items);
    pthread_cond_destroy(&l.ready);
    pthread_mutex_destroy(&l.lock);
    report_summary(r, o->dry_run);
    fflush(stdout);
    if (!rc && !o->dry_run && !o->no_embed && !ingest_signal)
        rc = embed_pending(s, o, r, e);
    return rc;
}

static int finish(int rc, const struct report *r, struct err *e)
{
    if (ingest_signal) {
        err_set(e, -ECANCELED, "interrupted; run it again to continue");
        return 128 + ingest_signal;
    }
    return rc ? 2 : r->files[OUT_FAILED] ? 1 : 0;
}

int ingest_add(const struct options *o, struct report *r, struct err *e)
{
    store *s = NULL;
    struct walk w;
    if (!o->n_paths) {
        err_set(e, -EINVAL, "add needs a PATH");
        return 2;
    }
    arena *a = arena_new(0);
    int rc = a ? open_for(o, &s, e) : err_nomem(e);
    if (!rc)
        rc = walk_run(o->paths, o->n_paths, o->excludes, o->n_excludes, a, &w, e);
    if (!rc)
        rc = ingest(o, r, s, &w, false, a, e);
    store_close(s);
    arena_free(a);
    return finish(rc, r, e);
}

int ingest_rebuild(const struct options *o, struct report *r, struct err *e)
{
    store *s = NULL;
    struct walk w = {0};
    struct store_file *known = NULL;
    size_t n = 0;
    arena *a = arena_new(0);
    int rc = a ? open_for(o, &s, e) : err_nomem(e);
    if (!rc && !s)
        rc = err_set(e, -ENOENT, "%s: no documents yet; askd-ingest add PATH takes some in",
                     o->data);
    if (!rc)
        rc = store_files(s, o->collection, "", a, &known, &n, e);
    const char **paths = rc ? NULL : calloc(n + 1, sizeof *paths);
    if (!rc && !paths)
        rc = err_nomem(e);
    for (size_t i = 0; i < n && !rc; i++)
        paths[i] = known[i].path;
    // Named one by one, so no rule leaves any out; what is gone is a fault, and stays.
    if (!rc)
        rc = walk_run(paths, n, NULL, 0, a, &w, e);
    if (!rc)
        rc = ingest(o, r, s, &w, true, a, e);
    free(paths);
    store_close(s);
    arena_free(a);
    return finish(rc, r, e);
}
