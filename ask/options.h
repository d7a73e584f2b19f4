// SPDX-License-Identifier: MIT
// The command line of ask.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

// Exit statuses, as the manual promises them.
enum ask_exit {
    EXIT_ANSWERED = 0,
    EXIT_NOT_FOUND = 1,
    EXIT_USAGE_OR_FAILURE = 2,
    EXIT_WITHHELD = 3,
    EXIT_UNREACHABLE = 4,
    EXIT_INTERRUPTED = 130,
};

enum ask_output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_JSONL };

#define ASK_COLLECTIONS_MAX 64

struct options {
    const char *socket; // NULL: ASKD_SOCKET, the user's own, the system's
    const char *collections[ASK_COLLECTIONS_MAX];
    size_t n_collections;
    enum ask_output output;
    bool search, follow, interactive, no_start;
    unsigned k;                      // 0: the daemon's default
    const char *mode;                // NULL: the daemon's default
    const char *path, *after, *type; // filter, each may be NULL
    long wait_s;                     // for a daemon that loads
    struct buf question;             // empty: none given
};

// Read the command line; strings stay argv's. -1: go on; else the status to exit with, the
// reason or the help already printed. Reads stdin where the question is "-" or none is given
// and stdin is no terminal.
int options_parse(int argc, char **argv, struct options *o);
void options_free(struct options *o);
