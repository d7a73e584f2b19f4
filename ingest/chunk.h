// SPDX-License-Identifier: MIT
// doc -> passages of 200-400 tokens, cut where the text itself has joints.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "ingest/doc.h"
#include "store/store.h"

#include <stddef.h>

#define CHUNK_MAX_TOKENS 420 // header and text of a passage, as estimated

// Tokens that a text is likely to have for the multilingual embedder; without a model, 100
// MB/s. Per run: a lower-case word 1 + a quarter for each letter beyond 4, digits 1 + 1/2 each
// further, a CJK character 3/4, a letter of another script 1/2, any other sign 1. Against e5's
// tokenizer on handbook text (English, Chinese, Japanese, Russian), C, shell and Perl the
// median is 1.0-1.5 of the true count and the lowest 0.88: what is kept to 420 here stays below
// the model's 512.
size_t chunk_tokens(const char *s, size_t n);

// Cut `d` into passages, with their words for the full text; everything lives in `a`.
// `title` is the document's. A passage never crosses a heading and holds whole paragraphs,
// items, rows and code blocks where they fit; else whole sentences or lines; never half a code
// point. Code is fenced by ``` lines. -ENOMEM.
int chunk_doc(const struct doc *d, const char *title, arena *a, struct store_passage **out,
              size_t *n, struct err *e);
