// SPDX-License-Identifier: MIT
// A sound GGUF file, piece by piece, for tests that spoil one thing in it.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "engine/gguf/gguf.h"

#include <stdint.h>

enum { F32 = 0, Q4_0 = 2, Q4_K = 12 }; // ggml type ids

struct sample {
    uint32_t magic, version;
    uint64_t n_tensors, n_kv;
    struct buf kv, tensors;
    size_t data; // bytes behind the padding
};

extern char sample_path[]; // where open_sample writes
int sample_setup(void **state);
int sample_teardown(void **state);

void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
void put_str(struct buf *b, const char *s, size_t n);
void put_name(struct buf *b, const char *s);
void key_u32(struct sample *s, const char *key, uint32_t v);
// The head of an array; its elements are the caller's.
void key_array(struct sample *s, const char *key, uint32_t type, uint64_t n);
void tensor(struct sample *s, const char *n, uint32_t dims, const uint64_t *ne, uint32_t type,
            uint64_t offset);
void flat(struct sample *s, const char *n, uint64_t ne, uint32_t type, uint64_t offset);
// One key, two tensors of 32 bytes, and data enough for a third.
struct sample sound(void);
// Write it, open it, close it; what it held is freed.
int open_sample(struct sample *s, struct err *e);

struct hostile {
    void (*spoil)(struct sample *s);
    const char *sentence; // a part of it
};
// Each is refused with its sentence, which names the path.
void check_each(const struct hostile *cases, size_t n);
// The same under a tight limit of address space: what a file announces is refused as a lie, not
// for want of memory.
void check_memory_limit(const struct hostile *cases, size_t n);
