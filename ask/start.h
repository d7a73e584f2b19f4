// SPDX-License-Identifier: MIT
// Finding the daemon, starting it, waiting for it.
#pragma once

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct daemon {
    char socket[PATH_MAX]; // absolute
    pid_t started;         // by us and not seen to end yet; 0: none
    char log[PATH_MAX];    // where the one we started writes
    long log_from;         // its size before that
};

// Settle which socket to use: `named` (NULL: ASKD_SOCKET, the user's own and, where nobody
// answers there, the system service's).
int daemon_find(struct daemon *d, const char *named, struct err *e);
// Start askd for this socket, in a session of its own, its log in
// $XDG_STATE_HOME/askd/askd.log; it stays when we end. -ENOENT: there is no askd next to this
// program, in ../sbin or in PATH.
int daemon_start(struct daemon *d, struct err *e);
// Wait until it is ready, telling on stderr what it loads. 0; -ETIMEDOUT after `seconds`;
// -EINTR after Ctrl-C; -ECHILD: the one we started ended (the sentence holds its last words);
// -EIO: it says that it cannot load; -ECONNREFUSED, -ENOENT: nobody answers (any more).
int daemon_wait(struct daemon *d, long seconds, struct err *e);
