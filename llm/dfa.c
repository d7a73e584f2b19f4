// SPDX-License-Identifier: MIT
// The machine of an automaton: sets of its states, made as the text needs them (Thompson 1968;
// Cox 2007) in memory of fixed size. When that is full, what the path holds is copied to the
// other half and the rest forgotten.
//
// States from which nothing can end are never in a set, so a set that is not empty leads to an
// end; edges hold only bytes that the vocabulary can write one by one.
#include "llm/nfa.h"

#include <stdlib.h>
#include <string.h>

#define DEAD UINT32_MAX
#define FAR UINT32_MAX
#define HALF_WORDS (1u << 18)
#define PINNED (VOCAB_TOKEN_MAX + 2)

// A state is words in a half: its length, its distance, its successors by class of byte (0: not
// made yet), then the set as 16-bit numbers. Its name is its place.
enum { LENGTH, DISTANCE, NEXT };

struct dfa {
    struct machine m;
    struct nfa a;
    uint32_t start, accept;
    uint32_t *far; // [n] bytes from an automaton's state to the end, or FAR
    uint8_t class_of[256];
    uint32_t n_classes;
    uint32_t *half[2], words, used, at; // `at`: the half in use
    uint32_t *slots, mask;              // sets by hash
    uint32_t *seen, turn;               // [n] when a state was last put into `set`
    uint16_t *set, *stack;              // [n]
    uint32_t n_set;
};

static uint32_t *state(const struct dfa *d, uint32_t name)
{
    return d->half[d->at] + name;
}

static uint16_t *members(const struct dfa *d, uint32_t *s)
{
    return (uint16_t *)(s + NEXT + d->n_classes);
}

// Put a state of the automaton and all that it joins into the set; kept are those that take
// bytes and the last.
static void include(struct dfa *d, uint32_t x)
{
    uint32_t n = 0;
    if (d->far[x] == FAR || d->seen[x] == d->turn)
        return;
    d->seen[x] = d->turn;
    d->stack[n++] = (uint16_t)x;
    while (n) {
        x = d->stack[--n];
        bool keep = x == d->accept;
        for (uint32_t i = d->a.first[x]; i != UINT32_MAX; i = d->a.edges[i].next) {
            const struct nfa_edge *g = &d->a.edges[i];
            if (d->far[g->to] == FAR)
                continue;
            if (g->low <= g->high) {
                keep = true;
            } else if (d->seen[g->to] != d->turn) {
                d->seen[g->to] = d->turn;
                d->stack[n++] = (uint16_t)g->to;
            }
        }
        if (keep)
            d->set[d->n_set++] = (uint16_t)x;
    }
}

// Shell's sort (1959): qsort may allocate.
static void sort(uint16_t *x, uint32_t n)
{
    for (uint32_t gap = n / 2; gap; gap /= 2)
        for (uint32_t i = gap; i < n; i++) {
            uint16_t v = x[i];
            uint32_t k = i;
            for (; k >= gap && x[k - gap] > v; k -= gap)
                x[k] = x[k - gap];
            x[k] = v;
        }
}

static uint32_t hash(const uint16_t *x, uint32_t n)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (uint32_t i = 0; i < n; i++)
        h = (h ^ x[i]) * 0x100000001B3u;
    return (uint32_t)(h ^ h >> 32);
}

// The name of a set, made where it is new; 0 when the half is full.
static uint32_t intern(struct dfa *d, const uint16_t *set, uint32_t n)
{
    uint32_t i = hash(set, n) & d->mask, size = NEXT + d->n_classes + (n + 1) / 2;
    for (; d->slots[i]; i = (i + 1) & d->mask) {
        uint32_t *s = state(d, d->slots[i]);
        if (s[LENGTH] == n && !memcmp(members(d, s), set, n * sizeof *set))
            return d->slots[i];
    }
    if (size > d->words - d->used)
        return 0;
    uint32_t name = d->used, *s = state(d, name);
    d->used += size;
    memset(s, 0, (NEXT + d->n_classes) * sizeof *s);
    s[LENGTH] = n;
    s[DISTANCE] = FAR;
    for (uint32_t k = 0; k < n; k++)
        if (d->far[set[k]] < s[DISTANCE])
            s[DISTANCE] = d->far[set[k]];
    memcpy(members(d, s), set, n * sizeof *set);
    return d->slots[i] = name;
}

