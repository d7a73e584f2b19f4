// SPDX-License-Identifier: MIT
#include "eval/measures.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define DRAWS 2000
#define SEED 20260101u

// xorshift64* (Vigna 2016).
static uint64_t next(uint64_t *s)
{
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * 2685821657736338717u;
}

int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int bootstrap_interval(const double *v, size_t n, double *low, double *high)
{
    uint64_t state = SEED;
    double *means = malloc(DRAWS * sizeof *means);
    if (!means)
        return -ENOMEM;
    for (size_t i = 0; i < DRAWS; i++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += v[(next(&state) >> 33) % n];
        means[i] = sum / (double)n;
    }
    qsort(means, DRAWS, sizeof *means, ascending);
    *low = means[DRAWS / 40];
    *high = means[DRAWS - 1 - DRAWS / 40];
    free(means);
    return 0;
}
