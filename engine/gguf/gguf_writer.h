// SPDX-License-Identifier: MIT
// Writing GGUF files (version 3, alignment 32).
#pragma once

#include "base/err.h"
#include "engine/gguf/gguf.h"

typedef struct gguf_writer gguf_writer;

gguf_writer *gguf_writer_new(void); // NULL when memory runs out
void gguf_writer_free(gguf_writer *w);

// Metadata, in the order of the calls; values are copied. The first failure sticks and is told
// by gguf_writer_save.
void gguf_writer_u32(gguf_writer *w, const char *key, uint32_t v);
void gguf_writer_f32(gguf_writer *w, const char *key, float v);
void gguf_writer_bool(gguf_writer *w, const char *key, bool v);
void gguf_writer_str(gguf_writer *w, const char *key, const char *s);
// n values of a fixed-size type, as in memory.
void gguf_writer_array(gguf_writer *w, const char *key, enum gguf_type type, const void *values,
                       size_t n);
void gguf_writer_strings(gguf_writer *w, const char *key, const struct gguf_str *s, size_t n);
// Key i of another file (see gguf_kv_count) with its value as it is.
void gguf_writer_copy(gguf_writer *w, const gguf *g, size_t i);

// A tensor; ne innermost first. `data` is borrowed until the save and must hold all its bytes.
void gguf_writer_tensor(gguf_writer *w, const char *name, uint32_t type, const uint64_t *ne,
                        uint32_t n_dims, const void *data);
// A tensor whose outermost dimension is made of n slices of one size that lie apart.
void gguf_writer_stack(gguf_writer *w, const char *name, uint32_t type, const uint64_t *ne,
                       uint32_t n_dims, const void *const *slices, size_t n);

// Write the file, whole or not at all (base/file.h).
int gguf_writer_save(gguf_writer *w, const char *path, struct err *e);
