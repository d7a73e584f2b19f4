// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include "base/file.h"

#include <sha2.h>
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

void hash_sha256(const void *p, size_t n, char out[65])
{
    SHA2_CTX c;
    SHA256Init(&c);
    SHA256Update(&c, p, n);
    SHA256End(&c, out);
}

int hash_sha256_file(const char *path, char out[65], struct err *e)
{
    struct file_map m;
    int rc = file_map_open(path, &m, e);
    if (rc)
        return rc;
    hash_sha256(m.data ? m.data : (const unsigned char *)"", m.size, out);
    file_map_close(&m);
    return 0;
}
