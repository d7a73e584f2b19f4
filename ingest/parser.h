// SPDX-License-Identifier: MIT
// A parser of hostile files: a program run on one file, confined.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct parser {
    const char *program;     // full path
    const char *const *argv; // its arguments, NULL at the end
    const char *file;        // the only file outside /usr that it may read
    int64_t memory;          // bytes of addresses
    int cpu_s, wall_s;       // seconds
    size_t output_max;       // bytes
};

// Run the program until it ends; its standard output is appended to `out`, *status is its exit
// status (127: it could not be executed). It reads its own libraries and `file`, writes nothing
// but the output, starts nothing and speaks to nobody, as far as the kernel can see to it.
// -ETIME and -EFBIG beyond the limits, -EILSEQ when a signal ended it; it has ended in any
// case. Any thread.
int parser_run(const struct parser *p, struct buf *out, int *status, struct err *e);
