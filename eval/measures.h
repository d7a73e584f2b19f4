// SPDX-License-Identifier: MIT
// What is measured of each question; shared by the summary, the comparison and the report.
#pragma once

#include <cJSON.h>

#include <stdbool.h>
#include <stddef.h>

enum measure_kind {
    MEASURE_RANK,       // is the rank within the limit?
    MEASURE_RECIPROCAL, // 1 / rank
    MEASURE_FOUND,      // a number of those with evidence
    MEASURE_SAID,       // a number of those with accepted answers
    MEASURE_CITED,      // is there one?
    MEASURE_SHARE,      // of the citations
    MEASURE_REFUSED,    // was it refused? limit 1: of the answerable, 0: of the others
};

struct measure {
    const char *name;
    enum measure_kind kind;
    const char *field; // of the record
    double limit;
};
extern const struct measure measures[];
extern const size_t n_measures;

// The record's value; false where the measure says nothing about it.
bool measure_of(const struct measure *m, const cJSON *record, double *out);

// ---- bootstrap.c ----

// 95 % interval of the mean of v[0..n), n > 0, by percentile bootstrap (Efron 1979) with always
// the same draws. 0 or -ENOMEM.
int bootstrap_interval(const double *v, size_t n, double *low, double *high);
// For qsort over doubles.
int ascending(const void *a, const void *b);
