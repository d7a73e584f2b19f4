// SPDX-License-Identifier: MIT
// Forward passes. A transformer holds weights (read-only, shared by any number of sessions);
// a session holds one KV timeline and all the memory that it will ever use.
#pragma once

#include "base/err.h"
#include "engine/gguf/gguf.h"
#include "engine/tensor/team.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct transformer transformer;
typedef struct transformer_session transformer_session;

// Bind and check every tensor of a supported architecture (the table in README.md).
// The gguf and the team must outlive the transformer.
int transformer_open(const gguf *g, struct team *team, transformer **out, struct err *e);
void transformer_close(transformer *t);

struct transformer_info {
    const char *architecture;
    uint32_t n_vocab, n_embd, n_layer, n_ctx; // n_ctx: trained context
    bool causal;                              // decoder; else encoder
    bool reads_source;                        // decoder behind an encoder of its own
    int32_t start;                            // its first token then
    uint32_t pooling;                         // encoders: 1 mean, 2 CLS
    size_t weight_bytes;                      // memory beside the mapping (repacked weights)
};
void transformer_describe(const transformer *t, struct transformer_info *out);

// What transformer_open and a session of a decoder of up to n_ctx tokens, in batches of up to
// n_batch, would take beside the mapping, before anything is taken. Refuses what
// transformer_open refuses, but for the values of weights. Zeros for an encoder.
struct transformer_needs {
    size_t weights, session; // bytes
    uint32_t n_vocab, n_ctx; // n_ctx: of the session, no more than the model's
};
int transformer_measure(const gguf *g, struct team *team, uint32_t n_ctx, uint32_t n_batch,
                        struct transformer_needs *out, struct err *e);

// ---- decoders ----

// All memory for a context of n_ctx tokens, fed in batches of up to n_batch tokens.
int transformer_session_new(transformer *t, uint32_t n_ctx, uint32_t n_batch,
                            transformer_session **out, struct err *e);
void transformer_session_free(transformer_session *s);
size_t transformer_session_bytes(const transformer_session *s);
// Tokens in the timeline; rewind to n <= len (their KV stays valid).
uint32_t transformer_session_len(const transformer_session *s);
void transformer_session_truncate(transformer_session *s, uint32_t n);
// Append n tokens (n <= n_batch). The caller holds the team (see team.h). With `all_logits`
// NULL only the last token's logits are computed; else all_logits gets [n, n_vocab] f32.
// `cancel` (may be NULL) is looked at between layers: -ECANCELED leaves the timeline as it was.
// Allocates nothing. The logits of a token do not depend on how the tokens were batched.
int transformer_session_eval(transformer_session *s, const int32_t *tokens, uint32_t n,
                             float *all_logits, const atomic_bool *cancel, struct err *e);
// Last token's logits [n_vocab], valid until the next eval or step.
const float *transformer_session_logits(const transformer_session *s);

// Of an encoder-decoder (T5; transformer_info.reads_source): read n tokens, up to the context,
// as the source that every token from now on attends to. The timeline is empty afterwards;
// begin it with transformer_info.start. Steps of a session without a source are -EINVAL.
// The caller holds the team. -ECANCELED leaves no source. Allocates nothing.
int transformer_session_read(transformer_session *s, const int32_t *tokens, uint32_t n,
                             const atomic_bool *cancel, struct err *e);

// What a step leaves of a session's last token: nothing (the prompt goes on: the head is not
// read), its logits, or these and in `best` the token whose logit is the greatest, of equals
// the first; that is cheaper than to look for it afterwards.
enum transformer_want { TRANSFORMER_NOTHING, TRANSFORMER_LOGITS, TRANSFORMER_BEST };

