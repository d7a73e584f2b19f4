// SPDX-License-Identifier: MIT
// The block formats of GGUF tensors (ggml type ids) as numbers.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tensor_type {
    const char *name;
    uint32_t block, bytes; // `block` values take `bytes` bytes
    void (*unpack)(const void *block, float *out);
};
// NULL for a type that is not supported.
const struct tensor_type *tensor_type_info(uint32_t type);
// n values (a whole number of blocks) to f32.
void tensor_unpack(const struct tensor_type *t, const void *data, size_t n, float *out);

float half_to_float(uint16_t h); // IEEE 754 binary16
uint16_t float_to_half(float f); // to nearest, ties to even
