// SPDX-License-Identifier: MIT
// A sentence as the set of its runs of one to three characters, hashed to places with a weight
// each: logistic regression. bench/train-abuse learns the weights and is the other half of
// this.
#include "safety/internal.h"

#include "base/utf8.h"

#include <math.h>
#include <string.h>

#define RUN_MAX 3

// FNV-1a (Fowler, Noll, Vo), folded.
static unsigned place(const char *s, size_t n)
{
    uint32_t v = 2166136261u;
    for (size_t i = 0; i < n; i++)
        v = (v ^ (unsigned char)s[i]) * 16777619u;
    return (v ^ v >> 15) & (ABUSE_PLACES - 1);
}

bool abuse_looks(const char *s, size_t n)
{
    uint8_t seen[ABUSE_PLACES / 8] = {0};
    char window[4 * RUN_MAX]; // the last characters that are no space
    size_t lengths[RUN_MAX] = {0}, used = 0, distinct = 0, step;
    long sum = 0;
    for (size_t i = 0; i < n; i += step) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (utf8_is_space(cp))
            continue;
        if (used + step > sizeof window || lengths[RUN_MAX - 1]) {
            memmove(window, window + lengths[0], used - lengths[0]);
            used -= lengths[0];
            memmove(lengths, lengths + 1, sizeof lengths - sizeof *lengths);
            lengths[RUN_MAX - 1] = 0;
        }
        size_t k = 0;
        while (k < RUN_MAX - 1 && lengths[k])
            k++;
        lengths[k] = step;
        memcpy(window + used, s + i, step);
        used += step;
        for (size_t from = 0, first = 0; first <= k; from += lengths[first++]) {
            unsigned at = place(window + from, used - from);
            if (seen[at / 8] >> at % 8 & 1)
                continue;
            seen[at / 8] |= (uint8_t)(1 << at % 8);
            distinct++;
            sum += safety_abuse_weights[at];
        }
    }
    return safety_abuse_bias + safety_abuse_scale * (float)sum / sqrtf((float)(distinct + 1)) >
           0;
}
