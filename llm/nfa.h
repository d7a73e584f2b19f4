// SPDX-License-Identifier: MIT
// A nondeterministic automaton over bytes, built from parts (Thompson 1968), and the machine
// that runs it. Text is UTF-8: parts are made of code points.
#pragma once

#include "base/err.h"
#include "llm/machine.h"

#define NFA_STATES_MAX 30000u

struct nfa_edge {
    uint32_t to, next; // next edge of the same state, or UINT32_MAX
    uint8_t low, high; // low > high: an edge that takes no byte
};

struct nfa {
    const bool *alphabet; // [256] bytes that there may be
    uint32_t *first;      // [n] first edge of each state
    uint32_t n, cap;
    struct nfa_edge *edges;
    uint32_t n_edges, cap_edges;
    int rc; // the first thing that went wrong: -ENOMEM, -E2BIG; parts made later mean nothing
};

// Something to match, from its first to its last state.
struct part {
    uint32_t start, end;
};

struct range {
    uint32_t low, high; // code points
};

void nfa_init(struct nfa *a, const bool alphabet[256]);
void nfa_free(struct nfa *a);

uint32_t nfa_state(struct nfa *a);
void nfa_join(struct nfa *a, uint32_t from, uint32_t to); // takes no byte
void nfa_bytes(struct nfa *a, uint32_t from, uint8_t low, uint8_t high, uint32_t to);
struct part nfa_empty(struct nfa *a);
struct part nfa_literal(struct nfa *a, const char *s, size_t n);
struct part nfa_then(struct nfa *a, struct part x, struct part y);
// x any number of times, from none.
struct part nfa_star(struct nfa *a, struct part x);
// Let x also match nothing.
struct part nfa_optional(struct nfa *a, struct part x);
// One character out of n ranges. With `json` as it stands in a JSON string: the quotation mark,
// the backslash and controls are escaped.
struct part nfa_class(struct nfa *a, const struct range *r, size_t n, bool json);

// A machine for x; takes the automaton, also in failure. -EINVAL when nothing can match.
int nfa_machine(struct nfa *a, struct part x, struct machine **out, struct err *e);

// Add what `pattern` matches (see docs/llm.md) to an automaton; `json` as in nfa_class. With
// `search` it may match anywhere, unless ^ and $ say otherwise, as JSON Schema reads patterns;
// else all of the text must match. -EINVAL or -ENOTSUP with place and reason.
int regex_compile(struct nfa *a, const char *pattern, bool json, bool search, struct part *out,
                  struct err *e);

// Add the JSON texts that a schema allows (see docs/llm.md). -EINVAL or -ENOTSUP with the
// keyword and its place.
int schema_compile(struct nfa *a, const char *schema, struct part *out, struct err *e);
