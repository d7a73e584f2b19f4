// SPDX-License-Identifier: MIT
// Prompt -> token stream: chat template, prefix reuse, sampling, on a local decoder model.
#pragma once

#include "base/err.h"
#include "engine/tensor/team.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct llm llm;

// A LoRA adapter (GGUF) for the model and the name that requests call it by.
struct llm_adapter_file {
    const char *name, *path;
};
#define LLM_ADAPTERS_MAX 64 // of a model
#define LLM_ADAPTER_NAME_MAX 64

struct llm_options {
    struct team *team;   // must outlive the llm
    uint32_t n_ctx;      // context of each session; 0: 4096 or the model's, the smaller
    uint32_t n_sessions; // KV timelines kept; 0: 2
    // Memory for the keys and values of earlier prompts, in MB (2^20 bytes); 0: 128. What
    // prompts have in common is then computed once, whatever the timelines hold by now.
    uint32_t cache_mb;
    bool no_cache;
    bool raw;       // texts as they are, whatever chat template there is
    bool no_lookup; // do not guess the next tokens from the prompt and the answer
    // A smaller decoder of the same tokens that guesses where the prompt does not help, or
    // NULL. Guesses change no byte of an answer; where they lose time they are left off.
    const char *draft_path;
    const struct llm_adapter_file *adapters;
    size_t n_adapters;
};

// Load a GGUF decoder, its tokenizer, and recognise its chat template (ChatML, Llama 3, Gemma,
// Phi-3, Phi-4, Mistral; Qwen3 does not think first; an unknown template is refused by name; a
// base model without one gets plain text). -ENOMEM with figures, before anything is taken, for
// a model that does not fit into what this machine, the control group or `ulimit -v` leaves.
int llm_open(const char *path, const struct llm_options *o, llm **out, struct err *e);
void llm_close(llm *m);

struct llm_info {
    const char *name;         // general.name or the file's name
    const char *architecture; // "llama", ...
    const char *chat;         // "chatml", "llama3", "gemma", "phi3", ... or "none"
    uint64_t n_params;
    uint32_t n_ctx;
    size_t kv_bytes;
};
void llm_describe(const llm *m, struct llm_info *out);
// SHA-256 of the model's file, 64 hexadecimal digits; read once, the first time. Any thread.
int llm_sha256(llm *m, char out[65], struct err *e);
// SHA-256 of an adapter's file, 64 hexadecimal digits; NULL: there is none of that name.
const char *llm_adapter_sha256(const llm *m, const char *name);

// Since the model was opened. Any thread.
struct llm_stats {
    uint64_t drafted_tokens, accepted_tokens;
    uint64_t cache_hits, cache_restored_tokens; // prompts that the store helped, and how much
    size_t cache_bytes, cache_bytes_max;
    uint64_t passes, shared_passes; // over the weights; of those, for several requests at once
};
void llm_stats(llm *m, struct llm_stats *out);

// The store of earlier prompts to a file and back: a header names the model's SHA-256, the
// layout and the version of askd; -EINVAL on loading where they are not ours, or for a file
// that is damaged, and then nothing is loaded. Keep it where only askd writes. Any thread.
int llm_cache_save(llm *m, const char *path, struct err *e);
int llm_cache_load(llm *m, const char *path, struct err *e);

struct llm_message {
    const char *role; // "system", "user", "assistant"
    const char *text; // foreign text is fine: it cannot become control tokens
};

struct llm_bias {
    int32_t token;
    float add; // -INFINITY: only where a constraint leaves nothing else
};

// Applied in this order: bias; repetition, frequency and presence penalties; the constraint;
// then greedy, or top-k, temperature, top-p, min-p and one draw.
struct llm_sampling {
    float temperature; // 0: greedy; top_k to seed are then ignored
    uint32_t top_k;    // 0: off
    float top_p;       // 0 or 1: off
    float min_p;       // 0: off
    uint64_t seed;
    // Of tokens among the last `window` of the answer (0: all of it; the prompt never counts):
    float repetition; // 0 or 1: off; divides a positive logit, multiplies a negative one
    float frequency;  // subtracted once for each time
    float presence;   // subtracted once
    uint32_t window;
    const struct llm_bias *bias;
    size_t n_bias;
};

