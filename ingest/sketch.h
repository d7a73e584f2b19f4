// SPDX-License-Identifier: MIT
// A document as 64 numbers that tell how much of its text another one shares: the least hashes
// of its runs of four words (MinHash, Broder 1997, in one permutation: Li, Owen, Zhang 2012).
// And what language it seems to be in.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKETCH_BINS 64
#define SKETCH_RUN 4

enum language { LANGUAGE_ENGLISH, LANGUAGE_CHINESE, LANGUAGE_OTHER, LANGUAGE_NONE, LANGUAGES };

struct sketch {
    uint32_t bin[SKETCH_BINS];
    uint32_t runs; // of four words in the text; few of them tell little
    // While the text is read:
    uint64_t last[SKETCH_RUN]; // words
    uint32_t words, english, han, kana;
};

void sketch_open(struct sketch *k);
// Read one more text of the document; no run goes from one text into the next.
void sketch_add(struct sketch *k, const char *s, size_t n);
// No more text: fill the bins that got nothing from their neighbours.
void sketch_close(struct sketch *k);
// Estimated share (0..1) of the runs that two closed sketches have in common.
double sketch_alike(const struct sketch *a, const struct sketch *b);
enum language sketch_language(const struct sketch *k);
const char *sketch_language_name(enum language l);
