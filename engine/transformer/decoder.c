// SPDX-License-Identifier: MIT
// Decoders: RMS norm, rotary positions or a bias by distance, grouped-query attention, SwiGLU,
// GeGLU or ReLU. The encoder of an encoder-decoder is of the same layers, and sees all.
//
// A pass is a sequence of team rounds; a round splits either output rows or (token, head)
// pairs. Nothing is summed across threads, so the number of threads changes no bit; nor does
// the company that a token has in its pass.
#include "engine/transformer/decoder.h"

#include <math.h>
#include <string.h>

// The cosine and sine of every angle of a position, computed in double so that long contexts
// stay exact.
void rope_angles(const struct transformer *t, uint32_t position, const double *turns,
                 float *out)
{
    uint32_t half = t->n_rot / 2;
    for (uint32_t i = 0; i < half; i++) {
        double angle = (double)position * turns[i];
        out[i] = (float)cos(angle) * t->rope_magnitude;
        out[half + i] = (float)sin(angle) * t->rope_magnitude;
    }
}

static void embed(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    const struct transformer *t = p->t;
    size_t first, last, d = t->head_dim;
    while (claim(p->t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++) {
            float *x = p->x + c * t->n_embd, scale = sqrtf((float)t->n_embd);
            embedding_row(t, p->columns[c].token, x);
            for (uint32_t k = 0; t->scaled && k < t->n_embd; k++)
                x[k] *= scale;
            if (!t->turns)
                continue;
            const double *turns = t->turns_long && p->columns[c].s->n_ctx > t->original_ctx
                                      ? t->turns_long
                                      : t->turns;
            rope_angles(t, p->columns[c].position, turns, p->angles + c * d);
            if (t->window)
                rope_angles(t, p->columns[c].position, t->turns_local, p->angles_local + c * d);
        }
    }
}

// The residual takes in h, normalised first where the model does; one token.
void decoder_add(struct pass *p, size_t c, const float *norm)
{
    size_t d = p->t->n_embd;
    float *x = p->x + c * d, *h = p->h + c * d;
    if (norm)
        vector_rms_norm(h, norm, p->t->eps, d, h);
    for (size_t k = 0; k < d; k++)
        x[k] += h[k];
}

void decoder_norm(struct pass *p, size_t c, const float *norm)
{
    size_t d = p->t->n_embd;
    vector_rms_norm(p->x + c * d, norm, p->t->eps, d, p->h + c * d);
    quantize_columns(&p->narrow, p->h, d, c, c + 1);
}

// What the layer before has computed is added here: one round less.
static void begin_layer(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    size_t first, last;
    while (claim(p->t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++) {
            if (p->layer)
                decoder_add(p, c, p->layers[p->layer - 1].post_ffn_norm);
            decoder_norm(p, c, p->layers[p->layer].attn_norm);
        }
    }
}

static void project(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    const struct layer *l = &p->layers[p->layer];
    (void)i, (void)n;
    const struct product all[] = {
        {&l->q, p->q, q_width(t)}, {&l->k, p->k, kv_width(t)}, {&l->v, p->v, kv_width(t)}};
    products_apply(t->team, all, 3, &p->narrow, p->n);
}

// Rotary position embedding (Su et al. 2021) of one head.
void rope_turn(const struct transformer *t, const float *angles, float *x)
{
    uint32_t half = t->n_rot / 2;
    const float *c = angles, *s = angles + half;
    if (t->neox) {
        for (uint32_t i = 0; i < half; i++) {
            float x0 = x[i], x1 = x[i + half];
            x[i] = x0 * c[i] - x1 * s[i];
            x[i + half] = x0 * s[i] + x1 * c[i];
        }
        return;
    }
    for (uint32_t i = 0; i < half; i++) {
        float x0 = x[2 * i], x1 = x[2 * i + 1];
        x[2 * i] = x0 * c[i] - x1 * s[i];
        x[2 * i + 1] = x0 * s[i] + x1 * c[i];
    }
}

// Normalise, where the model does, rotate, and keep keys and values: a head of each token.
static void turn(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    const struct transformer *t = p->t;
    const struct layer *l = &p->layers[p->layer];
    size_t first, last, d = t->head_dim, heads = t->n_head + t->n_kv;
    while (claim(p->t->team, p->n * heads, &first, &last)) {
        for (size_t j = first; j < last; j++) {
            size_t c = j / heads, h = j % heads;
            const struct column *k = &p->columns[c];
            bool query = h < t->n_head;
            uint32_t kv = query ? 0 : (uint32_t)(h - t->n_head);
            float *x = query ? p->q + c * q_width(t) + h * d : p->k + c * kv_width(t) + kv * d;
            const float *norm = query ? l->q_norm : l->k_norm;
            if (norm)
                vector_rms_norm(x, norm, t->eps, d, x);
            if (t->turns)
                rope_turn(t, (l->local ? p->angles_local : p->angles) + c * d, x);
            if (!query)
                attention_put(keys_of(k->s, kv_layer(p), kv), values_of(k->s, kv_layer(p), kv),
                              d, k->position, x, p->v + c * kv_width(t) + kv * d);
        }
    }
}

