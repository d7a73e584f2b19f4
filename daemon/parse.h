// SPDX-License-Identifier: MIT
// The JSON of a question, checked field by field.
#pragma once

#include "answer/answer.h"
#include "base/arena.h"
#include "daemon/config.h"

struct question {
    struct answer_request request; // strings live in the arena; cancel is the caller's
    const char *conversation;      // NULL: none named
    bool stream;
};

// Read the body of /v1/ask, or of /v1/search (`search`: fewer fields). 0; -EINVAL with the
// sentence and the field's name in *field (NULL: the whole body); -ENOMEM.
int question_parse(const char *body, size_t n, bool search, const struct config *limits,
                   arena *a, struct question *out, const char **field, struct err *e);