struct transformer_part {
    transformer_session *session;
    const int32_t *tokens;
    uint32_t n;
    enum transformer_want want;
    int32_t best; // out
    float *all;   // [n, n_vocab] for the logits behind each of its tokens, or NULL
    // Looked at before each layer, or NULL. A part that is cancelled leaves: its timeline is as
    // it was, and on_left (or NULL) is called, on the thread of the step. From then on the pass
    // touches neither its tokens nor its timeline, and goes on for the others; unless on_left
    // says that this thread shall not: then the step returns -EAGAIN, to be gone on with.
    const atomic_bool *cancel;
    bool (*on_left)(void *ctx);
    void *ctx;
    bool left; // out
};
// Append tokens to several sessions of one transformer in one pass over its weights: the same
// bytes as each alone. All tokens together fit the first session's n_batch; it lends the memory
// of the pass, also when its part has left. -ECANCELED once all have left. Otherwise as
// transformer_session_eval: on failure every timeline is as it was.
int transformer_step(struct transformer_part *parts, uint32_t n, struct err *e);
// Go on with a step that returned -EAGAIN, on any thread; the team has been held throughout.
int transformer_step_go_on(struct transformer_part *parts, struct err *e);

// Keys and values of n positions, in a form that depends on the model only: a buffer of
// transformer_state_bytes(t, n). Saved are [first, first + n) of a timeline that is longer;
// restored, they follow its first `first` positions (there must be so many) and are its last.
// The logits of what is appended then are those of the timeline that was saved; until then
// there are none. -E2BIG when they do not fit. Adapters and a source are part of what a
// timeline depends on: restore only where those of the saved one are set.
#define TRANSFORMER_STATE_LAYOUT 1 // counts up when the form changes
size_t transformer_state_bytes(const transformer *t, uint32_t n);
void transformer_session_save(const transformer_session *s, uint32_t first, uint32_t n,
                              void *out);
int transformer_session_restore(transformer_session *s, uint32_t first, uint32_t n,
                                const void *in, struct err *e);

// ---- adapters ----

// LoRA (Hu et al. 2021): what a fine-tuning added to the matrices of the layers; of an encoder
// also a head that reads each token.
typedef struct transformer_adapter transformer_adapter;
#define TRANSFORMER_ADAPTERS_MAX 8 // of one session

// Bind a GGUF adapter to the transformer that it was made for: same architecture, every tensor
// of a shape that fits. The gguf may be closed afterwards; the transformer must outlive it.
// File: llama.cpp's adapters (general.type "adapter", adapter.type "lora", adapter.lora.alpha;
// for a matrix X of a layer X.lora_a [rank, cols] and X.lora_b [rows, rank]); for an encoder
// perhaps reader.weight [n_out, n_embd] and reader.bias [n_out], its head.
int transformer_adapter_open(const gguf *g, const transformer *t, transformer_adapter **out,
                             struct err *e);
void transformer_adapter_close(transformer_adapter *a); // NULL-safe; no session may use it
// Logits of a token that the head gives; 0: the adapter has none.
uint32_t transformer_adapter_outputs(const transformer_adapter *a);
// From now on the session computes y = W x + scale alpha / rank B (A x) for each of n adapters,
// in this order. Others than before empty the timeline. Sessions of one step may differ.
// Allocates nothing.
int transformer_session_set_adapters(transformer_session *s,
                                     const transformer_adapter *const *adapters,
                                     const float *scales, uint32_t n, struct err *e);

// ---- encoders ----

// Pooled, L2-normalised vectors of n_seq sequences laid end to end: sequence i is
// tokens[starts[i] .. starts[i+1]), each 1..n_ctx tokens. out is [n_seq, n_embd] f32.
// A vector does not depend on the other sequences. The caller holds the team.
int transformer_encode(transformer *t, const int32_t *tokens, const uint32_t *starts,
                       uint32_t n_seq, float *out, const atomic_bool *cancel, struct err *e);
// The same bytes of one sequence of n tokens, computed by the calling thread alone, in memory
// of its own: whoever has the team goes on meanwhile. Any thread, any number of them.
int transformer_encode_alone(transformer *t, const int32_t *tokens, uint32_t n, float *out,
                             const atomic_bool *cancel, struct err *e);
// With an adapter that has a head: the head's logits of every token, before any pooling, to out
// [tokens, n_out] f32. Sequences as above; no token depends on the other sequences. The weights
// are those of plain calls, which no adapter changes. -EINVAL for an adapter of another model
// or without a head.
int transformer_encode_tokens(transformer *t, const transformer_adapter *a,
                              const int32_t *tokens, const uint32_t *starts, uint32_t n_seq,
                              float *out, const atomic_bool *cancel, struct err *e);
