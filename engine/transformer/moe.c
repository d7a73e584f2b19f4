// SPDX-License-Identifier: MIT
#include "engine/transformer/moe.h"

#include "engine/transformer/decoder.h"
#include "engine/transformer/floats.h"

#include <math.h>
#include <string.h>

// ---- memory ----

struct plan {
    char *base;
    size_t at;
};

static void *take(struct plan *plan, size_t n, size_t each)
{
    char *here = plan->base ? plan->base + plan->at : NULL;
    plan->at += (n * each + 63) / 64 * 64;
    return here;
}

static void take_activations(struct plan *plan, struct activations *a, size_t n, size_t cols)
{
    void *memory = take(plan, activations_bytes(n, cols), 1);
    if (memory)
        activations_place(a, memory, n, cols);
}

static void place(struct plan *plan, struct moe *m, const struct transformer *t, size_t n_batch)
{
    size_t rows = n_batch * t->n_used;
    m->chosen = take(plan, rows, sizeof *m->chosen);
    m->row = take(plan, rows, sizeof *m->row);
    m->share = take(plan, rows, sizeof *m->share);
    m->column = take(plan, rows, sizeof *m->column);
    m->start = take(plan, t->n_expert + 1, sizeof *m->start);
    m->gate = take(plan, rows * t->n_ff_exp, sizeof *m->gate);
    m->up = take(plan, rows * t->n_ff_exp, sizeof *m->up);
    m->out = take(plan, rows * t->n_embd, sizeof *m->out);
    take_activations(plan, &m->in, rows, t->n_embd);
    take_activations(plan, &m->wide, rows, t->n_ff_exp);
}

size_t moe_bytes(const struct transformer *t, size_t n_batch)
{
    struct moe unused;
    struct plan plan = {NULL, 0};
    if (t->n_expert)
        place(&plan, &unused, t, n_batch);
    return plan.at;
}

void moe_place(struct moe *m, void *memory, const struct transformer *t, size_t n_batch)
{
    struct plan plan = {memory, 0};
    if (t->n_expert)
        place(&plan, m, t, n_batch);
}

// ---- the choice ----

// The best n_used scores, best first; of equals the lowest expert.
static void choose(const float *scores, uint32_t n, uint32_t n_used, uint32_t *chosen)
{
    for (uint32_t k = 0; k < n_used; k++) {
        uint32_t best = n;
        for (uint32_t i = 0; i < n; i++) {
            bool taken = false;
            for (uint32_t j = 0; j < k; j++)
                taken = taken || chosen[j] == i;
            if (!taken && (best == n || scores[i] > scores[best]))
                best = i;
        }
        chosen[k] = best;
    }
}

// The softmax over those that are chosen, which is that over all, brought to a sum of 1.
static void weigh(const float *scores, const uint32_t *chosen, uint32_t n_used, float *share)
{
    float sum = 0;
    for (uint32_t k = 0; k < n_used; k++) {
        share[k] = (float)exp((double)scores[chosen[k]] - (double)scores[chosen[0]]);
        sum += share[k];
    }
    for (uint32_t k = 0; k < n_used; k++)
        share[k] /= sum;
}

static void route(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    const struct experts *x = t->layers[p->layer].experts;
    size_t first, last, d = t->n_embd;
    (void)i, (void)n;
    while (claim(t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++) {
            float scores[EXPERTS_MAX];
            uint32_t *chosen = p->moe.chosen + c * t->n_used;
            for (uint32_t e = 0; e < t->n_expert; e++)
                scores[e] = floats_dot(x->router + e * d, p->h + c * d, d);
            choose(scores, t->n_expert, t->n_used, chosen);
            weigh(scores, chosen, t->n_used, p->moe.share + c * t->n_used);
        }
    }
}

