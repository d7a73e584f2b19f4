// SPDX-License-Identifier: MIT
// Convex combination of the two legs (Bruch et al. 2023): scores scaled within the question,
// weighted as docs/quality.md shows. Without vectors the words decide alone.
#include "retriever/internal.h"

#include <stdlib.h>

#define DENSE_WEIGHT 0.6

static int best_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

void fuse(struct candidate *c, size_t n)
{
    double top = 0, low = 1, high = -1;
    for (size_t i = 0; i < n; i++) {
        top = c[i].bm25 > top ? c[i].bm25 : top;
        if (c[i].has_cosine) {
            low = c[i].cosine < low ? c[i].cosine : low;
            high = c[i].cosine > high ? c[i].cosine : high;
        }
    }
    for (size_t i = 0; i < n; i++) {
        c[i].lexical = top > 0 ? c[i].bm25 / top : 0;
        double dense = c[i].has_cosine && high > low ? (c[i].cosine - low) / (high - low) : 0;
        c[i].score =
            high > -1 ? (1 - DENSE_WEIGHT) * c[i].lexical + DENSE_WEIGHT * dense : c[i].lexical;
    }
    qsort(c, n, sizeof *c, best_first);
}
