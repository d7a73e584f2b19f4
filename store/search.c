// SPDX-License-Identifier: MIT
// Which passages hold the words of a question, best first, by BM25.
//
// FTS5's own bm25() reads every matching row's length from a table, and the rows of all words
// in step: with hundreds of thousands of passages that is most of a question's time. Here FTS5
// gives, word by word, the passages and how often the word stands there; lengths are in memory
// (sizes.c), and a float a passage sums up. The formula and its constants are FTS5's (Robertson
// and Zaragoza 2009, k1 = 1.2, b = 0.75).
#include "store/internal.h"

#include "base/buf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define K1 1.2
#define B 0.75

// The word as a phrase: it comes from text_words() and holds no quotes; what does is dropped.
static int match_expression(struct buf *b, const char *word)
{
    return *word && !strchr(word, '"') ? buf_addf(b, "\"%s\"", word) : 0;
}

static int filter_json(struct buf *b, const struct store_filter *f)
{
    int rc = buf_addc(b, '[');
    for (size_t i = 0; i < f->n_collections && !rc; i++)
        rc = buf_addf(b, "%s%lld", i ? "," : "", (long long)f->collections[i]);
    return rc ? rc : buf_addc(b, ']');
}

// What is not bound filters nothing, so nothing may go on without: 0 if all is.
static int bind_filter(sqlite3_stmt *q, int at, const struct store_filter *f,
                       const struct buf *ids)
{
    int failed = 0;
    if (f->collections)
        failed |= sqlite3_bind_text(q, at, ids->data, (int)ids->len, SQLITE_STATIC);
    if (f->path_glob)
        failed |= sqlite3_bind_text(q, at + 1, f->path_glob, -1, SQLITE_STATIC);
    if (f->type)
        failed |= sqlite3_bind_text(q, at + 2, f->type, -1, SQLITE_STATIC);
    if (f->after)
        failed |= sqlite3_bind_int64(q, at + 3, f->after);
    return failed;
}

// A parameter that is NULL filters nothing.
#define FILTER(c, g, t, m)                                                            \
    " (" c " IS NULL OR d.collection IN (SELECT value FROM json_each(" c ")))"        \
    " AND (" g " IS NULL OR d.path GLOB " g ") AND (" t " IS NULL OR d.type = " t ")" \
    " AND (" m " IS NULL OR d.modified >= " m ")"

static bool has_bit(const uint8_t *bits, uint32_t n, uint32_t i)
{
    return i < n && bits[i / 8] >> i % 8 & 1;
}

static bool in_scope(const struct store_scope *c, uint32_t document)
{
    return !c->documents || has_bit(c->documents, c->n, document);
}

static int count_in_scope(store *s, const store_sizes *z, const struct store_scope *scope,
                          sqlite3_stmt *q, uint64_t *count, struct err *e)
{
    int step;
    while ((step = sqlite3_step(q)) == SQLITE_ROW) {
        sqlite3_int64 id = sqlite3_column_int64(q, 0);
        *count += id >= 0 && (size_t)id < z->n && z->documents[id] &&
                  in_scope(scope, z->documents[id]);
    }
    int rc = step == SQLITE_DONE ? 0 : store_fail(s, e);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return rc;
}

int store_word_counts(store *s, store_sizes *z, const struct store_scope *scope,
                      const char *const *words, size_t n, uint64_t *counts, struct err *e)
{
    sqlite3_stmt *q;
    int64_t v = 0;
    int rc = scope ? store_prepare(s, "SELECT rowid FROM words WHERE words MATCH ?", &q, e)
                   : store_prepare(s, "SELECT count(*) FROM words WHERE words MATCH ?", &q, e);
    if (scope)
        store_sizes_hold(z);
    for (size_t i = 0; i < n && !rc; i++) {
        struct buf b = BUF_INIT;
        counts[i] = 0;
        if (match_expression(&b, words[i])) {
            rc = err_nomem(e);
        } else if (b.len) {
            rc = sqlite3_bind_text(q, 1, b.data, (int)b.len, SQLITE_STATIC) ? store_fail(s, e)
                 : scope ? count_in_scope(s, z, scope, q, &counts[i], e)
                         : store_number(s, q, &v, e);
            if (!scope)
                counts[i] = (uint64_t)v;
        }
        buf_free(&b);
    }
    if (scope)
        store_sizes_release(z);
    return rc;
}