// ---- attention ----

static uint32_t seen_from(const struct pass *p, uint32_t position)
{
    const struct transformer *t = p->t;
    bool short_sighted = p->layers[p->layer].local && position + 1 > t->window;
    return short_sighted ? position + 1 - t->window : 0;
}

// Query head h, and with `stacked` others that share its keys, of the columns of a run.
static struct attention attention_of(const struct pass *p, const struct run *r, uint32_t h,
                                     uint32_t stacked)
{
    const struct transformer *t = p->t;
    const struct column *k = &p->columns[r->first];
    uint32_t kv = h / (t->n_head / t->n_kv);
    struct attention a = {.q = p->q + r->first * (size_t)q_width(t) + h * (size_t)t->head_dim,
                          .q_stride = stacked > 1 ? t->head_dim : q_width(t),
                          .n = stacked > 1 ? stacked : r->n,
                          .k = keys_of(k->s, kv_layer(p), kv),
                          .v = values_of(k->s, kv_layer(p), kv),
                          .d = t->head_dim,
                          .scale = t->bias ? 1 : 1 / sqrtf((float)t->head_dim)};
    const float *bias = p->source ? t->source_bias : t->bias;
    for (unsigned z = 0; z < a.n; z++) {
        uint32_t position = k->position + (stacked > 1 ? 0 : z);
        a.from[z] = seen_from(p, position);
        a.to[z] = p->source ? p->n : position + 1;
        if (bias)
            a.bias[z] = bias + h * bias_width(t) + t->n_ctx - position;
    }
    return a;
}

// Query heads from h on that share keys and are computed together; 0: h belongs to others.
static uint32_t stacked_at(const struct transformer *t, uint32_t h)
{
    uint32_t shared = t->n_head / t->n_kv, at = h % shared;
    if (at % stack_of(t))
        return 0;
    return shared - at < stack_of(t) ? shared - at : stack_of(t);
}

static void quantize_head(struct pass *p, size_t c, uint32_t h, uint32_t heads)
{
    const struct transformer *t = p->t;
    size_t at = c * q_width(t) + h * (size_t)t->head_dim, n = heads * (size_t)t->head_dim;
    if (t->head_dim % MATRIX_BLOCK == 0) // else a round of its own does it
        activations_quantize(&p->wide, p->att, at / MATRIX_BLOCK, (at + n) / MATRIX_BLOCK);
}

// Many columns: a run of a head at a time, heads that share keys together if it is one column.
static void attend(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t d = t->head_dim;
    float *states = p->states + i * 2 * ATTENTION_QUERIES * attention_state(d);
    (void)n;
    for (size_t j; (j = team_claim(t->team)) < (size_t)t->n_head * p->n_runs;) {
        const struct run *r = &p->runs[j % p->n_runs];
        uint32_t h = (uint32_t)(j / p->n_runs), stacked = r->n > 1 ? 1 : stacked_at(t, h);
        if (!stacked)
            continue;
        struct attention a = attention_of(p, r, h, stacked);
        attention_run(&a, states, p->att + r->first * (size_t)q_width(t) + h * d,
                      stacked > 1 ? d : q_width(t));
        for (uint32_t c = r->first; c < r->first + r->n; c++)
            quantize_head(p, c, h, stacked);
    }
}

// Few columns: each chunk of positions by itself, then all of a head's in order. The states of
// column c, chunk k and head h stand at [c][k][h].
static size_t chunks_of(const struct pass *p, size_t c, uint32_t *first)
{
    uint32_t position = p->columns[c].position;
    *first = seen_from(p, position) / ATTENTION_CHUNK;
    return position / ATTENTION_CHUNK - *first + 1;
}

static size_t states_before(const struct pass *p, size_t c)
{
    size_t chunks = 0;
    for (size_t k = 0; k < c; k++)
        chunks += p->columns[k].position / ATTENTION_CHUNK + 1;
    return chunks * p->t->n_head;
}

static float *state_at(const struct pass *p, size_t c, size_t chunk, uint32_t h)
{
    return p->states +
           (states_before(p, c) + chunk * p->t->n_head + h) * attention_state(p->t->head_dim);
}

static void attend_chunks(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t part = team_claim(t->team), at = 0;
    (void)i, (void)n;
    for (uint32_t c = 0; c < p->n; c++) {
        uint32_t first;
        size_t chunks = chunks_of(p, c, &first);
        for (uint32_t h = 0; h < t->n_head; h++) {
            uint32_t stacked = stacked_at(t, h);
            for (size_t k = 0; stacked && k < chunks; k++, at++) {
                if (at != part)
                    continue;
                struct run r = {c, 1};
                struct attention a = attention_of(p, &r, h, stacked);
                attention_chunk(&a, first + (uint32_t)k, state_at(p, c, k, h));
                part = team_claim(t->team);
            }
        }
    }
}

