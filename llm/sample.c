// SPDX-License-Identifier: MIT
// Sampling, in this order:
//   1. logit bias;
//   2. repetition penalty (Keskar et al. 2019), then frequency and presence penalties, over the
//      last tokens of the answer;
//   3. the constraint's mask;
//   4. temperature 0: the best token, the lowest id of equals. Else
//   5. top-k, temperature, top-p (Holtzman et al. 2020), min-p, and one draw.
// The same seed and logits give the same token: order is settled by (logit, id), the generator
// is our own, and it is drawn from once a token, never when greedy.
#include "llm/internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void llm__sampler_init(struct sampler *s, const struct llm_sampling *o,
                       const struct sampler_room *room)
{
    s->o = *o;
    s->state = o->seed;
    s->room = *room;
}

static bool penalises(const struct llm_sampling *o)
{
    return (o->repetition > 0 && o->repetition != 1) || o->presence != 0 || o->frequency != 0;
}

static void penalise(struct sampler *s, size_t n, const int32_t *recent, size_t n_recent)
{
    const struct llm_sampling *o = &s->o;
    uint16_t *counts = s->room.counts;
    if (o->window && n_recent > o->window) {
        recent += n_recent - o->window;
        n_recent = o->window;
    }
    for (size_t i = 0; i < n_recent; i++)
        if (counts[recent[i]] < UINT16_MAX)
            counts[recent[i]]++;
    for (size_t i = 0; i < n_recent; i++) {
        uint16_t times = counts[recent[i]];
        float *x = &s->room.row[recent[i]];
        if (!times || (size_t)recent[i] >= n)
            continue;
        if (o->repetition > 0 && o->repetition != 1)
            *x = *x > 0 ? *x / o->repetition : *x * o->repetition;
        *x -= (float)times * o->frequency + o->presence;
        counts[recent[i]] = 0; // all zero again when we are through
    }
}

bool llm__sample_adjusts(const struct llm_sampling *o)
{
    return o->n_bias || penalises(o);
}

const float *llm__sample_adjust(struct sampler *s, const float *logits, size_t n,
                                const int32_t *recent, size_t n_recent)
{
    if (!llm__sample_adjusts(&s->o))
        return logits;
    memcpy(s->room.row, logits, n * sizeof *logits);
    for (size_t i = 0; i < s->o.n_bias; i++)
        if (s->o.bias[i].token >= 0 && (size_t)s->o.bias[i].token < n)
            s->room.row[s->o.bias[i].token] += s->o.bias[i].add;
    if (penalises(&s->o))
        penalise(s, n, recent, n_recent);
    return s->room.row;
}

// splitmix64 (Steele, Lea, Flood 2014): a double in [0, 1).
static double draw(struct sampler *s)
{
    uint64_t z = s->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static bool better(struct candidate a, struct candidate b)
{
    return a.p != b.p ? a.p > b.p : a.id < b.id;
}

// Move the worst of c[0..n) down a heap whose root is the worst.
static void sift(struct candidate *c, size_t i, size_t n)
{
    struct candidate v = c[i];
    for (size_t k; (k = 2 * i + 1) < n; i = k) {
        if (k + 1 < n && better(c[k], c[k + 1]))
            k++;
        if (!better(v, c[k]))
            break;
        c[i] = c[k];
    }
    c[i] = v;
}

// Leave the best k of n in c[0..k), best first, and the others behind. In place, O(n log k).
static void best_first(struct candidate *c, size_t n, size_t k)
{
    for (size_t i = k / 2; i-- > 0;)
        sift(c, i, k);
    for (size_t i = k; i < n; i++) {
        if (better(c[i], c[0])) {
            struct candidate worst = c[0];
            c[0] = c[i];
            c[i] = worst;
            sift(c, 0, k);
        }
    }
    for (size_t i = k; i-- > 1;) {
        struct candidate worst = c[0];
        c[0] = c[i];
        c[i] = worst;
        sift(c, 0, i);
    }
}

// What is no number, or infinitely unlikely, still comes before what a mask forbids.
static float usable(float x)
{
    return x > -FLT_MAX ? x : -FLT_MAX;
}

static bool masked(const uint64_t *mask, size_t i)
{
    return mask && !(mask[i / 64] >> i % 64 & 1);
}

static int32_t greedy(const float *logits, size_t n, const uint64_t *mask)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++)
        if (!masked(mask, i) && (best == n || usable(logits[i]) > usable(logits[best])))
            best = i;
    return best == n ? -1 : (int32_t)best;
}