int store_passes(store *s, int64_t passage, const struct store_filter *f, bool *out,
                 struct err *e)
{
    sqlite3_stmt *q;
    struct buf ids = BUF_INIT;
    int64_t v = 0;
    int rc = filter_json(&ids, f) ? err_nomem(e) : 0;
    if (!rc)
        rc = store_prepare(
            s,
            "SELECT count(*) FROM passages p JOIN documents d ON d.id = p.document"
            " WHERE p.id = ?1 AND" FILTER("?2", "?3", "?4", "?5"),
            &q, e);
    if (!rc) {
        sqlite3_bind_int64(q, 1, passage);
        rc = bind_filter(q, 2, f, &ids) ? store_fail(s, e) : store_number(s, q, &v, e);
    }
    buf_free(&ids);
    *out = v > 0;
    return rc;
}

// ---- scoring ----

struct scores {
    const struct store_sizes *sizes;
    const struct store_word *words;
    double mean;   // words of a passage
    double total;  // passages
    float *sum;    // [sizes->n] by passage
    uint32_t *ids; // of those with a sum, in the order they were met
    size_t n, cap;
    double idf; // of the word at hand, weighted
};

static double weighted_idf(const struct store_word *w, double total)
{
    double n = (double)w->count;
    return (w->weight > 0 ? w->weight : 1) * fmax(log((total - n + 0.5) / (n + 0.5)), 1e-6);
}

static int add_id(struct scores *z, uint32_t id)
{
    if (z->n == z->cap) {
        size_t cap = z->cap ? z->cap * 2 : 4096;
        uint32_t *ids = reallocarray(z->ids, cap, sizeof *ids);
        if (!ids)
            return SQLITE_NOMEM;
        z->ids = ids;
        z->cap = cap;
    }
    z->ids[z->n++] = id;
    return SQLITE_OK;
}

// Called by FTS5 for each passage that holds the word at hand.
static int add_row(const Fts5ExtensionApi *api, Fts5Context *fts, void *ctx)
{
    struct scores *z = ctx;
    sqlite3_int64 id = api->xRowid(fts);
    int times = 0, rc = api->xInstCount(fts, &times);
    if (rc || id < 0 || (size_t)id >= z->sizes->n || !z->sizes->documents[id])
        return rc; // put or removed since the sizes were read
    if (z->sum[id] == 0 && (rc = add_id(z, (uint32_t)id)))
        return rc;
    double tf = times, length = z->sizes->lengths[id];
    z->sum[id] += (float)(z->idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / z->mean)));
    return SQLITE_OK;
}

// The auxiliary function askd_score(words). Asked for one row of the words together, it goes
// through all rows of each word.
static void score_all(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *ctx,
                      int n_args, sqlite3_value **args)
{
    struct scores *z = ((store *)api->xUserData(fts))->scores;
    (void)n_args;
    (void)args;
    if (!z) {
        sqlite3_result_error(ctx, "askd_score() is for searching only", -1);
        return;
    }
    int rc = SQLITE_OK;
    for (int i = 0; i < api->xPhraseCount(fts) && rc == SQLITE_OK; i++) {
        z->idf = weighted_idf(&z->words[i], z->total);
        rc = api->xQueryPhrase(fts, i, z, add_row);
    }
    if (rc != SQLITE_OK)
        sqlite3_result_error_code(ctx, rc);
    else
        sqlite3_result_int(ctx, 1);
}