// An adapter that a request computes with, and how much of it.
struct llm_adapter {
    const char *name;
    float scale; // 1: as it was trained
};
#define LLM_REQUEST_ADAPTERS_MAX 8
#define LLM_SCALE_MAX 10

#define LLM_TOP_MAX 20

struct llm_alternative {
    int32_t id;
    double logprob;
};

// One token of the answer. Log-probabilities are the model's own: before bias, penalties,
// constraint and temperature.
struct llm_token {
    int32_t id;
    const char *bytes; // may be a part of a UTF-8 sequence
    size_t n_bytes;
    double logprob;
    const struct llm_alternative *top; // the likeliest, best first
    size_t n_top;
};

struct llm_constraint; // llm/constraint.h

// A request waits for a timeline first, then its prompt is computed, then its answer.
enum llm_stage { LLM_PREFILL, LLM_DECODE };

struct llm_request {
    const struct llm_message *messages;
    size_t n_messages;
    bool raw;                     // the texts as they are, without the chat template
    const char *assistant_prefix; // start of the answer put into the prompt, or NULL
    uint32_t max_tokens;
    bool no_drafts; // compute token by token: the same bytes
    struct llm_sampling sampling;
    const struct llm_adapter *adapters; // in any order, each once; -ENOENT: not loaded
    size_t n_adapters;
    // Who asks: what was computed for one asker is never reused for another, so that neither
    // time nor figures tell anybody what others ask. 0 is an asker like any other.
    int64_t asker;
    struct llm_constraint *constraint; // what the answer may look like, or NULL
    const char *const *stop;           // NULL-terminated list of stop strings, or NULL
    const atomic_bool *cancel;
    // Called on the generating thread with whole UTF-8 text; non-zero ends the generation.
    int (*on_text)(void *ctx, const char *text, size_t n);
    // Called before the token's text goes out, for each token but the one that ends the answer
    // (may be NULL; costs a pass over the vocabulary); non-zero ends the generation.
    int (*on_token)(void *ctx, const struct llm_token *t);
    uint32_t top_logprobs; // alternatives wanted, up to LLM_TOP_MAX
    // Called on the generating thread as a stage begins (may be NULL).
    void (*on_stage)(void *ctx, enum llm_stage stage);
    void *ctx;
};

// STOP: the model ended its turn, a stop string came, or what a constraint asks for is whole.
enum llm_finish { LLM_STOP, LLM_LENGTH, LLM_CALLBACK };

struct llm_result {
    uint32_t prompt_tokens, cached_tokens, completion_tokens;
    uint32_t restored_tokens;                 // of the cached: by the store of earlier prompts
    uint32_t drafted_tokens, accepted_tokens; // guessed; of those, came true
    enum llm_finish finish;
    double prefill_ms, decode_ms;
};

// Run one request on the calling thread; several threads may each run one, up to n_sessions at
// once: each pass over the weights computes a token of every answer and up to 64 tokens of a
// new prompt. -E2BIG when prompt + max_tokens do not fit the context; -ECANCELED. Same request,
// same model: same text, whatever else runs.
int llm_generate(llm *m, const struct llm_request *r, struct llm_result *out, struct err *e);

// Tokens that the text alone takes. Any thread.
size_t llm_count_tokens(const llm *m, const char *s, size_t n);

// Sum of log-probabilities of `continuation` after the prompt that `messages` make (with the
// assistant's turn opened), and its number of tokens. For ranking and choosing.
int llm_score(llm *m, const struct llm_message *messages, size_t n_messages,
              const char *continuation, double *logprob, uint32_t *n_tokens,
              const atomic_bool *cancel, struct err *e);
// The same behind a text as it is, without the chat template. A continuation that begins with a
// space is cut into the tokens that text and continuation as one would have.
int llm_score_text(llm *m, const char *text, const char *continuation, double *logprob,
                   uint32_t *n_tokens, const atomic_bool *cancel, struct err *e);
