// SPDX-License-Identifier: MIT
// Does a sentence say only what its passage says? A literal check, for small models that
// invent: what it rejects is not wrong for sure, and what it lets through is worded like the
// passage.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ground_verdict {
    bool grounded;
    const char *why;   // static: "number", "literal", "name", "negation", "wording" or "empty"
    double overlap;    // share of content words found in the best three neighbouring sentences
    size_t start, end; // the single passage sentence nearest in wording; start == end: none
};

// Numbers, quoted or code-like strings (paths, flags, commands, identifiers) and names must
// stand in the passage, where what counts list items is no number; of the content words (CJK:
// character bigrams) at least 70 % within three neighbouring sentences; and a negation must
// have one there. Citation marks such as [1] are ignored. 0, or -ENOMEM.
int ground_check(const char *sentence, size_t n, const char *passage, size_t passage_n,
                 struct ground_verdict *out);
