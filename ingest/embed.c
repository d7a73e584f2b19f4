// SPDX-License-Identifier: MIT
// Vectors of the passages that have none of this model yet: in batches, each kept as it is
// done.
#include "ingest/ingest.h"

#include "embedder/embedder.h"
#include "engine/tensor/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64

struct batch {
    struct embedder_text texts[BATCH];
    int64_t ids[BATCH];
    float *f32;
    uint16_t *f16;
};

static int embed_batch(store *s, embedder *m, struct batch *b, struct store_pending *p,
                       size_t n, arena *a, struct err *e)
{
    size_t dims = embedder_dims(m);
    for (size_t i = 0; i < n; i++) {
        char *text = arena_printf(a, "%s\n%s", p[i].header, p[i].text);
        if (!text)
            return err_nomem(e);
        b->texts[i] = (struct embedder_text){text, strlen(text)};
        b->ids[i] = p[i].id;
    }
    int rc =
        embedder_embed(m, EMBEDDER_PASSAGE, TEAM_BATCH, b->texts, n, b->f32, &ingest_stop, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < n * dims; i++)
        b->f16[i] = float_to_half(b->f32[i]);
    return store_put_vectors(s, embedder_fingerprint(m), b->ids, n, dims, b->f16, e);
}

// How many there are to do, for the progress line.
static int count_missing(store *s, const char *fingerprint, uint64_t *out, struct err *e)
{
    struct store_collection *c;
    size_t n;
    arena *a = arena_new(0);
    int rc = a ? store_collections(s, fingerprint, a, &c, &n, e) : err_nomem(e);
    *out = 0;
    for (size_t i = 0; !rc && i < n; i++)
        *out += c[i].passages - c[i].with_vectors;
    arena_free(a);
    return rc;
}

static int run(store *s, embedder *m, uint64_t *done, struct err *e)
{
    size_t dims = embedder_dims(m), n = 1;
    struct batch b = {.f32 = malloc(BATCH * dims * sizeof(float)),
                      .f16 = malloc(BATCH * dims * sizeof(uint16_t))};
    uint64_t total = 0;
    int rc =
        b.f32 && b.f16 ? count_missing(s, embedder_fingerprint(m), &total, e) : err_nomem(e);
    while (!rc && n) {
        struct store_pending *p;
        arena *a = arena_new(0);
        rc = a ? store_pending(s, embedder_fingerprint(m), BATCH, a, &p, &n, e) : err_nomem(e);
        if (!rc && n)
            rc = embed_batch(s, m, &b, p, n, a, e);
        if (!rc)
            *done += n;
        progress("vectors:", *done, total);
        arena_free(a);
    }
    progress_end();
    free(b.f32);
    free(b.f16);
    return rc;
}

int ingest_embed(store *s, const struct ingest_options *o, uint64_t *done, struct err *e)
{
    struct team *team = NULL;
    embedder *m = NULL;
    *done = 0;
    int rc = team_new(o->threads, &team, e);
    if (!rc)
        rc = embedder_open(o->model, team, &m, e);
    if (!rc)
        rc = run(s, m, done, e);
    embedder_close(m);
    team_free(team);
    return rc;
}
