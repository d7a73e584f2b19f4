// SPDX-License-Identifier: MIT
#include "llm/suffixes.h"

#include <assert.h>
#include <stdlib.h>

int suffixes_init(struct suffixes *x, size_t bytes, struct err *e)
{
    *x = (struct suffixes){0};
    if (bytes > SUFFIXES_BYTES_MAX)
        return err_set(e, -E2BIG, "passages of %zu bytes to quote from: at most %u", bytes,
                       SUFFIXES_BYTES_MAX);
    // At most two states a byte and three edges, and the start; a clone copies edges before old
    // ones are turned, so no more are ever made.
    x->cap = (uint32_t)bytes * 2 + 2;
    x->cap_edges = (uint32_t)bytes * 3 + 4;
    x->states = malloc(x->cap * sizeof *x->states);
    x->edges = malloc(x->cap_edges * sizeof *x->edges);
    if (!x->states || !x->edges) {
        suffixes_free(x);
        return err_nomem(e);
    }
    x->states[0] = (struct suffix_state){0, SUFFIXES_NONE, SUFFIXES_NONE};
    x->n = 1;
    return 0;
}

void suffixes_free(struct suffixes *x)
{
    free(x->states);
    free(x->edges);
    *x = (struct suffixes){0};
}

static uint32_t find(const struct suffixes *x, uint32_t state, unsigned char byte)
{
    uint32_t i = x->states[state].first;
    while (i != SUFFIXES_NONE && x->edges[i].byte != byte)
        i = x->edges[i].next;
    return i;
}

uint32_t suffixes_step(const struct suffixes *x, uint32_t state, unsigned char byte)
{
    uint32_t i = find(x, state, byte);
    return i == SUFFIXES_NONE ? SUFFIXES_NONE : x->edges[i].to;
}

static uint32_t new_state(struct suffixes *x, uint32_t length)
{
    assert(x->n < x->cap);
    x->states[x->n] = (struct suffix_state){length, 0, SUFFIXES_NONE};
    return x->n++;
}

static void connect(struct suffixes *x, uint32_t from, unsigned char byte, uint32_t to)
{
    assert(x->n_edges < x->cap_edges);
    x->edges[x->n_edges] = (struct suffix_edge){to, x->states[from].first, byte};
    x->states[from].first = x->n_edges++;
}

// A copy of q, no longer than p and a byte; from p up, what led to q leads there.
static uint32_t split(struct suffixes *x, uint32_t p, unsigned char byte, uint32_t q)
{
    uint32_t copy = new_state(x, x->states[p].length + 1);
    for (uint32_t i = x->states[q].first; i != SUFFIXES_NONE; i = x->edges[i].next)
        connect(x, copy, x->edges[i].byte, x->edges[i].to);
    x->states[copy].link = x->states[q].link;
    x->states[q].link = copy;
    for (; p != SUFFIXES_NONE; p = x->states[p].link) {
        uint32_t i = find(x, p, byte);
        if (i == SUFFIXES_NONE || x->edges[i].to != q)
            break;
        x->edges[i].to = copy;
    }
    return copy;
}

static void extend(struct suffixes *x, unsigned char byte)
{
    uint32_t p = x->last, at = find(x, p, byte);
    if (at != SUFFIXES_NONE) { // known from an earlier text
        uint32_t q = x->edges[at].to;
        x->last = x->states[q].length == x->states[p].length + 1 ? q : split(x, p, byte, q);
        return;
    }
    uint32_t now = new_state(x, x->states[p].length + 1);
    for (; p != SUFFIXES_NONE && find(x, p, byte) == SUFFIXES_NONE; p = x->states[p].link)
        connect(x, p, byte, now);
    if (p == SUFFIXES_NONE) {
        x->states[now].link = 0;
    } else {
        uint32_t q = x->edges[find(x, p, byte)].to;
        x->states[now].link =
            x->states[q].length == x->states[p].length + 1 ? q : split(x, p, byte, q);
    }
    x->last = now;
}

void suffixes_add(struct suffixes *x, const char *s, size_t n)
{
    x->last = 0;
    for (size_t i = 0; i < n; i++)
        extend(x, (unsigned char)s[i]);
}
