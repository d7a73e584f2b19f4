// SPDX-License-Identifier: MIT
// Answers, sources and passages as plain text for people.
#pragma once

#include "ask/terminal.h"

#include <cJSON.h>

struct printer {
    FILE *out;
    struct terminal_style style;
    struct terminal_filter filter;
    bool begun;     // text has been written
    bool line_open; // and its last line has no end yet
};

void printer_init(struct printer *p, FILE *out);
// The answer's next piece, shown at once.
void print_token(struct printer *p, const char *text);
// End the line of the answer, whatever came of it.
void print_end(struct printer *p);
// What stands below the answer, from the object of the "done" event: the sources of an answer,
// the nearest passages where nothing was found.
void print_sources(struct printer *p, const cJSON *done);
// The passages of a search.
void print_search(struct printer *p, const cJSON *result);
