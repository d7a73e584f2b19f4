// SPDX-License-Identifier: MIT
// What a query's filter covers.
#include "retriever/internal.h"

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
    struct totals t = {.a = arena_new(0), .sequence = sequence, .counted = now_ms()};
    int rc = t.a ? store_collections(s, r->embedder ? embedder_fingerprint(r->embedder) : "",
                                     t.a, &t.list, &t.n, e)
                 : err_nomem(e);
    t.cost = now_ms() - t.counted;
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

// Add up what the collections asked for hold and, for names, find their ids. -ENOENT names one
// that is not known.
static int sum_up(retriever *r, const char *const *names, int64_t *ids,
                  struct retriever_result *out, struct err *e)
{
    const struct totals *t = &r->totals;
    int rc = 0;
    out->passages_total = out->passages_with_vectors = 0;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; names ? names[i] != NULL : i < t->n; i++) {
        size_t at = names ? 0 : i;
        while (names && at < t->n && strcmp(t->list[at].name, names[i]) != 0)
            at++;
        if (at == t->n) {
            rc = err_set(e, -ENOENT, "there is no collection '%.80s'", names[i]);
            break;
        }
        if (names)
            ids[i] = t->list[at].id;
        out->passages_total += t->list[at].passages;
        out->passages_with_vectors += t->list[at].with_vectors;
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

int make_filter(retriever *r, store *s, const struct retriever_query *q, arena *a,
                struct store_filter *f, struct retriever_result *out, struct err *e)
{
    size_t asked = 0;
    *f = (struct store_filter){.path_glob = q->path_glob, .type = q->type};
    int rc = q->after ? parse_date(q->after, &f->after, e) : 0;
    if (rc)
        return rc;
    pthread_mutex_lock(&r->lock);
    bool fresh = fresh_enough(&r->totals, out->generation, now_ms());
    pthread_mutex_unlock(&r->lock);
    while (q->collections && q->collections[asked])
        asked++;
    int64_t *ids = arena_alloc(a, (asked + 1) * sizeof *ids);
    if (!ids)
        return err_nomem(e);
    if (!fresh)
        rc = count_collections(r, s, out->generation, e);
    if (!rc)
        rc = sum_up(r, q->collections, ids, out, e);
    if (rc == -ENOENT && fresh) { // it may be new
        *e = (struct err){0};
        rc = count_collections(r, s, out->generation, e);
        if (!rc)
            rc = sum_up(r, q->collections, ids, out, e);
    }
    if (q->collections) {
        f->collections = ids;
        f->n_collections = asked;
    }
    return rc;
}