int store_add_functions(store *s, struct err *e)
{
    fts5_api *api = NULL;
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, "SELECT fts5(?1)", -1, &q, NULL);
    if (!rc)
        rc = sqlite3_bind_pointer(q, 1, (void *)&api, "fts5_api_ptr", NULL);
    if (!rc)
        rc = sqlite3_step(q) == SQLITE_ROW ? SQLITE_OK : sqlite3_errcode(s->db);
    if (rc && rc != SQLITE_ERROR) // which is what an unknown function gives
        rc = store_fail(s, e);
    sqlite3_finalize(q);
    if (rc < 0)
        return rc;
    if (!api)
        return err_set(e, -ENOSYS, "%s: this SQLite has no FTS5", s->path);
    // FTS5 gives its code here without telling the connection.
    rc = api->xCreateFunction(api, "askd_score", s, score_all, NULL);
    return rc == SQLITE_NOMEM ? err_nomem(e) : rc ? store_fail(s, e) : 0;
}

static int score_words(store *s, struct scores *z, size_t n_words, struct err *e)
{
    struct buf b = BUF_INIT;
    sqlite3_stmt *q;
    int rc = 0;
    for (size_t i = 0; i < n_words && !rc; i++)
        rc = buf_addf(&b, "%s\"%s\"", i ? " OR " : "", z->words[i].word);
    if (rc)
        rc = err_nomem(e);
    else
        rc = store_prepare(s, "SELECT askd_score(words) FROM words WHERE words MATCH ? LIMIT 1",
                           &q, e);
    if (!rc) {
        sqlite3_bind_text(q, 1, b.data, (int)b.len, SQLITE_STATIC);
        s->scores = z;
        int step = sqlite3_step(q);
        s->scores = NULL;
        rc = step == SQLITE_ROW || step == SQLITE_DONE ? 0 : store_fail(s, e);
        sqlite3_reset(q);
        sqlite3_clear_bindings(q);
    }
    buf_free(&b);
    return rc;
}

static bool better(const struct store_hit *a, const struct store_hit *b)
{
    return a->bm25 != b->bm25 ? a->bm25 > b->bm25 : a->id < b->id;
}

static int best_first(const void *a, const void *b)
{
    return better(a, b) ? -1 : better(b, a);
}

// A heap of at most k hits, the worst on top.
static void keep(struct store_hit *heap, size_t *n, size_t k, struct store_hit x)
{
    size_t i;
    if (*n < k) {
        for (i = (*n)++; i && better(&heap[(i - 1) / 2], &x); i = (i - 1) / 2)
            heap[i] = heap[(i - 1) / 2];
        heap[i] = x;
        return;
    }
    if (!k || !better(&x, &heap[0]))
        return;
    for (i = 0;;) {
        size_t child = 2 * i + 1;
        if (child >= k)
            break;
        if (child + 1 < k && better(&heap[child], &heap[child + 1]))
            child++;
        if (!better(&x, &heap[child]))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
}

#define ALLOWED "SELECT d.id FROM documents d WHERE" FILTER("?1", "?2", "?3", "?4")

// One bit a document that passes the filter and what the permissions of files leave; NULL when
// all do.
static int allowed_documents(store *s, const struct store_filter *f,
                             const struct rights *rights, uint32_t most, uint8_t **out,
                             struct err *e)
{
    struct buf ids = BUF_INIT;
    sqlite3_stmt *q;
    bool by_files = rights && rights->by_files;
    *out = NULL;
    if (!f->collections && !f->path_glob && !f->type && !f->after && !by_files)
        return 0;
    uint8_t *bits = calloc(most / 8 + 1, 1);
    int rc = bits && !filter_json(&ids, f) ? 0 : err_nomem(e);
    if (!rc)
        rc = !by_files ? store_prepare(s, ALLOWED, &q, e)
             : s->version < 4
                 ? store_prepare(s, ALLOWED " AND" LEFT_BY_FILES("?5", NOBODY), &q, e)
                 : store_prepare(s, ALLOWED " AND" LEFT_BY_FILES("?5", "d.permissions"), &q, e);
    if (!rc) {
        int step = SQLITE_DONE;
        if (bind_filter(q, 1, f, &ids) || (by_files && store_bind_rights(q, 5, rights)))
            rc = store_fail(s, e);
        while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
            sqlite3_int64 id = sqlite3_column_int64(q, 0);
            if (id >= 0 && id <= most)
                bits[id / 8] |= (uint8_t)(1 << id % 8);
        }
        if (!rc && step != SQLITE_DONE)
            rc = store_fail(s, e);
        sqlite3_reset(q);
        sqlite3_clear_bindings(q);
    }
    buf_free(&ids);
    if (rc)
        free(bits);
    else
        *out = bits;
    return rc;
}

