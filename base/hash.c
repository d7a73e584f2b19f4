// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
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

// Read, not mapped: a page that the disk does not give would end the process.
int hash_sha256_file(const char *path, char out[65], struct err *e)
{
    unsigned char bytes[1 << 16];
    ssize_t n = -1;
    SHA2_CTX c;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    SHA256Init(&c);
    while (fd >= 0 && ((n = read(fd, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR)))
        if (n > 0)
            SHA256Update(&c, bytes, (size_t)n);
    int rc = n < 0 ? err_set(e, -errno, "%s: cannot read: %s", path, strerror(errno)) : 0;
    if (fd >= 0)
        close(fd);
    SHA256End(&c, out);
    return rc;
}
