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

// Bytes [start, end) of a text, and a growable list of them; TOKEN_SPANS_INIT owns nothing.
struct token_span {
    uint32_t start, end;
};
struct token_spans {
    struct token_span *at;
    size_t len, cap;
};
#define TOKEN_SPANS_INIT \
    {                    \
        NULL, 0, 0       \
    }
void token_spans_free(struct token_spans *s);

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
// The same ids, and for each of them in `spans` the bytes of text[0..n) that it stands for:
//  - white space belongs to no token: the span of "of" in "a  of" is [3, 5), and a token of
//    white space alone has an empty span where the next text begins;
//  - what the model's normaliser maps as one (a ligature, a letter and accents that it
//    composes) is never divided: tokens of a part of it have all of it, so that spans may
//    overlap there. An invalid byte is a character of its own;
//  - starts ascend, ends ascend, and both stand between characters;
//  - the model's own tokens (TOKENIZER_ADD_SPECIAL) have empty spans at the ends of the text.
// -ENOTSUP for a vocabulary that is not unigram, with a sentence; -ENOMEM, -E2BIG.
int tokenizer_encode_spans(const tokenizer *t, const char *text, size_t n, unsigned flags,
                           struct tokens *out, struct token_spans *spans, struct err *e);
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
