// SPDX-License-Identifier: MIT
// Rules on questions, passages and answers. The built-in rules are safety/rules.ini; a file of
// the same form adds to them, replaces one of the same name or switches it off.
//
// Rules match what a reader sees: compatibility forms are folded, marks and invisible
// characters dropped, so that full-width or zero-width disguises change nothing.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct safety safety;

enum safety_stage { SAFETY_QUESTION = 1, SAFETY_PASSAGE = 2, SAFETY_ANSWER = 4 };

// Compile the built-in rules and, if `extra` is not NULL, the file's. The sentence names the
// file and the line. Immutable once open: any thread may use it.
int safety_open(const char *extra, safety **out, struct err *e);
void safety_close(safety *s); // NULL-safe

struct safety_finding {
    const char *category; // "secret", "personal", "link", "abuse", "harm", "injection"
    const char *rule;     // both borrowed from the safety object
    size_t start, end;    // bytes of the text
};

// Look at a whole text (foreign bytes are fine). `withheld` gets the first finding of a rule
// that withholds, `flagged` the first of one that only flags; both may be NULL. Bit 0 of the
// return is set for withheld, bit 1 for flagged; or a negative error. A rule that exhausts its
// match limit counts as found: what cannot be checked is not let through. Texts that links and
// addresses may come from: sources[n_sources], or none.
enum { SAFETY_WITHHELD = 1, SAFETY_FLAGGED = 2 };
int safety_scan(const safety *s, enum safety_stage stage, const char *text, size_t n,
                const char *const *sources, size_t n_sources, struct safety_finding *withheld,
                struct safety_finding *flagged, struct err *e);

// The hold-back gate: text goes in by pieces, and only what no rule can still object to comes
// out. However the text is cut into pieces, the bytes that come out are the same: all of it, or
// all before the first finding.
typedef struct safety_gate safety_gate;

struct safety_gate_options {
    enum safety_stage stage;
    const char *const *sources; // as in safety_scan; borrowed for the gate's life
    size_t n_sources;
    // Takes what is let through. Non-zero stops the gate with that code.
    int (*write)(void *ctx, const char *text, size_t n);
    void *ctx;
};
// The safety object must outlive the gate. One thread.
int safety_gate_new(const safety *s, const struct safety_gate_options *o, safety_gate **out,
                    struct err *e);
void safety_gate_free(safety_gate *g); // NULL-safe
// 0; 1 once a finding has closed the gate (all later text is dropped); or a negative error,
// which closes it too.
int safety_gate_feed(safety_gate *g, const char *text, size_t n, struct err *e);
// The text is complete: let the rest through. Returns as safety_gate_feed.
int safety_gate_finish(safety_gate *g, struct err *e);
// What closed the gate, or NULL.
const struct safety_finding *safety_gate_finding(const safety_gate *g);
