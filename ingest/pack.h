// SPDX-License-Identifier: MIT
// A doc on its way from the process that made it. Who receives it trusts nothing of it.
#pragma once

#include "ingest/doc.h"

// Write the outcome (`rc`, with the sentence in `e`) and, if it is 0, the doc to a stream
// socket. 0, or negative errno (-EPIPE: nobody listens).
int pack_send(int fd, int rc, const struct doc *d, const struct err *e);

// Read them: *outcome is what was sent, with its sentence in `e`, and if it is 0 the doc is in
// `d` (initialised here, freed by the caller in any case; `type` is static). -EPIPE: the sender
// ended before all was there. -EBADMSG: it is no doc: places out of bounds or order, text that
// is not UTF-8 or holds control characters. -ENOMEM. After these the socket is of no more use.
int pack_receive(int fd, const char *type, struct doc *d, int *outcome, struct err *e);

// All of `n` bytes, to or from a stream socket. -EPIPE at an early end.
int pack_write(int fd, const void *p, size_t n);
int pack_read(int fd, void *p, size_t n);
