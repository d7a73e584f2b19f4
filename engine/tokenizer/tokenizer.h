// SPDX-License-Identifier: MIT
// Text <-> token ids, from the vocabulary inside a GGUF file: byte BPE ("gpt2"), SentencePiece
// ("llama"), WordPiece ("bert"), unigram ("t5").
// Foreign text can never become a control token: only tokenizer_find() gives control ids.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "engine/gguf/gguf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tokenizer tokenizer;

// A growable list of token ids; TOKENS_INIT owns nothing.
struct tokens {
    int32_t *ids;
    size_t len, cap;
};
#define TOKENS_INIT \
    {               \
        NULL, 0, 0  \
    }
void tokens_free(struct tokens *t);
int tokens_add(struct tokens *t, int32_t id); // 0 or -ENOMEM

// Read the vocabulary. The tokenizer copies what it needs: the gguf may be closed afterwards.
// Immutable once open: any number of threads may use it.
int tokenizer_open(const gguf *g, tokenizer **out, struct err *e);
void tokenizer_close(tokenizer *t);

enum {
    TOKENIZER_ADD_SPECIAL = 1,   // add the model's BOS/EOS or CLS/SEP as its metadata says
    TOKENIZER_PARSE_CONTROL = 2, // control tokens spelled in the text become ids: OUR scaffold
                                 // text and parity tests only, never documents or questions
    TOKENIZER_NO_PREFIX_SPACE = 4, // text continues what was tokenised before (SentencePiece)
};
// Append the ids of text[0..n) (may be invalid UTF-8; llama.cpp's ids are the reference).
// 0, -ENOMEM, or -E2BIG for more than 256 MiB.
int tokenizer_encode(const tokenizer *t, const char *text, size_t n, unsigned flags,
                     struct tokens *out);
// Append the bytes of one token (may be a part of a UTF-8 sequence). Control tokens give
// nothing. -EINVAL for an id outside the vocabulary.
int tokenizer_decode(const tokenizer *t, int32_t id, struct buf *out);

size_t tokenizer_size(const tokenizer *t);
int32_t tokenizer_bos(const tokenizer *t); // -1 where the model has none
int32_t tokenizer_eos(const tokenizer *t);
// True for tokens that end a turn (EOS, EOT, <|im_end|>, <end_of_turn>, ...).
bool tokenizer_is_end(const tokenizer *t, int32_t id);
bool tokenizer_is_control(const tokenizer *t, int32_t id);
// Id of the token spelled exactly so (control tokens included), or -1.
int32_t tokenizer_find(const tokenizer *t, const char *spelling);
