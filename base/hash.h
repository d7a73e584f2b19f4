// SPDX-License-Identifier: MIT
// XXH3 hashes for change detection and integrity of our own files; not cryptographic.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint8_t bytes[16]; // canonical (big-endian) form
};

struct hash128 hash128_of(const void *p, size_t n);
uint64_t hash64_of(const void *p, size_t n, uint64_t seed);
// 32 hexadecimal digits and a NUL.
void hash128_hex(const struct hash128 *h, char out[33]);

// SHA-256 (FIPS 180-4) of a file as 64 hexadecimal digits and a NUL: what the outside knows a
// model by.
int hash_sha256_file(const char *path, char out[65], struct err *e);
void hash_sha256(const void *p, size_t n, char out[65]);
