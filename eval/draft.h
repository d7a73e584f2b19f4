// SPDX-License-Identifier: MIT
// Drafts of questions, found in documents by the shape of their sentences: definitions,
// abbreviations, options, headings. Nobody has checked them; a person corrects or drops each.
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum draft_kind {
    DRAFT_FAQ,          // a heading that asks
    DRAFT_DEFINITION,   // X is a ...
    DRAFT_ABBREVIATION, // X (what it stands for)
    DRAFT_OPTION,       // --flag, what it does
    DRAFT_HOWTO,        // a heading that names a task
    DRAFT_UNANSWERABLE, // asks what no passage says
    DRAFT_KINDS
};

struct draft {
    enum draft_kind kind;
    const char *lang; // "en" or "zh"
    const char *question;
    const char *answer, *quote; // NULL: unanswerable
    const char *subject;        // what it asks about, once each; NULL: no name
    const char *note;           // for whoever checks it, or NULL
    size_t document;            // index
};

// A passage as the daemon shows it.
struct passage {
    const char *path, *title;
    const char *heading; // the innermost one, without its number; the title where there is none
    const char *text;
    size_t document; // index, equal for passages of one document
};

struct drafts {
    arena *a; // everything lives here
    struct draft *list;
    size_t n, room;
};

// Append; strings are copied to the arena. What is too long or has no answer is left out.
// 0 or -ENOMEM.
int draft_add(struct drafts *d, const struct draft *one);

typedef struct draft_rules draft_rules;
// Compile the patterns. -ENOMEM, -EINVAL for a pattern that PCRE2 refuses (a bug).
int draft_rules_new(draft_rules **out, struct err *e);
void draft_rules_free(draft_rules *r); // NULL-safe

// Drafts from the sentences and lines of a passage.
int draft_from_passage(draft_rules *r, const struct passage *p, struct drafts *out,
                       struct err *e);
// Drafts from a section: passages p[0..n) that follow each other below one heading.
int draft_from_section(draft_rules *r, const struct passage *p, size_t n, struct drafts *out,
                       struct err *e);
// At most `max` questions that no passage answers: a subject of `found` with an attribute that
// passages have for others, where no passage holds the subject and any word of the attribute.
int draft_unanswerable(draft_rules *r, const struct passage *p, size_t n,
                       const struct drafts *found, size_t max, struct drafts *out,
                       struct err *e);

// Does the text hold Han, kana or Hangul?
bool draft_is_cjk(const char *s, size_t n);

// ---- pattern.c ----

// A compiled pattern with room for a match. UTF-8 in, PCRE2 syntax, (?n) names as groups.
typedef struct pattern pattern;
struct span {
    const char *s; // NULL: the group took no part
    size_t n;
};
int pattern_new(const char *source, pattern **out, struct err *e);
void pattern_free(pattern *p); // NULL-safe
// The first match in s[0..n) at or behind *pos, which moves behind it; groups 0..n_groups).
// False: none, or the match limit was reached.
bool pattern_find(pattern *p, const char *s, size_t n, size_t *pos, struct span *groups,
                  size_t n_groups);
// Is there one at all?
bool pattern_in(pattern *p, const char *s, size_t n);
