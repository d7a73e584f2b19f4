// SPDX-License-Identifier: MIT
// What the extractors make of a file: blocks of plain text in reading order, each byte of it
// traceable to a line of the source.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum block_kind {
    BLOCK_HEADING,   // `level` 1-6; the text is one line
    BLOCK_PARAGRAPH, // prose, white space folded
    BLOCK_ITEM,      // a list item with its marker, or a term with its definition
    BLOCK_CODE,      // exact white space, no fence
    BLOCK_ROW,       // a table row, cells joined by " | "
};

struct block {
    enum block_kind kind;
    int level;       // of a heading; nesting depth of an item, from 1
    int page;        // 0: the format has none
    size_t off, len; // in doc.text
};

// From byte `off` of doc.text on, text comes from source line `line` (1-based).
struct mark {
    size_t off;
    int line;
};

struct doc {
    struct buf title; // "" when the file names none
    const char *type; // "markdown", "html", "pdf", "text"
    struct buf text;  // all blocks, valid UTF-8 without control characters but \n and \t
    struct block *blocks;
    size_t n_blocks, cap_blocks;
    struct mark *marks;
    size_t n_marks, cap_marks;
    int rc; // first failure (-ENOMEM, -EFBIG) of an add; later adds do nothing
    // the open block
    bool open, space;
    int page;
    char lead[40]; // put before the block's first visible character: indentation and marker
};

#define DOC_TEXT_MAX (256u << 20) // bytes of text of one document
#define DOC_TITLE_MAX 200         // bytes of a title or heading; longer ones are cut

void doc_init(struct doc *d, const char *type);
void doc_free(struct doc *d);

// Open a block; an open one is closed first. Blocks without text vanish.
void doc_open(struct doc *d, enum block_kind kind, int level);
void doc_close(struct doc *d);
// Open a list item: `marker` ("-", "3.") is put before its text, indented by level.
void doc_open_item(struct doc *d, int level, const char *marker);
// Append source text that starts on `line` (0: lines unknown) to the open block, in which
// white space is folded to one space; without an open block a paragraph is opened by the first
// visible character. Control and invalid bytes do not get in.
void doc_add(struct doc *d, const char *s, size_t n, int line);
// The same with white space kept (code); \r\n becomes \n.
void doc_add_exact(struct doc *d, const char *s, size_t n, int line);
// A line break inside prose.
void doc_break(struct doc *d);

// The source line of byte `off` of the text; 0 where the format has no lines.
int doc_line_at(const struct doc *d, size_t off);
// Drop blocks for which keep[i] is false.
void doc_keep(struct doc *d, const bool *keep);
