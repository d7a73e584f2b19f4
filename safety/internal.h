// SPDX-License-Identifier: MIT
// Shared by the files of safety/ only.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/buf.h"
#include "safety/safety.h"

#include <pcre2.h>

enum rule_action { RULE_WITHHOLD, RULE_FLAG };
enum rule_check {
    CHECK_NONE,
    CHECK_LUHN,    // payment cards: ISO/IEC 7812-1 annex B
    CHECK_IBAN,    // ISO 13616, modulo 97
    CHECK_CN_ID,   // GB 11643-1999, modulo 11
    CHECK_ENTROPY, // looks random, not like a word or a placeholder
    CHECK_SOURCES, // must stand in one of the sources
};

struct rule {
    char *name, *category;
    unsigned stages;
    enum rule_action action;
    enum rule_check check;
    bool enabled;
    struct buf pattern, words;
    const char *file; // where it was defined, for sentences; borrowed
    int line;
    pcre2_code *code;
};

struct safety {
    struct rule *rules;
    size_t n;
    char *extra; // path, for sentences
};

extern const char safety_builtin_rules[];

// Does the matched text pass the rule's check, so that it counts?
bool check_counts(enum rule_check check, const char *match, size_t n,
                  const char *const *sources, size_t n_sources);
