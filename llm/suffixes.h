// SPDX-License-Identifier: MIT
// Every substring of some texts, in one automaton of linear size: the suffix automaton (Blumer
// et al. 1985), over bytes.
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SUFFIXES_BYTES_MAX (1u << 20)
#define SUFFIXES_NONE UINT32_MAX

struct suffix_edge {
    uint32_t to, next; // next edge of the same state, or SUFFIXES_NONE
    uint8_t byte;
};

struct suffixes {
    struct suffix_state {
        uint32_t length, link, first;
    } * states; // 0: the empty substring
    struct suffix_edge *edges;
    uint32_t n, n_edges, cap, cap_edges, last;
};

// Room for texts of `bytes` bytes together. -E2BIG or -ENOMEM.
int suffixes_init(struct suffixes *x, size_t bytes, struct err *e);
void suffixes_free(struct suffixes *x);
// Add a text; substrings do not reach from one into another. Allocates nothing.
void suffixes_add(struct suffixes *x, const char *s, size_t n);
// From a substring to the one that is longer by a byte, or SUFFIXES_NONE.
uint32_t suffixes_step(const struct suffixes *x, uint32_t state, unsigned char byte);
