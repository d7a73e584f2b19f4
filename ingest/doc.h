// SPDX-License-Identifier: MIT
// A document on its way in: what the readers of each format make and the chunker takes.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum doc_kind {
    DOC_HEADING,   // level 1-6
    DOC_PARAGRAPH, // text; its newlines are the source's
    DOC_ITEM,      // of a list, with its mark ("- ", "2. ")
    DOC_CODE,      // kept to the byte, between fences
    DOC_ROW,       // of a table: "| a | b |"
};

struct doc_block {
    enum doc_kind kind;
    int level;
    const char *text; // UTF-8, without a newline at its end
    size_t n;
    int line_first, line_last; // of the source, from 1; 0: the format has none
    int page;                  // from 1; 0: the format has none
};

struct doc {
    arena *a; // holds all texts
    const char *title;
    const char *type; // "markdown", "text", "html", "pdf"
    struct doc_block *blocks;
    size_t n, cap;
};

int doc_new(struct doc **out);
void doc_free(struct doc *d); // NULL-safe
// Append a copy of the block; white space at its ends goes, and an empty one is not added.
// Control characters other than newline and tab become spaces. 0 or -ENOMEM.
int doc_add(struct doc *d, const struct doc_block *b);
// Set the title from text, white space collapsed, at most 200 bytes. 0 or -ENOMEM.
int doc_set_title(struct doc *d, const char *s, size_t n);

// ---- the readers: text is valid UTF-8 ----

int read_text(const char *s, size_t n, struct doc *d, struct err *e);
int read_markdown(const char *s, size_t n, struct doc *d, struct err *e);
int read_html(const char *s, size_t n, struct doc *d, struct err *e);
