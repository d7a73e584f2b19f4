// SPDX-License-Identifier: MIT
#include "llm/nfa.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define EDGES_MAX (NFA_STATES_MAX * 16)

void nfa_init(struct nfa *a, const bool alphabet[256])
{
    *a = (struct nfa){.alphabet = alphabet};
}

void nfa_free(struct nfa *a)
{
    free(a->first);
    free(a->edges);
    *a = (struct nfa){0};
}

// Room for one more of `size` bytes.
static int grow(struct nfa *a, void **p, uint32_t n, uint32_t *cap, uint32_t most, size_t size)
{
    if (a->rc || n < *cap)
        return a->rc;
    if (n >= most)
        return a->rc = -E2BIG;
    uint32_t more = *cap ? *cap * 2 : 256;
    void *grown = realloc(*p, more * size);
    if (!grown)
        return a->rc = -ENOMEM;
    *p = grown;
    *cap = more;
    return 0;
}

uint32_t nfa_state(struct nfa *a)
{
    if (a->n >= NFA_STATES_MAX && !a->rc)
        a->rc = -E2BIG;
    if (grow(a, (void **)&a->first, a->n, &a->cap, NFA_STATES_MAX, sizeof *a->first))
        return 0;
    a->first[a->n] = NONE;
    return a->n++;
}

static void edge(struct nfa *a, uint32_t from, uint8_t low, uint8_t high, uint32_t to)
{
    if (grow(a, (void **)&a->edges, a->n_edges, &a->cap_edges, EDGES_MAX, sizeof *a->edges))
        return;
    a->edges[a->n_edges] = (struct nfa_edge){to, a->first[from], low, high};
    a->first[from] = a->n_edges++;
}

void nfa_join(struct nfa *a, uint32_t from, uint32_t to)
{
    edge(a, from, 1, 0, to);
}

void nfa_bytes(struct nfa *a, uint32_t from, uint8_t low, uint8_t high, uint32_t to)
{
    // Only what the vocabulary can write, in runs.
    for (unsigned c = low; c <= high; c++) {
        unsigned start = c;
        while (c <= high && a->alphabet[c])
            c++;
        if (c > start)
            edge(a, from, (uint8_t)start, (uint8_t)(c - 1), to);
    }
}

struct part nfa_empty(struct nfa *a)
{
    uint32_t s = nfa_state(a);
    return (struct part){s, s};
}

struct part nfa_literal(struct nfa *a, const char *s, size_t n)
{
    struct part p = nfa_empty(a);
    for (size_t i = 0; i < n; i++) {
        uint32_t next = nfa_state(a);
        nfa_bytes(a, p.end, (uint8_t)s[i], (uint8_t)s[i], next);
        p.end = next;
    }
    return p;
}

struct part nfa_then(struct nfa *a, struct part x, struct part y)
{
    nfa_join(a, x.end, y.start);
    return (struct part){x.start, y.end};
}

struct part nfa_star(struct nfa *a, struct part x)
{
    uint32_t hub = nfa_state(a);
    nfa_join(a, hub, x.start);
    nfa_join(a, x.end, hub);
    return (struct part){hub, hub};
}

struct part nfa_optional(struct nfa *a, struct part x)
{
    // States of its own: x may have edges back into its start or out of its end.
    struct part p = {nfa_state(a), nfa_state(a)};
    nfa_join(a, p.start, x.start);
    nfa_join(a, x.end, p.end);
    nfa_join(a, p.start, p.end);
    return p;
}

// ---- code points to bytes ----

struct class
{
    struct nfa *a;
    uint32_t start, end;
    uint32_t tail[4]; // from tail[k], k continuation bytes of any value lead to the end
};

static uint32_t tail(struct class *c, unsigned k)
{
    if (k && c->tail[k] == NONE) {
        c->tail[k] = nfa_state(c->a);
        nfa_bytes(c->a, c->tail[k], 0x80, 0xBF, tail(c, k - 1));
    }
    return c->tail[k];
}