// Candidates in order, sorted as far as they are asked for: a draw seldom looks at many.
struct ranking {
    struct candidate *c;
    size_t n, sorted;
    float top, temperature;
};

// The weight of the i-th best; the best has 1.
static float weight(struct ranking *r, size_t i)
{
    while (i >= r->sorted) {
        size_t more = r->sorted ? r->sorted * 3 : 64;
        more = more < r->n - r->sorted ? more : r->n - r->sorted;
        best_first(r->c + r->sorted, r->n - r->sorted, more);
        r->sorted += more;
    }
    return expf((r->c[i].p - r->top) / r->temperature);
}

// How many of the best top-p and min-p leave, and their weights' sum.
static size_t nucleus(struct ranking *r, const struct llm_sampling *o, double *sum)
{
    bool by_p = o->top_p > 0 && o->top_p < 1;
    double total = 0, seen = 0;
    size_t keep = 0;
    for (size_t i = 0; i < r->n && (by_p || !(o->min_p > 0)); i++)
        total += expf((r->c[i].p - r->top) / r->temperature);
    if (!by_p && !(o->min_p > 0)) {
        *sum = total;
        return r->n;
    }
    for (; keep < r->n && (!by_p || seen < o->top_p * total); keep++) {
        float w = weight(r, keep);
        // What has no weight is not drawn, however the sum rounds.
        if (keep && (w < o->min_p || w == 0))
            break;
        seen += w;
    }
    *sum = seen;
    return keep;
}

int32_t llm__sample(struct sampler *s, const float *logits, size_t n, const uint64_t *mask)
{
    if (!(s->o.temperature > 0))
        return greedy(logits, n, mask);
    struct ranking r = {.c = s->room.candidates, .temperature = s->o.temperature};
    for (size_t i = 0; i < n; i++)
        if (!masked(mask, i))
            r.c[r.n++] = (struct candidate){usable(logits[i]), (int32_t)i};
    if (!r.n)
        return -1;
    if (s->o.top_k && s->o.top_k < r.n) {
        best_first(r.c, r.n, s->o.top_k);
        r.n = r.sorted = s->o.top_k;
    }
    r.top = -FLT_MAX;
    for (size_t i = 0; i < r.n; i++)
        r.top = r.c[i].p > r.top ? r.c[i].p : r.top;
    double sum, at;
    size_t keep = nucleus(&r, &s->o, &sum), k = 0;
    at = draw(s) * sum;
    for (float w; (w = weight(&r, k)) <= at; k++) {
        at -= w;
        if (k + 1 == keep || weight(&r, k + 1) == 0)
            break;
    }
    return r.c[k].id;
}

// log of the sum of exp(logit - top).
static double log_sum(const float *logits, size_t n, float top)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)usable(logits[i]) - top);
    // cppcheck-suppress invalidFunctionArg ; n > 0
    return log(sum);
}

double llm__logprob(const float *logits, size_t n, int32_t id)
{
    float top = usable(logits[greedy(logits, n, NULL)]);
    return (double)usable(logits[id]) - top - log_sum(logits, n, top);
}

size_t llm__top(const float *logits, size_t n, int32_t id, size_t want,
                struct candidate *scratch, struct llm_alternative *out, double *logprob)
{
    float top = usable(logits[greedy(logits, n, NULL)]);
    double rest = top + log_sum(logits, n, top);
    *logprob = (double)usable(logits[id]) - rest;
    want = want < n ? want : n;
    if (!want)
        return 0;
    for (size_t i = 0; i < n; i++)
        scratch[i] = (struct candidate){usable(logits[i]), (int32_t)i};
    best_first(scratch, n, want);
    for (size_t i = 0; i < want; i++)
        out[i] = (struct llm_alternative){scratch[i].id, (double)scratch[i].p - rest};
    return want;
}
