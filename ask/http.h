// SPDX-License-Identifier: MIT
// One HTTP/1.1 request over a Unix socket; the reply's body arrives piece by piece.
#pragma once

#include "base/err.h"

#include <stddef.h>

// A body's next piece. Non-zero ends the exchange with that value.
typedef int http_body_fn(void *ctx, const char *data, size_t n);

struct http_exchange {
    const char *socket; // path
    const char *method, *path;
    const char *accept; // NULL: application/json
    const char *body;   // JSON, or NULL for none
    size_t n;
    http_body_fn *on_body;
    void *ctx;
    int status; // out: of the reply, valid from the first on_body on
};

// Connect to the socket. The descriptor, or -ENOENT, -ECONNREFUSED (nobody listens), -EACCES
// and others with a sentence.
int http_connect(const char *socket_path, struct err *e);

// Send the request and read the whole reply. 0; what on_body returned; -EINTR after Ctrl-C (the
// socket is closed, which cancels the question at the daemon); -EPROTO for a reply that is no
// HTTP or ends too early; the errors of http_connect. Waits without limit: a long answer takes
// its time, and the daemon's own deadline ends it.
int http_run(struct http_exchange *x, struct err *e);
