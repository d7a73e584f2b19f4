// SPDX-License-Identifier: MIT
// An allocator that fails: the linker's --wrap leads our calls of malloc and its like here
// (FAILING_LDFLAGS). The Nth fails, once or from then on, for every N until a run needs no
// more.
#pragma once

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>

// The next allocation counts; true: it is to fail. For other allocators (SQLite's).
bool failing_next(void);

extern struct failing {
    atomic_uint at, calls; // fail call number `at`; 0: none
    atomic_bool on;        // and all after it
    atomic_bool failed;    // one has failed
    atomic_bool ours;      // our calls count (true), or only failing_next's
} failing;

// Run with call `at` failing: 0, or -ENOMEM with a sentence; else the test that runs fails.
// Returns whether one failed. *outcome may be NULL.
typedef int failing_fn(struct err *e);
bool failing_try(failing_fn *run, unsigned at, bool on, bool ours, int *outcome);
// All of them, once and on, every `by`th; says how many.
void failing_all(failing_fn *run, const char *what, unsigned by);
