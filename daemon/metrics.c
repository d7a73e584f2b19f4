// SPDX-License-Identifier: MIT
#include "daemon/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const double bounds_ms[METRIC_BUCKETS] = {1,   2.5, 5,    10,   25,   50,   100,  250,
                                                 500, 1e3, 2500, 5000, 10e3, 30e3, 60e3, 120e3};

const char *metric_stage_name(enum metric_stage s)
{
    static const char *const others[] = {"write", "embed", "first_token", "total"};
    return s == STAGE_QUEUE  ? "queue"
           : s < STAGE_WRITE ? answer_stage_names[s - STAGE_ANSWER]
                             : others[s - STAGE_WRITE];
}

// ---- counting ----

static void observe(struct histogram *h, double ms)
{
    int i = 0;
    while (i < METRIC_BUCKETS && ms > bounds_ms[i])
        i++;
    atomic_fetch_add(&h->buckets[i], 1);
    atomic_fetch_add(&h->sum_us, (uint64_t)(ms > 0 ? ms * 1e3 : 0));
}

void metrics_stage(struct metrics *m, enum metric_stage s, double ms)
{
    observe(&m->stages[s], ms);
}

void metrics_cancel(struct metrics *m, enum metric_stage s, double ms)
{
    observe(&m->cancels[s], ms);
}

void metrics_response(struct metrics *m, const char *route, int status)
{
    for (size_t i = 0; i < METRIC_RESPONSES; i++) {
        if (!m->responses[i].route) {
            m->responses[i].route = route;
            m->responses[i].status = status;
        }
        if (!strcmp(m->responses[i].route, route) && m->responses[i].status == status) {
            m->responses[i].n++;
            return;
        }
    }
}

// ---- writing ----

static int family(struct buf *out, const char *type, const char *name, const char *help)
{
    return buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

int metrics_figure(struct buf *out, const char *type, const char *name, const char *help,
                   double value)
{
    int rc = family(out, type, name, help);
    return rc ? rc : buf_addf(out, "%s %.15g\n", name, value);
}

static int counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    int rc = family(out, "counter", name, help);
    return rc ? rc : buf_addf(out, "%s %" PRIu64 "\n", name, value);
}

// name{label="value"} for each; values of the label need no escapes.
static int counters(struct buf *out, const char *name, const char *help, const char *label,
                    const char *const *values, const uint64_t *n, size_t count)
{
    int rc = family(out, "counter", name, help);
    for (size_t i = 0; i < count && !rc; i++)
        rc = buf_addf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", name, label, values[i], n[i]);
    return rc;
}

static int histogram(struct buf *out, struct histogram *h, const char *name, const char *stage)
{
    uint64_t count = 0;
    int rc = 0;
    for (int i = 0; i < METRIC_BUCKETS && !rc; i++) {
        count += atomic_load(&h->buckets[i]);
        rc = buf_addf(out, "%s_bucket{stage=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, stage,
                      bounds_ms[i] / 1e3, count);
    }
    count += atomic_load(&h->buckets[METRIC_BUCKETS]);
    return rc ? rc
              : buf_addf(out,
                         "%s_bucket{stage=\"%s\",le=\"+Inf\"} %" PRIu64 "\n"
                         "%s_sum{stage=\"%s\"} %.6f\n%s_count{stage=\"%s\"} %" PRIu64 "\n",
                         name, stage, count, name, stage, (double)atomic_load(&h->sum_us) / 1e6,
                         name, stage, count);
}

static int histograms(struct buf *out, struct histogram *h, size_t n, const char *name,
                      const char *help)
{
    int rc = family(out, "histogram", name, help);
    for (size_t i = 0; i < n && !rc; i++)
        rc = histogram(out, &h[i], name, metric_stage_name((enum metric_stage)i));
    return rc;
}

int metrics_write_llm(const struct llm_stats *s, struct buf *out)
{
    const struct {
        const char *name, *help;
        uint64_t n;
    } counts[] = {
        {"askd_llm_drafted_tokens_total", "Tokens guessed ahead.", s->drafted_tokens},
        {"askd_llm_accepted_tokens_total", "Guessed tokens that came true.",
         s->accepted_tokens},
        {"askd_llm_cache_hits_total", "Prompts that began as an earlier one of the store.",
         s->cache_hits},
        {"askd_llm_cache_restored_tokens_total", "Prompt tokens taken from the store.",
         s->cache_restored_tokens},
        {"askd_llm_passes_total", "Passes over the weights.", s->passes},
        {"askd_llm_shared_passes_total", "Passes that served several answers at once.",
         s->shared_passes},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts && !rc; i++)
        rc = counter(out, counts[i].name, counts[i].help, counts[i].n);
    if (!rc)
        rc = metrics_figure(out, "gauge", "askd_llm_cache_bytes",
                            "Memory of the store of earlier prompts.", (double)s->cache_bytes);
    if (!rc)
        rc = metrics_figure(out, "gauge", "askd_llm_cache_bytes_max",
                            "Memory that it may take.", (double)s->cache_bytes_max);
    return rc;
}

