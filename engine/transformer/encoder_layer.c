// SPDX-License-Identifier: MIT
// The layers of encoders. All but attention concerns one token alone, so a tile of tokens goes
// from one attention to the next in one thread: what lies between stays in its caches, and a
// layer costs one round.
#include "engine/transformer/encoder.h"

#include <math.h>
#include <string.h>

// Tokens [first, first + n).
struct tile {
    size_t first, n;
};

static void embed(struct pass *p, struct tile tile)
{
    const struct transformer *t = p->t;
    size_t d = t->n_embd;
    for (size_t c = tile.first; c < tile.first + tile.n; c++) {
        float *x = p->x + c * d;
        embedding_row(t, p->tokens[c], x);
        const float *position =
            t->positions ? t->positions + (c - p->starts[p->seq[c]]) * d : NULL;
        for (size_t k = 0; position && k < d; k++)
            x[k] += t->type_row[k] + position[k];
        for (size_t k = 0; !position && t->type_row && k < d; k++)
            x[k] += t->type_row[k];
        vector_layer_norm(x, t->embd_norm, t->embd_norm_bias, t->eps, d);
        if (t->turns)
            encoder_angles(p, c);
    }
}

// What goes into the next matrices: x or, where norms stand before, norm(x).
static const float *entry(struct pass *p, struct bench *b, struct tile tile, const float *w,
                          const float *bias)
{
    size_t d = p->t->n_embd;
    const float *x = p->x + tile.first * d;
    if (!p->t->pre_norm || !w)
        return x;
    memcpy(b->h, x, tile.n * d * sizeof *x);
    for (size_t c = 0; c < tile.n; c++)
        vector_layer_norm(b->h + c * d, w, bias, p->t->eps, d);
    return b->h;
}

// That to 8 bits. What will come back to x has a bias, `back`, which is added now that x is at
// hand.
static void take_in(struct pass *p, struct bench *b, struct tile tile, const float *in,
                    const float *back)
{
    size_t d = p->t->n_embd;
    for (size_t c = 0; c < tile.n; c++) {
        float *x = p->x + (tile.first + c) * d;
        dense_quantize(&b->narrow, c, in + c * d);
        for (size_t k = 0; back && k < d; k++)
            x[k] += back[k];
    }
}

static void norm(struct pass *p, struct tile tile, const float *w, const float *bias)
{
    size_t d = p->t->n_embd;
    for (size_t c = tile.first; c < tile.first + tile.n; c++)
        vector_layer_norm(p->x + c * d, w, bias, p->t->eps, d);
}

// y[n][stride] = the rows of panels [first, last), with their biases.
static void project(const struct dense_linear *l, size_t first, size_t last,
                    const struct dense_columns *a, size_t n, float *y, size_t stride)
{
    size_t rows = (last - first) * DENSE_ROWS;
    for (size_t c = 0; c < n; c++) {
        if (l->bias)
            memcpy(y + c * stride, l->bias + first * DENSE_ROWS, rows * sizeof *y);
        else
            memset(y + c * stride, 0, rows * sizeof *y);
    }
    dense_multiply(&l->w, first, last, a, n, y, stride);
}

// x += W a, of attention's output or the inner layer; take_in has added the bias.
static void project_back(struct pass *p, const struct dense_linear *l, enum lora_part part,
                         const struct bench *b, struct tile tile)
{
    size_t d = p->t->n_embd;
    float *x = p->x + tile.first * d;
    dense_multiply(&l->w, 0, dense_panels(&l->w), part == LORA_O ? &b->heads : &b->wide, tile.n,
                   x, d);
    encoder_raise(p, b, p->round - 1, part, tile.n, 0, d, x, d);
}

// ---- into a layer ----

static void put_query(struct pass *p, size_t c, const float *row)
{
    const struct transformer *t = p->t;
    float d = heads_round(row, t->n_embd, heads_most(t->head_dim), p->q + c * t->n_embd);
    p->q_scale[c] = d * (1.44269504f / sqrtf((float)t->head_dim));
}

