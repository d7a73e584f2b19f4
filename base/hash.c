// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

struct hash128 hash128_of(const void *p, size_t n)
{
    XXH128_canonical_t c;
    struct hash128 h;
    XXH128_canonicalFromHash(&c, XXH3_128bits(p, n));
    memcpy(h.bytes, c.digest, sizeof h.bytes);
    return h;
}

uint64_t hash64_of(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

void hash128_hex(const struct hash128 *h, char out[33])
{
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", h->bytes[i]);
}