// Keep the first n states of the path, forget the rest.
static void forget(struct dfa *d, unsigned n)
{
    struct dfa old = *d;
    d->at = !d->at;
    d->used = 1;
    d->m.epoch++;
    memset(d->slots, 0, (d->mask + 1) * sizeof *d->slots);
    for (unsigned i = 0; i < n; i++) {
        uint32_t *s = state(&old, d->m.path[i]);
        d->m.path[i] = intern(d, members(&old, s), s[LENGTH]);
    }
}

// The name of d->set; `depth` states of the path are needed still.
static uint32_t name_set(struct dfa *d, unsigned depth)
{
    sort(d->set, d->n_set);
    uint32_t name = intern(d, d->set, d->n_set);
    if (name)
        return name;
    forget(d, depth + 1);
    return intern(d, d->set, d->n_set);
}

static bool step(struct machine *m, unsigned depth, unsigned char byte)
{
    struct dfa *d = (struct dfa *)m;
    uint32_t *s = state(d, m->path[depth]), c = d->class_of[byte], next = s[NEXT + c];
    if (!next) {
        const uint16_t *from = members(d, s);
        d->n_set = 0;
        d->turn++;
        for (uint32_t i = 0; i < s[LENGTH]; i++)
            for (uint32_t k = d->a.first[from[i]]; k != UINT32_MAX; k = d->a.edges[k].next)
                if (d->a.edges[k].low <= byte && byte <= d->a.edges[k].high)
                    include(d, d->a.edges[k].to);
        next = d->n_set ? name_set(d, depth) : DEAD;
        state(d, m->path[depth])[NEXT + c] = next; // the state may have moved
    }
    m->path[depth + 1] = next;
    return next != DEAD;
}

static void reset(struct machine *m)
{
    struct dfa *d = (struct dfa *)m;
    d->n_set = 0;
    d->turn++;
    include(d, d->start);
    sort(d->set, d->n_set);
    m->path[0] = intern(d, d->set, d->n_set);
    if (m->path[0])
        return;
    forget(d, 0);
    m->path[0] = intern(d, d->set, d->n_set);
}

static uint32_t distance(const struct machine *m, unsigned depth)
{
    const struct dfa *d = (const struct dfa *)m;
    return state(d, m->path[depth])[DISTANCE];
}

static unsigned char way(const struct machine *m, unsigned depth)
{
    const struct dfa *d = (const struct dfa *)m;
    uint32_t *s = state(d, m->path[depth]);
    unsigned best = 255;
    for (uint32_t i = 0; i < s[LENGTH]; i++)
        for (uint32_t k = d->a.first[members(d, s)[i]]; k != UINT32_MAX;
             k = d->a.edges[k].next) {
            const struct nfa_edge *g = &d->a.edges[k];
            if (g->low <= g->high && d->far[g->to] == s[DISTANCE] - 1 && g->low < best)
                best = g->low;
        }
    return (unsigned char)best;
}

static void free_dfa(struct machine *m)
{
    struct dfa *d = (struct dfa *)m;
    nfa_free(&d->a);
    free(d->far);
    free(d->half[0]);
    free(d->half[1]);
    free(d->slots);
    free(d->seen);
    free(d->set);
    free(d->stack);
    free(d);
}

// Bytes that no edge tells apart are one class.
static void classify(struct dfa *d)
{
    bool border[257] = {false};
    for (uint32_t i = 0; i < d->a.n_edges; i++)
        if (d->a.edges[i].low <= d->a.edges[i].high) {
            border[d->a.edges[i].low] = true;
            border[d->a.edges[i].high + 1] = true;
        }
    for (unsigned b = 0; b < 256; b++) {
        d->n_classes += b && border[b];
        d->class_of[b] = (uint8_t)d->n_classes;
    }
    d->n_classes++;
}

// Edges by where they lead: at[x]..at[x + 1] of `from`, a source and whether it takes a byte.
struct backwards {
    uint32_t *at, *from, *todo, *later;
};

