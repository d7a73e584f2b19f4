// SPDX-License-Identifier: MIT
#pragma once

#include "base/err.h"
#include "daemon/config.h"

// askd --safety-test FILE: print where each rule finds something in the file (at most 64 MiB),
// "FILE:LINE:COLUMN-LINE:COLUMN: rule (category, action, stages)", columns in bytes from 1, and
// a line a rule with how often. Nothing is printed of the text. 0 or an error.
int try_rules(const struct config *c, const char *file, struct err *e);
