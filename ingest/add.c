// SPDX-License-Identifier: MIT
// The way of files into the store. Workers read and cut; this thread alone writes, in the order
// of the paths, so that the same files always give the same store.
#include "ingest/ingest.h"

#include "base/job.h"
#include "ingest/chunk.h"
#include "ingest/walk.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COMMIT_DOCUMENTS 256 // one commit for at most so many documents ...
#define COMMIT_SECONDS 1     // ... and so long: what a crash can cost

atomic_bool ingest_stop;

struct task {
    struct job job;
    struct run *run;
    const struct walk_file *file;
    char known[33], hash[33];
    struct doc *doc;
    struct store_passage *passages;
    size_t n;
    int rc;
    struct err e;
    bool done;
};

struct run {
    store *s;
    const struct ingest_options *o;
    struct ingest_counts *c;
    struct walk_list files;
    struct task *ring;
    size_t ring_n;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    size_t open; // documents since the last commit
    time_t since;
    bool trouble;
};

static void work(struct job *j)
{
    struct task *t = (struct task *)j;
    struct run *r = t->run;
    t->rc = load_document(t->file->path, t->known, &t->doc, t->hash, &t->e);
    if (!t->rc && t->doc && chunk_document(t->doc, &t->passages, &t->n))
        t->rc = err_nomem(&t->e);
    pthread_mutex_lock(&r->lock);
    t->done = true;
    pthread_cond_signal(&r->finished);
    pthread_mutex_unlock(&r->lock);
}

static void tell_failure(struct run *r, const char *path, const char *why)
{
    progress_end();
    // A sentence of the reader names the path already where the file could not be read.
    if (strstr(why, path))
        fprintf(stderr, "askd-ingest: %s\n", why);
    else
        fprintf(stderr, "askd-ingest: %s: %s\n", path, why);
    r->c->failed++;
}

static void on_trouble(void *ctx, const char *path, const char *why)
{
    struct run *r = ctx;
    r->trouble = true;
    tell_failure(r, path, why);
}

static int commit(struct run *r, struct err *e)
{
    if (!r->open)
        return 0;
    r->open = 0;
    return store_commit(r->s, e);
}

// Everything is written inside a transaction of its group; begin one where none is open.
static int write_begin(struct run *r, struct err *e)
{
    if (r->open++)
        return 0;
    r->since = time(NULL);
    int rc = store_begin(r->s, e);
    if (rc)
        r->open = 0;
    return rc;
}

static int write_end(struct run *r, struct err *e)
{
    if (r->open >= COMMIT_DOCUMENTS || time(NULL) - r->since >= COMMIT_SECONDS)
        return commit(r, e);
    return 0;
}

static int put(struct run *r, struct task *t, struct err *e)
{
    struct store_document d = {.collection = r->o->collection,
                               .path = t->file->path,
                               .title = t->doc->title,
                               .type = t->doc->type,
                               .modified = t->file->modified,
                               .size = t->file->size,
                               .passages = t->passages,
                               .n_passages = t->n};
    memcpy(d.hash, t->hash, sizeof d.hash);
    r->c->taken++;
    r->c->empty += !t->n;
    r->c->passages += t->n;
    r->c->bytes += (uint64_t)t->file->size;
    for (size_t i = 0; i < t->n; i++)
        r->c->text_bytes += strlen(t->passages[i].text);
    if (r->o->verbose) {
        progress_end();
        printf("%s\t%zu passages\n", t->file->path, t->n);
    }
    if (r->o->dry_run)
        return 0;
    int rc = write_begin(r, e);
    rc = rc ? rc : store_put(r->s, &d, e);
    return rc ? rc : write_end(r, e);
}

// Wait for the oldest task and write it.
static int settle(struct run *r, struct task *t, struct err *e)
{
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    while (!t->done)
        pthread_cond_wait(&r->finished, &r->lock);
    pthread_mutex_unlock(&r->lock);
    if (t->rc)
        tell_failure(r, t->file->path, t->e.msg);
    else if (!t->doc)
        r->c->unchanged++;
    else
        rc = put(r, t, e);
    doc_free(t->doc);
    t->doc = NULL;
    return rc;
}

