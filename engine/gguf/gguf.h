// SPDX-License-Identifier: MIT
// GGUF model files (ggml project, docs/gguf.md, version 3): a bounded, read-only reader.
// The file is hostile input: every count, length, type and offset is checked before use,
// and what the accessors return lies inside the mapping.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gguf gguf;

// Metadata value types, numbered as in the file.
enum gguf_type {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12,
};

// Bytes inside the mapping, not NUL-terminated.
struct gguf_str {
    const char *s;
    size_t n;
};

struct gguf_tensor {
    const char *name; // NUL-terminated, owned by the gguf
    uint32_t n_dims;  // 1-4
    uint64_t ne[4];   // innermost first; missing dimensions are 1
    uint32_t type;    // ggml type id; one that tensor_type_info() knows
    const void *data; // inside the mapping, aligned to general.alignment
    size_t bytes;
};

// Map and validate the whole file. The sentence names path, byte offset and key or tensor.
int gguf_open(const char *path, gguf **out, struct err *e);
void gguf_close(gguf *g); // NULL-safe; everything borrowed from it is gone
const char *gguf_path(const gguf *g);

// Metadata. 0; -ENOENT when the key is absent; -EINVAL for another type or out of range.
// `e` may be NULL where absence is fine. Integers of any width and sign are accepted if in
// range.
int gguf_get_str(const gguf *g, const char *key, struct gguf_str *out, struct err *e);
int gguf_get_u32(const gguf *g, const char *key, uint32_t *out, struct err *e);
int gguf_get_i32(const gguf *g, const char *key, int32_t *out, struct err *e);
int gguf_get_f32(const gguf *g, const char *key, float *out, struct err *e);
int gguf_get_bool(const gguf *g, const char *key, bool *out, struct err *e);

// Arrays of one element type. gguf_array_* read element i (i < n); integers convert.
struct gguf_array {
    enum gguf_type type;
    size_t n;
    const void *data;         // fixed-size elements, unaligned; NULL for strings
    const struct gguf_str *s; // strings; NULL for others
};
int gguf_get_array(const gguf *g, const char *key, struct gguf_array *out, struct err *e);
// 0, or -EINVAL when the elements are not numbers of that kind.
int gguf_array_i64(const struct gguf_array *a, size_t i, int64_t *out);
int gguf_array_f64(const struct gguf_array *a, size_t i, double *out);

// Iterate: 0 <= i < count. Keys are NUL-terminated and owned by the gguf.
size_t gguf_kv_count(const gguf *g);
const char *gguf_kv_key(const gguf *g, size_t i);
enum gguf_type gguf_kv_type(const gguf *g, size_t i);

size_t gguf_tensor_count(const gguf *g);
const struct gguf_tensor *gguf_tensor_at(const gguf *g, size_t i);
// NULL when there is none of that name.
const struct gguf_tensor *gguf_tensor_find(const gguf *g, const char *name);
