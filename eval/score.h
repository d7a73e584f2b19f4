// SPDX-License-Identifier: MIT
// How right is an answer? Each measure takes the best over the accepted answers.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct match {
    double em, f1; // 0..1
};

// SQuAD (Rajpurkar et al. 2016, evaluate-v1.1): lower case, punctuation and a, an, the dropped,
// white space folded; F1 over the bag of words. -ENOMEM.
int score_squad(const char *answer, const char *const *gold, size_t n, struct match *out);

// CMRC 2018 (Cui et al. 2019, cmrc2018_evaluate.py v5): each Chinese character is a token,
// Latin runs are cut as NLTK's word tokenizer cuts them; F1 from the longest common contiguous
// run. -ENOMEM.
int score_cmrc(const char *answer, const char *const *gold, size_t n, struct match *out);

// ROUGE-L (Lin 2004): F1 of the longest common subsequence of words, a CJK character a word.
// -ENOMEM.
int score_rouge_l(const char *answer, const char *const *gold, size_t n, double *out);

// Does the text hold one of them, as whole words, case and white space aside? -ENOMEM.
int score_contains(const char *text, const char *const *gold, size_t n, bool *out);

// Does at least 60 % of `quote` stand in the text as one run, white space removed? -ENOMEM.
int score_holds_quote(const char *text, const char *quote, bool *out);