static int submit(struct run *r, job_pool *pool, struct task *t, const struct walk_file *f,
                  struct err *e)
{
    int64_t modified, size;
    bool found = false;
    *t = (struct task){.job = {.run = work}, .run = r, .file = f};
    int rc = store_find(r->s, r->o->collection, f->path, t->known, &modified, &size, &found, e);
    if (rc)
        return rc;
    if (!found || r->o->force)
        t->known[0] = 0;
    if (found && !r->o->force && size == f->size && modified == f->modified) {
        t->done = true; // no doc, no error: unchanged
        return 0;
    }
    if (job_pool_submit(pool, &t->job))
        work(&t->job); // the queue is full
    return 0;
}

static int run_files(struct run *r, struct err *e)
{
    job_pool *pool;
    unsigned threads = r->o->threads;
    if (!threads) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        threads = n < 1 ? 1 : n > 8 ? 8 : (unsigned)n;
    }
    r->ring_n = (size_t)threads * 8;
    r->ring = calloc(r->ring_n, sizeof *r->ring);
    if (!r->ring)
        return err_nomem(e);
    int rc = job_pool_new(threads, r->ring_n, &pool, e);
    if (rc)
        return rc;
    size_t next = 0, oldest = 0;
    while (!rc && oldest < r->files.n) {
        bool more = next < r->files.n && !atomic_load(&ingest_stop);
        if (!more && oldest == next)
            break;
        if (more && next - oldest < r->ring_n) {
            rc = submit(r, pool, &r->ring[next % r->ring_n], &r->files.files[next], e);
            next += rc == 0;
            continue;
        }
        rc = settle(r, &r->ring[oldest % r->ring_n], e);
        oldest++;
        progress("documents:", oldest, r->files.n);
    }
    job_pool_free(pool); // runs what is queued
    for (; oldest < next; oldest++)
        doc_free(r->ring[oldest % r->ring_n].doc);
    progress_end();
    return rc;
}

static bool in_list(const struct walk_list *l, const char *path)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = strcmp(l->files[mid].path, path);
        if (!c)
            return true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

// What the store has below the folder and the walk has not found any more goes.
static int remove_gone(struct run *r, const char *below, struct err *e)
{
    const char *const *paths;
    size_t n;
    arena *a = arena_new(0);
    int rc = a ? store_paths(r->s, r->o->collection, below, a, &paths, &n, e) : err_nomem(e);
    for (size_t i = 0; !rc && i < n; i++) {
        bool was = false;
        // A folder that could not be read may still hold it.
        if (in_list(&r->files, paths[i]) ||
            (r->trouble && (!access(paths[i], F_OK) || errno != ENOENT)))
            continue;
        r->c->removed++;
        if (r->o->verbose)
            printf("%s\tgone\n", paths[i]);
        if (r->o->dry_run)
            continue;
        rc = write_begin(r, e);
        rc = rc ? rc : store_remove(r->s, r->o->collection, paths[i], &was, e);
        rc = rc ? rc : write_end(r, e);
    }
    arena_free(a);
    return rc;
}

int ingest_add(store *s, const struct ingest_options *o, char *const *paths, size_t n,
               struct ingest_counts *c, struct err *e)
{
    struct run r = {.s = s, .o = o, .c = c};
    char real[PATH_MAX];
    int rc = 0;
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.finished, NULL);
    for (size_t i = 0; i < n && !rc; i++)
        rc = walk(paths[i], o->exclude, &r.files, on_trouble, &r, e);
    walk_sort(&r.files);
    c->ignored = r.files.ignored;
    if (!rc)
        rc = run_files(&r, e);
    for (size_t i = 0; i < n && !rc && !atomic_load(&ingest_stop); i++)
        if (realpath(paths[i], real))
            rc = remove_gone(&r, real, e);
    if (rc && r.open)
        store_rollback(s);
    else if (!rc)
        rc = commit(&r, e);
    free(r.ring);
    walk_free(&r.files);
    pthread_cond_destroy(&r.finished);
    pthread_mutex_destroy(&r.lock);
    return rc;
}