static void merge_chunks(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    const struct transformer *t = p->t;
    size_t first, last, d = t->head_dim;
    while (claim(p->t->team, p->n * (size_t)t->n_head, &first, &last)) {
        for (size_t j = first; j < last; j++) {
            uint32_t c = (uint32_t)(j / t->n_head), h = (uint32_t)(j % t->n_head), from;
            size_t chunks = chunks_of(p, c, &from);
            float *state = state_at(p, c, 0, h);
            for (size_t k = 1; k < chunks; k++)
                attention_merge(state, state_at(p, c, k, h), 1, d);
            attention_finish(state, 1, d, p->att + c * q_width(t) + h * d, d);
            quantize_head(p, c, h, 1);
        }
    }
}

void decoder_quantize_attention(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    size_t first, last;
    while (claim(p->t->team, p->n, &first, &last)) {
        quantize_columns(&p->wide, p->att, q_width(p->t), first, last);
    }
}

// ---- the rest of a layer ----

static void project_out(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    const struct product out = {&p->layers[p->layer].o, p->h, p->t->n_embd};
    products_apply(p->t->team, &out, 1, &p->wide, p->n);
}

static void add_and_norm(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    const struct layer *l = &p->layers[p->layer];
    size_t first, last;
    while (claim(p->t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++) {
            decoder_add(p, c, l->post_attn_norm);
            decoder_norm(p, c, l->ffn_norm);
        }
    }
}

void decoder_activate(struct pass *p, size_t at, size_t n)
{
    float *x = p->gate + at;
    if (!p->layers[p->layer].gate.w.rows)
        for (size_t i = 0; i < n; i++)
            x[i] = x[i] > 0 ? x[i] : 0;
    else
        (p->t->gelu ? vector_gelu_tanh_times : vector_silu_times)(x, p->up + at, n);
}

// Rows of gate and up, 32 by 32: a block is activated and quantised as soon as it is there.
static void feed_up(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    const struct layer *l = &p->layers[p->layer];
    size_t blocks = t->n_ff / MATRIX_BLOCK, each = MATRIX_BLOCK / MATRIX_ROWS;
    size_t parts = parts_of(blocks, n);
    (void)i;
    for (size_t k; (k = team_claim(t->team)) < parts;) {
        size_t first = blocks * k / parts, last = blocks * (k + 1) / parts;
        const struct linear *gate = l->gate.w.rows ? &l->gate : &l->up;
        matrix_multiply(&gate->w, gate->bias, &p->narrow, p->n, p->gate, t->n_ff, first * each,
                        last * each);
        if (gate == &l->gate)
            matrix_multiply(&l->up.w, l->up.bias, &p->narrow, p->n, p->up, t->n_ff,
                            first * each, last * each);
        for (size_t c = 0; c < p->n; c++) {
            size_t at = c * t->n_ff + first * MATRIX_BLOCK,
                   wide = (last - first) * MATRIX_BLOCK;
            decoder_activate(p, at, wide);
            activations_quantize(&p->wide, p->gate, c * blocks + first, c * blocks + last);
        }
    }
}

static void feed_down(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    const struct product down = {&p->layers[p->layer].down, p->h, p->t->n_embd};
    products_apply(p->t->team, &down, 1, &p->wide, p->n);
}

static void end_layers(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    size_t first, last;
    while (claim(p->t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++)
            decoder_add(p, c, p->layers[p->layer - 1].post_ffn_norm);
    }
}

int decoder_layers(struct pass *p, struct err *e)
{
    struct team *team = p->t->team;
    bool few = !p->source && p->n <= SPLIT_COLUMNS && states_before(p, p->n) <= p->n_states;
    bool adapted = lora_wanted(p);
    uint32_t n_layer = p->source ? p->t->n_source_layer : p->t->n_layer;
    if (!p->layer)
        team_run(team, embed, p);
    for (; p->layer < n_layer; p->layer++) {
        int rc = step_let_leave(p, e);
        if (rc)
            return rc;
        team_run(team, begin_layer, p);
        team_run(team, project, p);
        if (adapted)
            lora_add(p, LORA_Q, LORA_V);
        team_run(team, turn, p);
        if (few) {
            team_run(team, attend_chunks, p);
            team_run(team, merge_chunks, p);
        } else {
            team_run(team, attend, p);
        }
        if (p->t->head_dim % MATRIX_BLOCK)
            team_run(team, decoder_quantize_attention, p);
        team_run(team, project_out, p);
        if (adapted)
            lora_add(p, LORA_O, LORA_O);
        if (p->layers[p->layer].cross_q.w.rows)
            cross_attend(p);
        team_run(team, add_and_norm, p);
        if (!step_is_wanted(p))
            return step_let_leave(p, e);
        if (p->layers[p->layer].experts) {
            moe_feed(p);
            continue;
        }
        if (adapted) {
            lora_feed(p);
            continue;
        }
        team_run(team, feed_up, p);
        team_run(team, feed_down, p);
    }
    team_run(team, end_layers, p);
    return 0;
}
