// SPDX-License-Identifier: MIT
// A set drafted from the documents of a running daemon, for people to correct.
#pragma once

#include "base/err.h"

#include <stddef.h>

struct make_options {
    const char *socket, *collection; // collection may be NULL: all
    size_t count;                    // questions wanted
};

struct make_counts {
    size_t documents, passages;
    size_t found;                 // drafts before the choice
    size_t written, unanswerable; // of those written
};

// Read every document that the daemon shows and write at most `count` questions to `path`, JSON
// lines as set.h has them with "checked": false. Spread over documents and kinds; the same
// documents give the same bytes. -EEXIST if there is such a file; -ENOENT if nothing in the
// documents makes a question.
int make_set(const struct make_options *o, const char *path, struct make_counts *out,
             struct err *e);
