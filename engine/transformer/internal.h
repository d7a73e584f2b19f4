// SPDX-License-Identifier: MIT
// Shared by the files of engine/transformer/ only.
#pragma once

#include "engine/tensor/formats.h"
#include "engine/tensor/matrix.h"
#include "engine/transformer/transformer.h"

// A matrix with an optional bias [rows].
struct linear {
    struct matrix w;
    float *bias;
};

struct layer {
    struct linear q, k, v, o, gate, up, down;
    float *attn_norm, *attn_norm_bias; // before attention; encoders: after it
    float *ffn_norm, *ffn_norm_bias;
    float *q_norm, *k_norm;                // [head_dim], before rotation; gemma3
    float *post_attn_norm, *post_ffn_norm; // of what is added to the residual; gemma3
    bool local;                            // sees the last `window` positions only
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
    float eps, rope_base, rope_scale; // positions are multiplied by rope_scale
    float *rope_factors;              // [head_dim / 2] or NULL (Llama 3 long context)
    bool gemma;                       // GELU, scaled embeddings, norms on both sides
    uint32_t window;                  // of local layers; 0: there are none
    float rope_base_local;
    const struct gguf_tensor *embedding;
    const struct tensor_type *embedding_type;
    struct matrix head;
    float *final_norm;
    float *positions; // encoders: [n_ctx, n_embd]
    float *type_row, *embd_norm, *embd_norm_bias;
    struct layer *layers;
    size_t weight_bytes;
};

// Share [*first, *last) of n items for thread i of n_threads.
static inline void share(size_t n, unsigned i, unsigned n_threads, size_t *first, size_t *last)
{
    *first = n * i / n_threads;
    *last = n * (i + 1) / n_threads;
}

// y[c] += bias for the rows of this thread's share; the multiplication itself.
void linear_apply(const struct linear *l, const struct activations *a, size_t n, float *y,
                  size_t stride, unsigned i, unsigned n_threads);
// Columns [first, last) of x[n][cols] to 8 bits.
void quantize_columns(struct activations *a, const float *x, size_t cols, size_t first,
                      size_t last);
void embedding_row(const struct transformer *t, int32_t token, float *out);
// Root mean square (Zhang and Sennrich 2019) and layer normalisation of one row.
void rms_norm(const float *x, const float *w, float eps, size_t n, float *out);
void layer_norm(float *x, const float *w, const float *b, float eps, size_t n);
// Dot product in sixteen lanes, added in one fixed order.
float dot(const float *a, const float *b, size_t n);
