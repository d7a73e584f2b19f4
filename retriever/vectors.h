// SPDX-License-Identifier: MIT
// The vector leg: FAISS indexes in memory, two a collection, made from the store's vectors and
// brought up to date from them. The store is the truth, so there is no index file that could be
// torn or foreign.
//
// An embedder of several languages puts texts of one language closer together than texts of one
// meaning, so passages in CJK script and the others are searched apart, and how far each kind
// is spread around a question says what a cosine there is worth.
#pragma once

#include "base/err.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vectors;

int vectors_new(size_t dims, const char *fingerprint, struct vectors **out, struct err *e);
void vectors_free(struct vectors *v); // NULL-safe
// Bring the indexes up to date with the store: take in what is new, drop what is gone. Any
// thread; one does the work, the others wait for it. *sequence is the store's, at least as old
// as what is searched from then on.
int vectors_refresh(struct vectors *v, store *s, int64_t *sequence, struct err *e);
// What is searched: these collections (ids; NULL: all), and of them the passages whose bit is
// set (NULL: all).
struct vectors_among {
    const int64_t *collections;
    size_t n_collections;
    const uint8_t *bits;
    size_t n_bits;
};
// The k best by inner product of those in CJK script, or of the others: passages and scores,
// best first, equals by id; *n may be smaller.
int vectors_search(struct vectors *v, const float *query, const struct vectors_among *among,
                   bool cjk, size_t k, int64_t *ids, float *scores, size_t *n, struct err *e);
// Inner product of the query and one passage's vector, and whether it is in CJK script; -ENOENT
// when it has none.
int vectors_score(struct vectors *v, const float *query, int64_t id, float *score, bool *cjk);
// Mean and standard deviation of the inner products, from some 500 of the passages of either
// kind, always the same ones.
struct vectors_spread {
    double mean, deviation;
    size_t n; // passages looked at
};
int vectors_spread(struct vectors *v, const float *query, const struct vectors_among *among,
                   bool cjk, struct vectors_spread *out, struct err *e);
// How many there are of the passages whose bit is set (NULL: of all).
size_t vectors_count(struct vectors *v, const uint8_t *bits, size_t n_bits);
// At the last refresh: see store_is_complete. Any thread.
bool vectors_complete(const struct vectors *v);
