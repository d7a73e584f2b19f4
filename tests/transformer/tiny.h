// SPDX-License-Identifier: MIT
// Tiny random models and what another engine computed with them, as
// tests/golden/architectures/make_golden.py describes them.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { TINY_TOKENS_MAX = 64, TINY_ROWS_MAX = 16, TINY_WIDTH_MAX = 128 };

struct tiny {
    char path[64]; // of the model, a temporary GGUF file
    int32_t tokens[TINY_TOKENS_MAX];
    int32_t source[TINY_TOKENS_MAX]; // of an encoder-decoder
    uint32_t n_source;
    uint32_t n_tokens, n_rows, width;
    uint32_t at[TINY_ROWS_MAX]; // logits behind which token; of a vector 0
    float rows[TINY_ROWS_MAX][TINY_WIDTH_MAX];
};

// Change a description line by line before the model is made: return 0 to leave a line out;
// `line` may be rewritten within TINY_LINE bytes.
enum { TINY_LINE = 4096 };
typedef int tiny_edit(char *line, void *arg);

// An edit: `find` becomes `with` where a line has it; with NULL the line is left out.
struct tiny_change {
    const char *find, *with;
};
tiny_edit tiny_change_line; // arg: struct tiny_change *

// Make the model of tests/golden/architectures/NAME.txt; `edit` may be NULL. Fails the test
// that runs where the description is no good.
void tiny_make(struct tiny *t, const char *name, tiny_edit *edit, void *arg);
// The same; `values` may change the n values of each tensor.
typedef void tiny_values(const char *tensor, float *x, size_t n, void *arg);
void tiny_make_with(struct tiny *t, const char *name, tiny_edit *edit, tiny_values *values,
                    void *arg);
// Remove the file.
void tiny_drop(struct tiny *t);
// Root mean square of got - want over that of want: how far rows are off, all of them together.
// `got` has a row for each of t's rows.
double tiny_difference(const struct tiny *t, float (*got)[TINY_WIDTH_MAX]);
// The values of a tensor: see make_golden.py.
void tiny_draw(const char *name, int power, float offset, int matrix, size_t n, float *out);
