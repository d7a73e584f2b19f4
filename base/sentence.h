// SPDX-License-Identifier: MIT
// Sentences of plain text, English and Chinese: what a quote is cut from and a claim is
// checked as.
#pragma once

#include <stddef.h>

struct sentence {
    size_t start, end; // bytes text[start..end), white space at both ends left out
};

// Find the next sentence at or after *pos in text[0..n) and move *pos behind it. 1, or 0 at the
// end. A sentence ends at . ! ? before white space (not after an abbreviation, an initial or a
// list number), at the full-width marks, at an empty line, before a list item or a fence,
// around each row of a table, and never inside a ``` fence: a fenced block is one sentence.
int sentence_next(const char *text, size_t n, size_t *pos, struct sentence *out);
