// SPDX-License-Identifier: MIT
// A small reader of JSON (RFC 8259), for schemas. Bounded in size and depth.
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define JSON_BYTES_MAX (64u << 10)
#define JSON_DEPTH_MAX 32

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_kind kind;
    const char *key;           // of a member, else NULL; unescaped
    const char *text;          // string: unescaped; number: as written
    struct json *first, *next; // elements or members; the next one beside
};

// Read one value; it lives in `a`. -EINVAL with the byte, -E2BIG.
int json_read(const char *s, arena *a, struct json **out, struct err *e);
// The member of an object, or NULL.
const struct json *json_get(const struct json *o, const char *key);
