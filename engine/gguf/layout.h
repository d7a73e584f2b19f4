// SPDX-License-Identifier: MIT
// How many bytes tensors and values take in the file.
#pragma once

#include "engine/gguf/gguf.h"

#define GGUF_MAGIC 0x46554747u // "GGUF", little-endian
// What a file may hold at most; the format itself has no such bounds, save for tensor names.
#define GGUF_KEY_MAX 1024
#define GGUF_TENSOR_NAME_MAX 64
#define GGUF_ENTRIES_MAX 65536u // keys, and tensors
#define GGUF_STRINGS_MAX (1u << 22)
#define GGUF_STRING_MAX ((uint64_t)16 << 20)

// A tensor type: `block` values take `bytes` bytes.
struct gguf_layout {
    uint32_t type; // ggml type id
    const char *name;
    uint32_t block, bytes;
};
// NULL for a type that askd does not know.
const struct gguf_layout *gguf_layout(uint32_t type);
// Bytes of one value; 0 for strings, arrays and unknown types.
size_t gguf_type_size(enum gguf_type t);
