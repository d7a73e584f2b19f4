// SPDX-License-Identifier: MIT
// Whether a model has room, before anything of it is taken: better one sentence now than a
// process that is killed while it answers.
#include "llm/model.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

// A pool takes addresses in pieces of at least this size (engine/tensor/pool.c).
#define POOL_PIECE ((uint64_t)128 << 20)
#define MIB(bytes) ((unsigned long long)((bytes) + ((1u << 20) - 1)) >> 20)

struct needs {
    uint64_t weights, session, cache; // session: of each
    uint32_t n_sessions, n_ctx;
    uint32_t models; // and so many pools of weights, and in each session
};

static int of_adapters(const struct llm_options *o, struct needs *n, struct err *e)
{
    for (size_t i = 0; i < o->n_adapters; i++) {
        gguf *g;
        int rc = gguf_open(o->adapters[i].path, &g, e);
        if (rc)
            return rc;
        for (size_t k = 0; k < gguf_tensor_count(g); k++) {
            const uint64_t *ne = gguf_tensor_at(g, k)->ne;
            n->weights += ne[0] * ne[1] * ne[2] * ne[3] * sizeof(float);
        }
        gguf_close(g);
    }
    return 0;
}

static int of_draft(const struct llm_options *o, struct needs *n, struct err *e)
{
    struct transformer_needs t;
    gguf *g;
    if (!o->draft_path)
        return 0;
    int rc = gguf_open(o->draft_path, &g, e);
    if (rc)
        return rc;
    rc = transformer_measure(g, o->team, n->n_ctx, TURN_TOKENS, &t, e);
    gguf_close(g);
    if (rc)
        return rc;
    n->weights += t.weights;
    n->session += t.session;
    n->models++;
    return 0;
}

static int measure(const gguf *g, const struct llm_options *o, struct needs *n, struct err *e)
{
    struct transformer_needs t;
    int rc = transformer_measure(g, o->team, n->n_ctx, PASS_TOKENS(n->n_sessions), &t, e);
    if (rc)
        return rc;
    // What a slot has beside its session; see open_slots.
    uint64_t row = (uint64_t)t.n_vocab * sizeof(float);
    n->weights = t.weights;
    n->session = t.session + (uint64_t)t.n_ctx * sizeof(int32_t) +
                 row * (!o->no_lookup || o->draft_path ? DRAFT_ROWS + 1 : 1) +
                 (uint64_t)t.n_vocab * (sizeof(struct candidate) + sizeof(uint16_t));
    n->n_ctx = t.n_ctx;
    n->models = 1;
    rc = of_draft(o, n, e);
    return rc ? rc : of_adapters(o, n, e);
}

static uint64_t sum(const struct needs *n)
{
    return n->weights + n->session * n->n_sessions + n->cache;
}

// What would help: the first of these that is too much.
static void advise(const struct needs *n, uint64_t room, char out[120])
{
    if (n->weights > room)
        snprintf(out, 120, "choose a smaller model or fewer bits");
    else if (n->weights + n->session > room)
        snprintf(out, 120, "lower the context (%u tokens)", n->n_ctx);
    else if (n->weights + n->session * n->n_sessions > room)
        snprintf(out, 120, "lower the sessions (%u) or the context (%u tokens)", n->n_sessions,
                 n->n_ctx);
    else
        snprintf(out, 120, "lower the cache (cache_mb)");
}

static int check(const gguf *g, const struct needs *n, uint64_t room, const char *bound,
                 struct err *e)
{
    char advice[120];
    const char *slash = strrchr(gguf_path(g), '/');
    if (sum(n) <= room)
        return 0;
    advise(n, room, advice);
    return err_set(
        e, -ENOMEM,
        "%.40s needs %llu MiB (weights %llu, %u sessions of %llu, cache %llu), there "
        "are %llu (%s): %s",
        slash ? slash + 1 : gguf_path(g), MIB(sum(n)), MIB(n->weights), n->n_sessions,
        MIB(n->session), MIB(n->cache), (unsigned long long)(room >> 20), bound, advice);
}

int llm__room_check(const gguf *g, const struct llm_options *o, uint32_t n_sessions,
                    uint32_t n_ctx, uint64_t cache, struct err *e)
{
    struct memory_room room;
    struct needs n = {.n_sessions = n_sessions, .n_ctx = n_ctx, .cache = cache};
    int rc = measure(g, o, &n, e);
    memory_room("", &room);
    if (!rc)
        rc = check(g, &n, room.bytes, room.bound, e);
    n.weights += n.models * POOL_PIECE;
    n.session += n.models * POOL_PIECE;
    return rc ? rc : check(g, &n, room.addresses, "of addresses, ulimit -v", e);
}
