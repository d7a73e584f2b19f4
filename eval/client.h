// SPDX-License-Identifier: MIT
// Questions to a running daemon.
#pragma once

#include "base/err.h"

#include <cJSON.h>

// POST `body` (kept by the caller) as JSON; the reply's object is the caller's. What is not
// status 200 is an error with the daemon's own sentence.
int client_post(const char *socket, const char *path, const cJSON *body, cJSON **out,
                struct err *e);
