// SPDX-License-Identifier: MIT
// What a sentence claims, so that two sentences can be held against each other: "The backup
// starts at 03:15" and "the backups start at 4:15" have the same words and differ in a value.
// English and Chinese.
//
// The words of a sentence, without those that say little and without endings, make its frame;
// numbers, versions, dates, paths and flags are values, for which the frame only has a place.
// A negation belongs to neither. Sentences of one frame speak of the same thing, unless the
// value that differs is what they speak of: "option -a prints", "chapter 3 tells". So a value
// counts as a claim only where it stands behind a verb, a preposition or a colon, is not the
// number of a named thing, and is not itself followed by the verb.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum claim_kind {
    CLAIM_NUMBER,
    CLAIM_VERSION,
    CLAIM_DATE,
    CLAIM_PATH,
    CLAIM_FLAG,
    CLAIM_NEGATION
};

#define CLAIM_VALUES 6

struct claim_value {
    enum claim_kind kind;
    uint64_t hash;       // equal for "2 hours" and "120 min", "1 May 2026" and "2026-05-01"
    uint32_t start, end; // bytes of the sentence
    bool told;           // it is what the sentence tells, not what it speaks of
};

struct claim {
    uint64_t frame;  // 0: too short, too long, or no sentence that could be compared
    uint64_t values; // of the values in their order, and of `negated`; never 0
    unsigned words;  // content words; two Chinese characters count as one
    bool leans;      // what it speaks of stands elsewhere: "It ...", "The default ..."
    bool negated;
    struct claim_value value[CLAIM_VALUES];
    unsigned n_values;
};

// Read the sentence s[0..n), UTF-8. Any thread; allocates nothing.
void claim_of(const char *s, size_t n, struct claim *out);

// Do the two say the same with another value, or one what the other denies? *kind says what
// differs. With `same_document` (two versions of one document) several values may differ. Where
// `leans` is set or there are few words, the caller sees to it that both stand under the same
// heading: claim_needs_context.
bool claim_conflict(const struct claim *a, const struct claim *b, bool same_document,
                    enum claim_kind *kind);
bool claim_needs_context(const struct claim *c);
// The title and the innermost heading (NULL: none) that a sentence stands under, without what
// tells versions of a document apart: numbers, "old", "copy", "draft".
uint64_t claim_context(const char *title, const char *heading);
// Does the name of the file or its folder say that it tells what once was so (a change log,
// news) or what holds for something else (a licence)? What such documents say contradicts
// nothing.
bool claim_is_record(const char *path);
// "number", "version", "date", "path", "flag", "negation".
const char *claim_kind_name(enum claim_kind k);
// Does the word (lower case, or one Chinese character) say by itself what a claim tells:
// "five", "friday", "not", "disabled"?
bool claim_is_telling(const char *word, size_t n);
// Is the word (lower case, ASCII) one that tells versions of a document apart?
bool claim_is_marker(const char *word, size_t n);
