// SPDX-License-Identifier: MIT
// Texts of random tokens under a constraint, on a vocabulary of single bytes and on the real
// ones where they are.
#pragma once

#include "base/buf.h"
#include "llm/constraint.h"
#include "llm/model.h"

#include <stdbool.h>
#include <stdint.h>

enum { MODELS = 3 };

// A model as far as constraints see it.
struct constraint_model {
    llm m;
    struct candidate *candidates;
    float *row;
    uint16_t *counts;
};
extern struct constraint_model models[MODELS];
extern size_t n_models;
extern struct buf text; // what was written last

int rig_setup(void **state);
int rig_teardown(void **state);
// A text of random tokens under `c`, into `text`; whether it came to an end.
bool write_text(size_t model, llm_constraint *c, uint32_t left, uint64_t seed);
unsigned seeds(size_t model); // how many to try: the real vocabularies take longer
llm_constraint *regex(size_t model, const char *pattern);
