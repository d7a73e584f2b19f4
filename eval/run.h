// SPDX-License-Identifier: MIT
// Asking a set, and what came of it: a JSON object, so that it can be kept, shown and compared.
//
//   {"askd_eval": 1, "set": PATH, "mode": "auto", "unchecked": 0, "questions": [RECORD...],
//   "summary": {...}}
//
// "summary" is made of the records (summary_of). A record holds the question, what was found
// (rank of the first right passage, 0: none in the ten best), what was said, every measure of
// it, and what the daemon says of its evidence.
#pragma once

#include "base/err.h"
#include "eval/set.h"

#include <cJSON.h>

struct run_options {
    const char *socket, *collection, *mode; // collection may be NULL
    bool search_only;
    void (*progress)(size_t done, size_t n);
};

// Ask every question. *out is the caller's.
int run_set(const struct set *s, const char *path, const struct run_options *o, cJSON **out,
            struct err *e);
// Read what an earlier run wrote; -EINVAL if it is none.
int run_read(const char *path, cJSON **out, struct err *e);
// The record of a question among a run's, or NULL.
const cJSON *run_find(const cJSON *questions, const char *id);

// ---- summary.c ----
// The means over the records with their 95 % intervals, and latencies, as an object. NULL
// without memory.
cJSON *summary_of(const cJSON *questions);
// A run's means as a table on stdout, and how many of its questions nobody has checked.
void summary_print(const cJSON *run);

// ---- diff.c ----
// Two runs of the same set: each mean, the difference, and its 95 % interval by paired
// bootstrap (Efron 1979; Koehn 2004), seeded. -EINVAL if they have no question in common.
int diff_print(const cJSON *a, const cJSON *b, struct err *e);

// ---- html.c ----
// One page that needs nothing else: the table, curves, every question with its passages,
// answer, citations and evidence.
int html_write(const char *path, const cJSON *run, struct err *e);
