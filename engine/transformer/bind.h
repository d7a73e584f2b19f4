// SPDX-License-Identifier: MIT
// Binding, shared by transformer.c and the bind_*.c: tensors by name, shapes checked, numbers
// within bounds. The first failure sticks in `rc` and all later calls do nothing.
#pragma once

#include "engine/transformer/internal.h"

struct architecture;

struct binder {
    struct transformer *t;
    struct err *e;
    int rc;
    const struct architecture *arch;
    // Whose layers are bound: "", or "enc." or "dec." of a model that has both.
    const char *stack;
    struct layer *layers;
    bool *used;   // [tensors of the file]: was looked up
    bool measure; // count the bytes of weights, take none
};

// What makes an architecture: how it differs from llama, and what binds a layer of it.
struct architecture {
    const char *name;
    bool causal, neox, scaled, gelu;
    bool moe, window; // it may have experts, local layers
    bool both;        // an encoder-decoder
    void (*layer)(struct binder *b, uint32_t i);
    void (*ends)(struct binder *b); // what stands before and behind all layers
};

// Metadata ARCHITECTURE.key; -1 as fallback: it must be there.
uint32_t bind_number(struct binder *b, const char *key, uint32_t low, uint32_t high,
                     int64_t fallback);
float bind_real(struct binder *b, const char *key, float fallback);
// A tensor by name, NULL where there is none. A file with a tensor that nobody looks up is
// refused: what it stands for would be missing from every result.
const struct gguf_tensor *bind_look_up(struct binder *b, const char *name);
// A tensor [rows, cols]; NULL when it is missing and need not be there.
const struct gguf_tensor *bind_find(struct binder *b, bool must, uint64_t cols, uint64_t rows,
                                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
// A tensor's values, the caller's to free; NULL for NULL.
float *bind_floats(struct binder *b, const struct gguf_tensor *x);
void bind_matrix(struct binder *b, const struct gguf_tensor *x, struct matrix *out);
// Rows [first, first + rows) of a tensor, counted over all its dimensions but the innermost.
void bind_rows(struct binder *b, const struct gguf_tensor *x, uint64_t first, uint64_t rows,
               struct matrix *out);
// STACKblk.I.NAME.weight [rows, cols] and, where there is one, STACKblk.I.NAME.bias.
void bind_linear(struct binder *b, struct linear *l, uint32_t i, const char *name,
                 uint64_t cols, uint64_t rows);
// STACKblk.I.NAME [n]
float *bind_vector(struct binder *b, bool must, uint32_t i, const char *name, uint64_t n);
// How far each rotary pair turns from one position to the next (Su et al. 2021), divided by
// its factor [n_rot / 2] where there are factors.
double *bind_turns(struct binder *b, float base, float scale, const float *factors);

void bind_rope(struct binder *b); // t->turns and what belongs to them

// Parts of a layer that several architectures share.
void bind_norms(struct binder *b, uint32_t i);
void bind_attention(struct binder *b, uint32_t i);
void bind_feed(struct binder *b, uint32_t i);
// bind_decoder.c: whole layers, and factors of long contexts.
void bind_llama_layer(struct binder *b, uint32_t i);
void bind_gemma_layer(struct binder *b, uint32_t i);
void bind_qwen3_layer(struct binder *b, uint32_t i);
void bind_phi3_layer(struct binder *b, uint32_t i);
void bind_long_rope(struct binder *b);
// bind_t5.c
void bind_t5_layer(struct binder *b, uint32_t i);
void bind_t5_ends(struct binder *b);
// bind_encoder.c
void bind_bert_layer(struct binder *b, uint32_t i);
void bind_bert_ends(struct binder *b);
void bind_nomic_layer(struct binder *b, uint32_t i);
void bind_nomic_ends(struct binder *b);
void bind_modern_layer(struct binder *b, uint32_t i);
void bind_modern_ends(struct binder *b);
void encoder_layers_free(struct transformer *t);
// bind_moe.c: experts, and what is known of them before layers are bound.
void bind_moe_numbers(struct binder *b);
void bind_experts(struct binder *b, uint32_t i);
void experts_free(struct experts *x);
