// SPDX-License-Identifier: MIT
// Keys and values of earlier prompts, so that no common beginning of prompts is computed twice,
// whatever the timelines hold by now: a tree of chunks of tokens. Any thread.
#pragma once

#include "base/err.h"
#include "engine/transformer/transformer.h"

#include <pthread.h>

enum { CHUNK_TOKENS = 16 };
#define CHUNK_NONE UINT32_MAX

// What keys and values depend on beside the weights and the tokens, the adapters, and who they
// were computed for. Chunks of another key are never taken.
struct kv_key {
    char hex[64]; // SHA-256; zeros: no adapters, asker 0
};

// A chunk is where its parent and those before it lead, and its tokens. Only whole chunks have
// children.
struct chunk {
    struct kv_key key;
    int32_t tokens[CHUNK_TOKENS];
    uint32_t n;                   // tokens; 0: free
    uint32_t parent, first, next; // first child, next sibling; CHUNK_NONE
    uint64_t used;
    void *state; // of CHUNK_TOKENS positions at most; kept when the chunk goes
};

struct kv_store {
    const transformer *t;
    size_t state_bytes; // of a whole chunk
    struct chunk *chunks;
    uint32_t n, cap, roots; // chunks ever used; first of those without a parent
    uint64_t clock, hits, restored;
    pthread_mutex_t lock;
};

// At most `bytes` of states. 0 bytes: nothing is ever kept.
int kv_init(struct kv_store *s, const transformer *t, size_t bytes, struct err *e);
void kv_free(struct kv_store *s);
// How many of tokens[0..n) it can give, if that is more than `have`: then the session, which
// holds `have` of them, holds so many. Else 0.
uint32_t kv_get(struct kv_store *s, const struct kv_key *key, transformer_session *session,
                const int32_t *tokens, uint32_t n, uint32_t have);
// Keep the session's tokens[0..n); the least recently used make room.
void kv_put(struct kv_store *s, const struct kv_key *key, const transformer_session *session,
            const int32_t *tokens, uint32_t n);
// Times it gave something, tokens that it gave; bytes of states held now and at most.
void kv_stats(struct kv_store *s, uint64_t *hits, uint64_t *restored, size_t *bytes,
              size_t *most);
// A new chunk under `parent` for the caller to fill, locked; CHUNK_NONE when there is no room
// but by dropping what was used since `since`.
uint32_t kv_add(struct kv_store *s, const struct kv_key *key, uint32_t parent, uint64_t since);

// The child of `parent` of just these tokens, locked, or CHUNK_NONE.
uint32_t kv_find(struct kv_store *s, const struct kv_key *key, uint32_t parent,
                 const int32_t *tokens, uint32_t n);

// kv_file.c: all chunks to a file and back. `model` names the weights (64 hexadecimal
// digits). The file is not trusted: -EINVAL for one of another model, layout or chunk size, cut
// short, changed or with impossible contents; the store is as it was then.
int kv_save(struct kv_store *s, const char *path, const char *model, uint32_t n_vocab,
            struct err *e);
int kv_load(struct kv_store *s, const char *path, const char *model, uint32_t n_vocab,
            struct err *e);
