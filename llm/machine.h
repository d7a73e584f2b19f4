// SPDX-License-Identifier: MIT
// A machine over bytes: the inside of a constraint. It keeps the states along one path, so that
// a walk of the vocabulary's trie goes down and back up without asking anything again.
//
// What every machine promises: from a state there is always a byte, and a token that writes
// just that byte, which leads nearer to an end. Hence no text runs into a wall.
#pragma once

#include "llm/vocab.h"

struct machine {
    // path[0] is where the text stands; path[k] is k bytes on. A machine may renumber its
    // states, and then mends the path and counts the epoch up.
    uint32_t path[VOCAB_TOKEN_MAX + 2];
    uint64_t epoch;
    uint32_t farthest;                // no state is farther than this from an end
    void (*reset)(struct machine *m); // path[0] = the empty text
    // From path[depth] by one byte to path[depth + 1]; false where that may not come.
    bool (*step)(struct machine *m, unsigned depth, unsigned char byte);
    // Bytes to the nearest end; 0: the text may end here.
    uint32_t (*distance)(const struct machine *m, unsigned depth);
    // A byte that leads one nearer to an end; only where the distance is not 0.
    unsigned char (*way)(const struct machine *m, unsigned depth);
    void (*free)(struct machine *m);
};
