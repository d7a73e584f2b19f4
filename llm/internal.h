// SPDX-License-Identifier: MIT
// The parts of llm: prompt, sampler and the stream of text.
#pragma once

#include "base/buf.h"
#include "engine/gguf/gguf.h"
#include "engine/tokenizer/tokenizer.h"
#include "llm/llm.h"

// ---- chat.c: messages -> prompt tokens ----

enum chat_kind {
    CHAT_NONE,
    CHAT_CHATML,
    CHAT_LLAMA3,
    CHAT_GEMMA,
    CHAT_PHI3,
    CHAT_PHI4,
    CHAT_MISTRAL
};

struct chat {
    enum chat_kind kind;
    const char *name;
    int32_t open, close;  // ids that open and close a turn
    int32_t head_end;     // behind the role; Phi-3: opens the assistant's turn
    int32_t system;       // Phi-3: opens the system's turn
    bool bos;             // comes first
    bool closes_thoughts; // an empty block of thoughts begins the answer
    bool plain_marks;     // Mistral: [INST] is text
};
#define LLM_CHAT_NONE ((struct chat){.name = "none", .open = -1, .close = -1})

// Recognise the template in the file's metadata. -ENOTSUP for an unknown one.
int llm__chat_recognise(const gguf *g, const tokenizer *t, struct chat *out, struct err *e);
// Append the prompt with the assistant's turn opened. Control tokens are placed by id only.
// -EINVAL for an unknown role.
int llm__chat_prompt(const struct chat *c, const tokenizer *t, const struct llm_message *m,
                     size_t n, const char *assistant_prefix, struct tokens *out, struct err *e);

// ---- sample.c: logits -> token ----

struct candidate {
    float p; // logit, later weight
    int32_t id;
};

// Memory of the caller's, [n_vocab] each.
struct sampler_room {
    struct candidate *candidates;
    float *row;
    uint16_t *counts; // all zero
};

struct sampler {
    struct llm_sampling o;
    uint64_t state;
    struct sampler_room room;
};

// None of these allocates.
void llm__sampler_init(struct sampler *s, const struct llm_sampling *o,
                       const struct sampler_room *room);
// Whether bias or penalties change logits at all.
bool llm__sample_adjusts(const struct llm_sampling *o);
// Logits [n] with bias and penalties; `logits` itself where there are none. recent[0..n_recent)
// is the answer so far.
const float *llm__sample_adjust(struct sampler *s, const float *logits, size_t n,
                                const int32_t *recent, size_t n_recent);
// Pick a token from logits [n], of those in `mask` (NULL: of all); -1 when it is empty. The
// lowest id wins a tie.
int32_t llm__sample(struct sampler *s, const float *logits, size_t n, const uint64_t *mask);
// log-probability of token `id`.
double llm__logprob(const float *logits, size_t n, int32_t id);
// The same, and the `want` likeliest, best first; returns how many there are.
size_t llm__top(const float *logits, size_t n, int32_t id, size_t want,
                struct candidate *scratch, struct llm_alternative *out, double *logprob);

// ---- stream.c: token bytes -> whole UTF-8 text, up to a stop string ----

struct stream {
    const char *const *stop;
    int (*on_text)(void *ctx, const char *text, size_t n);
    void *ctx;
    struct buf held, clean;
};

// Reserve all that a stream of tokens of up to `longest` bytes will hold. 0 or -ENOMEM; free it
// in either case.
int llm__stream_init(struct stream *s, const struct llm_request *r, size_t longest);
void llm__stream_free(struct stream *s);
enum { STREAM_STOPPED = 1, STREAM_REFUSED = 2 };
// Take what was appended to s->held since the last call. 0, STREAM_STOPPED (a stop string came;
// what stood before it was given out), STREAM_REFUSED (on_text said so) or -ENOMEM.
int llm__stream_push(struct stream *s);
// Give out what is still held back.
int llm__stream_finish(struct stream *s);

// ---- constraint.c ----

struct llm_constraint;
struct machine;
struct vocab;

// Takes the machine, also in failure.
int llm__constraint_new(const struct vocab *v, struct machine *machine,
                        struct llm_constraint **out, struct err *e);
// Choose with `left` tokens to come, this one too; -1 or a token that ends where nothing more
// may come. Allocates nothing.
int32_t llm__constraint_sample(struct llm_constraint *c, struct sampler *s, const float *row,
                               size_t n, uint32_t left);
// The text may end and cannot go on.
bool llm__constraint_over(struct llm_constraint *c);