static void turn_edges(const struct nfa *a, struct backwards *b)
{
    for (uint32_t i = 0; i < a->n_edges; i++)
        b->at[a->edges[i].to + 2]++;
    for (uint32_t x = 0; x <= a->n; x++)
        b->at[x + 1] += b->at[x];
    for (uint32_t x = 0; x < a->n; x++)
        for (uint32_t i = a->first[x]; i != UINT32_MAX; i = a->edges[i].next) {
            const struct nfa_edge *g = &a->edges[i];
            b->from[b->at[g->to + 1]++] = x << 1 | (g->low <= g->high);
        }
}

// Distances to the end, backwards from it, a layer of one byte at a time.
static void layers(struct dfa *d, struct backwards *b)
{
    uint32_t n_later = 1;
    memset(d->far, 0xFF, d->a.n * sizeof *d->far);
    b->later[0] = d->accept;
    for (uint32_t layer = 0; n_later; layer++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < n_later; i++)
            if (d->far[b->later[i]] == FAR) {
                d->far[b->later[i]] = layer;
                b->todo[n++] = b->later[i];
            }
        n_later = 0;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = b->at[b->todo[i]]; k < b->at[b->todo[i] + 1]; k++) {
                uint32_t x = b->from[k] >> 1;
                if (d->far[x] != FAR)
                    continue;
                if (b->from[k] & 1) {
                    b->later[n_later++] = x;
                } else { // joined at no cost: of this layer
                    d->far[x] = layer;
                    b->todo[n++] = x;
                }
            }
        if (n)
            d->m.farthest = layer;
    }
}

static int measure(struct dfa *d)
{
    uint32_t n = d->a.n, m = d->a.n_edges;
    struct backwards b = {calloc(n + 2, sizeof *b.at), malloc((m + 1) * sizeof *b.from),
                          malloc((n + 1) * sizeof *b.todo), malloc((m + 1) * sizeof *b.later)};
    int rc = b.at && b.from && b.todo && b.later ? 0 : -ENOMEM;
    if (!rc) {
        turn_edges(&d->a, &b);
        layers(d, &b);
    }
    free(b.at);
    free(b.from);
    free(b.todo);
    free(b.later);
    return rc;
}

static int place(struct dfa *d)
{
    uint32_t n = d->a.n, largest = NEXT + d->n_classes + (n + 1) / 2;
    d->words = PINNED * largest + 1 > HALF_WORDS ? PINNED * largest + 1 : HALF_WORDS;
    uint32_t most = d->words / (NEXT + d->n_classes + 1), slots = 64;
    while (slots < most * 2)
        slots *= 2;
    d->mask = slots - 1;
    d->half[0] = malloc(d->words * sizeof *d->half[0]);
    d->half[1] = malloc(d->words * sizeof *d->half[1]);
    d->slots = calloc(slots, sizeof *d->slots);
    d->seen = calloc(n, sizeof *d->seen);
    d->set = malloc(n * sizeof *d->set);
    d->stack = malloc(n * sizeof *d->stack);
    d->used = 1; // 0 names nothing
    return d->half[0] && d->half[1] && d->slots && d->seen && d->set && d->stack ? 0 : -ENOMEM;
}

int nfa_machine(struct nfa *a, struct part x, struct machine **out, struct err *e)
{
    struct dfa *d = calloc(1, sizeof *d);
    int rc = d ? a->rc : -ENOMEM;
    if (!d) {
        nfa_free(a);
        return err_nomem(e);
    }
    d->a = *a;
    *a = (struct nfa){0};
    d->m = (struct machine){
        .reset = reset, .step = step, .distance = distance, .way = way, .free = free_dfa};
    d->start = x.start;
    d->accept = x.end;
    if (!rc && !(d->far = malloc(d->a.n * sizeof *d->far)))
        rc = -ENOMEM;
    if (!rc)
        rc = measure(d);
    if (!rc)
        classify(d);
    if (!rc)
        rc = place(d);
    if (rc == -E2BIG)
        err_set(e, rc, "the constraint needs more than %u states: ask for fewer repetitions",
                NFA_STATES_MAX);
    if (rc == -ENOMEM)
        err_nomem(e);
    if (!rc && d->far[d->start] == FAR)
        rc = err_set(e, -EINVAL,
                     "nothing that the model's tokens can write meets the constraint");
    if (rc) {
        free_dfa(&d->m);
        return rc;
    }
    reset(&d->m);
    *out = &d->m;
    return 0;
}
