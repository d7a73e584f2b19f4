// SPDX-License-Identifier: MIT
// What askd-ingest and its keepers say to each other.
#pragma once

#include "ingest/extractor.h"

#include <stddef.h>

#define CONTROL_FD 0 // the keeper's end, a socket of messages

// From the keeper, first of all: a mask of CONFINE_NO_..., or negative errno.
struct keeper_hello {
    int missing;
    struct extractor_limits limits;
};
// To the keeper: one byte with a stream socket, for the next child. From the keeper, when that
// child has ended:
struct keeper_end {
    int signal; // 0: it exited
    int status; // if it exited
    int cpu_s;  // seconds of processor time that it took
    int late;   // it was ended at the limit
};
// To the child, over the stream: this and the bytes. Back comes what pack.h says.
struct extract_order {
    int format;
    size_t n;
};
