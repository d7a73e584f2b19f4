// SPDX-License-Identifier: MIT
// Errors as values: a negative errno-aligned code and one sentence for people.
#pragma once

#include <errno.h>
#include <stddef.h>

#define ERR_MSG_MAX 256

// The sentence says what was wrong, where (path, line, byte, tensor) and what to do next.
// `code` is 0 or a negative errno value; libuv's codes are the same on Linux.
struct err {
    int code;
    char msg[ERR_MSG_MAX];
};

// Record `code` and the formatted sentence in `e` (may be NULL) and return `code`.
// Too long a sentence is cut at a UTF-8 boundary.
int err_set(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Put "context: " before the sentence that `e` already holds. Returns e->code (0 if e is NULL).
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Record -ENOMEM with a standard sentence; returns -ENOMEM.
int err_nomem(struct err *e);
