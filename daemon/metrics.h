// SPDX-License-Identifier: MIT
// Counters and histograms in the Prometheus text format 0.0.4. Loop thread only, except what is
// marked otherwise.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
#pragma once

#include "answer/answer.h"
#include "base/buf.h"
#include "llm/llm.h"
#include "safety/safety.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

// Where a request may be, in this order, and what is measured besides.
enum metric_stage {
    STAGE_QUEUE,
    STAGE_ANSWER, // the first of answer_stage, those behind it
    STAGE_WRITE = STAGE_ANSWER + ANSWER_STAGES,
    STAGE_PLACES, // so many
    STAGE_EMBED = STAGE_PLACES,
    STAGE_FIRST_TOKEN, // from the request
    STAGE_TOTAL,       // from the request to its answer
    STAGES
};
const char *metric_stage_name(enum metric_stage s);

enum metric_outcome {
    OUTCOME_ANSWERED,
    OUTCOME_NOT_FOUND,
    OUTCOME_WITHHELD,
    OUTCOME_CANCELLED,
    OUTCOME_FAILED,
    OUTCOMES
};

// Why something was refused or cut.
enum metric_refusal {
    REFUSED_CONNECTIONS,
    REFUSED_USER_CONNECTIONS,
    REFUSED_QUEUE,
    REFUSED_USER_QUESTIONS,
    REFUSED_LOADING,
    REFUSED_STOPPING,
    REFUSED_INVALID,
    REFUSED_NOT_PERMITTED,
    REFUSED_TOO_LARGE,
    REFUSED_READ_TIMEOUT,
    REFUSED_WRITE_TIMEOUT,
    REFUSED_REQUEST_TIMEOUT,
    REFUSED_OUTPUT,
    REFUSED_MEMORY,
    REFUSALS
};

#define METRIC_BUCKETS 16
struct histogram {
    atomic_uint_fast64_t buckets[METRIC_BUCKETS + 1], sum_us;
};

#define METRIC_RESPONSES 128
struct metrics {
    uint64_t connections_total, requests_total;
    uint64_t refused[REFUSALS];
    struct {
        const char *route; // static
        int status;
        uint64_t n;
    } responses[METRIC_RESPONSES];
    atomic_uint_fast64_t outcomes[OUTCOMES];
    atomic_uint_fast64_t prompt_tokens, cached_tokens, completion_tokens;
    struct histogram stages[STAGES], cancels[STAGE_PLACES];
};

// Count one duration. Any thread.
void metrics_stage(struct metrics *m, enum metric_stage s, double ms);
// Work that nobody waits for any more was at `s` and went on for `ms`.
void metrics_cancel(struct metrics *m, enum metric_stage s, double ms);
// Count one reply.
void metrics_response(struct metrics *m, const char *route, int status);

// Append one figure with its help; a label's value may be anything. 0 or -ENOMEM.
int metrics_figure(struct buf *out, const char *type, const char *name, const char *help,
                   double value);
// Append the exposition text of all counts. 0 or -ENOMEM.
int metrics_write(struct metrics *m, struct buf *out);
// Append what the language model counts. 0 or -ENOMEM.
int metrics_write_llm(const struct llm_stats *s, struct buf *out);
// Append what the rules have found. 0 or -ENOMEM.
int metrics_write_safety(const safety *s, struct buf *out);
double metrics_resident_bytes(void);
// Append what the kernel knows of this process. 0 or -ENOMEM.
int metrics_write_process(struct buf *out);
