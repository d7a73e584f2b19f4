// SPDX-License-Identifier: MIT
// Passages without a vector get one, in batches that are committed as they are made: a run that
// is ended early loses one batch of work and nothing else.
#include "ingest/ingest.h"

#include "base/arena.h"
#include "base/buf.h"
#include "embedder/embedder.h"
#include "engine/tensor/formats.h"
#include "engine/tensor/team.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FETCH 512 // passages read at once
#define BATCH 64  // passages embedded and committed at once

// The heading without its number. ("12.1.1. Software RAID", "Chapter 3: Files")
static const char *unnumbered(const char *s)
{
    const char *p = s;
    if (!strncmp(p, "Chapter ", 8) || !strncmp(p, "Section ", 8))
        p += 8;
    else if (!strncmp(p, "Appendix ", 9))
        p += 9;
    bool word = p != s;
    size_t n = strspn(p, "0123456789.");
    if (!n && word && p[0] >= 'A' && p[0] <= 'Z' && strchr(".: ", p[1])) // "Appendix A."
        n = 1;
    // A number that is followed by a word of its own: "3D" and "2026" alone stay.
    if (!n || !p[n + strspn(p + n, ".: ")] || !strchr(".: ", p[n]))
        return s;
    return p + n + strspn(p + n, ".: ");
}

// What is embedded. With the whole path of headings in front, passages of one chapter are drawn
// together and away from what they say themselves; the innermost heading alone finds most.
static const char *joined(arena *a, const struct store_pending *p)
{
    return arena_printf(a, "%s: %s", unnumbered(p->heading), p->text);
}

struct texts {
    struct embedder_text *list;
    size_t *owner; // which passage of the batch the text belongs to
    size_t n, cap;
};

static int add_text(struct texts *t, const char *s, size_t n, size_t owner)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : BATCH * 2;
        struct embedder_text *list = reallocarray(t->list, cap, sizeof *list);
        if (!list)
            return -ENOMEM;
        t->list = list;
        size_t *o = reallocarray(t->owner, cap, sizeof *o);
        if (!o)
            return -ENOMEM;
        t->owner = o;
        t->cap = cap;
    }
    t->list[t->n] = (struct embedder_text){s, n};
    t->owner[t->n++] = owner;
    return 0;
}

// Add a text whole, or in halves if it has more tokens than the model reads: nothing is cut
// off unseen. Depth is bounded by the length.
static int add_fitting(struct texts *t, const embedder *m, const char *s, size_t n,
                       size_t owner)
{
    // Each token is one byte at least.
    if (n <= embedder_max_tokens(m) || n < 8 ||
        embedder_count_tokens(m, s, n) <= embedder_max_tokens(m))
        return add_text(t, s, n, owner);
    size_t half = n / 2;
    while (half < n && s[half] != ' ' && s[half] != '\n' && half < n / 2 + n / 8)
        half++;
    while (half < n && ((unsigned char)s[half] & 0xC0) == 0x80)
        half++;
    int rc = add_fitting(t, m, s, half, owner);
    return rc ? rc : add_fitting(t, m, s + half, n - half, owner);
}

// The vector of a passage in parts is the direction of their sum.
static void gather(const struct texts *t, const float *parts, size_t dims, float *out, size_t n)
{
    memset(out, 0, n * dims * sizeof *out);
    for (size_t i = 0; i < t->n; i++)
        for (size_t k = 0; k < dims; k++)
            out[t->owner[i] * dims + k] += parts[i * dims + k];
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        float *v = out + i * dims;
        for (size_t k = 0; k < dims; k++)
            sum += (double)v[k] * v[k];
        float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
        for (size_t k = 0; k < dims; k++)
            v[k] *= scale;
    }
}

static int batch(store *s, embedder *m, const struct store_pending *p, size_t n, arena *a,
                 struct err *e)
{
    size_t dims = embedder_dims(m);
    struct texts t = {0};
    int64_t ids[BATCH];
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        const char *text = joined(a, &p[i]);
        ids[i] = p[i].id;
        rc = text ? add_fitting(&t, m, text, strlen(text), i) : -ENOMEM;
    }
    float *parts = rc ? NULL : calloc(t.n + n, dims * sizeof *parts);
    uint16_t *half = parts ? malloc(n * dims * sizeof *half) : NULL;
    rc = half ? 0 : err_nomem(e);
    if (!rc)
        rc = embedder_embed(m, EMBEDDER_PASSAGE, TEAM_BATCH, t.list, t.n, parts,
                            &ingest_cancelled, e);
    if (!rc) {
        float *whole = parts + t.n * dims;
        gather(&t, parts, dims, whole, n);
        for (size_t i = 0; i < n * dims; i++)
            half[i] = float_to_half(whole[i]);
        rc = store_put_vectors(s, embedder_fingerprint(m), ids, n, dims, half, e);
    }
    free(parts);
    free(half);
    free(t.list);
    free(t.owner);
    return rc;
}

