// SPDX-License-Identifier: MIT
// Memory with one lifetime: allocate freely, release all at once.
#pragma once

#include <stddef.h>

typedef struct arena arena;

// New arena whose total may not pass `limit` bytes (0: no limit). NULL when memory runs out.
arena *arena_new(size_t limit);
// NULL-safe. Everything that came from the arena is gone.
void arena_free(arena *a);
// `n` zeroed bytes aligned to 16; NULL when memory or the limit runs out.
void *arena_alloc(arena *a, size_t n);
// Copy of n bytes with a NUL behind.
char *arena_strndup(arena *a, const char *s, size_t n);
char *arena_strdup(arena *a, const char *s);
char *arena_printf(arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