static void put_key(struct pass *p, struct bench *b, size_t c, const float *row)
{
    const struct transformer *t = p->t;
    const struct keys *keys = &p->keys[p->round % 2];
    size_t s = p->seq[c], at = p->key_at[s], position = c - p->starts[s], d = t->head_dim;
    keys->kd[at + position] = heads_round(row, t->n_embd, heads_most(d), b->row);
    for (size_t h = 0; h < t->n_head; h++)
        heads_put_key(keys->k + (h * p->room + at) * d, d, position, b->row + h * d);
}

static void put_value(struct pass *p, struct bench *b, size_t c, const float *row)
{
    const struct transformer *t = p->t;
    const struct keys *keys = &p->keys[p->round % 2];
    size_t s = p->seq[c], at = p->key_at[s], position = c - p->starts[s], d = t->head_dim;
    for (size_t h = 0; h < t->n_head; h++) {
        keys->vd[h * p->room + at + position] =
            heads_round(row + h * d, d, HEADS_VALUE_MOST, b->row);
        heads_put_value(keys->v + (h * p->room + at) * heads_value_room(d), d, position,
                        b->row);
    }
}

static void enter(struct pass *p, struct bench *b, struct tile tile)
{
    const struct transformer *t = p->t;
    const struct encoder_layer *l = &t->encoder_layers[p->round];
    size_t d = t->n_embd, panels = d / DENSE_ROWS;
    const float *in = entry(p, b, tile, l->attn_norm, l->attn_norm_bias);
    for (enum lora_part part = LORA_Q; part <= LORA_V; part++)
        encoder_lower(p, b, p->round, part, in, d, tile.n, 0, d);
    take_in(p, b, tile, in, l->o.bias);
    for (enum lora_part part = LORA_Q; part <= LORA_V; part++) {
        project(&l->qkv, part * panels, (part + 1) * panels, &b->narrow, tile.n, b->h, d);
        encoder_raise(p, b, p->round, part, tile.n, 0, d, b->h, d);
        for (size_t c = 0; c < tile.n; c++) {
            float *row = b->h + c * d;
            if (part != LORA_V && t->turns)
                encoder_turn(p, l, tile.first + c, row);
            if (part == LORA_Q)
                put_query(p, tile.first + c, row);
            else if (part == LORA_K)
                put_key(p, b, tile.first + c, row);
            else
                put_value(p, b, tile.first + c, row);
        }
    }
}

// ---- out of a layer ----

// Head h of the tokens from c on, at most eight of one sequence; how many they were.
static size_t attend_some(struct pass *p, const struct encoder_layer *l, size_t h, size_t c,
                          size_t stop, float *out)
{
    const struct transformer *t = p->t;
    const struct keys *keys = &p->keys[(p->round - 1) % 2];
    size_t s = p->seq[c], d = t->head_dim, at = p->key_at[s], in_head = h * p->room + at;
    uint32_t len = p->starts[s + 1] - p->starts[s];
    stop = stop < p->starts[s + 1] ? stop : p->starts[s + 1];
    struct heads a = {.q = p->q + c * t->n_embd + h * d,
                      .scale = p->q_scale + c,
                      .q_stride = t->n_embd,
                      .n = stop - c < HEADS_QUERIES ? (unsigned)(stop - c) : HEADS_QUERIES,
                      .k = keys->k + in_head * d,
                      .kd = keys->kd + at,
                      .v = keys->v + in_head * heads_value_room(d),
                      .vd = keys->vd + in_head,
                      .room = heads_room(len),
                      .d = d};
    for (unsigned z = 0; z < a.n; z++)
        encoder_seen(t, l, (uint32_t)c + z - p->starts[s], len, &a.from[z], &a.to[z]);
    heads_attend(&a, out, t->n_embd);
    return a.n;
}

