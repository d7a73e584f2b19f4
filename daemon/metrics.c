// SPDX-License-Identifier: MIT
#include "daemon/metrics.h"

#include <inttypes.h>

static const double bounds_ms[METRIC_BUCKETS] = {1,   5,   10,   25,   50,   100,
                                                 250, 500, 1000, 2500, 5000, 10000};

void metrics_stage(struct metrics *m, enum metric_stage s, double ms)
{
    int i = 0;
    while (i < METRIC_BUCKETS && ms > bounds_ms[i])
        i++;
    atomic_fetch_add(&m->buckets[s][i], 1);
    atomic_fetch_add(&m->sum_us[s], (uint64_t)(ms > 0 ? ms * 1e3 : 0));
}

static int counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    return buf_addf(out, "# HELP %s %s\n# TYPE %s counter\n%s %" PRIu64 "\n", name, help, name,
                    name, value);
}

static int histogram(struct buf *out, struct metrics *m, enum metric_stage s, const char *stage)
{
    uint64_t count = 0;
    int rc = 0;
    for (int i = 0; i <= METRIC_BUCKETS && !rc; i++) {
        count += atomic_load(&m->buckets[s][i]);
        rc = i < METRIC_BUCKETS
                 ? buf_addf(out,
                            "askd_stage_seconds_bucket{stage=\"%s\",le=\"%g\"} %" PRIu64 "\n",
                            stage, bounds_ms[i] / 1e3, count)
                 : buf_addf(out,
                            "askd_stage_seconds_bucket{stage=\"%s\",le=\"+Inf\"} %" PRIu64 "\n",
                            stage, count);
    }
    return rc ? rc
              : buf_addf(out,
                         "askd_stage_seconds_sum{stage=\"%s\"} %.6f\n"
                         "askd_stage_seconds_count{stage=\"%s\"} %" PRIu64 "\n",
                         stage, (double)atomic_load(&m->sum_us[s]) / 1e6, stage, count);
}

static int gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    return buf_addf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %" PRIu64 "\n", name, help, name,
                    name, value);
}

int metrics_write_llm(const struct llm_stats *s, struct buf *out)
{
    int rc = counter(out, "askd_llm_drafted_tokens_total", "Tokens guessed ahead.",
                     s->drafted_tokens);
    if (!rc)
        rc = counter(out, "askd_llm_accepted_tokens_total", "Guessed tokens that came true.",
                     s->accepted_tokens);
    if (!rc)
        rc = counter(out, "askd_llm_cache_hits_total",
                     "Prompts that began as an earlier one of the store.", s->cache_hits);
    if (!rc)
        rc = counter(out, "askd_llm_cache_restored_tokens_total",
                     "Prompt tokens taken from the store.", s->cache_restored_tokens);
    if (!rc)
        rc = counter(out, "askd_llm_passes_total", "Passes over the weights.", s->passes);
    if (!rc)
        rc = counter(out, "askd_llm_shared_passes_total",
                     "Passes that served several answers at once.", s->shared_passes);
    if (!rc)
        rc = gauge(out, "askd_llm_cache_bytes", "Memory of the store of earlier prompts.",
                   s->cache_bytes);
    if (!rc)
        rc = gauge(out, "askd_llm_cache_bytes_max", "Memory that it may take.",
                   s->cache_bytes_max);
    return rc;
}

int metrics_write_safety(const safety *s, struct buf *out)
{
    struct safety_count c;
    int rc = buf_adds(out, "# HELP askd_withheld_total What rules have found, by rule.\n"
                           "# TYPE askd_withheld_total counter\n");
    for (size_t i = 0; !rc && safety_count(s, i, &c); i++)
        rc = buf_addf(
            out, "askd_withheld_total{rule=\"%s\",category=\"%s\",action=\"%s\"} %" PRIu64 "\n",
            c.rule, c.category ? c.category : "", c.action, c.n);
    return rc;
}

int metrics_write(struct metrics *m, struct buf *out)
{
    static const char *const outcomes[OUTCOMES] = {"answered", "not_found", "withheld",
                                                   "cancelled", "failed"};
    static const char *const stages[STAGES] = {"passages", "first_token", "answer", "search"};
    int rc =
        counter(out, "askd_connections_total", "Connections accepted.", m->connections_total);
    if (!rc)
        rc = counter(out, "askd_requests_total", "Requests read.", m->requests_total);
    if (!rc)
        rc = counter(out, "askd_refused_busy_total", "Requests refused with 503.",
                     m->refused_busy);
    if (!rc)
        rc = counter(out, "askd_refused_invalid_total", "Requests refused with 4xx.",
                     m->refused_invalid);
    if (!rc)
        rc = counter(out, "askd_prompt_tokens_total", "Prompt tokens.",
                     atomic_load(&m->prompt_tokens));
    if (!rc)
        rc = counter(out, "askd_cached_tokens_total", "Prompt tokens found in the KV cache.",
                     atomic_load(&m->cached_tokens));
    if (!rc)
        rc = counter(out, "askd_completion_tokens_total", "Tokens generated.",
                     atomic_load(&m->completion_tokens));
    if (!rc)
        rc = buf_adds(out, "# HELP askd_answers_total Questions by outcome.\n"
                           "# TYPE askd_answers_total counter\n");
    for (int i = 0; i < OUTCOMES && !rc; i++)
        rc = buf_addf(out, "askd_answers_total{outcome=\"%s\"} %" PRIu64 "\n", outcomes[i],
                      (uint64_t)atomic_load(&m->outcomes[i]));
    if (!rc)
        rc = buf_adds(out, "# HELP askd_stage_seconds Time from the question to a stage.\n"
                           "# TYPE askd_stage_seconds histogram\n");
    for (int i = 0; i < STAGES && !rc; i++)
        rc = histogram(out, m, (enum metric_stage)i, stages[i]);
    return rc;
}
