// SPDX-License-Identifier: MIT
#include "engine/tensor/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

// Of addresses: pages that nobody touches cost nothing.
#define REGION ((size_t)128 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

struct pool_region {
    struct pool_region *next;
    void *base;
    size_t size;
};

static int add_region(struct pool *p, size_t least)
{
    struct pool_region *r = malloc(sizeof *r);
    if (!r || least > SIZE_MAX - REGION) {
        free(r);
        return -ENOMEM;
    }
    r->size = least + HUGE_PAGE > REGION ? least + HUGE_PAGE : REGION;
    r->base = mmap(NULL, r->size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (r->base == MAP_FAILED) {
        free(r);
        return -ENOMEM;
    }
    (void)madvise(r->base, r->size, MADV_HUGEPAGE); // without it all is well, but slower
    r->next = p->regions;
    p->regions = r;
    size_t skip = (size_t)(-(uintptr_t)r->base % HUGE_PAGE);
    p->at = (char *)r->base + skip;
    p->end = (char *)r->base + r->size;
    return 0;
}

void *pool_take(struct pool *p, size_t bytes)
{
    if (bytes > SIZE_MAX - 64)
        return NULL;
    bytes = (bytes + 63) / 64 * 64;
    if (bytes > (size_t)(p->end - p->at) && add_region(p, bytes))
        return NULL;
    void *out = p->at;
    p->at += bytes;
    return out;
}

void pool_free(struct pool *p)
{
    for (struct pool_region *r = p->regions, *next; r; r = next) {
        next = r->next;
        munmap(r->base, r->size);
        free(r);
    }
    *p = POOL_INIT;
}
