// SPDX-License-Identifier: MIT
#include "engine/transformer/lora.h"

#include "engine/transformer/decoder.h"
#include "engine/transformer/floats.h"

#include <math.h>

static bool same(const struct lora_use *a, const struct lora_use *b)
{
    bool all = a->n == b->n;
    for (uint32_t i = 0; all && i < a->n; i++)
        all = a->adapters[i] == b->adapters[i] && a->scales[i] == b->scales[i];
    return all;
}

int transformer_session_set_adapters(transformer_session *s,
                                     const transformer_adapter *const *adapters,
                                     const float *scales, uint32_t n, struct err *e)
{
    struct lora_use use = {.n = n};
    if (n > TRANSFORMER_ADAPTERS_MAX)
        return err_set(e, -E2BIG, "%u adapters are more than %d", n, TRANSFORMER_ADAPTERS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        if (adapters[i]->t != s->t)
            return err_set(e, -EINVAL, "adapter %u was opened for another model", i + 1);
        if (!isfinite(scales[i]))
            return err_set(e, -EINVAL, "the scale of adapter %u is no number", i + 1);
        use.adapters[i] = adapters[i];
        use.scales[i] = scales[i];
    }
    if (!same(&use, &s->lora))
        s->len = 0; // what the timeline holds was computed without them
    s->lora = use;
    return 0;
}

bool lora_wanted(const struct pass *p)
{
    for (uint32_t c = 0; c < p->n; c++)
        if (p->columns[c].s->lora.n)
            return true;
    return false;
}

// y += s B (A x)
static void add_pair(const struct lora_pair *pair, float scale, const float *x, float *y)
{
    float low[LORA_RANK_MAX];
    for (uint32_t r = 0; r < pair->rank; r++)
        low[r] = floats_dot(pair->a + r * pair->cols, x, pair->cols);
    for (size_t r = 0; r < pair->rows; r++)
        y[r] += scale * floats_dot(pair->b + r * pair->rank, low, pair->rank);
}

// What goes into a part and what has come out of its matrix, for one column.
static void ends_of(const struct pass *p, enum lora_part part, size_t c, const float **x,
                    float **y)
{
    const struct transformer *t = p->t;
    float *h = p->h + c * t->n_embd, *gate = p->gate + c * t->n_ff;
    float *outs[] = {[LORA_Q] = p->q + c * q_width(t),
                     [LORA_K] = p->k + c * kv_width(t),
                     [LORA_V] = p->v + c * kv_width(t),
                     [LORA_O] = h,
                     [LORA_GATE] = gate,
                     [LORA_UP] = p->up + c * t->n_ff,
                     [LORA_DOWN] = h};
    *x = part == LORA_O ? p->att + c * q_width(t) : part == LORA_DOWN ? gate : h;
    *y = outs[part];
}

static void add(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t parts = p->lora_last - p->lora_first + 1, first, last;
    (void)i, (void)n;
    while (claim(p->t->team, p->n * parts, &first, &last)) {
        for (size_t j = first; j < last; j++) {
            size_t c = j / parts, part = p->lora_first + j % parts;
            const struct lora_use *use = &p->columns[c].s->lora;
            const float *x;
            float *y;
            ends_of(p, (enum lora_part)part, c, &x, &y);
            for (uint32_t k = 0; k < use->n; k++) {
                const transformer_adapter *a = use->adapters[k];
                const struct lora_pair *pair = &a->pairs[p->layer * LORA_PARTS + part];
                float scale = use->scales[k];
                if (pair->rank)
                    add_pair(pair, a->alpha != 0 ? scale * a->alpha / (float)pair->rank : scale,
                             x, y);
            }
        }
    }
}

void lora_add(struct pass *p, enum lora_part first, enum lora_part last)
{
    p->lora_first = first;
    p->lora_last = last;
    team_run(p->t->team, add, p);
}

static void gate_and_up(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct layer *l = &p->layers[p->layer];
    (void)i, (void)n;
    const struct product all[] = {{&l->gate, p->gate, p->t->n_ff}, {&l->up, p->up, p->t->n_ff}};
    products_apply(p->t->team, all, 2, &p->narrow, p->n);
}

static void activate(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t first, last, ff = t->n_ff;
    (void)i, (void)n;
    while (claim(t->team, p->n, &first, &last)) {
        decoder_activate(p, first * ff, (last - first) * ff);
        quantize_columns(&p->wide, p->gate, ff, first, last);
    }
}

static void down(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct product one = {&p->layers[p->layer].down, p->h, p->t->n_embd};
    (void)i, (void)n;
    products_apply(p->t->team, &one, 1, &p->wide, p->n);
}

void lora_feed(struct pass *p)
{
    team_run(p->t->team, gate_and_up, p);
    lora_add(p, LORA_GATE, LORA_UP);
    team_run(p->t->team, activate, p);
    team_run(p->t->team, down, p);
    lora_add(p, LORA_DOWN, LORA_DOWN);
}
