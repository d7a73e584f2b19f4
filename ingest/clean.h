// SPDX-License-Identifier: MIT
// What of a document is not worth keeping: text that no one could read, and text that stands on
// every page. And what makes two documents the same text.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "ingest/extractor.h"
#include "ingest/walk.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- clean.c ----

// The text's letters and digits, case and everything between them aside; 0: it has none.
uint64_t clean_hash(const char *s, size_t n);
// Is this no text for people: encoded bytes, minified code, strings of signs? NULL, or what it
// is.
const char *clean_poor(const struct block *b, const char *s);
// Does the whole document say the same few lines again and again? NULL, or a sentence.
const char *clean_repetitive(const struct doc *d);
// Hash the blocks for which skip[i] is false, lines that only say when a page was made left
// out: equal for documents of the same words. -ENOMEM.
int clean_text_hash(const struct doc *d, const bool *skip, char out[33]);

// ---- repeat.c ----

// A block of text that stands in many documents below a folder is kept in one of them, its
// owner, and left out of the others.
struct repeats {
    const struct store_repeat *list; // by hash, then folder
    size_t n;
};

// Read a sample of the files and find what they repeat. `known` holds what earlier runs found;
// *fresh gets what is new (in `a`). Files that cannot be read count as absent. -ENOMEM.
int repeats_survey(extractors *x, const struct walk *w, const struct repeats *known,
                   size_t max_file, arena *a, struct store_repeat **fresh, size_t *n,
                   struct err *e);
// Both lists as one, ordered for repeats_mark.
int repeats_join(const struct repeats *a, const struct store_repeat *b, size_t n_b, arena *mem,
                 struct repeats *out, struct err *e);
// Which blocks of the document at `path` are furniture that stands elsewhere too: owner[i]
// (borrowed from `r`; NULL: not repeated) is the document that keeps block i.
void repeats_mark(const struct repeats *r, const char *path, const struct doc *d,
                  const char **owner);
