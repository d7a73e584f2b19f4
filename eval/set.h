// SPDX-License-Identifier: MIT
// A set of questions with what is known of their answers: JSON lines.
//
//   {"id": "q1", "lang": "en", "question": "...", "answerable": true, "answers": ["..."],
//    "evidence": [{"file": "a/b.html", "quote": "..."}], "follow_up_of": null, "kind": "fact",
//    "checked": true}
//
// Only `question` must be there. A question without answers and with "answerable" false has
// none in the documents. `evidence` names where an answer stands: any one entry is enough.
// "checked": false marks a draft that nobody has looked at.
// What was said before is either the turn that `follow_up_of` names, or
// "history": [{"role": "user" or "assistant", "content": "..."}], oldest first.
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct evidence {
    const char *file, *quote; // "" where absent
};

struct turn {
    const char *role, *content;
};

struct question {
    const char *id, *lang, *text, *kind;
    bool answerable, checked; // checked: false only where the set says so
    const char **answers;
    size_t n_answers;
    struct evidence *evidence;
    size_t n_evidence;
    const struct question *before; // the turn that it follows up, or NULL
    struct turn *history;
    size_t n_history;
    size_t index;
};

struct set {
    struct question *q;
    size_t n, unchecked;
};

// Read a set; it lives in `a`. A wrong line is named: -EINVAL with path:line.
int set_read(const char *path, arena *a, struct set *out, struct err *e);
