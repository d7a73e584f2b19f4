// SPDX-License-Identifier: MIT
// Shared by the decoder's files: session.c (memory), step.c (passes), decoder.c (layers),
// head.c (what comes out).
#pragma once

#include "engine/tensor/vector.h"
#include "engine/transformer/internal.h"
#include "engine/transformer/lora.h"
#include "engine/transformer/moe.h"

#define SPLIT_COLUMNS 4 // up to so many, attention is shared out chunk by chunk

// One token of a pass.
struct column {
    transformer_session *s;
    int32_t token;
    uint32_t position;
};

// Up to ATTENTION_QUERIES neighbouring columns of one session.
struct run {
    uint32_t first, n;
};

// The greatest logit of some rows of the head.
struct greatest {
    float logit;
    int32_t token;
};

// The memory of a pass over up to n_batch columns.
struct pass {
    struct transformer *t;
    struct transformer_part *parts; // the caller's
    uint32_t n_parts;
    uint32_t n, n_runs;
    struct column *columns;       // [n_batch] those of the parts that have not left, in order
    struct run *runs;             // [n_batch]
    float *x, *h;                 // [n_batch, n_embd]: the residual; what is added to it
    float *q, *att;               // [n_batch, n_head * head_dim]
    float *k, *v;                 // [n_batch, n_kv * head_dim]
    float *gate, *up;             // [n_batch, n_ff]
    float *angles, *angles_local; // [n_batch, 2, head_dim / 2]: cosines, sines
    size_t n_states;
    float *states; // of attention: two sets a thread, or one of each column, chunk and head
    struct activations narrow, wide;      // of width n_embd, and the widest other one
    struct moe moe;                       // where layers have experts
    enum lora_part lora_first, lora_last; // of the round that adds adapters
    uint32_t layer;                       // of `layers`
    const struct layer *layers;           // the transformer's, or those that read the source
    bool source;                          // the latter: each column sees all
    // Outputs: columns `outs`, whose logits go to out_logits.
    uint32_t n_outs;
    uint32_t *outs;         // [n_batch]
    float **out_logits;     // [n_batch]
    bool find;              // ask for the greatest logits, too
    struct greatest *found; // [parts of the head][n_outs]
};

struct transformer_session {
    struct transformer *t;
    uint32_t n_ctx, n_batch, len;
    struct lora_use lora;
    size_t bytes;
    struct pool pool;
    char *memory;
    uint16_t *k;       // [n_layer, n_kv][n_ctx, rounded up][head_dim]: see attention_put
    uint16_t *v;       // [n_layer, n_kv][n_ctx][head_dim]
    uint32_t n_source; // tokens of the source that cross_k and cross_v hold
    uint16_t *cross_k, *cross_v; // as k and v
    float *logits;               // [n_vocab]
    struct pass pass;
};

static inline uint32_t q_width(const struct transformer *t)
{
    return t->n_head * t->head_dim;
}

static inline uint32_t kv_width(const struct transformer *t)
{
    return t->n_kv * t->head_dim;
}

// Query heads that share one head of keys, as many as go at once.
static inline uint32_t stack_of(const struct transformer *t)
{
    uint32_t shared = t->n_head / t->n_kv;
    return shared < ATTENTION_QUERIES ? shared : ATTENTION_QUERIES;
}

static inline uint16_t *keys_of(const transformer_session *s, uint32_t layer, uint32_t head)
{
    return s->k +
           ((size_t)layer * s->t->n_kv + head) * attention_room(s->n_ctx) * s->t->head_dim;
}

static inline uint16_t *values_of(const transformer_session *s, uint32_t layer, uint32_t head)
{
    return s->v + ((size_t)layer * s->t->n_kv + head) * s->n_ctx * s->t->head_dim;
}

// Keys and values of the layer that is computed. Those of the source are read in their pass
// only: all its layers use the place of the first.
static inline uint32_t kv_layer(const struct pass *p)
{
    return p->source ? 0 : p->layer;
}

// Rounds of a layer (decoder.c) that encoder-decoders use, too: what was computed is added to
// the residual, and column c normed and quantised into p->narrow.
void decoder_add(struct pass *p, size_t c, const float *norm);
void decoder_norm(struct pass *p, size_t c, const float *norm);
// p->att of every column into p->wide.
void decoder_quantize_attention(void *arg, unsigned i, unsigned n);
// n elements of p->gate from `at` on: activated, with a gate times p->up.
void decoder_activate(struct pass *p, size_t at, size_t n);
// Attention to the source (source.c), from p->x and what p->h adds to it, to p->h.
void cross_attend(struct pass *p);
// What the source's layers left in p->x, as keys and values of every layer's attention to it.
void cross_keep(struct pass *p);

// The layers from p->layer on: p->columns to p->x. -ECANCELED when all parts have left, -EAGAIN
// when this thread is to stop.
int decoder_layers(struct pass *p, struct err *e);
// Between layers: parts that are cancelled leave, and the columns of the others move up. 0, or
// as decoder_layers.
int step_let_leave(struct pass *p, struct err *e);
// Whether a part is there that is not cancelled.
bool step_is_wanted(const struct pass *p);
// The logits of p->outs; with p->find, decoder_best gives the greatest of the k-th.
void decoder_logits(struct pass *p);
int32_t decoder_best(const struct pass *p, uint32_t k);
