// SPDX-License-Identifier: MIT
// Shared by the files of retriever/ only.
#pragma once

#include "base/buf.h"
#include "retriever/retriever.h"
#include "retriever/vectors.h"
#include "store/store.h"

#include <pthread.h>

#define LEG_CANDIDATES 100
#define READERS_MAX 16

struct retriever {
    char *data_dir;
    embedder *embedder;
    struct vectors *vectors; // NULL: words only
    pthread_mutex_t lock;    // over what follows
    store *idle[READERS_MAX];
    size_t n_idle;
    int64_t sequence; // of the last refresh
};

// A store connection for this thread, and back. -ENOENT while there is no store.
int reader_take(retriever *r, store **out, struct err *e);
void reader_give(retriever *r, store *s);

// One candidate of either leg.
struct candidate {
    int64_t id;
    double bm25, cosine, lexical, score;
    bool has_cosine;
};

// The words of a question worth searching for: those in at most a tenth of the passages, or all
// when nothing else is left. `list` is in the arena, NULL-terminated.
int words_of_query(store *s, const char *question, arena *a, const char ***list, size_t *n,
                   struct err *e);
// Both legs' candidates as one list, best first.
void fuse(struct candidate *c, size_t n);
const char *rfc3339(arena *a, int64_t seconds);