// Rules and their categories have letters, digits and ._- only: they need no escapes.
int metrics_write_safety(const safety *s, struct buf *out)
{
    struct safety_count c;
    int rc = family(out, "counter", "askd_withheld_total", "What rules have found, by rule.");
    for (size_t i = 0; !rc && safety_count(s, i, &c); i++)
        rc = buf_addf(
            out, "askd_withheld_total{rule=\"%s\",category=\"%s\",action=\"%s\"} %" PRIu64 "\n",
            c.rule, c.category ? c.category : "", c.action, c.n);
    return rc;
}

static int write_responses(const struct metrics *m, struct buf *out)
{
    int rc = family(out, "counter", "askd_responses_total", "Replies by route and status.");
    for (size_t i = 0; i < METRIC_RESPONSES && m->responses[i].route && !rc; i++)
        rc = buf_addf(out, "askd_responses_total{route=\"%s\",code=\"%d\"} %" PRIu64 "\n",
                      m->responses[i].route, m->responses[i].status, m->responses[i].n);
    return rc;
}

int metrics_write(struct metrics *m, struct buf *out)
{
    static const char *const outcomes[OUTCOMES] = {"answered", "not_found", "withheld",
                                                   "cancelled", "failed"};
    static const char *const refusals[REFUSALS] = {
        "connections",   "user_connections", "queue",         "user_questions", "loading",
        "stopping",      "invalid",          "not_permitted", "too_large",      "read_timeout",
        "write_timeout", "request_timeout",  "output",        "memory"};
    uint64_t answers[OUTCOMES];
    for (int i = 0; i < OUTCOMES; i++)
        answers[i] = atomic_load(&m->outcomes[i]);
    int rc =
        counter(out, "askd_connections_total", "Connections accepted.", m->connections_total);
    if (!rc)
        rc = counter(out, "askd_requests_total", "Requests read.", m->requests_total);
    if (!rc)
        rc = write_responses(m, out);
    if (!rc)
        rc = counters(out, "askd_refused_total", "Connections and requests refused or cut.",
                      "reason", refusals, m->refused, REFUSALS);
    if (!rc)
        rc = counters(out, "askd_answers_total", "Questions by outcome.", "outcome", outcomes,
                      answers, OUTCOMES);
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
        rc = histograms(out, m->stages, STAGES, "askd_stage_seconds",
                        "Time that requests spend in each stage.");
    if (!rc)
        rc = histograms(out, m->cancels, STAGE_PLACES, "askd_cancel_seconds",
                        "Time from a cancellation to the end of its work, by stage.");
    return rc;
}

// ---- the process ----

double metrics_resident_bytes(void)
{
    long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%ld %ld", &total, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void)
{
    double n = 0;
    DIR *d = opendir("/proc/self/fd");
    for (const struct dirent *f; d && (f = readdir(d));)
        n += *f->d_name != '.';
    if (d)
        closedir(d);
    return n - 1; // the folder's own
}

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

// Names as other programs have them.
int metrics_write_process(struct buf *out)
{
    struct rusage used;
    struct rlimit files;
    getrusage(RUSAGE_SELF, &used);
    getrlimit(RLIMIT_NOFILE, &files);
    int rc = metrics_figure(out, "gauge", "process_resident_memory_bytes", "Resident memory.",
                            metrics_resident_bytes());
    if (!rc)
        rc = metrics_figure(out, "gauge", "process_open_fds", "Open file descriptors.",
                            open_files());
    if (!rc)
        rc = metrics_figure(out, "gauge", "process_max_fds", "File descriptors it may open.",
                            (double)files.rlim_cur);
    if (!rc)
        rc = metrics_figure(out, "counter", "process_cpu_seconds_total", "CPU time.",
                            seconds(&used.ru_utime) + seconds(&used.ru_stime));
    return rc;
}
