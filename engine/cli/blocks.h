// SPDX-License-Identifier: MIT
// Numbers to the block formats of GGUF, as llama.cpp's reference quantisers make them (ggml,
// ggml-quants.c): the same blocks for the simple formats.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct block_type {
    const char *name;      // as the user says it
    uint32_t type;         // ggml type id
    uint32_t file_type;    // general.file_type
    uint32_t block, bytes; // `block` numbers take `bytes` bytes
    void (*pack)(const float *x, uint8_t *out);
    uint32_t
        fallback; // the type for rows that are no whole number of blocks; llama.cpp's choice
};
// NULL for another name, or another type.
const struct block_type *block_type_named(const char *name);
const struct block_type *block_type_of(uint32_t type);
// n numbers, a whole number of blocks.
void block_pack(const struct block_type *t, const float *x, size_t n, uint8_t *out);
