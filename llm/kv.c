// SPDX-License-Identifier: MIT
#include "llm/kv.h"

#include <stdlib.h>
#include <string.h>

#define CHUNKS_MAX (1u << 16)

int kv_init(struct kv_store *s, const transformer *t, size_t bytes, struct err *e)
{
    *s = (struct kv_store){.t = t, .roots = CHUNK_NONE};
    pthread_mutex_init(&s->lock, NULL);
    s->state_bytes = transformer_state_bytes(t, CHUNK_TOKENS);
    size_t cap = bytes / (s->state_bytes + sizeof *s->chunks);
    s->cap = cap < CHUNKS_MAX ? (uint32_t)cap : CHUNKS_MAX;
    s->chunks = s->cap ? calloc(s->cap, sizeof *s->chunks) : NULL;
    return s->cap && !s->chunks ? err_nomem(e) : 0;
}

void kv_free(struct kv_store *s)
{
    if (!s->t)
        return;
    for (uint32_t i = 0; i < s->n; i++)
        free(s->chunks[i].state);
    free(s->chunks);
    pthread_mutex_destroy(&s->lock);
    *s = (struct kv_store){0};
}

static uint32_t *children(struct kv_store *s, uint32_t parent)
{
    return parent == CHUNK_NONE ? &s->roots : &s->chunks[parent].first;
}

static uint32_t shared(const struct chunk *c, const int32_t *tokens, uint32_t n)
{
    uint32_t k = 0;
    while (k < c->n && k < n && c->tokens[k] == tokens[k])
        k++;
    return k;
}

static bool of_key(const struct chunk *c, const struct kv_key *key)
{
    return !memcmp(&c->key, key, sizeof *key);
}

// The child that shares most with tokens[0..n), and how much.
static uint32_t nearest(struct kv_store *s, const struct kv_key *key, uint32_t parent,
                        const int32_t *tokens, uint32_t n, uint32_t *most)
{
    uint32_t best = CHUNK_NONE;
    *most = 0;
    for (uint32_t i = *children(s, parent); i != CHUNK_NONE; i = s->chunks[i].next) {
        uint32_t k = of_key(&s->chunks[i], key) ? shared(&s->chunks[i], tokens, n) : 0;
        if (k > *most) {
            *most = k;
            best = i;
        }
    }
    return best;
}

uint32_t kv_find(struct kv_store *s, const struct kv_key *key, uint32_t parent,
                 const int32_t *tokens, uint32_t n)
{
    for (uint32_t i = *children(s, parent); i != CHUNK_NONE; i = s->chunks[i].next)
        if (s->chunks[i].n == n && of_key(&s->chunks[i], key) &&
            shared(&s->chunks[i], tokens, n) == n)
            return i;
    return CHUNK_NONE;
}

uint32_t kv_get(struct kv_store *s, const struct kv_key *key, transformer_session *session,
                const int32_t *tokens, uint32_t n, uint32_t have)
{
    struct err e;
    uint32_t at = CHUNK_NONE, got = 0, k;
    pthread_mutex_lock(&s->lock);
    // First only look: most prompts are in their timeline already.
    for (uint32_t c; (c = nearest(s, key, at, tokens + got, n - got, &k)) != CHUNK_NONE;
         at = c) {
        got += k;
        s->chunks[c].used = ++s->clock;
        if (k < CHUNK_TOKENS)
            break;
    }
    uint32_t found = got > have ? got : 0;
    at = CHUNK_NONE;
    for (uint32_t pos = 0; pos < found; pos += k) {
        at = nearest(s, key, at, tokens + pos, n - pos, &k);
        if (pos + k <= have)
            continue;
        // Positions that the session has are written again, with the same bytes.
        if (transformer_session_restore(session, pos, s->chunks[at].n, s->chunks[at].state,
                                        &e)) {
            // A chunk's end may lie beyond the context: then what came before is what there is.
            found = pos;
            break;
        }
    }
    if (found > have) {
        transformer_session_truncate(session, found);
        s->hits++;
        s->restored += found - have;
    }
    pthread_mutex_unlock(&s->lock);
    return found > have ? found : 0;
}

static void unlink_chunk(struct kv_store *s, uint32_t i)
{
    uint32_t *link = children(s, s->chunks[i].parent);
    while (*link != i)
        link = &s->chunks[*link].next;
    *link = s->chunks[i].next;
    s->chunks[i].n = 0;
}

// A chunk that is not in the tree, with memory for its state.
static uint32_t free_chunk(struct kv_store *s, uint64_t since)
{
    uint32_t oldest = CHUNK_NONE;
    if (s->n < s->cap) {
        void *state = malloc(s->state_bytes);
        if (state) {
            s->chunks[s->n].state = state;
            return s->n++;
        }
    }
    for (uint32_t i = 0; i < s->n; i++) {
        const struct chunk *c = &s->chunks[i];
        if (!c->n)
            return i;
        if (c->first == CHUNK_NONE && c->used < since &&
            (oldest == CHUNK_NONE || c->used < s->chunks[oldest].used))
            oldest = i;
    }
    if (oldest != CHUNK_NONE)
        unlink_chunk(s, oldest);
    return oldest;
}

uint32_t kv_add(struct kv_store *s, const struct kv_key *key, uint32_t parent, uint64_t since)
{
    uint32_t i = free_chunk(s, since);
    if (i == CHUNK_NONE)
        return i;
    struct chunk *c = &s->chunks[i];
    *c = (struct chunk){.key = *key, .parent = parent, .first = CHUNK_NONE, .state = c->state};
    c->next = *children(s, parent);
    *children(s, parent) = i;
    c->used = ++s->clock;
    return i;
}

void kv_put(struct kv_store *s, const struct kv_key *key, const transformer_session *session,
            const int32_t *tokens, uint32_t n)
{
    uint32_t at = CHUNK_NONE, k;
    pthread_mutex_lock(&s->lock);
    uint64_t since = s->clock + 1;
    for (uint32_t pos = 0, len; pos < n; pos += len) {
        len = n - pos < CHUNK_TOKENS ? n - pos : CHUNK_TOKENS;
        uint32_t c = nearest(s, key, at, tokens + pos, len, &k);
        if (c == CHUNK_NONE || (k < len && k < s->chunks[c].n)) {
            c = kv_add(s, key, at, since); // it leaves what is there
            if (c == CHUNK_NONE)
                break;
        }
        struct chunk *x = &s->chunks[c];
        x->used = ++s->clock;
        if (x->n < len) { // new, or there is more of it now
            memcpy(x->tokens, tokens + pos, len * sizeof *tokens);
            transformer_session_save(session, pos, len, x->state);
            x->n = len;
        }
        at = c;
    }
    pthread_mutex_unlock(&s->lock);
}

void kv_stats(struct kv_store *s, uint64_t *hits, uint64_t *restored, size_t *bytes,
              size_t *most)
{
    pthread_mutex_lock(&s->lock);
    *hits = s->hits;
    *restored = s->restored;
    *bytes = s->n * s->state_bytes;
    *most = s->cap * s->state_bytes;
    pthread_mutex_unlock(&s->lock);
}
