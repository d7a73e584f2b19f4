// SPDX-License-Identifier: MIT
// One small vocabulary of each kind, for targets that need tokens.
#pragma once

#include "engine/tokenizer/tokenizer.h"

// The first four are byte-level BPE, each with a pre-tokeniser of its own.
enum fuzz_kind {
    FUZZ_GPT2,
    FUZZ_SMOLLM,
    FUZZ_QWEN2,
    FUZZ_LLAMA_BPE,
    FUZZ_LLAMA,
    FUZZ_BERT,
    FUZZ_T5,
    FUZZ_KINDS
};

// The caller closes it.
tokenizer *fuzz_tokenizer(enum fuzz_kind kind);
