// SPDX-License-Identifier: MIT
// Shared by the claim*.c files only.
#pragma once

#include "base/claim.h"

#define CLAIM_WORD_BYTES 64 // longer runs are cut

// Of a value in a frame; CLAIM_PLACE_NEED stands for "must" in Chinese.
enum claim_place {
    CLAIM_PLACE_NUMBER = 1,
    CLAIM_PLACE_PATH,
    CLAIM_PLACE_FLAG,
    CLAIM_PLACE_NEED
};

// ---- claim_words.c: lists of words ----

// Which lists a word stands in.
enum claim_list {
    CLAIM_IN_DROPPED = 1,
    CLAIM_IN_AUXILIARY = 2,
    CLAIM_IN_NEGATION = 4,
    CLAIM_IN_PREPOSITION = 8,
    CLAIM_IN_VERB = 16,
    CLAIM_IN_LABEL = 32,
    CLAIM_IN_LEANING = 64,
    CLAIM_IN_MARKER = 128,
    CLAIM_IN_WORDY_NUMBER = 256,
    CLAIM_IN_WEEKDAY = 512,
    CLAIM_IN_MONTH = 1024,
    CLAIM_IN_SHORT_MONTH = 2048,
    CLAIM_IN_UNIT = 4096,
    CLAIM_IN_OPPOSITE = 8192
};

// To be called before the others.
void claim_make_lists(void);
// The lists of the word with this hash (of its lower-case bytes, seed 2).
unsigned claim_lists_of(uint64_t hash);
// Which word of a list (each between spaces) it is, from 1; 0: none.
int claim_position(const char *list, const char *w, size_t n);
// Units of one dimension can be compared after multiplying by their factors. NULL: no unit.
struct claim_unit {
    const char *names; // each between spaces
    char dimension;
    double factor;
};
const struct claim_unit *claim_unit_of(const char *w, size_t n);
// "five" as 5; -1: none.
int claim_wordy_number(const char *w, size_t n);
// Monday is 0; -1: none.
int claim_weekday(const char *w, size_t n);
// January is 1; 0: none.
int claim_month(const char *w, size_t n);
// "enabled" for "disabled"; NULL: none.
const char *claim_opposite(const char *w, size_t n);

// ---- claim_read.c: a sentence read word by word ----

struct claim_reader {
    const char *s;
    size_t n;
    struct claim *c;
    uint64_t hash;       // of the frame so far
    unsigned characters; // Chinese ones of the frame
    unsigned latin;      // words of the frame
    bool verb, preposition, colon, label, ordinal;
    bool at_value;        // the last thing read was a value, into which a unit goes
    bool full;            // more values than are kept
    double number;        // the last number read
    uint64_t number_hash; // what it added to its value
};

uint64_t claim_mix(uint64_t h, uint64_t x);
uint64_t claim_quantity(double x, char dimension);
// A value at bytes [start, end); parts of one value are put together.
void claim_add_value(struct claim_reader *r, enum claim_kind kind, uint64_t hash, size_t start,
                     size_t end);
void claim_add_number(struct claim_reader *r, enum claim_kind kind, double x, size_t start,
                      size_t end);
// The unit of the number just read goes into its value; false when it is none.
bool claim_add_unit(struct claim_reader *r, const char *w, size_t n, size_t end);
// One word of ASCII signs or other letters, lower case, w[n] is NUL.
void claim_read_word(struct claim_reader *r, const char *w, size_t n, size_t start, size_t end);

// ---- claim_chinese.c ----

// One step through Chinese text at byte i, where a character of `step` bytes stands: bytes
// read.
size_t claim_read_chinese(struct claim_reader *r, size_t i, size_t step);
