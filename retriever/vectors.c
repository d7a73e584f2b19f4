// SPDX-License-Identifier: MIT
#include "retriever/vectors.h"

#include "base/utf8.h"
#include "engine/tensor/formats.h"

#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/impl/AuxIndexStructures_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 4096
#define SPREAD_OVER 512 // passages of a part that its spread is measured by

// Exact inner product over one collection's passages in CJK script, or its others; labels are
// passages.
struct part {
    int64_t collection;
    bool cjk;
    FaissIndex *index;
    int64_t *ids; // what is in it, ascending
    size_t n, cap;
    // read, but not in the index yet
    float *x; // [BATCH, dims]
    size_t waiting;
};

struct vectors {
    pthread_mutex_t refreshing;        // over last, sequence, removals, epoch
    int64_t last;                      // largest passage taken in
    int64_t sequence, removals, epoch; // of the store, when it was
    atomic_bool complete;              // every passage that was there once has had one
    pthread_rwlock_t lock;             // over the parts
    struct part *parts;
    size_t n_parts;
    size_t dims;
    char *fingerprint;
};

int vectors_new(size_t dims, const char *fingerprint, struct vectors **out, struct err *e)
{
    struct vectors *v = calloc(1, sizeof *v);
    if (!v || !(v->fingerprint = strdup(fingerprint))) {
        free(v);
        return err_nomem(e);
    }
    v->dims = dims;
    v->sequence = v->removals = v->epoch = -1;
    pthread_mutex_init(&v->refreshing, NULL);
    pthread_rwlock_init(&v->lock, NULL);
    *out = v;
    return 0;
}

// Forget all that was taken in.
static void clear(struct vectors *v)
{
    for (size_t i = 0; i < v->n_parts; i++) {
        if (v->parts[i].index)
            faiss_Index_free(v->parts[i].index);
        free(v->parts[i].ids);
        free(v->parts[i].x);
    }
    free(v->parts);
    v->parts = NULL;
    v->n_parts = 0;
    v->last = 0;
}

void vectors_free(struct vectors *v)
{
    if (!v)
        return;
    clear(v);
    pthread_rwlock_destroy(&v->lock);
    pthread_mutex_destroy(&v->refreshing);
    free(v->fingerprint);
    free(v);
}

static int faiss_failed(struct err *e)
{
    return err_set(e, -EIO, "FAISS: %s", faiss_get_last_error());
}

// ---- taking in ----

struct intake {
    struct vectors *v;
    struct err *e;
};

static int add_part(struct vectors *v, int64_t collection, bool cjk, struct part **out,
                    struct err *e)
{
    struct part *p = reallocarray(v->parts, v->n_parts + 1, sizeof *p);
    if (!p)
        return err_nomem(e);
    v->parts = p;
    p = &p[v->n_parts];
    *p = (struct part){.collection = collection, .cjk = cjk};
    if (faiss_index_factory(&p->index, (int)v->dims, "IDMap2,Flat", METRIC_INNER_PRODUCT))
        return faiss_failed(e);
    v->n_parts++;
    *out = p;
    return 0;
}

// With the lock held for writing.
static int flush(struct part *p, struct err *e)
{
    const idx_t *ids = p->ids + p->n;
    if (!p->waiting)
        return 0;
    if (faiss_Index_add_with_ids(p->index, (idx_t)p->waiting, p->x, ids))
        return faiss_failed(e);
    p->n += p->waiting;
    p->waiting = 0;
    return 0;
}

static int take(void *ctx, int64_t passage, int64_t collection, const char *text,
                const uint16_t *f16, size_t dims)
{
    struct intake *in = ctx;
    struct vectors *v = in->v;
    struct part *p = NULL;
    if (dims != v->dims || !f16)
        return 0; // damaged: the passage is found by its words only
    bool cjk = utf8_in_cjk(text);
    for (size_t i = 0; i < v->n_parts && !p; i++)
        if (v->parts[i].collection == collection && v->parts[i].cjk == cjk)
            p = &v->parts[i];
    if (p && p->n && passage <= p->ids[p->n - 1])
        return 0; // taken in by a refresh that failed later
    int rc = p ? 0 : add_part(v, collection, cjk, &p, in->e);
    if (rc)
        return rc;
    if (!p->x && !(p->x = malloc(BATCH * v->dims * sizeof *p->x)))
        return err_nomem(in->e);
    if (p->n + p->waiting == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : BATCH;
        int64_t *ids = reallocarray(p->ids, cap, sizeof *ids);
        if (!ids)
            return err_nomem(in->e);
        p->ids = ids;
        p->cap = cap;
    }
    for (size_t i = 0; i < dims; i++)
        p->x[p->waiting * dims + i] = half_to_float(f16[i]);
    p->ids[p->n + p->waiting++] = passage;
    return p->waiting == BATCH ? flush(p, in->e) : 0;
}

