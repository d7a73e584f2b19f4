// SPDX-License-Identifier: MIT
// Shared by the files of engine/transformer/ only.
#pragma once

#include "engine/tensor/dense.h"
#include "engine/tensor/formats.h"
#include "engine/tensor/matrix.h"
#include "engine/tensor/team.h"
#include "engine/transformer/transformer.h"

// A matrix with an optional bias [rows].
struct linear {
    struct matrix w;
    float *bias;
};

struct layer {
    struct linear q, k, v, o, gate, up, down;
    float *attn_norm, *ffn_norm;           // before attention, before the feed-forward part
    float *q_norm, *k_norm;                // [head_dim], before rotation; gemma3, qwen3
    float *post_attn_norm, *post_ffn_norm; // of what is added to the residual; gemma3
    struct experts *experts;               // NULL: gate, up and down are there; see moe.h
    bool local;                            // sees the last `window` positions only
    // Attention to the source, of encoder-decoders: where w.rows is not 0.
    struct linear cross_q, cross_k, cross_v, cross_o;
    float *cross_norm;
};

// A matrix of an encoder with an optional bias [rows].
struct dense_linear {
    struct dense w;
    float *bias;
};

struct encoder_layer {
    struct dense_linear qkv, o, gate, up, down; // qkv: queries' rows, then keys', then values'
    float *attn_norm, *attn_norm_bias;          // after attention; pre_norm: before it, or NULL
    float *ffn_norm, *ffn_norm_bias;
    bool local; // sees half a window on either side
};

struct transformer {
    const gguf *g;
    struct pool pool; // of the matrices
    struct team *team;
    char architecture[16];
    bool causal,
        neox; // neox: rotary pairs are half a head apart (qwen2), else neighbours (llama)
    uint32_t pooling;
    uint32_t n_vocab, n_embd, n_layer, n_head, n_kv, head_dim, n_ff, n_ctx;
    uint32_t n_expert, n_used, n_ff_exp; // of layers with experts
    float eps;
    uint32_t n_rot;              // of a head, what turns; the rest stays
    double *turns, *turns_local; // [n_rot / 2]: angles of a position, by position
    double *turns_long;          // of sessions longer than original_ctx; NULL: as all
    uint32_t original_ctx;
    float rope_magnitude; // of what has turned
    bool scaled, gelu;    // embeddings by the root of their width; gates are GELU, not SiLU
    uint32_t window;      // of local layers; 0: there are none
    const struct gguf_tensor *embedding;
    const struct tensor_type *embedding_type;
    struct matrix head;
    float *final_norm;
    float *positions; // encoders: [n_ctx, n_embd]
    float *type_row, *embd_norm, *embd_norm_bias;
    bool pre_norm, gelu_gate; // encoders: norms before; a gate is GELU, not SiLU
    float *zeros;             // [n_embd], where pre_norm
    struct layer *layers;     // of a decoder
    // Encoder-decoders: the encoder that reads the source, and what is added to scores by how
    // far a key stands from its query: [n_head][2 n_ctx + BIAS_MORE], see relative_bias.
    uint32_t n_source_layer;
    struct layer *source_layers;
    float *source_norm, *bias, *source_bias;
    int32_t start;                        // the decoder's first token
    struct encoder_layer *encoder_layers; // of an encoder
    uint32_t apart[DENSE_APART];          // of its tokens' numbers, those that stand out
    struct pool work;                     // encoders: memory of a pass
    void *work_memory;
    size_t work_bytes;
    size_t weight_bytes;
};

// What is added to the score of a key `by` positions behind its query is at [n_ctx + by]; whole
// blocks of keys are read, so there is a little more.
#define BIAS_MORE 32
static inline size_t bias_width(const struct transformer *t)
{
    return 2 * (size_t)t->n_ctx + BIAS_MORE;
}

// Of a session; session.c.
size_t session_bytes(struct transformer *t, uint32_t n_ctx, uint32_t n_batch);

// The next items [*first, *last) of n that this thread can claim; false: there are no more.
static inline bool claim(struct team *t, size_t n, size_t *first, size_t *last)
{
    size_t each = n / ((size_t)team_size(t) * 8) + 1;
    *first = team_claim(t) * each;
    *last = *first + each < n ? *first + each : n;
    return *first < n;
}

// Parts that a round of n threads is cut into for claiming, out of n_items.
static inline size_t parts_of(size_t n_items, unsigned n_threads)
{
    size_t parts = (size_t)n_threads * 8;
    return n_items < parts ? n_items : parts;
}

// Products of the same activations, to y[n][stride] each; k of them in one round.
struct product {
    const struct linear *l;
    float *y;
    size_t stride;
};
// The parts of it that this thread can claim.
void products_apply(struct team *team, const struct product *all, size_t k,
                    const struct activations *a, size_t n);
// Columns [first, last) of x[n][cols] to 8 bits.
void quantize_columns(struct activations *a, const float *x, size_t cols, size_t first,
                      size_t last);
// The cosine and sine of every angle of a position; one head rotated by them (decoder.c).
void rope_angles(const struct transformer *t, uint32_t position, const double *turns,
                 float *out);
void rope_turn(const struct transformer *t, const float *angles, float *x);
void embedding_row(const struct transformer *t, int32_t token, float *out);
