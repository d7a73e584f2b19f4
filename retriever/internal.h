// SPDX-License-Identifier: MIT
// Shared by the files of retriever/ only.
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "retriever/lexicon.h"
#include "retriever/retriever.h"
#include "retriever/vectors.h"
#include "store/store.h"

#include <pthread.h>

#define LEG_CANDIDATES 100
#define CONNECTIONS_MAX 16

// What the collections hold, counted now and then.
struct totals {
    arena *a; // NULL: not counted yet
    struct store_collection *list;
    size_t n;
    int64_t sequence;
    double counted, cost; // when, in ms, and how long that took
};

struct retriever {
    char *data_dir;
    embedder *embedder, *english;
    reader *reader;         // NULL: nothing is read
    const lexicon *lexicon; // NULL: questions are not translated
    store_sizes *sizes;
    struct vectors *vectors;         // NULL: words only
    struct vectors *english_vectors; // NULL: there is no second embedder
    retriever_damage_fn *on_damage;  // NULL: nobody
    void *ctx;
    atomic_int_fast64_t generation; // of the last search
    pthread_mutex_t lock;           // over what follows
    store *idle[CONNECTIONS_MAX];
    size_t n_idle;
    struct totals totals;
};

// A store connection for this thread, and back. -ENOENT while there is no store.
int connection_take(retriever *r, store **out, struct err *e);
void connection_give(retriever *r, store *s);

// One candidate of either leg.
struct candidate {
    int64_t id;
    double covered; // share of the question that it holds in words, by how rare they are
    double cosine;  // in the other script than the question: moved, see fuse()
    double english; // cosine by the second embedder
    double lexical, score;
    double moved; // what the cosine was moved by
    bool has_cosine, has_english, foreign;
};
// Room for all: what the words find, as asked and translated, the vectors in either script, and
// those of the second embedder.
#define CANDIDATES_MAX (5 * LEG_CANDIDATES)

// The words of a question worth searching for. `list` is in the arena.
int words_of_query(store *s, store_sizes *z, const struct store_scope *scope,
                   const char *question, arena *a, struct store_word **list, size_t *n,
                   struct err *e);
// The same in the other language: translations of its terms, as far as they stand in the
// passages, and its own words that are in Latin script anyway, out of own[0..n_own). *worth is
// what a passage would score that holds all of it, also what stands nowhere. *n is 0 where
// nothing is translated.
int words_translated(retriever *r, store *s, const struct store_scope *scope,
                     const char *question, const struct store_word *own, size_t n_own, arena *a,
                     struct store_word **list, size_t *n, double *worth, struct err *e);
// Both legs' candidates as one list, best first. `seen`: how the question's cosines are spread
// among passages in its own script, and in the other.
void fuse(struct candidate *c, size_t n, bool asked_in_cjk,
          const struct vectors_spread seen[2]);
// What somebody with these rights counts words in: *used is `c`, to be freed with
// store_scope_free, or NULL for all.
int scope_of(retriever *r, store *s, const struct rights *rights, struct store_scope *c,
             const struct store_scope **used, struct err *e);
// Where the permissions of files decide: the passages of the collections asked for that they
// leave, a bit each (*bits: `n` of them, to be freed); out's totals become theirs. Else *bits
// is NULL.
int left_by_files(retriever *r, store *s, const struct rights *rights,
                  const struct store_filter *f, uint8_t **bits, size_t *n,
                  struct retriever_result *out, struct err *e);
// The query's filter in the store's terms, and the totals of what it covers; out->generation is
// known. -ENOENT names a collection that does not exist, -EINVAL a wrong date.
int make_filter(retriever *r, store *s, const struct retriever_query *q, arena *a,
                struct store_filter *f, struct retriever_result *out, struct err *e);

// What a text is compared by; see same.c.
struct shingles {
    uint64_t *all, *values; // sorted, each once
    size_t n, n_values;
};
int shingles_of(const char *text, arena *a, struct shingles *out); // -ENOMEM
// The same text but for a few words, and the same values and negations.
bool shingles_same(const struct shingles *a, const struct shingles *b);

const char *rfc3339(arena *a, int64_t seconds);
