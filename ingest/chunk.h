// SPDX-License-Identifier: MIT
// Blocks -> passages of 200 to 400 tokens, cut where the document is cut.
#pragma once

#include "ingest/doc.h"
#include "store/store.h"

// Tokens that text takes in the embedder's vocabulary, estimated from its letters: the
// vocabulary itself would cost more than all of the rest. Rather too many than too few.
size_t chunk_tokens(const char *s, size_t n);

// Cut the document. *out[n] lives in d->a. Each passage's text is that of its blocks with an
// empty line between (a newline between the items of a list and the rows of a table), its
// section the headings above without the title. 0 or -ENOMEM.
int chunk_document(struct doc *d, struct store_passage **out, size_t *n);
