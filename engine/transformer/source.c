// SPDX-License-Identifier: MIT
// Encoder-decoders (T5, Raffel et al. 2020): attention of the decoder to the source that the
// encoder has read. The encoder's layers are computed by decoder.c.
#include "engine/transformer/decoder.h"

static uint16_t *cross_keys(const transformer_session *s, uint32_t layer, uint32_t head)
{
    return s->cross_k +
           ((size_t)layer * s->t->n_kv + head) * attention_room(s->n_ctx) * s->t->head_dim;
}

static uint16_t *cross_values(const transformer_session *s, uint32_t layer, uint32_t head)
{
    return s->cross_v + ((size_t)layer * s->t->n_kv + head) * s->n_ctx * s->t->head_dim;
}

// ---- behind the encoder ----

static void norm_source(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    size_t first, last;
    while (claim(p->t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++)
            decoder_norm(p, c, p->t->source_norm);
    }
}

static void project_source(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct layer *l = &p->layers[p->layer];
    (void)i, (void)n;
    const struct product all[] = {{&l->cross_k, p->k, kv_width(p->t)},
                                  {&l->cross_v, p->v, kv_width(p->t)}};
    products_apply(p->t->team, all, 2, &p->narrow, p->n);
}

static void put_source(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t first, last, d = t->head_dim;
    (void)i, (void)n;
    while (claim(t->team, t->n_kv, &first, &last)) {
        for (uint32_t h = (uint32_t)first; h < last; h++) {
            uint16_t *keys = cross_keys(p->columns[0].s, p->layer, h),
                     *values = cross_values(p->columns[0].s, p->layer, h);
            for (size_t c = 0; c < p->n; c++)
                attention_put(keys, values, d, c, p->k + c * kv_width(t) + h * d,
                              p->v + c * kv_width(t) + h * d);
        }
    }
}

void cross_keep(struct pass *p)
{
    p->layers = p->t->layers;
    team_run(p->t->team, norm_source, p);
    for (p->layer = 0; p->layer < p->t->n_layer; p->layer++) {
        team_run(p->t->team, project_source, p);
        team_run(p->t->team, put_source, p);
    }
}

// ---- in the decoder ----

static void norm(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    size_t first, last;
    while (claim(p->t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++) {
            decoder_add(p, c, NULL);
            decoder_norm(p, c, p->layers[p->layer].cross_norm);
        }
    }
}

static void project(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    const struct product q = {&p->layers[p->layer].cross_q, p->q, q_width(p->t)};
    products_apply(p->t->team, &q, 1, &p->narrow, p->n);
}

// A run of neighbours and a head at a time.
static void attend(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t d = t->head_dim, stride = q_width(t);
    float *states = p->states + i * 2 * ATTENTION_QUERIES * attention_state(d);
    (void)n;
    for (size_t j; (j = team_claim(t->team)) < (size_t)t->n_head * p->n_runs;) {
        const struct run *r = &p->runs[j % p->n_runs];
        const transformer_session *s = p->columns[r->first].s;
        uint32_t h = (uint32_t)(j / p->n_runs);
        struct attention a = {.q = p->q + r->first * stride + h * d,
                              .q_stride = stride,
                              .n = r->n,
                              .k = cross_keys(s, p->layer, h),
                              .v = cross_values(s, p->layer, h),
                              .d = d,
                              .scale = 1};
        for (unsigned z = 0; z < a.n; z++)
            a.to[z] = s->n_source;
        attention_run(&a, states, p->att + r->first * stride + h * d, stride);
    }
}

static void project_out(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    const struct product out = {&p->layers[p->layer].cross_o, p->h, p->t->n_embd};
    products_apply(p->t->team, &out, 1, &p->wide, p->n);
}

void cross_attend(struct pass *p)
{
    typedef void round(void *, unsigned, unsigned);
    static round *const rounds[] = {norm, project, attend, decoder_quantize_attention,
                                    project_out};
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++)
        team_run(p->t->team, rounds[i], p);
}
