// SPDX-License-Identifier: MIT
// Shared by the files of engine/tokenizer/ only.
#pragma once

#include "engine/tokenizer/tokenizer.h"

enum tokenizer_kind { KIND_BPE, KIND_SENTENCEPIECE, KIND_WORDPIECE, KIND_UNIGRAM };
// Token types as numbered in the file (tokenizer.ggml.token_type).
enum token_type {
    TYPE_NORMAL = 1,
    TYPE_UNKNOWN = 2,
    TYPE_CONTROL = 3,
    TYPE_USER = 4,
    TYPE_UNUSED = 5,
    TYPE_BYTE = 6,
};

// Bytes -> id, open addressing.
struct vocab_map {
    int32_t *slots; // -1: free
    size_t mask;
};

struct token {
    const char *s; // bytes as decoded text, in the tokenizer's blob
    uint32_t n;
    uint8_t type;
    float score;
};

struct bpe;     // bpe.c
struct unigram; // unigram.c

struct tokenizer {
    enum tokenizer_kind kind;
    char *blob;
    struct token *tokens;
    size_t n;
    struct vocab_map map; // what text may become
    int32_t *special;     // control and user-defined tokens, longest first
    size_t n_special, n_user;
    int32_t bos, eos, unk, cls, sep;
    int32_t byte_id[256]; // byte fallback, -1 where there is none
    bool add_bos, add_eos, add_prefix_space;
    struct bpe *bpe;
    struct unigram *unigram;
};

int token_spans_add(struct token_spans *s, struct token_span x); // 0 or -ENOMEM

// ---- vocab.c ----

// Everything of struct tokenizer that all kinds have.
int vocab_open(struct tokenizer *t, const gguf *g, struct err *e);
bool vocab_ends_turn(const struct token *k);
int32_t vocab_map_find(const struct tokenizer *t, const char *s, size_t n);

// ---- one file a kind ----

// Load what one kind needs beside the vocabulary; free it; encode valid UTF-8 text.
int bpe_open(struct tokenizer *t, const gguf *g, struct err *e);
void bpe_close(struct tokenizer *t);
int bpe_encode(const struct tokenizer *t, const char *s, size_t n, struct tokens *out);
// Byte-level spelling (GPT-2's bytes_to_unicode) to bytes; the length, or -1 for another
// alphabet.
int bpe_unspell(const char *s, size_t n, char *out);

int unigram_open(struct tokenizer *t, const gguf *g, struct err *e);
void unigram_close(struct tokenizer *t);
// `spans` (may be NULL) gets the bytes of s that each id stands for.
int unigram_encode(const struct tokenizer *t, const char *s, size_t n, struct tokens *out,
                   struct token_spans *spans);

// charsmap.c: *out stays NULL where the file has none.
struct charsmap;
int charsmap_open(const gguf *g, struct charsmap **out, struct err *e);
void charsmap_close(struct charsmap *m); // NULL-safe
// The longest beginning of s[0..n) that is replaced: its bytes (0: none), and by what.
size_t charsmap_match(const struct charsmap *m, const char *s, size_t n, const char **to,
                      size_t *n_to);

int sentencepiece_encode(const struct tokenizer *t, const char *s, size_t n, bool prefix,
                         struct tokens *out);
int wordpiece_encode(const struct tokenizer *t, const char *s, size_t n, struct tokens *out);
