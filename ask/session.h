// SPDX-License-Identifier: MIT
// What -c remembers: the last conversation, in $XDG_STATE_HOME/askd/last.json (0600).
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define SESSION_TURNS_MAX 16

struct session_turn {
    bool user; // else the assistant
    char *text;
};

// The daemon keeps conversations in memory only. The turns let a new daemon, or one that has
// forgotten, take it up again.
struct session {
    char conversation[64]; // the daemon's id, "" for none
    struct session_turn turns[SESSION_TURNS_MAX];
    size_t n;
};

// Read the last one. None, or one that cannot be read or understood, is an empty session with
// the reason in `e` (e->code -ENOENT: there is none).
void session_load(struct session *s, struct err *e);
// Write it, whole or not at all. Errors name the file.
int session_save(const struct session *s, struct err *e);
// Append one question and its answer (copied); the oldest turns go. 0 or -ENOMEM.
int session_add(struct session *s, const char *question, const char *answer);
void session_clear(struct session *s);