// `embed` looks at every vector; with `add` that would cost more than what it adds.
static int remake_damaged(store *s, const struct options *o, const embedder *m, struct err *e)
{
    size_t n = 0;
    if (strcmp(o->command, "embed") != 0)
        return 0;
    int rc = store_drop_damaged_vectors(s, embedder_fingerprint(m), &n, e);
    if (!rc && n)
        printf("%zu vectors were damaged and are made again\n", n);
    return rc;
}

static int embed_all(store *s, const struct options *o, embedder *m, enum store_for who,
                     struct report *r, struct err *e)
{
    const char *fingerprint = embedder_fingerprint(m);
    uint64_t missing = 0, left = 0, done = 0;
    bool complete = false;
    int rc = remake_damaged(s, o, m, e);
    if (!rc)
        rc = store_count_pending(s, fingerprint, who, &missing, e);
    double since = report_now();
    while (!rc && done < missing && !ingest_signal) {
        arena *a = arena_new(0);
        struct store_pending *p = NULL;
        size_t n = 0;
        rc = a ? store_pending(s, fingerprint, who, FETCH, a, &p, &n, e) : err_nomem(e);
        // In the order of their ids: a reader takes in what lies beyond the last it has seen.
        for (size_t i = 0; i < n && !rc; i += BATCH) {
            rc = batch(s, m, p + i, n - i < BATCH ? n - i : BATCH, a, e);
            done += n - i < BATCH ? n - i : BATCH;
            report_progress(r, "vectors", done, missing, since);
        }
        arena_free(a);
        if (!rc && !n)
            break;
    }
    report_clear(r);
    if (!rc)
        rc = store_is_complete(s, fingerprint, &complete, e);
    if (!rc && !complete && !ingest_signal)
        rc = store_complete(s, fingerprint, who, e);
    if (rc == -ECANCELED)
        rc = 0;
    double spent = report_now() - since;
    if (!rc && done)
        rc = store_count_pending(s, fingerprint, who, &left, e);
    if (!rc && done)
        printf("%" PRIu64 " vectors%s in %.1f s (%.1f passages/s); %" PRIu64
               " passages are left without one\n",
               done, who == STORE_FOR_ALL ? "" : " for English", spent,
               spent > 0 ? (double)done / spent : 0, left);
    return rc;
}

static int embed_with(store *s, const struct options *o, const char *path, enum store_for who,
                      struct team *team, struct report *r, struct err *e)
{
    embedder *m = NULL;
    int rc = embedder_open(path, team, &m, e);
    if (!rc)
        rc = embed_all(s, o, m, who, r, e);
    embedder_close(m);
    return rc;
}

int embed_pending(store *s, const struct options *o, struct report *r, struct err *e)
{
    struct team *team = NULL;
    bool english = o->model_en[0] && (o->model_en_named || !access(o->model_en, F_OK));
    if (!o->model_named && access(o->model, F_OK)) {
        fprintf(stderr,
                "askd-ingest: no embedder at %s: the documents can be searched by their words; "
                "scripts/fetch-models gets one, then: askd-ingest embed\n",
                o->model);
        return 0;
    }
    // Whoever asks a question goes first.
    if (nice(10) == -1)
        errno = 0;
    int rc = team_new(o->threads, &team, e);
    if (!rc)
        rc = embed_with(s, o, o->model, STORE_FOR_ALL, team, r, e);
    if (!rc && english && !ingest_signal)
        rc = embed_with(s, o, o->model_en, STORE_FOR_NO_CJK, team, r, e);
    team_free(team);
    return rc;
}

int ingest_embed(const struct options *o, struct report *r, struct err *e)
{
    store *s = NULL;
    if (o->n_paths) {
        err_set(e, -EINVAL, "embed takes no PATH");
        return 2;
    }
    int rc = store_open_writer(o->data, &s, e);
    if (!rc && !o->model_named && access(o->model, F_OK))
        rc = err_set(e, -ENOENT, "no embedder at %s; scripts/fetch-models gets one", o->model);
    if (!rc)
        rc = embed_pending(s, o, r, e);
    store_close(s);
    if (ingest_signal) {
        err_set(e, -ECANCELED, "interrupted; run it again to continue");
        return 128 + ingest_signal;
    }
    return rc ? 2 : 0;
}
