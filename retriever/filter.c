// SPDX-License-Identifier: MIT
// What a query's filter covers.
#include "retriever/internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int parse_date(const char *s, int64_t *out, struct err *e)
{
    struct tm tm = {0};
    const char *end = strptime(s, "%Y-%m-%d", &tm);
    if (!end || *end)
        return err_set(e, -EINVAL, "filter.after is a date YYYY-MM-DD, not '%.40s'", s);
    *out = (int64_t)timegm(&tm);
    return 0;
}

// Counting reads every document, so counts may lag while documents stream in: they are taken
// again once twenty times what the last counting took has passed.
static bool fresh_enough(const struct totals *t, int64_t sequence, double now)
{
    return t->a && (t->sequence == sequence || now - t->counted < 20 * t->cost);
}

static int count_collections(retriever *r, store *s, int64_t sequence, struct err *e)
{
    struct totals t = {.a = arena_new(0), .sequence = sequence, .counted = clock_ms()};
    int rc = t.a ? store_collections(s, r->embedder ? embedder_fingerprint(r->embedder) : "",
                                     NULL, t.a, &t.list, &t.n, e)
                 : err_nomem(e);
    t.cost = clock_ms() - t.counted;
    if (rc) {
        arena_free(t.a);
        return rc;
    }
    pthread_mutex_lock(&r->lock);
    arena_free(r->totals.a);
    r->totals = t;
    pthread_mutex_unlock(&r->lock);
    return 0;
}

// Names, NULL-terminated, of what is asked for; NULL: all there is.
static const char *const *names_of(const struct retriever_query *q)
{
    return q->collections ? q->collections : q->rights ? q->rights->collections : NULL;
}

static const struct store_collection *find(const struct totals *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->list[i].name, name))
            return &t->list[i];
    return NULL;
}

// Add up what the collections asked for hold; their ids into ids[*n], unless it is NULL.
// -ENOENT names one that is not known, or not to whoever asks.
static int sum_up(retriever *r, const struct retriever_query *q, int64_t *ids, size_t *n,
                  struct retriever_result *out, struct err *e)
{
    const struct totals *t = &r->totals;
    const char *const *names = names_of(q);
    int rc = 0;
    out->passages_total = out->passages_with_vectors = *n = 0;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; names ? names[i] != NULL : i < t->n; i++) {
        const struct store_collection *c = names ? find(t, names[i]) : &t->list[i];
        if (names && c && !rights_collection(q->rights, c->name))
            c = NULL;
        if (!c && !q->collections)
            continue; // may be read, once it is there
        if (!c) {
            rc = err_set(e, -ENOENT, "there is no collection '%.80s'", names[i]);
            break;
        }
        if (ids)
            ids[(*n)++] = c->id;
        out->passages_total += c->passages;
        out->passages_with_vectors += c->with_vectors;
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

int make_filter(retriever *r, store *s, const struct retriever_query *q, arena *a,
                struct store_filter *f, struct retriever_result *out, struct err *e)
{
    const char *const *names = names_of(q);
    size_t asked = 0;
    *f = (struct store_filter){.path_glob = q->path_glob, .type = q->type};
    int rc = q->after ? parse_date(q->after, &f->after, e) : 0;
    if (rc)
        return rc;
    pthread_mutex_lock(&r->lock);
    bool fresh = fresh_enough(&r->totals, out->generation, clock_ms());
    bool same = r->totals.a && r->totals.sequence == out->generation;
    pthread_mutex_unlock(&r->lock);
    while (names && names[asked])
        asked++;
    int64_t *ids = names ? arena_alloc(a, (asked + 1) * sizeof *ids) : NULL;
    if (names && !ids)
        return err_nomem(e);
    if (!fresh)
        rc = count_collections(r, s, out->generation, e);
    if (!rc)
        rc = sum_up(r, q, ids, &f->n_collections, out, e);
    // One that is missing may be new.
    bool missing = rc == -ENOENT || (names && f->n_collections < asked);
    if (missing && fresh && !same) {
        *e = (struct err){0};
        rc = count_collections(r, s, out->generation, e);
        if (!rc)
            rc = sum_up(r, q, ids, &f->n_collections, out, e);
    }
    f->collections = ids;
    return rc;
}

int scope_of(retriever *r, store *s, const struct rights *rights, struct store_scope *c,
             const struct store_scope **used, struct err *e)
{
    size_t n = 0, found = 0;
    struct retriever_result ignored;
    const struct retriever_query q = {.rights = rights};
    int64_t *ids = NULL;
    int rc = 0;
    *used = NULL;
    if (!rights_limited(rights))
        return 0;
    if (rights->collections) {
        while (rights->collections[n])
            n++;
        ids = calloc(n + 1, sizeof *ids);
        rc = ids ? sum_up(r, &q, ids, &found, &ignored, e) : err_nomem(e);
    }
    if (!rc)
        rc = store_scope_new(s, r->sizes, ids, found, rights, c, e);
    if (!rc)
        *used = c;
    free(ids);
    return rc;
}

int left_by_files(retriever *r, store *s, const struct rights *rights,
                  const struct store_filter *f, uint8_t **bits, size_t *n,
                  struct retriever_result *out, struct err *e)
{
    struct store_scope asked = {0};
    *bits = NULL;
    *n = 0;
    if (!rights || !rights->by_files)
        return 0;
    int rc = store_scope_new(s, r->sizes, f->collections, f->n_collections, rights, &asked, e);
    if (!rc)
        rc = store_scope_bits(r->sizes, &asked, bits, n, e);
    store_scope_free(&asked);
    if (rc)
        return rc;
    out->passages_total = asked.passages;
    out->passages_with_vectors = r->vectors ? vectors_count(r->vectors, *bits, *n) : 0;
    return 0;
}
