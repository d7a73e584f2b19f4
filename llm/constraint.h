// SPDX-License-Identifier: MIT
// What an answer may look like: a mask over the vocabulary before each token is chosen.
//
// A constraint never runs into a wall: while the text may not end, some token may come, and the
// tokens that end an answer may come only where the text may end. Where max_tokens allows it
// the text is brought to an end in time. Text is UTF-8, no control token is ever allowed, and
// the constraint holds for what is generated, not for request.assistant_prefix.
#pragma once

#include "llm/llm.h"

typedef struct llm_constraint llm_constraint;

// All of these allocate what they will ever need. A constraint serves one request at a time, on
// any thread, and as many after each other as there are; the llm must outlive it.

// The whole text matches `pattern`: the subset in docs/llm.md. -EINVAL, -ENOTSUP, -E2BIG with
// the byte.
int llm_constraint_regex(llm *m, const char *pattern, llm_constraint **out, struct err *e);
// The text is one JSON value that meets `schema`: the subset in docs/llm.md; a keyword that is
// not known there is -ENOTSUP by name.
int llm_constraint_schema(llm *m, const char *schema, llm_constraint **out, struct err *e);

// Free text, but:
struct llm_grounds {
    bool cite; // behind '[' a number is one of these and is followed by ']'
    const uint32_t *numbers;
    size_t n_numbers;
    bool quote; // between "", U+201C U+201D or U+300C U+300D are only substrings of these
    const char *const *passages;
    size_t n_passages;
};
int llm_constraint_grounded(llm *m, const struct llm_grounds *g, llm_constraint **out,
                            struct err *e);

void llm_constraint_free(llm_constraint *c); // NULL-safe

// What llm_generate asks. It starts with the empty text.
void llm_constraint_reset(llm_constraint *c);
// Tokens that may come next, a bit each, [(n_vocab + 63) / 64]; valid until the next call. With
// `left` tokens to come, this one too, only those that leave room for an end, if any do.
const uint64_t *llm_constraint_mask(llm_constraint *c, uint32_t left);
// The text goes on by this token, which the mask allowed.
void llm_constraint_accept(llm_constraint *c, int32_t token);
bool llm_constraint_may_end(const llm_constraint *c);