static int take_new(struct vectors *v, store *s, struct err *e)
{
    struct intake in = {v, e};
    int rc = store_vectors(s, v->fingerprint, v->last, take, &in, e);
    for (size_t i = 0; i < v->n_parts; i++) {
        struct part *p = &v->parts[i];
        if (!rc)
            rc = flush(p, e);
        free(p->x);
        p->x = NULL;
        p->waiting = 0;
    }
    for (size_t i = 0; i < v->n_parts && !rc; i++) {
        const struct part *p = &v->parts[i];
        v->last = p->n && p->ids[p->n - 1] > v->last ? p->ids[p->n - 1] : v->last;
    }
    return rc;
}

// Drop from the part what is not among the living; both ascend.
static int sweep(struct part *p, const int64_t *living, size_t n, int64_t *dead, struct err *e)
{
    size_t kept = 0, gone = 0, k = 0, removed;
    for (size_t i = 0; i < p->n; i++) {
        while (k < n && living[k] < p->ids[i])
            k++;
        if (k < n && living[k] == p->ids[i])
            p->ids[kept++] = p->ids[i];
        else
            dead[gone++] = p->ids[i];
    }
    p->n = kept;
    FaissIDSelectorBatch *selector = NULL;
    if (!gone)
        return 0;
    if (faiss_IDSelectorBatch_new(&selector, gone, dead))
        return faiss_failed(e);
    int rc = faiss_Index_remove_ids(p->index, (FaissIDSelector *)selector, &removed);
    faiss_IDSelector_free((FaissIDSelector *)selector);
    return rc ? faiss_failed(e) : 0;
}

static int drop_removed(struct vectors *v, store *s, struct err *e)
{
    int64_t *living, *dead = NULL;
    size_t n, most = 1;
    arena *a = arena_new(0);
    int rc = a ? store_passage_ids(s, a, &living, &n, e) : err_nomem(e);
    for (size_t i = 0; i < v->n_parts; i++)
        most = v->parts[i].n > most ? v->parts[i].n : most;
    if (!rc && !(dead = reallocarray(NULL, most, sizeof *dead)))
        rc = err_nomem(e);
    for (size_t i = 0; i < v->n_parts && !rc; i++)
        rc = sweep(&v->parts[i], living, n, dead, e);
    free(dead);
    arena_free(a);
    return rc;
}

int vectors_refresh(struct vectors *v, store *s, int64_t *sequence, struct err *e)
{
    int64_t now = -1, removals = -1, epoch = -1;
    bool complete = false;
    pthread_mutex_lock(&v->refreshing);
    int rc = store_sequence(s, &now, e);
    if (!rc)
        rc = store_epoch(s, &epoch, e);
    if (!rc && (now != v->sequence || epoch != v->epoch)) {
        rc = store_removals(s, &removals, e);
        pthread_rwlock_wrlock(&v->lock);
        if (!rc && epoch != v->epoch)
            clear(v);
        if (!rc)
            rc = take_new(v, s, e);
        if (!rc && removals != v->removals && v->removals >= 0)
            rc = drop_removed(v, s, e);
        pthread_rwlock_unlock(&v->lock);
        if (!rc) {
            v->sequence = now;
            v->removals = removals;
            v->epoch = epoch;
        }
    }
    if (!rc && !(rc = store_is_complete(s, v->fingerprint, &complete, e)))
        atomic_store(&v->complete, complete);
    pthread_mutex_unlock(&v->refreshing);
    *sequence = now;
    return rc;
}

// ---- searching ----

static bool asked(const struct part *p, const struct vectors_among *among, bool cjk)
{
    bool found = !among->collections;
    for (size_t i = 0; i < among->n_collections && !found; i++)
        found = among->collections[i] == p->collection;
    return found && p->n && p->cjk == cjk;
}

static bool has_bit(const uint8_t *bits, size_t n, int64_t id)
{
    return !bits || ((size_t)id < n && bits[id / 8] >> id % 8 & 1);
}

// Merge b[0..n) into the best k so far; both best first.
static void merge(int64_t *ids, float *scores, size_t *n, size_t k, const int64_t *b_ids,
                  const float *b_scores, size_t b_n)
{
    for (size_t i = 0; i < b_n && b_ids[i] >= 0; i++) {
        size_t at = *n;
        while (at && (scores[at - 1] < b_scores[i] ||
                      (scores[at - 1] == b_scores[i] && ids[at - 1] > b_ids[i])))
            at--;
        if (at == k)
            continue;
        size_t move = (*n < k ? *n : k - 1) - at;
        memmove(ids + at + 1, ids + at, move * sizeof *ids);
        memmove(scores + at + 1, scores + at, move * sizeof *scores);
        ids[at] = b_ids[i];
        scores[at] = b_scores[i];
        *n += *n < k;
    }
}

