// SPDX-License-Identifier: MIT
// Convex combination of the two legs (Bruch et al. 2023): scores scaled within the question,
// weighted as docs/quality.md shows. Without vectors the words decide alone. What a second
// embedder has to say is half of what meaning counts for; of a passage that it does not know
// the first one's word stands for both.
//
// A cosine across scripts is lower than one within, whatever is said. So it counts for as much
// as the one that stands as far above the mean, in standard deviations, among the passages in
// the question's own script.
#include "retriever/internal.h"

#include <math.h>
#include <stdlib.h>

#define DENSE_WEIGHT 0.6

static int best_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

// With what is known beforehand of the default embedder, multilingual-e5-small, as if so many
// passages had shown it: few passages say little, and a store may be in one language only.
#define KNOWN 16
static const struct vectors_spread known[2][2] = {
    {{0.731, 0.019, KNOWN}, {0.702, 0.016, KNOWN}}, // asked in another script: there, in CJK
    {{0.810, 0.014, KNOWN}, {0.734, 0.025, KNOWN}}, // asked in CJK: there, in another
};

static struct vectors_spread both(const struct vectors_spread *a,
                                  const struct vectors_spread *b)
{
    double n = (double)a->n, m = (double)b->n;
    return (struct vectors_spread){
        .mean = (n * a->mean + m * b->mean) / (n + m),
        .deviation =
            sqrt((n * a->deviation * a->deviation + m * b->deviation * b->deviation) / (n + m)),
        .n = a->n + b->n};
}

static void move_foreign(struct candidate *c, size_t n, bool asked_in_cjk,
                         const struct vectors_spread seen[2])
{
    const struct vectors_spread own = both(&seen[0], &known[asked_in_cjk][0]),
                                other = both(&seen[1], &known[asked_in_cjk][1]);
    for (size_t i = 0; i < n; i++) {
        if (!c[i].has_cosine || !c[i].foreign)
            continue;
        double there = own.mean + (c[i].cosine - other.mean) * own.deviation / other.deviation;
        c[i].moved = there - c[i].cosine;
        c[i].cosine = there;
    }
}

struct range {
    double low, high;
};

static void widen(struct range *r, double x)
{
    r->low = x < r->low ? x : r->low;
    r->high = x > r->high ? x : r->high;
}

static double scaled(const struct range *r, double x)
{
    return r->high > r->low ? (x - r->low) / (r->high - r->low) : 0;
}

void fuse(struct candidate *c, size_t n, bool asked_in_cjk, const struct vectors_spread seen[2])
{
    struct range words = {0, 0}, cosines = {1, -1}, english = {1, -1};
    move_foreign(c, n, asked_in_cjk, seen);
    for (size_t i = 0; i < n; i++) {
        widen(&words, c[i].covered);
        if (c[i].has_cosine)
            widen(&cosines, c[i].cosine);
        if (c[i].has_english)
            widen(&english, c[i].english);
    }
    for (size_t i = 0; i < n; i++) {
        c[i].lexical = scaled(&words, c[i].covered);
        double first = c[i].has_cosine ? scaled(&cosines, c[i].cosine) : 0;
        double second = c[i].has_english ? scaled(&english, c[i].english) : first;
        c[i].score = cosines.high > -1 ? (1 - DENSE_WEIGHT) * c[i].lexical +
                                             DENSE_WEIGHT * (first + second) / 2
                                       : c[i].lexical;
    }
    qsort(c, n, sizeof *c, best_first);
}
