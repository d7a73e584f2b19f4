// SPDX-License-Identifier: MIT
// Guesses at the next tokens, checked by the model in one pass: what it would have chosen
// itself stays, so a guess changes no byte, only how many passes there are.
#pragma once

#include "engine/gguf/gguf.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/transformer/transformer.h"

#include <stdatomic.h>

enum { DRAFT_MAX = 6, DRAFT_ROWS = DRAFT_MAX + 1 };

// Prompt lookup (Saxena 2023): what followed the last place where t[0..n) ends as it does now;
// the longest such end counts, the latest of equals. Up to `want` tokens to `out`; how many.
uint32_t llm__lookup(const int32_t *t, uint32_t n, uint32_t want, int32_t *out);

// How many to guess, from how the last guesses did and what passes cost.
struct pace {
    uint32_t want, rest, pause; // rest: tokens until the next guess
    double yield;               // tokens that a pass with guesses brought, on average
    double ms[DRAFT_ROWS + 1];  // of passes by tokens, on average; 0: unknown
};

void llm__pace_begin(struct pace *p); // a request; what passes cost is remembered
uint32_t llm__pace_want(struct pace *p);
void llm__pace_cost(struct pace *p, uint32_t tokens, double ms);
void llm__pace_outcome(struct pace *p, uint32_t guessed, uint32_t kept);

// ---- a smaller model that guesses ----

// Its weights, for all timelines; and one timeline.
struct draft_model {
    gguf *g;
    transformer *t;
};
struct draft_line {
    transformer_session *session;
    int32_t *tokens; // [n_ctx]
    uint32_t len, n_ctx;
};

// -EINVAL unless its tokens are those of `t`.
int llm__draft_open(struct draft_model *d, const char *path, struct team *team,
                    const tokenizer *t, struct err *e);
void llm__draft_close(struct draft_model *d);
int llm__draft_line_new(struct draft_model *d, uint32_t n_ctx, struct draft_line *out,
                        struct err *e);
void llm__draft_line_free(struct draft_line *l);
// Guess `want` tokens behind t[0..n). Takes the team in turns of up to 64 tokens. Guesses are a
// help only: whatever fails, 0 are made.
uint32_t llm__draft_guess(struct draft_line *l, struct team *team, const int32_t *t, uint32_t n,
                          uint32_t want, int32_t *out, const atomic_bool *cancel);
