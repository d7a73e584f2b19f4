// SPDX-License-Identifier: MIT
// Shared by the files of safety/ only.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/buf.h"
#include "safety/safety.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdint.h>

enum rule_action { RULE_WITHHOLD, RULE_REDACT, RULE_FLAG, RULE_REPORT, RULE_ACTIONS };
extern const char *const rule_action_names[RULE_ACTIONS];
enum rule_check {
    CHECK_NONE,
    CHECK_LUHN,    // payment cards: ISO/IEC 7812-1 annex B
    CHECK_IBAN,    // ISO 13616, modulo 97
    CHECK_CN_ID,   // GB 11643-1999, modulo 11
    CHECK_ENTROPY, // looks random, not like a word or a placeholder
    CHECK_SOURCES, // must stand in one of the sources
    CHECK_ABUSE,   // looks like what people have called abusive (Chinese)
};

struct rule {
    char *name, *category;
    unsigned stages;
    enum rule_action action;
    enum rule_check check;
    bool enabled;
    struct buf pattern, words;
    struct buf collections; // names, each ended by a NUL; empty: all collections
    // What an earlier file said of the rule, until this one says otherwise.
    bool old_pattern, old_stages, old_collections;
    const char *file; // where it was defined, for sentences; borrowed
    int line;
    pcre2_code *code;
};

struct safety {
    struct rule *rules;
    size_t n;
    char *extra;                  // path, for sentences
    atomic_uint_fast64_t *counts; // [n] findings acted upon
    void (*found)(void *ctx, const struct safety_finding *f, const char *action);
    void *ctx;
};

extern const char safety_builtin_rules[];

// Does the match count? `match` is what a reader sees of it, `raw` how it is written; sources
// are looked through for the latter.
bool check_counts(enum rule_check check, const char *match, size_t n, const char *raw,
                  size_t n_raw, const char *const *sources, size_t n_sources);

// ---- abuse.c, abuse_zh.c ----

#define ABUSE_PLACES 8192
extern const float safety_abuse_scale, safety_abuse_bias;
extern const int8_t safety_abuse_weights[ABUSE_PLACES];
// Does the sentence pass the threshold that bench/train-abuse chose?
bool abuse_looks(const char *s, size_t n);

// ---- view.c ----

struct span {
    size_t start, end;
};
// What a reader sees of a text.
struct view {
    struct buf text;
    struct span *source; // [text.len] bytes of the source that each byte stands for
    size_t cap;
};
void view_free(struct view *v);
// Append what is seen of p[0..n), which begins at `offset` of the source; *used bytes of it.
// What the text's next bytes may still change is left, unless `all` is there. 0 or -ENOMEM.
int view_add(struct view *v, const char *p, size_t n, size_t offset, bool all, size_t *used);
// Forget the first n bytes of the view.
void view_drop(struct view *v, size_t n);
