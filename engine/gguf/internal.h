// SPDX-License-Identifier: MIT
// Shared by the files of engine/gguf/ only.
#pragma once

#include "base/arena.h"
#include "base/file.h"
#include "engine/gguf/gguf.h"

struct gguf_kv {
    const char *key;
    enum gguf_type type; // of the value, or of an array's elements
    bool array;
    size_t n;             // elements
    const void *data;     // first byte of the value or of the elements
    struct gguf_str *str; // strings, one or n
};

struct gguf {
    char *path;
    struct file_map map;
    arena *a;
    struct gguf_kv *kv;
    size_t n_kv;
    struct gguf_tensor *tensors;
    size_t n_tensors;
    const struct gguf_tensor **sorted; // by name
    const struct gguf_kv **sorted_kv;  // by key
};

// ---- cursor.c: the walk over the map ----

// Its first error sticks and every later read gives zeros, so that the walk reads like the
// format.
struct gguf_cursor {
    gguf *g;
    size_t at;
    size_t field;     // where the field read last began: what a sentence points at
    bool walked;      // all is read: what is wrong now has a name but no one place
    const char *what; // being read, for the sentence
    char label[32];   // `what` of an entry that has no name yet
    struct err *e;
    int rc;
};

// Say what is wrong with the field read last, unless something was wrong before. Returns rc.
int gguf__fail(struct gguf_cursor *c, const char *problem);
const void *gguf__take(struct gguf_cursor *c, size_t n);
uint32_t gguf__take_u32(struct gguf_cursor *c);
uint64_t gguf__take_u64(struct gguf_cursor *c);
// A string of at most `max` bytes, left in the map; `too_long` is the sentence for more.
struct gguf_str gguf__take_str(struct gguf_cursor *c, uint64_t max, const char *too_long);
// The name of a key or a tensor: not empty, UTF-8 without control characters; copied for its
// NUL.
const char *gguf__take_name(struct gguf_cursor *c, uint64_t max, const char *too_long);

// ---- values.c ----

int gguf__by_key(const void *a, const void *b); // of pointers to struct gguf_kv
