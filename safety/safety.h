// SPDX-License-Identifier: MIT
// Rules on questions, passages and answers. The built-in rules are safety/rules.ini; a file of
// the same form adds to them, replaces one of the same name or switches it off.
//
// Rules match what a reader sees: compatibility forms and look-alikes of other scripts are
// folded, marks and invisible characters dropped, %41 and &#65; decoded, so that such disguises
// change nothing.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct safety safety;

enum safety_stage { SAFETY_QUESTION = 1, SAFETY_PASSAGE = 2, SAFETY_ANSWER = 4 };

struct safety_finding {
    const char *category; // "secret", "personal", "link", "abuse", "harm", "injection"
    const char *rule;     // both borrowed from the safety object
    size_t start, end;    // bytes of the text
};

struct safety_options {
    const char *extra; // a rules file that adds to the built-in ones, or NULL
    bool report;       // a dry run: every finding is counted and told, and nothing comes of it
    // Called for what a rule of action `report` finds (may be NULL). Any thread.
    void (*found)(void *ctx, const struct safety_finding *f, const char *action);
    void *ctx;
};
// Compile the rules; `o` may be NULL. The sentence names the file and the line. Immutable once
// open, but for the counts: any thread may use it.
int safety_open(const struct safety_options *o, safety **out, struct err *e);
void safety_close(safety *s); // NULL-safe

// In place of what is taken out of a text: this, the category and "]".
#define SAFETY_MARK "[withheld: "

struct safety_text {
    enum safety_stage stage;
    // Names, NULL-terminated, of the collections that the text comes from: rules for other
    // collections do not apply. NULL: any, and all rules apply.
    const char *const *collections;
    const char *const *sources; // texts that links and addresses may come from
    size_t n_sources;
    bool count; // findings go into the counts
    bool again; // what is only reported has been, by an earlier look at the text
};

// Look at a whole text (foreign bytes are fine). `withheld` gets the first finding of a rule
// that withholds, `flagged` the first of one that only flags; both may be NULL. Bit 0 of the
// return is set for withheld, bit 1 for flagged; or a negative error. A rule that exhausts its
// match limit counts as found: what cannot be checked is not let through.
enum { SAFETY_WITHHELD = 1, SAFETY_FLAGGED = 2 };
int safety_scan(const safety *s, const struct safety_text *t, const char *text, size_t n,
                struct safety_finding *withheld, struct safety_finding *flagged, struct err *e);
// Append the text to `out` with a mark in place of what rules redact. 1 when something was
// (`first` says what), 0, or a negative error.
int safety_redact(const safety *s, const struct safety_text *t, const char *text, size_t n,
                  struct buf *out, struct safety_finding *first, struct err *e);

// Every finding of every rule that is on, rule by rule, whatever its stages; for people who
// write rules. `sources` of `t` as above; its stage is ignored.
typedef void safety_found_fn(void *ctx, const struct safety_finding *f, const char *action,
                             unsigned stages);
int safety_list(const safety *s, const struct safety_text *t, const char *text, size_t n,
                safety_found_fn *fn, void *ctx, struct err *e);
// What rule `i` (from 0) has been counted for; false behind the last one.
struct safety_count {
    const char *rule, *category, *action;
    uint64_t n;
};
bool safety_count(const safety *s, size_t i, struct safety_count *out);

// The hold-back gate: text goes in by pieces, and only what no rule can still object to comes
// out. However the text is cut into pieces, the bytes that come out are the same: all before
// the first finding of a rule that withholds, with marks in place of what rules redact.
typedef struct safety_gate safety_gate;

struct safety_gate_options {
    struct safety_text text; // what it points to is borrowed for the gate's life
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
// How many bytes of what was fed are out, or redacted.
size_t safety_gate_passed(const safety_gate *g);
// What closed the gate, or NULL.
const struct safety_finding *safety_gate_finding(const safety_gate *g);
