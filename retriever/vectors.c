// SPDX-License-Identifier: MIT
#include "retriever/vectors.h"

#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 4096

struct vectors {
    pthread_rwlock_t lock;
    FaissIndex *index; // exact inner product, ids are passages
    size_t dims;
    char *fingerprint;
    int64_t last; // largest passage taken in
};

int vectors_new(size_t dims, const char *fingerprint, struct vectors **out, struct err *e)
{
    struct vectors *v = calloc(1, sizeof *v);
    if (!v || !(v->fingerprint = strdup(fingerprint))) {
        free(v);
        return err_nomem(e);
    }
    v->dims = dims;
    pthread_rwlock_init(&v->lock, NULL);
    if (faiss_index_factory(&v->index, (int)dims, "IDMap2,Flat", METRIC_INNER_PRODUCT)) {
        int rc = err_set(e, -EIO, "FAISS: %s", faiss_get_last_error());
        vectors_free(v);
        return rc;
    }
    *out = v;
    return 0;
}

void vectors_free(struct vectors *v)
{
    if (!v)
        return;
    if (v->index)
        faiss_Index_free(v->index);
    pthread_rwlock_destroy(&v->lock);
    free(v->fingerprint);
    free(v);
}

// IEEE 754 half to single.
static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    uint32_t bits;
    float f;
    if (exponent == 0) {
        f = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &f, 4);
        bits |= sign;
    } else {
        bits = sign | (exponent == 31 ? 0xFFu << 23 : (exponent + 112) << 23) | mantissa << 13;
    }
    memcpy(&f, &bits, 4);
    return f;
}

struct batch {
    struct vectors *v;
    float *x;
    idx_t *ids;
    size_t n;
    struct err *e;
};

static int flush(struct batch *b)
{
    if (!b->n)
        return 0;
    pthread_rwlock_wrlock(&b->v->lock);
    int rc = faiss_Index_add_with_ids(b->v->index, (idx_t)b->n, b->x, b->ids);
    if (!rc)
        b->v->last = b->ids[b->n - 1];
    pthread_rwlock_unlock(&b->v->lock);
    b->n = 0;
    return rc ? err_set(b->e, -EIO, "FAISS: %s", faiss_get_last_error()) : 0;
}

static int take(void *ctx, int64_t passage, int64_t collection, const uint16_t *f16,
                size_t dims)
{
    struct batch *b = ctx;
    (void)collection;
    if (dims != b->v->dims || !f16)
        return 0; // damaged: the passage is found by its words only
    for (size_t i = 0; i < dims; i++)
        b->x[b->n * dims + i] = from_half(f16[i]);
    b->ids[b->n++] = passage;
    return b->n == BATCH ? flush(b) : 0;
}

int vectors_refresh(struct vectors *v, store *s, struct err *e)
{
    struct batch b = {v, malloc(BATCH * v->dims * sizeof *b.x), malloc(BATCH * sizeof *b.ids),
                      0, e};
    pthread_rwlock_rdlock(&v->lock);
    int64_t after = v->last;
    pthread_rwlock_unlock(&v->lock);
    int rc = b.x && b.ids ? store_vectors(s, v->fingerprint, after, take, &b, e) : err_nomem(e);
    if (!rc)
        rc = flush(&b);
    free(b.x);
    free(b.ids);
    return rc;
}

int vectors_search(struct vectors *v, const float *query, size_t k, int64_t *ids, float *scores,
                   size_t *n, struct err *e)
{
    idx_t *labels = malloc((k + 1) * sizeof *labels);
    if (!labels)
        return err_nomem(e);
    pthread_rwlock_rdlock(&v->lock);
    int rc = faiss_Index_ntotal(v->index)
                 ? faiss_Index_search(v->index, 1, query, (idx_t)k, scores, labels)
                 : 0;
    size_t found = faiss_Index_ntotal(v->index) ? k : 0;
    pthread_rwlock_unlock(&v->lock);
    *n = 0;
    for (size_t i = 0; i < found && !rc && labels[i] >= 0; i++)
        ids[(*n)++] = labels[i];
    free(labels);
    return rc ? err_set(e, -EIO, "FAISS: %s", faiss_get_last_error()) : 0;
}

int vectors_score(struct vectors *v, const float *query, int64_t id, float *score)
{
    float *x = malloc(v->dims * sizeof *x);
    if (!x)
        return -ENOMEM;
    pthread_rwlock_rdlock(&v->lock);
    int rc = faiss_Index_reconstruct(v->index, id, x) ? -ENOENT : 0;
    pthread_rwlock_unlock(&v->lock);
    *score = 0;
    for (size_t i = 0; i < v->dims && !rc; i++)
        *score += query[i] * x[i];
    free(x);
    return rc;
}

size_t vectors_count(struct vectors *v)
{
    pthread_rwlock_rdlock(&v->lock);
    size_t n = (size_t)faiss_Index_ntotal(v->index);
    pthread_rwlock_unlock(&v->lock);
    return n;
}
