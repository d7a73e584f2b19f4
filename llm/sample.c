// SPDX-License-Identifier: MIT
// Sampling: top-k, then temperature, top-p, min-p, then one draw. The same seed and logits give
// the same token: order is settled by (logit, id), the generator is our own.
#include "llm/internal.h"

#include <math.h>
#include <stdlib.h>

void llm__sampler_init(struct sampler *s, const struct llm_sampling *o,
                       struct candidate *scratch)
{
    s->o = *o;
    s->state = o->seed;
    s->c = scratch;
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

// Leave the best k of n in c[0..k), best first. In place, O(n log k).
static void best_first(struct candidate *c, size_t n, size_t k)
{
    for (size_t i = k / 2; i-- > 0;)
        sift(c, i, k);
    for (size_t i = k; i < n; i++) {
        if (better(c[i], c[0])) {
            c[0] = c[i];
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

static int32_t greedy(const float *logits, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

int32_t llm__sample(struct sampler *s, const float *logits, size_t n)
{
    if (!(s->o.temperature > 0))
        return greedy(logits, n);
    for (size_t i = 0; i < n; i++)
        s->c[i] = (struct candidate){isnan(logits[i]) ? -INFINITY : logits[i], (int32_t)i};
    size_t k = s->o.top_k && s->o.top_k < n ? s->o.top_k : n;
    best_first(s->c, n, k);
    float top = s->c[0].p;
    double sum = 0, seen = 0;
    for (size_t i = 0; i < k; i++)
        sum += s->c[i].p = expf((s->c[i].p - top) / s->o.temperature);
    size_t keep = k;
    if (s->o.top_p > 0 && s->o.top_p < 1) {
        for (keep = 0; keep < k && seen < s->o.top_p * sum; keep++)
            seen += s->c[keep].p;
        keep = keep ? keep : 1;
    }
    // The best has weight 1, so min_p compares with weights as they are.
    while (keep > 1 && s->c[keep - 1].p < s->o.min_p)
        keep--;
    for (sum = 0, k = 0; k < keep; k++)
        sum += s->c[k].p;
    double at = draw(s) * sum;
    for (k = 0; k + 1 < keep && at >= s->c[k].p; k++)
        at -= s->c[k].p;
    return s->c[k].id;
}

double llm__logprob(const float *logits, size_t n, int32_t id)
{
    float top = logits[greedy(logits, n)];
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - top);
    // cppcheck-suppress invalidFunctionArg ; n > 0
    return (double)logits[id] - top - log(sum);
}
