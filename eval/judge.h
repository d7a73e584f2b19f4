// SPDX-License-Identifier: MIT
// Two runs of a set before a judge: a large model at an endpoint that the user names. It is
// given the accepted answer and both answers, in both orders; what it says in one order only is
// a tie (Zheng et al. 2023: judges prefer a place).
#pragma once

#include "eval/endpoint.h"

#include <stddef.h>

struct judge_counts {
    size_t a, b, ties;
    size_t split;    // of the ties: the two orders disagree
    size_t same;     // of the ties: both answers are the same bytes, nobody was asked
    size_t unjudged; // no usable reply
    size_t left_out; // questions without an accepted answer, or of one run alone
    double p;        // two-sided sign test of a against b
};

// Judge the questions that both runs (run_read) have asked. *out is the caller's: the verdict
// and both reasons of every question, and the counts. Stops with a sentence when the endpoint
// refuses or is not there; a timeout or a reply that is no verdict leaves its question
// unjudged.
int judge_runs(const cJSON *a, const cJSON *b, const struct endpoint *p,
               void (*progress)(size_t done, size_t n), cJSON **out,
               struct judge_counts *counts, struct err *e);

// Probability that a fair coin splits n = wins + losses at least as unevenly; 1 for n = 0.
double sign_test(size_t wins, size_t losses);