static unsigned encode(uint32_t cp, uint8_t out[4])
{
    if (cp < 0x80)
        return out[0] = (uint8_t)cp, 1;
    unsigned n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (unsigned i = n; i-- > 1; cp >>= 6)
        out[i] = (uint8_t)(0x80 | (cp & 0x3F));
    out[0] = (uint8_t)((0xF00u >> n & 0xFF) | cp);
    return n;
}

// Code points of one length whose bytes are independent of each other.
static void add_sequence(struct class *c, uint32_t low, uint32_t high)
{
    uint8_t l[4], h[4];
    unsigned n = encode(low, l), at = 0;
    encode(high, h);
    for (uint32_t s = c->start; at < n; at++) {
        bool any = true;
        for (unsigned k = at + 1; k < n; k++)
            any &= l[k] == 0x80 && h[k] == 0xBF;
        uint32_t next = any ? tail(c, n - 1 - at) : nfa_state(c->a);
        nfa_bytes(c->a, s, l[at], h[at], next);
        if (any)
            return;
        s = next;
    }
}

// Split a range until each byte of its ends varies on its own.
static void add_range(struct class *c, uint32_t low, uint32_t high)
{
    static const uint32_t borders[] = {0x7F, 0x7FF, 0xFFFF};
    if (high > 0x10FFFF)
        high = 0x10FFFF;
    if (low > high)
        return;
    if (low <= 0xDFFF && high >= 0xD800) { // surrogates are no characters
        if (low < 0xD800)
            add_range(c, low, 0xD7FF);
        if (high > 0xDFFF)
            add_range(c, 0xE000, high);
        return;
    }
    for (size_t i = 0; i < 3; i++)
        if (low <= borders[i] && borders[i] < high) {
            add_range(c, low, borders[i]);
            add_range(c, borders[i] + 1, high);
            return;
        }
    for (unsigned shift = 6; high >= 0x80 && shift <= 18; shift += 6) {
        uint32_t mask = (1u << shift) - 1;
        if ((low & ~mask) == (high & ~mask))
            continue;
        if (low & mask) {
            add_range(c, low, low | mask);
            add_range(c, (low | mask) + 1, high);
            return;
        }
        if ((high & mask) != mask) {
            add_range(c, low, (high & ~mask) - 1);
            add_range(c, high & ~mask, high);
            return;
        }
    }
    add_sequence(c, low, high);
}

static bool contains(const struct range *r, size_t n, uint32_t cp)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].low <= cp && cp <= r[i].high)
            return true;
    return false;
}

// The characters that a JSON string escapes (RFC 8259, section 7).
static void add_escapes(struct class *c, const struct range *r, size_t n)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    uint32_t slash = NONE;
    for (size_t i = 0; i < sizeof escaped - 1; i++) {
        if (!contains(r, n, (uint8_t)escaped[i]))
            continue;
        if (slash == NONE) {
            slash = nfa_state(c->a);
            nfa_bytes(c->a, c->start, '\\', '\\', slash);
        }
        nfa_bytes(c->a, slash, (uint8_t)letters[i], (uint8_t)letters[i], c->end);
    }
}

struct part nfa_class(struct nfa *a, const struct range *r, size_t n, bool json)
{
    static const struct range raw[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};
    struct class c = {.a = a, .start = nfa_state(a), .end = nfa_state(a)};
    for (unsigned k = 1; k < 4; k++)
        c.tail[k] = NONE;
    c.tail[0] = c.end;
    for (size_t i = 0; i < n && !a->rc; i++) {
        if (!json) {
            add_range(&c, r[i].low, r[i].high);
            continue;
        }
        for (size_t k = 0; k < sizeof raw / sizeof *raw; k++) {
            uint32_t low = r[i].low > raw[k].low ? r[i].low : raw[k].low;
            uint32_t high = r[i].high < raw[k].high ? r[i].high : raw[k].high;
            if (low <= high)
                add_range(&c, low, high);
        }
    }
    if (json)
        add_escapes(&c, r, n);
    return (struct part){c.start, c.end};
}
