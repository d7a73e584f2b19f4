// SPDX-License-Identifier: MIT
// One question, from the command line's wishes to an exit status.
#pragma once

#include "ask/options.h"
#include "ask/session.h"
#include "ask/start.h"

struct asker {
    const struct options *options;
    struct daemon daemon;
    struct session session; // grows with every answer
    bool follow;            // the next question follows up on it
};

// Ask (or search), starting the daemon and waiting for it where the options allow. Writes the
// result to stdout, troubles to stderr. The exit status, EXIT_INTERRUPTED after Ctrl-C.
int asker_ask(struct asker *a, const char *question, bool search);
// "ask: SENTENCE" on stderr, with nothing in it that a terminal obeys.
void asker_complain(const char *sentence);
