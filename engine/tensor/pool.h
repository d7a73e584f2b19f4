// SPDX-License-Identifier: MIT
// Memory that is taken piece by piece and given back at once, in huge pages where the system
// has them: weights are read from end to end again and again.
#pragma once

#include "base/err.h"

#include <stddef.h>

struct pool {
    struct pool_region *regions;
    char *at, *end;
};
#define POOL_INIT ((struct pool){0})

// `bytes` zeroed bytes, aligned to 64; NULL when there are no more.
void *pool_take(struct pool *p, size_t bytes);
void pool_free(struct pool *p);
