// SPDX-License-Identifier: MIT
// Counters and histograms in the Prometheus text format 0.0.4. Loop thread only, except
// metrics_stage.
#pragma once

#include "base/buf.h"
#include "llm/llm.h"
#include "safety/safety.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum metric_stage { STAGE_PASSAGES, STAGE_FIRST_TOKEN, STAGE_ANSWER, STAGE_SEARCH, STAGES };
enum metric_outcome {
    OUTCOME_ANSWERED,
    OUTCOME_NOT_FOUND,
    OUTCOME_WITHHELD,
    OUTCOME_CANCELLED,
    OUTCOME_FAILED,
    OUTCOMES
};
#define METRIC_BUCKETS 12

struct metrics {
    uint64_t connections_total, requests_total, refused_busy, refused_invalid;
    atomic_uint_fast64_t outcomes[OUTCOMES];
    atomic_uint_fast64_t prompt_tokens, cached_tokens, completion_tokens;
    atomic_uint_fast64_t buckets[STAGES][METRIC_BUCKETS + 1], sum_us[STAGES];
};

// Count one duration. Any thread.
void metrics_stage(struct metrics *m, enum metric_stage s, double ms);
// Append the exposition text. `gauges` is already formatted text. 0 or -ENOMEM.
int metrics_write(struct metrics *m, struct buf *out);
// Append what the language model counts. 0 or -ENOMEM.
int metrics_write_llm(const struct llm_stats *s, struct buf *out);
// Append what the rules have found. 0 or -ENOMEM.
int metrics_write_safety(const safety *s, struct buf *out);