static float product(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

// One passage after the other: FAISS's C API gives its search no selector before 1.7.4. The
// list is as exact as that of a flat index.
static int search_bits(const struct vectors *v, const struct part *p, const float *query,
                       const struct vectors_among *among, size_t k, int64_t *ids, float *scores,
                       size_t *n, struct err *e)
{
    float *x = malloc(v->dims * sizeof *x);
    int rc = x ? 0 : err_nomem(e);
    for (size_t i = 0; i < p->n && !rc; i++) {
        if (!has_bit(among->bits, among->n_bits, p->ids[i]))
            continue;
        if (faiss_Index_reconstruct(p->index, p->ids[i], x)) {
            rc = faiss_failed(e);
            break;
        }
        const float score = product(query, x, v->dims);
        merge(ids, scores, n, k, &p->ids[i], &score, 1);
    }
    free(x);
    return rc;
}

int vectors_search(struct vectors *v, const float *query, const struct vectors_among *among,
                   bool cjk, size_t k, int64_t *ids, float *scores, size_t *n, struct err *e)
{
    idx_t *labels = malloc((k + 1) * sizeof *labels);
    float *found = malloc((k + 1) * sizeof *found);
    int rc = labels && found ? 0 : err_nomem(e);
    *n = 0;
    pthread_rwlock_rdlock(&v->lock);
    for (size_t i = 0; i < v->n_parts && !rc; i++) {
        const struct part *p = &v->parts[i];
        if (!asked(p, among, cjk))
            continue;
        if (among->bits)
            rc = search_bits(v, p, query, among, k, ids, scores, n, e);
        else if (faiss_Index_search(p->index, 1, query, (idx_t)k, found, labels))
            rc = faiss_failed(e);
        else
            merge(ids, scores, n, k, labels, found, k);
    }
    pthread_rwlock_unlock(&v->lock);
    free(labels);
    free(found);
    return rc;
}

static bool holds(const struct part *p, int64_t id)
{
    size_t lo = 0, hi = p->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < p->n && p->ids[lo] == id;
}

static int spread_of(const struct vectors *v, const struct part *p, const float *query,
                     const struct vectors_among *among, float *x, double *sum, double *squares,
                     size_t *n, struct err *e)
{
    size_t step = p->n / SPREAD_OVER + 1;
    for (size_t i = 0; i < p->n; i += step) {
        if (!has_bit(among->bits, among->n_bits, p->ids[i]))
            continue;
        if (faiss_Index_reconstruct(p->index, p->ids[i], x))
            return faiss_failed(e);
        double d = (double)product(query, x, v->dims);
        *sum += d;
        *squares += d * d;
        ++*n;
    }
    return 0;
}

int vectors_spread(struct vectors *v, const float *query, const struct vectors_among *among,
                   bool cjk, struct vectors_spread *out, struct err *e)
{
    double sum = 0, squares = 0;
    float *x = malloc(v->dims * sizeof *x);
    int rc = x ? 0 : err_nomem(e);
    *out = (struct vectors_spread){0};
    pthread_rwlock_rdlock(&v->lock);
    for (size_t i = 0; i < v->n_parts && !rc; i++)
        if (asked(&v->parts[i], among, cjk))
            rc = spread_of(v, &v->parts[i], query, among, x, &sum, &squares, &out->n, e);
    pthread_rwlock_unlock(&v->lock);
    free(x);
    if (!rc && out->n) {
        out->mean = sum / (double)out->n;
        out->deviation = sqrt(fmax(squares / (double)out->n - out->mean * out->mean, 0));
    }
    return rc;
}

int vectors_score(struct vectors *v, const float *query, int64_t id, float *score, bool *cjk)
{
    float *x = malloc(v->dims * sizeof *x);
    if (!x)
        return -ENOMEM;
    int rc = -ENOENT;
    pthread_rwlock_rdlock(&v->lock);
    for (size_t i = 0; i < v->n_parts && rc; i++)
        if (holds(&v->parts[i], id)) {
            rc = faiss_Index_reconstruct(v->parts[i].index, id, x) ? -ENOENT : 0;
            *cjk = v->parts[i].cjk;
        }
    pthread_rwlock_unlock(&v->lock);
    *score = rc ? 0 : product(query, x, v->dims);
    free(x);
    return rc;
}

bool vectors_complete(const struct vectors *v)
{
    return atomic_load(&v->complete);
}

size_t vectors_count(struct vectors *v, const uint8_t *bits, size_t n_bits)
{
    size_t n = 0;
    pthread_rwlock_rdlock(&v->lock);
    for (size_t i = 0; i < v->n_parts; i++)
        for (size_t k = 0; k < v->parts[i].n; k++)
            n += has_bit(bits, n_bits, v->parts[i].ids[k]);
    pthread_rwlock_unlock(&v->lock);
    return n;
}
