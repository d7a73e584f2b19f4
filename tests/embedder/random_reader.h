// SPDX-License-Identifier: MIT
// Readers of random weights, for tests and timings that need one and not its wisdom.
#pragma once

#include "base/err.h"

#include <stdint.h>

struct random_reader {
    const char *model; // the embedder's file, for the shapes
    const char *base;  // askd.reader.base; NULL: left out
    uint32_t rank, outputs;
    uint64_t seed;
    float
        head; // how large the head's weights are; 0: about as large as makes logits of 1 to 10
};
// Write an adapter of every matrix of the layers, and a head. Always the same for the same
// numbers.
int random_reader_save(const struct random_reader *r, const char *path, struct err *e);
