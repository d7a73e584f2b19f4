// SPDX-License-Identifier: MIT
// Opening, searching, and what else is asked of the store.
#include "retriever/internal.h"

#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define K_MAX 50
#define FILTERED_CANDIDATES 400
#define PER_DOCUMENT 3 // passages of one in any case; of many wanted, half

// Bring what is derived up to date with the store.
static int refresh(retriever *r, store *s, int64_t *sequence, struct err *e)
{
    int rc = r->vectors ? vectors_refresh(r->vectors, s, sequence, e)
                        : store_sequence(s, sequence, e);
    if (!rc && r->english_vectors)
        rc = vectors_refresh(r->english_vectors, s, sequence, e);
    if (!rc)
        rc = store_sizes_refresh(r->sizes, s, e);
    if (!rc)
        atomic_store(&r->generation, *sequence);
    return rc;
}

int retriever_open(const char *data_dir, embedder *m, embedder *english, reader *read,
                   retriever **out, struct err *e)
{
    retriever *r = calloc(1, sizeof *r);
    if (!r || !(r->data_dir = strdup(data_dir))) {
        free(r);
        return err_nomem(e);
    }
    pthread_mutex_init(&r->lock, NULL);
    r->embedder = m;
    r->english = m ? english : NULL;
    r->reader = read;
    int rc = store_sizes_new(&r->sizes, e);
    if (!rc && m)
        rc = vectors_new(embedder_dims(m), embedder_fingerprint(m), &r->vectors, e);
    if (!rc && r->english)
        rc = vectors_new(embedder_dims(english), embedder_fingerprint(english),
                         &r->english_vectors, e);
    store *s = NULL;
    int64_t sequence;
    if (!rc && (rc = connection_take(r, &s, e)) == -ENOENT)
        rc = 0; // nothing ingested yet
    else if (!rc)
        rc = refresh(r, s, &sequence, e);
    connection_give(r, s);
    if (rc) {
        retriever_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

void retriever_on_damage(retriever *r, retriever_damage_fn *fn, void *ctx)
{
    r->on_damage = fn;
    r->ctx = ctx;
}

void retriever_use_lexicon(retriever *r, const lexicon *l)
{
    r->lexicon = l;
}

bool retriever_by_meaning(const retriever *r)
{
    return r->vectors && vectors_complete(r->vectors);
}

int64_t retriever_generation(retriever *r)
{
    return atomic_load(&r->generation);
}

void retriever_close(retriever *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_idle; i++)
        store_close(r->idle[i]);
    vectors_free(r->vectors);
    vectors_free(r->english_vectors);
    store_sizes_free(r->sizes);
    arena_free(r->totals.a);
    pthread_mutex_destroy(&r->lock);
    free(r->data_dir);
    free(r);
}

int connection_take(retriever *r, store **out, struct err *e)
{
    for (;;) {
        *out = NULL;
        pthread_mutex_lock(&r->lock);
        if (r->n_idle)
            *out = r->idle[--r->n_idle];
        pthread_mutex_unlock(&r->lock);
        if (!*out)
            return store_open_reader(r->data_dir, out, e);
        if (store_is_current(*out))
            return 0;
        store_close(*out); // another file has taken the place of this one
        pthread_mutex_lock(&r->lock);
        arena_free(r->totals.a);
        r->totals = (struct totals){0};
        pthread_mutex_unlock(&r->lock);
    }
}

void connection_give(retriever *r, store *s)
{
    pthread_mutex_lock(&r->lock);
    if (s && r->n_idle < CONNECTIONS_MAX) {
        r->idle[r->n_idle++] = s;
        s = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    store_close(s);
}

const char *rfc3339(arena *a, int64_t seconds)
{
    char text[40];
    struct tm tm;
    time_t t = (time_t)seconds;
    if (!gmtime_r(&t, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return "";
    return arena_strdup(a, text);
}

// ---- the legs ----

// What the question is to the embedders.
struct query {
    float *vector;  // NULL: words alone
    float *english; // NULL: the second one is not asked
};

// The words leg; on a thread of its own while the question is embedded. The second embedder is
// much faster than the first, as are words: it is asked behind them.
struct lexical {
    retriever *r;
    store *s;
    const char *question;
    const struct store_filter *f;
    arena *a;
    float *english; // see struct query
    const atomic_bool *cancel;
    struct candidate *c;
    size_t n;
    double ms;
    int rc;
    struct err err;
};

// What the words find; what was found before by others keeps the better of both.
static int find_words(struct lexical *l, const struct store_word *words, size_t n, double worth)
{
    struct store_hit hits[LEG_CANDIDATES];
    size_t n_hits = 0, before = l->n;
    int rc = store_search_words(l->s, l->r->sizes, words, n, l->f, LEG_CANDIDATES, hits,
                                &n_hits, &l->err);
    for (size_t i = 0; i < n_hits && !rc; i++) {
        double covered = worth > 0 ? hits[i].bm25 / worth : 0;
        size_t at = 0;
        while (at < before && l->c[at].id != hits[i].id)
            at++;
        if (at == before)
            at = l->n++;
        if (at >= before)
            l->c[at] = (struct candidate){.id = hits[i].id};
        l->c[at].covered = fmax(l->c[at].covered, covered);
    }
    return rc;
}

static void *lexical_leg(void *arg)
{
    struct lexical *l = arg;
    retriever *r = l->r;
    struct store_word *words, *translated;
    size_t n, n_translated = 0;
    double start = clock_ms(), worth = 0;
    l->rc = words_of_query(l->s, r->sizes, l->f->scope, l->question, l->a, &words, &n, &l->err);
    if (!l->rc)
        l->rc = find_words(l, words, n, store_words_worth(r->sizes, l->f->scope, words, n));
    if (!l->rc && r->lexicon)
        l->rc = words_translated(r, l->s, l->f->scope, l->question, words, n, l->a, &translated,
                                 &n_translated, &worth, &l->err);
    if (!l->rc && n_translated)
        l->rc = find_words(l, translated, n_translated, worth);
    l->ms = clock_ms() - start;
    if (!l->rc && l->english)
        l->rc = embedder_query(r->english, l->question, strlen(l->question), l->english,
                               l->cancel, &l->err);
    return NULL;
}

// Adds the best in one script that are not among the candidates.
static int nearest(struct vectors *v, store *s, const float *query,
                   const struct store_filter *f, const struct vectors_among *among, bool cjk,
                   struct candidate *c, size_t *n, struct err *e)
{
    int64_t ids[FILTERED_CANDIDATES];
    float scores[FILTERED_CANDIDATES];
    bool filtered = f->path_glob || f->type || f->after;
    size_t found, taken = 0, before = *n;
    int rc =
        vectors_search(v, query, among, cjk, filtered ? FILTERED_CANDIDATES : LEG_CANDIDATES,
                       ids, scores, &found, e);
    for (size_t i = 0; i < found && !rc && taken < LEG_CANDIDATES; i++) {
        bool passes = true, known = false;
        for (size_t k = 0; k < before && !known; k++)
            known = c[k].id == ids[i];
        if (!known && filtered)
            rc = store_passes(s, ids[i], f, &passes, e);
        if (!passes)
            continue;
        taken++;
        if (!known)
            c[(*n)++] = (struct candidate){.id = ids[i]};
    }
    return rc;
}

static int vector_leg(retriever *r, store *s, const char *question, const struct query *q,
                      const struct store_filter *f, const struct vectors_among *among,
                      struct candidate *c, size_t *n, struct vectors_spread spread[2],
                      struct err *e)
{
    bool asked_in_cjk = utf8_has_cjk(question), cjk;
    float score;
    int rc = 0;
    for (int foreign = 0; foreign < 2 && !rc; foreign++) {
        cjk = asked_in_cjk != foreign;
        rc = nearest(r->vectors, s, q->vector, f, among, cjk, c, n, e);
        if (!rc)
            rc = vectors_spread(r->vectors, q->vector, among, cjk, &spread[foreign], e);
    }
    if (!rc && q->english)
        rc = nearest(r->english_vectors, s, q->english, f, among, false, c, n, e);
    for (size_t i = 0; i < *n && !rc; i++) {
        c[i].has_cosine = !vectors_score(r->vectors, q->vector, c[i].id, &score, &cjk);
        c[i].cosine = c[i].has_cosine ? (double)score : 0;
        c[i].foreign = c[i].has_cosine && cjk != asked_in_cjk;
        c[i].has_english =
            q->english && !vectors_score(r->english_vectors, q->english, c[i].id, &score, &cjk);
        c[i].english = c[i].has_english ? (double)score : 0;
    }
    return rc;
}

// ---- results ----

static int make_hit(const struct store_row *row, const struct candidate *c,
                    const char *question, arena *a, struct retriever_hit *out, struct err *e)
{
    struct retriever_document *d = arena_alloc(a, sizeof *d);
    if (!d)
        return err_nomem(e);
    *d = (struct retriever_document){.id = row->document,
                                     .path = row->path,
                                     .title = row->title,
                                     .collection = row->collection,
                                     .type = row->type,
                                     .permissions = row->permissions,
                                     .modified = rfc3339(a, row->modified),
                                     .n_passages = row->n_passages};
    *out = (struct retriever_hit){.id = row->id,
                                  .score = c ? c->score : 0,
                                  .fused = c ? c->score : 0,
                                  .lexical = c ? c->lexical : 0,
                                  .dense = c && c->has_cosine ? c->cosine : 0,
                                  .foreign = question &&
                                             utf8_in_cjk(row->text) != utf8_has_cjk(question),
                                  .moved = c ? c->moved : 0,
                                  .english = c ? c->english : 0,
                                  .document = d,
                                  .section = row->section,
                                  .page = row->page,
                                  .line_first = row->line_first,
                                  .line_last = row->line_last,
                                  .text = row->text};
    return 0;
}

// At most half of what is wanted from one document, and no text twice.
static bool is_repeat(const struct retriever_hit *hits, const struct shingles *texts, size_t n,
                      size_t k, const struct store_row *row)
{
    size_t same = 0;
    for (size_t i = 0; i < n; i++) {
        same += hits[i].document->id == row->document;
        if (shingles_same(&texts[i], &texts[n]))
            return true;
    }
    return same >= PER_DOCUMENT && same >= k / 2;
}

static int take_hits(retriever *r, store *s, const struct retriever_query *q,
                     const struct candidate *c, size_t n, arena *a,
                     struct retriever_result *out, struct err *e)
{
    size_t k = q->k;
    out->hits = arena_alloc(a, (k + 1) * sizeof *out->hits);
    struct shingles *texts = arena_alloc(a, (k + 1) * sizeof *texts);
    if (!out->hits || !texts)
        return err_nomem(e);
    for (size_t i = 0; i < n && out->n < k; i++) {
        struct store_row row;
        int rc = store_passage(s, c[i].id, a, &row, e);
        if (rc == -EBADMSG && r->on_damage)
            r->on_damage(r->ctx, e->msg);
        if (rc == -ENOENT || rc == -EBADMSG) { // deleted since the index took it in, or damaged
            *e = (struct err){0};
            continue;
        }
        if (!rc && !rights_document(q->rights, row.collection, row.permissions))
            continue; // the legs have seen to that; twice, since it must not go wrong
        if (!rc && shingles_of(row.text, a, &texts[out->n]))
            rc = err_nomem(e);
        if (!rc && !is_repeat(out->hits, texts, out->n, k, &row))
            rc = make_hit(&row, &c[i], q->question, a, &out->hits[out->n++], e);
        if (rc)
            return rc;
    }
    return 0;
}

// Room for the question's vectors, of as many embedders as there are to ask.
static int make_query(const retriever *r, const struct retriever_query *q, arena *a,
                      struct query *out, struct err *e)
{
    bool english = r->english_vectors && vectors_complete(r->english_vectors) &&
                   !utf8_has_cjk(q->question);
    if (!retriever_by_meaning(r))
        return 0;
    out->vector = arena_alloc(a, embedder_dims(r->embedder) * sizeof *out->vector);
    if (english)
        out->english = arena_alloc(a, embedder_dims(r->english) * sizeof *out->english);
    return out->vector && (out->english || !english) ? 0 : err_nomem(e);
}

// Both legs side by side: words on a thread of their own, the embedding on this one. *query is
// the question's vector; NULL: words alone.
static int run_legs(struct lexical *l, const struct retriever_query *q, float *query,
                    struct retriever_result *out, struct err *e)
{
    retriever *r = l->r;
    pthread_t thread;
    int rc = 0;
    bool apart = query && !pthread_create(&thread, NULL, lexical_leg, l);
    if (query) {
        double start = clock_ms();
        rc = embedder_query(r->embedder, q->question, strlen(q->question), query, q->cancel, e);
        out->embed_ms = clock_ms() - start;
    }
    if (apart)
        pthread_join(thread, NULL);
    else
        lexical_leg(l);
    out->lexical_ms = l->ms;
    if (!rc && l->rc)
        *e = l->err;
    return rc ? rc : l->rc;
}

static int search(retriever *r, store *s, const struct retriever_query *q, arena *a,
                  struct retriever_result *out, struct err *e)
{
    struct candidate *c = arena_alloc(a, CANDIDATES_MAX * sizeof *c);
    struct store_filter f;
    struct store_scope scope = {0};
    struct lexical l = {.r = r, .s = s, .question = q->question, .f = &f, .a = a, .c = c};
    struct vectors_among among = {0};
    struct vectors_spread spread[2] = {0};
    uint8_t *bits = NULL;
    struct query query = {0};
    if (!c)
        return err_nomem(e);
    int rc = refresh(r, s, &out->generation, e);
    if (!rc)
        rc = make_filter(r, s, q, a, &f, out, e);
    if (!rc)
        rc = scope_of(r, s, q->rights, &scope, &f.scope, e);
    if (!rc)
        rc = left_by_files(r, s, q->rights, &f, &bits, &among.n_bits, out, e);
    if (!rc && out->passages_with_vectors)
        rc = make_query(r, q, a, &query, e);
    l.english = query.english;
    l.cancel = q->cancel;
    if (!rc)
        rc = run_legs(&l, q, query.vector, out, e);
    double start = clock_ms();
    among.collections = f.collections;
    among.n_collections = f.n_collections;
    among.bits = bits;
    if (!rc && query.vector)
        rc = vector_leg(r, s, q->question, &query, &f, &among, c, &l.n, spread, e);
    store_scope_free(&scope);
    free(bits);
    out->vector_ms = clock_ms() - start;
    if (rc)
        return rc;
    fuse(c, l.n, utf8_has_cjk(q->question), spread);
    return take_hits(r, s, q, c, l.n, a, out, e);
}

int retriever_search(retriever *r, const struct retriever_query *q, arena *a,
                     struct retriever_result *out, struct err *e)
{
    store *s;
    double start = clock_ms();
    *out = (struct retriever_result){0};
    if (q->k < 1 || q->k > K_MAX)
        return err_set(e, -EINVAL, "k is a number from 1 to %d", K_MAX);
    if (q->cancel && atomic_load(q->cancel))
        return err_set(e, -ECANCELED, "the search was cancelled");
    int rc = connection_take(r, &s, e);
    if (rc == -ENOENT && !q->collections)
        return 0; // nothing ingested: nothing found
    if (rc)
        return rc;
    rc = search(r, s, q, a, out, e);
    connection_give(r, s);
    out->total_ms = clock_ms() - start;
    return rc;
}

int retriever_similarity(retriever *r, const char *question, const struct embedder_text *texts,
                         size_t n, float *out, const atomic_bool *cancel, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        out[i] = 0;
    if (!r->embedder || !n)
        return 0;
    size_t dims = embedder_dims(r->embedder);
    float *v = malloc((n + 1) * dims * sizeof *v);
    if (!v)
        return err_nomem(e);
    int rc = embedder_query(r->embedder, question, strlen(question), v, cancel, e);
    if (!rc)
        rc = embedder_embed(r->embedder, EMBEDDER_PASSAGE, TEAM_INTERACTIVE, texts, n, v + dims,
                            cancel, e);
    for (size_t i = 0; i < n && !rc; i++)
        for (size_t k = 0; k < dims; k++)
            out[i] += v[k] * v[(i + 1) * dims + k];
    free(v);
    return rc;
}

int retriever_collections(retriever *r, const struct rights *rights, arena *a,
                          struct retriever_collection **out, size_t *n, struct err *e)
{
    store *s;
    struct store_collection *all;
    size_t n_all = 0;
    *n = 0;
    *out = NULL;
    int rc = connection_take(r, &s, e);
    if (rc)
        return rc == -ENOENT ? 0 : rc;
    rc = store_collections(s, r->embedder ? embedder_fingerprint(r->embedder) : "", rights, a,
                           &all, &n_all, e);
    connection_give(r, s);
    if (rc)
        return rc;
    *out = arena_alloc(a, (n_all + 1) * sizeof **out);
    for (size_t i = 0; *out && i < n_all; i++)
        (*out)[(*n)++] = (struct retriever_collection){
            all[i].name,         all[i].documents, all[i].passages,
            all[i].with_vectors, all[i].bytes,     rfc3339(a, all[i].updated)};
    return *out ? 0 : err_nomem(e);
}

int retriever_get_document(retriever *r, int64_t id, const struct rights *rights, arena *a,
                           const struct retriever_document **doc,
                           struct retriever_hit **passages, size_t *n, struct err *e)
{
    store *s;
    struct store_row *rows;
    int rc = connection_take(r, &s, e);
    if (rc)
        return rc;
    rc = store_document_rows(s, id, a, &rows, n, e);
    connection_give(r, s);
    if (rc == -EBADMSG && r->on_damage)
        r->on_damage(r->ctx, e->msg);
    // Whose a damaged one was cannot be told.
    if (rc == -EBADMSG
            ? rights_limited(rights)
            : !rc && !rights_document(rights, rows[0].collection, rows[0].permissions)) {
        *e = (struct err){0};
        rc = err_set(e, -ENOENT, "there is no document %lld", (long long)id);
    }
    if (rc)
        return rc;
    *passages = arena_alloc(a, (*n + 1) * sizeof **passages);
    if (!*passages)
        return err_nomem(e);
    for (size_t i = 0; i < *n && !rc; i++)
        rc = make_hit(&rows[i], NULL, NULL, a, &(*passages)[i], e);
    *doc = (*passages)[0].document;
    return rc;
}

int retriever_word_share(retriever *r, const struct rights *rights, const char *const *words,
                         size_t n, double *out, struct err *e)
{
    store *s;
    struct store_scope scope = {0};
    const struct store_scope *used = NULL;
    arena *a = arena_new(0);
    const char **last = a ? arena_alloc(a, (n + 1) * sizeof *last) : NULL;
    uint64_t *counts = a ? arena_alloc(a, (n + 1) * sizeof *counts) : NULL, total = 0;
    int rc = last && counts ? 0 : err_nomem(e);
    for (size_t i = 0; i < n && !rc; i++) {
        // The last of a word's index words is the whole of it.
        struct buf b = BUF_INIT;
        if (text_words(&b, words[i], strlen(words[i])))
            rc = err_nomem(e);
        while (b.len && b.data[b.len - 1] == ' ')
            buf_truncate(&b, b.len - 1);
        const char *space = b.len ? strrchr(b.data, ' ') : NULL;
        last[i] = rc ? NULL : arena_strdup(a, space ? space + 1 : b.data);
        buf_free(&b);
        out[i] = 0;
    }
    if (!rc && !(rc = connection_take(r, &s, e))) {
        rc = store_sizes_refresh(r->sizes, s, e);
        if (!rc)
            rc = scope_of(r, s, rights, &scope, &used, e);
        if (!rc)
            rc = store_word_counts(s, r->sizes, used, last, n, counts, e);
        total = used ? used->passages : store_sizes_passages(r->sizes);
        store_scope_free(&scope);
        connection_give(r, s);
    } else if (rc == -ENOENT) {
        rc = 0;
    }
    for (size_t i = 0; i < n && !rc && total; i++)
        out[i] = (double)counts[i] / (double)total;
    arena_free(a);
    return rc;
}
