// SPDX-License-Identifier: MIT
// The vector leg: a FAISS index in memory, made from the store's vectors and brought up to date
// from them. The store is the truth, so there is no index file that could be torn or foreign.
#pragma once

#include "base/err.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

struct vectors;

int vectors_new(size_t dims, const char *fingerprint, struct vectors **out, struct err *e);
void vectors_free(struct vectors *v); // NULL-safe
// Take in what the store has beyond the last refresh. Any thread; searches wait for a moment
// only. What was deleted stays until a rebuild: whoever looks a passage up finds that it has
// gone.
int vectors_refresh(struct vectors *v, store *s, struct err *e);
// The k best by inner product: ids and scores, best first; *n may be smaller.
int vectors_search(struct vectors *v, const float *query, size_t k, int64_t *ids, float *scores,
                   size_t *n, struct err *e);
// Inner product of the query and one passage's vector; -ENOENT when it has none.
int vectors_score(struct vectors *v, const float *query, int64_t id, float *score);
size_t vectors_count(struct vectors *v);