static void attend(struct pass *p, struct bench *b, const struct encoder_layer *l,
                   struct tile tile)
{
    const struct transformer *t = p->t;
    size_t stop = tile.first + tile.n;
    for (size_t h = 0; h < t->n_head; h++) // so that a head's keys stay in the cache
        for (size_t c = tile.first; c < stop;)
            c += attend_some(p, l, h, c, stop,
                             b->h + (c - tile.first) * t->n_embd + h * t->head_dim);
    encoder_lower(p, b, p->round - 1, LORA_O, b->h, t->n_embd, tile.n, 0, t->n_embd);
    for (size_t c = 0; c < tile.n; c++)
        dense_quantize(&b->heads, c, b->h + c * t->n_embd);
}

// The inner layer span by span: what is computed is activated and quantised while it is in the
// first cache.
static void feed(struct pass *p, struct bench *b, const struct encoder_layer *l,
                 struct tile tile)
{
    const struct transformer *t = p->t;
    const uint32_t layer = p->round - 1;
    bool gated = l->gate.w.rows;
    for (size_t at = 0; at < t->n_ff; at += DENSE_SPAN) {
        size_t n = t->n_ff - at < DENSE_SPAN ? t->n_ff - at : DENSE_SPAN;
        size_t first = at / DENSE_ROWS, last = (at + n) / DENSE_ROWS;
        project(&l->up, first, last, &b->narrow, tile.n, b->up, DENSE_SPAN);
        encoder_raise(p, b, layer, LORA_UP, tile.n, at, at + n, b->up, DENSE_SPAN);
        if (gated) {
            project(&l->gate, first, last, &b->narrow, tile.n, b->gate, DENSE_SPAN);
            encoder_raise(p, b, layer, LORA_GATE, tile.n, at, at + n, b->gate, DENSE_SPAN);
        }
        for (size_t c = 0; c < tile.n; c++) {
            float *up = b->up + c * DENSE_SPAN, *gate = gated ? b->gate + c * DENSE_SPAN : NULL;
            dense_quantize_span(&b->wide, c, at, encoder_activate(t, up, gate, n));
        }
        encoder_lower(p, b, layer, LORA_DOWN, gated ? b->gate : b->up, DENSE_SPAN, tile.n, at,
                      at + n);
    }
    project_back(p, &l->down, LORA_DOWN, b, tile);
}

static void leave(struct pass *p, struct bench *b, struct tile tile)
{
    const struct transformer *t = p->t;
    const struct encoder_layer *l = &t->encoder_layers[p->round - 1];
    attend(p, b, l, tile);
    project_back(p, &l->o, LORA_O, b, tile);
    if (!t->pre_norm)
        norm(p, tile, l->attn_norm, l->attn_norm_bias);
    const float *in = entry(p, b, tile, l->ffn_norm, l->ffn_norm_bias);
    for (enum lora_part part = LORA_GATE; part <= LORA_UP; part++)
        encoder_lower(p, b, p->round - 1, part, in, t->n_embd, tile.n, 0, t->n_embd);
    take_in(p, b, tile, in, l->down.bias);
    feed(p, b, l, tile);
    if (!t->pre_norm)
        norm(p, tile, l->ffn_norm, l->ffn_norm_bias);
}

bool encoder_cancelled(const struct pass *p)
{
    return p->cancel && atomic_load_explicit(p->cancel, memory_order_relaxed);
}

size_t encoder_claim(struct pass *p)
{
    return p->team ? team_claim(p->team) : p->claimed++;
}

void encoder_round(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    (void)n;
    for (size_t at; (at = encoder_claim(p) * p->tile) < p->n && !encoder_cancelled(p);) {
        struct tile tile = {at, p->n - at < p->tile ? p->n - at : p->tile};
        if (p->round == 0)
            embed(p, tile);
        else
            leave(p, &p->benches[i], tile);
        if (p->round < t->n_layer)
            enter(p, &p->benches[i], tile);
        else if (t->pre_norm)
            norm(p, tile, t->final_norm, t->zeros);
        if (p->round == t->n_layer && p->adapter)
            encoder_head(p, tile.first, tile.n);
    }
}
