// SPDX-License-Identifier: MIT
// A bilingual lexicon: what a term is called in the other language, and how probably. A
// question in one language finds passages in the other by it (Darwish and Oard 2003,
// probabilistic structured queries). One text file, a term a line:
//
//   TERM <TAB> TRANSLATION:PROBABILITY <TAB> TRANSLATION:PROBABILITY ...
//
// TERM and TRANSLATION are folded words (lower case); a term of CJK characters is a run of them
// of any length, other terms are single words. Empty lines and lines that begin with # say
// nothing. train/lexicon makes the one that comes with the program; a team may write its own.
#pragma once

#include "base/err.h"

#include <stddef.h>

typedef struct lexicon lexicon;

struct lexicon_translation {
    const char *word;
    double probability; // above 0, at most 1
};

// Read a file, in memory from then on. -EINVAL names the line that is wrong; -EFBIG beyond 64
// MiB; the errors of file_read.
int lexicon_open(const char *path, lexicon **out, struct err *e);
void lexicon_close(lexicon *l); // NULL-safe
size_t lexicon_terms(const lexicon *l);

// Translations of the term s[0..n); *count is 0 for a term that is not there. Owned by the
// lexicon. Any thread.
const struct lexicon_translation *lexicon_find(const lexicon *l, const char *s, size_t n,
                                               size_t *count);
// The longest term that s[0..n) begins with where s is a run of CJK characters: its bytes, or
// 0.
size_t lexicon_longest(const lexicon *l, const char *s, size_t n);