int store_scope_new(store *s, store_sizes *z, const int64_t *collections, size_t n,
                    const struct rights *rights, struct store_scope *out, struct err *e)
{
    const struct store_filter f = {.collections = collections, .n_collections = n};
    store_sizes_hold(z);
    *out = (struct store_scope){.n = z->last_document + 1};
    int rc = allowed_documents(s, &f, rights, z->last_document, &out->documents, e);
    for (size_t i = 0; i < z->n && !rc; i++)
        if (z->documents[i] && in_scope(out, z->documents[i])) {
            out->passages++;
            out->words += z->lengths[i];
        }
    store_sizes_release(z);
    return rc;
}

void store_scope_free(struct store_scope *c)
{
    free(c->documents);
    c->documents = NULL;
}

int store_scope_bits(store_sizes *z, const struct store_scope *c, uint8_t **bits, size_t *n,
                     struct err *e)
{
    store_sizes_hold(z);
    *n = z->n;
    *bits = calloc(*n / 8 + 1, 1);
    for (size_t i = 0; *bits && i < *n; i++)
        if (z->documents[i] && in_scope(c, z->documents[i]))
            (*bits)[i / 8] |= (uint8_t)(1 << i % 8);
    store_sizes_release(z);
    return *bits ? 0 : err_nomem(e);
}

static int search(store *s, const struct store_sizes *z, const struct store_word *words,
                  size_t n_words, const struct store_filter *f, size_t k, struct store_hit *out,
                  size_t *n, struct err *e)
{
    uint64_t passages = f->scope ? f->scope->passages : z->passages;
    uint64_t total = f->scope ? f->scope->words : z->words;
    struct scores x = {.sizes = z,
                       .words = words,
                       .total = (double)passages,
                       .mean = passages ? (double)total / (double)passages : 1};
    uint8_t *allowed = NULL;
    int rc = allowed_documents(s, f, NULL, z->last_document, &allowed, e);
    if (!rc && !(x.sum = calloc(z->n + 1, sizeof *x.sum)))
        rc = err_nomem(e);
    if (!rc && n_words)
        rc = score_words(s, &x, n_words, e);
    for (size_t i = 0; i < x.n && !rc; i++) {
        uint32_t id = x.ids[i], document = z->documents[id];
        if ((!f->scope || in_scope(f->scope, document)) &&
            (!allowed || allowed[document / 8] >> document % 8 & 1))
            keep(out, n, k, (struct store_hit){id, (double)x.sum[id]});
    }
    if (!rc)
        qsort(out, *n, sizeof *out, best_first);
    free(x.sum);
    free(x.ids);
    free(allowed);
    return rc;
}

int store_search_words(store *s, store_sizes *sizes, const struct store_word *words,
                       size_t n_words, const struct store_filter *f, size_t k,
                       struct store_hit *out, size_t *n, struct err *e)
{
    *n = 0;
    store_sizes_hold(sizes);
    int rc = search(s, sizes, words, n_words, f, k, out, n, e);
    store_sizes_release(sizes);
    return rc;
}

double store_words_worth(store_sizes *z, const struct store_scope *scope,
                         const struct store_word *words, size_t n)
{
    double total = (double)(scope ? scope->passages : store_sizes_passages(z)), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += weighted_idf(&words[i], total);
    return sum;
}
