// SPDX-License-Identifier: MIT
// Question -> cited, checked answer, as events. Knows no socket and no JSON.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "llm/llm.h"
#include "retriever/retriever.h"
#include "safety/safety.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct answerer answerer;

enum answer_mode {
    ANSWER_AUTO,    // by the model's size: a small one writes little, a larger one the answer
    ANSWER_EXTRACT, // verbatim sentences only; the model is not run
    ANSWER_WRITE,   // the model writes, every sentence is checked
};

struct answer_options {
    retriever *retriever;
    llm *llm; // NULL: every answer is extracted
    const safety *safety;
    double min_confidence; // below it the question counts as not answered; 0: the default
};

// Everything in the options must outlive the answerer. It is immutable: any thread may use it.
int answerer_new(const struct answer_options *o, answerer **out, struct err *e);
void answerer_free(answerer *a); // NULL-safe

struct answer_turn {
    bool user; // else the assistant
    const char *text;
};

struct answer_request {
    const char *question;
    const char *const *collections; // NULL-terminated; NULL: all that may be read
    const struct rights *rights;    // as in retriever_query: who asks sees nothing else
    int64_t asker;                  // only the same asker's earlier prompts are reused
    unsigned k;                     // passages; 0: 8
    const char *path_glob, *after, *type;
    const struct answer_turn *history; // oldest first
    size_t n_history;
    unsigned max_tokens;                // 0: by the mode
    struct llm_sampling sampling;       // of what the model writes; top_p 0: 0.95
    bool logprobs;                      // tell how likely what it wrote was
    const struct llm_adapter *adapters; // that the model writes with
    size_t n_adapters;
    enum answer_mode mode;
    const atomic_bool *cancel;
};

// A passage as it may leave: where a rule withholds its text, `hit.text` says so instead.
struct answer_passage {
    struct retriever_hit hit;
    const char *withheld; // category of lines that were taken out of the text, or NULL
    bool hidden;          // nothing else is left of it
    const char *flagged;  // category, or NULL: shown, but never put into a prompt
};

struct answer_passages {
    struct answer_passage *passages; // best first
    size_t n;
    const char *question; // as rewritten from the history
    struct retriever_result search;
};

// Search, with the rules for questions and passages applied. Everything in *out lives in `a`.
// -EPERM when the question itself is withheld: *withheld gets the category.
int answer_search(answerer *an, const struct answer_request *r, arena *a,
                  struct answer_passages *out, const char **withheld, struct err *e);

// Apply the rules for passages to hits that came another way (a whole document). *out[n] is in
// `a`.
int answer_guard_hits(answerer *an, const struct retriever_hit *hits, size_t n, arena *a,
                      struct answer_passage **out, struct err *e);

struct answer_citation {
    unsigned n;                           // the [n] in the answer, from 1
    const struct answer_passage *passage; // one of the answer's passages
    int line_first, line_last;            // of the quote; 0: the format has none
    const char *quote;                    // an exact substring of the passage's text
    const char *span; // the words of the quote that the reader takes for the answer; or NULL
};

// What the decision to answer rests on; each 0..1.
struct answer_evidence {
    double confidence;        // the signals below, mixed
    double coverage;          // rare words of the question that one passage holds
    double cosine, fused;     // best passage
    double english;           // best passage by the second embedder; 0: it was not asked
    double sentence;          // best sentence's cosine
    double sentence_coverage; // and its share of the question's words
    double read;              // how surely the reader finds an answer in any passage
};

// A sentence of the answer that the model wrote itself.
struct answer_written {
    const char *text;
    unsigned tokens;
    double logprob; // sum over them, before temperature and penalties
};

enum answer_status { ANSWER_ANSWERED, ANSWER_NOT_FOUND, ANSWER_WITHHELD };

struct answer_result {
    enum answer_status status;
    const char *text; // all that was let through
    struct answer_citation *citations;
    size_t n_citations;
    struct answer_passages passages;
    struct answer_written *written; // where it was asked for
    size_t n_written;
    const char *withheld_category, *withheld_stage; // NULL unless withheld
    struct answer_evidence evidence;
    uint32_t prompt_tokens, cached_tokens, completion_tokens;
    double passages_ms, read_ms, first_token_ms, total_ms;
    char prompt_sha256[65]; // "" when the model was not run
};

// What a question goes through, those that it needs, in this order.
enum answer_stage {
    ANSWER_AT_SEARCH,
    ANSWER_AT_READ,    // the reader looks at the best passages
    ANSWER_AT_EXTRACT, // the best sentences, and whether they are evidence; they may leave
    ANSWER_AT_SESSION, // waiting for the model
    ANSWER_AT_PREFILL, // the model reads its prompt
    ANSWER_AT_DECODE,  // the model writes
    ANSWER_STAGES
};
// "search", "read", ...
extern const char *const answer_stage_names[ANSWER_STAGES];

// Called on the thread that runs the answer, in the order in which a reader needs them; each
// may be NULL. A non-zero return of `token` cancels. What they point to lives in the arena.
struct answer_sink {
    void (*stage)(void *ctx, enum answer_stage s); // begins
    void (*passages)(void *ctx, const struct answer_passages *p);
    int (*token)(void *ctx, const char *text, size_t n);
    void (*citation)(void *ctx, const struct answer_citation *c);
    void (*withheld)(void *ctx, const char *category, const char *stage);
    void *ctx;
};

// Answer one question on the calling thread; several threads may. Everything in *out lives in
// `a`. -ECANCELED once the request's flag is set; errors of retriever_search and llm_generate.
// The same request on the same index and models gives the same text.
int answer_run(answerer *an, const struct answer_request *r, const struct answer_sink *sink,
               arena *a, struct answer_result *out, struct err *e);
