// SPDX-License-Identifier: MIT
// Questions to a running daemon.
#pragma once

#include "base/err.h"

#include <cJSON.h>

// The reply's object is the caller's. What is not status 200 is an error with the daemon's own
// sentence: -ENOENT for 404, else -EIO.
int client_get(const char *socket, const char *path, cJSON **out, struct err *e);
// `body`, kept by the caller, goes as JSON.
int client_post(const char *socket, const char *path, const cJSON *body, cJSON **out,
                struct err *e);
