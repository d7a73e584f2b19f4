// SPDX-License-Identifier: MIT
// Ctrl-C as a file descriptor, so that a poll and the signal cannot miss each other.
#pragma once

#include "base/err.h"

#include <stdbool.h>

// Take SIGINT from now on. Call once, before any other thread or child. -errno on failure.
int interrupt_open(struct err *e);
// Readable since Ctrl-C was pressed; -1 before interrupt_open.
int interrupt_fd(void);
// Whether Ctrl-C was pressed since the last interrupt_clear.
bool interrupt_seen(void);
void interrupt_clear(void);
