// SPDX-License-Identifier: MIT
// The vocabulary as bytes: a trie over what every token writes, so that one walk with a machine
// over bytes finds all tokens that may come next. Immutable once built; any thread.
#pragma once

#include "engine/tokenizer/tokenizer.h"

// Longer tokens are left out: their text can be written with shorter ones.
#define VOCAB_TOKEN_MAX 48

// Nodes lie in preorder: a node's subtree is what follows it up to `end`.
struct vocab_node {
    uint32_t end;
    int32_t token; // the first that ends here, or -1
    uint8_t byte, depth;
};

struct vocab {
    uint32_t n;   // tokens
    uint32_t *at; // [n + 1] token i writes bytes[at[i]..at[i + 1])
    char *bytes;
    int32_t *same; // [n] the next token that writes the same bytes, or -1
    int32_t *ends; // tokens that end the answer
    uint32_t n_ends;
    struct vocab_node *nodes;
    uint32_t n_nodes;
    bool single[256]; // bytes that a token of their own writes
};

// Control tokens and those that write nothing are in no node.
int llm__vocab_new(const tokenizer *t, struct vocab **out, struct err *e);
void llm__vocab_free(struct vocab *v);
// Call found(ctx, length, id) for every token that s[0..n) starts with, shortest first.
void llm__vocab_prefixes(const struct vocab *v, const unsigned char *s, size_t n,
                         void (*found)(void *ctx, size_t length, int32_t id), void *ctx);
