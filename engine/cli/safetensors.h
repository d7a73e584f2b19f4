// SPDX-License-Identifier: MIT
// The weights of a Hugging Face folder: model.safetensors, or the files that
// model.safetensors.index.json names. Layout of each: u64 length of a JSON header, the header
// ({name: {dtype, shape, data_offsets}}), the bytes. Files are mapped; nothing is believed
// before it is held against their sizes.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct safetensors safetensors;

#define SAFETENSOR_OTHER UINT32_MAX

struct safetensor {
    const char *name;
    uint32_t type; // ggml type id: F32 (0), F16 (1), BF16 (30); else SAFETENSOR_OTHER, no data
    uint32_t n_dims;
    uint64_t ne[4]; // outermost first; missing dimensions are 1
    const void *data;
    size_t bytes;
    bool used; // the caller's
};

int safetensors_open(const char *folder, safetensors **out, struct err *e);
void safetensors_close(safetensors *s); // NULL-safe; everything borrowed from it is gone
size_t safetensors_count(const safetensors *s);
struct safetensor *safetensors_at(safetensors *s, size_t i);
struct safetensor *safetensors_find(safetensors *s, const char *name); // NULL when absent
