// SPDX-License-Identifier: MIT
// Extractive question answering (as SQuAD has it; Devlin et al. 2019): where in a passage the
// answer to a question begins and ends, by an adapter and a head on the embedder's own weights.
//
// What the model reads, for training, too:
//
//     <s> question </s> </s> heading ": " passage </s>
//
// - Text is tokenised as it is, without the embedder's prefixes. The question's tokens are cut
//   to READER_QUESTION_TOKENS.
// - heading ": " passage is tokenised as one text; with an empty heading it is the passage
//   alone. Tokens that end in front of the passage are context: no span lies in them.
// - All of it fits READER_TOKENS, or the model's context if that is less. What does not fit
//   is read in windows, each in its own sequence behind the same question: tokens of the text
//   [0, r), [r - o, 2r - o), [2r - 2o, 3r - 2o)... with the room r that the question leaves
//   and o = READER_OVERLAP, until the last one reaches the end. Of tokens that stand in two of
//   them the first half has the logits of the former, the second half those of the latter.
//
// The head gives each token two logits, that an answer starts and that it ends there, and
// perhaps a third, which is read at the first token: relevance. The null score, that the
// passage holds no answer, is start + end at the first token; of several windows the least
// counts, and of relevance the greatest.
#pragma once

#include "base/arena.h"
#include "embedder/embedder.h"

#include <stdbool.h>
#include <stdint.h>

#define READER_QUESTION_TOKENS 64
#define READER_TOKENS 512
#define READER_OVERLAP 64
#define READER_SPAN_TOKENS 30
#define READER_SPAN_TOKENS_MAX 512

typedef struct reader reader;

// Load an adapter with a head of 2 or 3 outputs (a GGUF file: transformer_adapter_open). Its
// metadata askd.reader.base must be embedder_fingerprint(m): the logits of other weights mean
// nothing. The embedder must outlive the reader. -EINVAL for what is no such file, -ENOTSUP for
// an embedder whose tokens cannot be traced to the bytes of a text.
int reader_open(embedder *m, const char *path, reader **out, struct err *e);
void reader_close(reader *r); // NULL-safe
// SHA-256 of the adapter's file, 64 hexadecimal digits; readings are comparable where it and
// the embedder's fingerprint are equal.
const char *reader_fingerprint(const reader *r);

// UTF-8, possibly invalid; an empty heading (n_heading 0) is none.
struct reader_text {
    const char *heading;
    size_t n_heading;
    const char *s;
    size_t n;
};

// A token of the passage: its bytes [start, end) of the passage, none of them white space (see
// tokenizer_encode_spans), and its logits. A token of white space alone has no bytes.
struct reader_token {
    uint32_t start, end;
    float start_logit, end_logit;
};
struct reading {
    float null;
    float relevance; // NaN where the head has two outputs
    const struct reader_token *tokens;
    size_t n;
};

// Read n texts for one question: out[i] is of texts[i], its tokens memory of `a`. A reading
// does not depend on the other texts. Takes the team in turns of class `c`; any thread, also
// beside embedder_embed. -ECANCELED once *cancel (may be NULL) is set.
int reader_read(reader *r, enum team_class c, const char *question, size_t n_question,
                const struct reader_text *texts, size_t n, arena *a, struct reading *out,
                const atomic_bool *cancel, struct err *e);

// Bytes [start, end) of the passage; score: start_logit + end_logit - null. Above 0 the span
// is likelier than no answer.
struct reader_span {
    size_t start, end;
    float score, start_logit, end_logit;
};
// The span with the greatest score whose tokens, at most max_tokens of them (0:
// READER_SPAN_TOKENS; at most READER_SPAN_TOKENS_MAX), lie inside bytes [from, to) of the
// passage. It begins and ends with a token that has bytes. Of equal ones the first to end, then
// the first to start. False if no token lies there. In time linear in r->n; allocates nothing.
bool reader_span(const struct reading *r, size_t from, size_t to, size_t max_tokens,
                 struct reader_span *out);
