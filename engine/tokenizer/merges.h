// SPDX-License-Identifier: MIT
// Neighbours that may merge, the best first, leftmost on a tie: a heap in memory of the
// caller's. What merged meanwhile stays in it; `was` tells, when it comes out, what its symbols
// were when it went in.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct merge_candidate {
    uint32_t order;      // the smaller goes first
    int32_t left, right; // symbols
    uint32_t was[2];
    int32_t result;
};

struct merges {
    struct merge_candidate *heap; // room for three a symbol: n-1 at first, then two a merge
    size_t n;
};

// The order of scores, the greatest first. None is NaN.
static inline uint32_t merge_order(float score)
{
    uint32_t bits;
    score += 0; // -0 is 0
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~bits & INT32_MAX;
}

static inline int merge_before(const struct merge_candidate *a, const struct merge_candidate *b)
{
    return a->order != b->order ? a->order < b->order : a->left < b->left;
}

static inline void merges_push(struct merges *m, struct merge_candidate c)
{
    size_t i = m->n++;
    while (i && merge_before(&c, &m->heap[(i - 1) / 2])) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = c;
}

// There is one.
static inline struct merge_candidate merges_pop(struct merges *m)
{
    struct merge_candidate top = m->heap[0], last = m->heap[--m->n];
    size_t i = 0;
    for (;;) {
        size_t k = 2 * i + 1;
        if (k >= m->n)
            break;
        if (k + 1 < m->n && merge_before(&m->heap[k + 1], &m->heap[k]))
            k++;
        if (!merge_before(&m->heap[k], &last))
            break;
        m->heap[i] = m->heap[k];
        i = k;
    }
    m->heap[i] = last;
    return top;
}
