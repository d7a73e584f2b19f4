// SPDX-License-Identifier: MIT
// A growable byte buffer that is always NUL-terminated, so that text can be read in place.
#pragma once

#include <stddef.h>

// BUF_INIT is a valid empty buffer that owns nothing. `data` is "" or heap memory;
// it moves when the buffer grows. After a failed append the buffer is unchanged.
struct buf {
    char *data;
    size_t len;
    size_t cap; // bytes allocated, 0 while nothing is owned
};

#define BUF_INIT         \
    {                    \
        (char *)"", 0, 0 \
    }

void buf_init(struct buf *b);
// Release the memory; the buffer is empty and usable again.
void buf_free(struct buf *b);
// Keep the memory, drop the content.
void buf_clear(struct buf *b);
// Make room for `more` further bytes plus the NUL. 0, or -ENOMEM (also on overflow).
int buf_reserve(struct buf *b, size_t more);
int buf_add(struct buf *b, const void *p, size_t n);
int buf_adds(struct buf *b, const char *s);
int buf_addc(struct buf *b, char c);
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Shorten to `n` bytes (n <= len).
void buf_truncate(struct buf *b, size_t n);
// Hand the string to the caller, who frees it with free(); the buffer is empty again.
// NULL when memory runs out.
char *buf_detach(struct buf *b);
