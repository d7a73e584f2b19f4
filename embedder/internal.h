// SPDX-License-Identifier: MIT
// Shared by the files of embedder/ only.
#pragma once

#include "embedder/embedder.h"
#include "engine/gguf/gguf.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/transformer/transformer.h"

#define EMBEDDER_PREFIX_MAX 256
// One turn of the team: a question waits for at most this many tokens of someone else's batch.
#define EMBEDDER_TURN_TOKENS 1024

struct embedder {
    gguf *g;
    struct team *team;
    tokenizer *tok;
    transformer *t;
    struct transformer_info info;
    char prefix[2][EMBEDDER_PREFIX_MAX];
    char fingerprint[128];
    size_t max_tokens;
};
