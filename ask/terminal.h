// SPDX-License-Identifier: MIT
// Foreign text on a terminal: what documents and answers hold may be read, never obeyed.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// A filter over text that arrives in pieces, cut anywhere.
struct terminal_filter {
    char pending[4]; // the begun sequence at the end of the last piece
    size_t n;
};

// Append what may be shown of the next piece: valid UTF-8, line feeds and tabs stay; carriage
// returns go; every other control character (C0, DEL, C1), direction override and invalid byte
// becomes U+FFFD. A sequence that the piece cuts waits for the next. 0 or -ENOMEM.
int terminal_clean(struct terminal_filter *f, const char *s, size_t n, struct buf *out);
// What still waits, as U+FFFD.
int terminal_finish(struct terminal_filter *f, struct buf *out);
// A whole text. `line`: white space runs become one space, so that it stays on its line.
int terminal_clean_text(const char *s, bool line, struct buf *out);

// JSON that is as valid as it was and shows no control character raw: DEL, C1 and direction
// overrides as \u escapes, invalid bytes as U+FFFD. Control characters below space cannot occur
// inside JSON's strings; outside them all but line feeds and tabs go.
int terminal_clean_json(struct terminal_filter *f, const char *s, size_t n, struct buf *out);

// Colours, all "" unless `out` is a terminal, TERM is not "dumb" and NO_COLOR is unset.
struct terminal_style {
    const char *bold, *dim, *mark, *off;
};
struct terminal_style terminal_style_of(FILE *out);
