// SPDX-License-Identifier: MIT
// Conversations kept in memory, each belonging to the principal (access_number) that began
// it. Loop thread only.
#pragma once

#include "answer/answer.h"
#include "base/arena.h"

struct conversations;

struct conversations *conversations_new(size_t max); // NULL when memory runs out
void conversations_free(struct conversations *c);
// At most an eighth of `max` are one principal's.
// A fresh, unguessable id for this principal, written into out; -ENOMEM, or -errno of
// getrandom.
int conversations_begin(struct conversations *c, int64_t who, char out[40]);
// The turns so far, copied into `a`. -ENOENT: none of that id belongs to the principal.
int conversations_get(struct conversations *c, const char *id, int64_t who, arena *a,
                      struct answer_turn **turns, size_t *n);
// Append one question and its answer; the oldest turns and the longest-unused conversations go.
void conversations_add(struct conversations *c, const char *id, int64_t who,
                       const char *question, const char *answer);