// Count, add up, then give out rows; `start` moves on by one expert while they are given out.
static void group(struct pass *p)
{
    const struct transformer *t = p->t;
    struct moe *m = &p->moe;
    uint32_t used = t->n_used, at = 0;
    memset(m->start, 0, (t->n_expert + 1) * sizeof *m->start);
    for (uint32_t i = 0; i < p->n * used; i++)
        m->start[m->chosen[i] + 1]++;
    for (uint32_t e = 0; e <= t->n_expert; e++) {
        at += m->start[e];
        m->start[e] = at;
    }
    for (uint32_t i = 0; i < p->n * used; i++) {
        m->row[i] = m->start[m->chosen[i]]++;
        m->column[m->row[i]] = i / used;
    }
    for (uint32_t e = t->n_expert; e > 0; e--)
        m->start[e] = m->start[e - 1];
    m->start[0] = 0;
}

// ---- the experts ----

static void gather(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    struct moe *m = &p->moe;
    size_t first, last, d = p->t->n_embd, blocks = d / MATRIX_BLOCK;
    (void)i, (void)n;
    while (claim(p->t->team, p->n * (size_t)p->t->n_used, &first, &last)) {
        for (size_t r = first; r < last; r++) {
            struct activations from = activations_from(&p->narrow, m->column[r], d),
                               to = activations_from(&m->in, r, d);
            memcpy(to.q, from.q, d);
            memcpy(to.d, from.d, blocks * sizeof *to.d);
            memcpy(to.ds, from.ds, blocks * sizeof *to.ds);
            memcpy(to.less, from.less, blocks * sizeof *to.less);
        }
    }
}

// Rows of gate and up, 32 by 32, of one expert after the other: as in feed_up of decoder.c.
static void experts_up(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    const struct experts *x = t->layers[p->layer].experts;
    struct moe *m = &p->moe;
    size_t ff = t->n_ff_exp, blocks = ff / MATRIX_BLOCK, each = MATRIX_BLOCK / MATRIX_ROWS;
    size_t parts = parts_of(blocks, n);
    (void)i;
    for (size_t j; (j = team_claim(t->team)) < parts * t->n_expert;) {
        size_t e = j / parts, from = m->start[e], now = m->start[e + 1] - from;
        size_t first = blocks * (j % parts) / parts, last = blocks * (j % parts + 1) / parts;
        struct activations in = activations_from(&m->in, from, t->n_embd);
        if (!now)
            continue;
        matrix_multiply(&x->gate[e].w, x->gate[e].bias, &in, now, m->gate + from * ff, ff,
                        first * each, last * each);
        matrix_multiply(&x->up[e].w, x->up[e].bias, &in, now, m->up + from * ff, ff,
                        first * each, last * each);
        for (size_t r = from; r < from + now; r++) {
            size_t at = r * ff + first * MATRIX_BLOCK;
            vector_silu_times(m->gate + at, m->up + at, (last - first) * MATRIX_BLOCK);
            activations_quantize(&m->wide, m->gate, r * blocks + first, r * blocks + last);
        }
    }
}

static void experts_down(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    const struct experts *x = t->layers[p->layer].experts;
    struct moe *m = &p->moe;
    size_t groups = matrix_groups(&x->down[0].w), parts = parts_of(groups, n);
    (void)i;
    for (size_t j; (j = team_claim(t->team)) < parts * t->n_expert;) {
        size_t e = j / parts, from = m->start[e], now = m->start[e + 1] - from;
        struct activations in = activations_from(&m->wide, from, t->n_ff_exp);
        if (now)
            matrix_multiply(&x->down[e].w, x->down[e].bias, &in, now, m->out + from * t->n_embd,
                            t->n_embd, groups * (j % parts) / parts,
                            groups * (j % parts + 1) / parts);
    }
}

// What a token's experts say, best first.
static void combine(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t first, last, d = t->n_embd;
    (void)i, (void)n;
    while (claim(t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++) {
            float *h = p->h + c * d;
            memset(h, 0, d * sizeof *h);
            for (size_t k = c * t->n_used; k < (c + 1) * t->n_used; k++) {
                const float *out = p->moe.out + p->moe.row[k] * d;
                for (size_t y = 0; y < d; y++)
                    h[y] += p->moe.share[k] * out[y];
            }
        }
    }
}

void moe_feed(struct pass *p)
{
    struct team *team = p->t->team;
    team_run(team, route, p);
    group(p);
    team_run(team, gather, p);
    team_run(team, experts_up, p);
    team_run(team, experts_down, p);
    team_run(team, combine, p);
}
