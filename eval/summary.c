// SPDX-License-Identifier: MIT
// Means over the records of a run. What a question without an answer is judged by is whether it
// was refused, and nothing else.
#include "eval/json.h"
#include "eval/measures.h"
#include "eval/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct measure measures[] = {
    {"hit@1", MEASURE_RANK, "rank", 1},
    {"hit@3", MEASURE_RANK, "rank", 3},
    {"hit@5", MEASURE_RANK, "rank", 5},
    {"hit@10", MEASURE_RANK, "rank", 10},
    {"MRR", MEASURE_RECIPROCAL, "rank", 0},
    {"nDCG@10", MEASURE_FOUND, "ndcg", 0},
    {"answer holds an accepted one", MEASURE_SAID, "holds", 0},
    {"answer EM", MEASURE_SAID, "em", 0},
    {"answer F1", MEASURE_SAID, "f1", 0},
    {"ROUGE-L", MEASURE_SAID, "rouge_l", 0},
    {"first quote holds it", MEASURE_SAID, "first_holds", 0},
    {"marked words EM", MEASURE_SAID, "span_em", 0},
    {"marked words F1", MEASURE_SAID, "span_f1", 0},
    {"a citation holds it", MEASURE_CITED, "citations_right", 0},
    {"citations that do", MEASURE_SHARE, "citations_right", 0},
    {"quotes that stand in their passage", MEASURE_SHARE, "citations_valid", 0},
    {"false refusals", MEASURE_REFUSED, "status", 1},
    {"correct refusals", MEASURE_REFUSED, "status", 0},
};
const size_t n_measures = sizeof measures / sizeof *measures;

bool measure_of(const struct measure *m, const cJSON *r, double *out)
{
    bool answerable = json_true(r, "answerable"), asked = json_item(r, "status") != NULL;
    double v = json_number(r, m->field);
    switch (m->kind) {
    case MEASURE_RANK:
        *out = v > 0 && v <= m->limit;
        return answerable && json_true(r, "has_evidence");
    case MEASURE_RECIPROCAL:
        *out = v > 0 ? 1 / v : 0;
        return answerable && json_true(r, "has_evidence");
    case MEASURE_FOUND:
        *out = v;
        return answerable && json_true(r, "has_evidence");
    case MEASURE_SAID:
        *out = v;
        return answerable && asked && json_item(r, m->field) &&
               cJSON_GetArraySize(json_item(r, "answers")) > 0;
    case MEASURE_CITED:
        *out = v > 0 && json_is(r, "status", "answered");
        return answerable && asked;
    case MEASURE_SHARE:
        *out = json_number(r, "citations") > 0 ? v / json_number(r, "citations") : 0;
        return asked && json_is(r, "status", "answered") && json_number(r, "citations") > 0 &&
               (answerable || !strcmp(m->field, "citations_valid"));
    default:
        *out = json_is(r, "status", "not_found");
        return asked && answerable == (m->limit == 1);
    }
}

// Area under the ROC curve of the confidence: does an answerable question get more of it?
static bool area(const cJSON *questions, double *out)
{
    double pairs = 0, right = 0;
    const cJSON *a, *b;
    cJSON_ArrayForEach(a, questions)
    {
        if (!json_true(a, "answerable") || !json_item(a, "confidence"))
            continue;
        cJSON_ArrayForEach(b, questions)
        {
            if (json_true(b, "answerable") || !json_item(b, "confidence"))
                continue;
            double x = json_number(a, "confidence"), y = json_number(b, "confidence");
            pairs++;
            right += x > y ? 1 : x == y ? 0.5 : 0;
        }
    }
    *out = pairs > 0 ? right / pairs : 0;
    return pairs > 0;
}

static void add_latency(cJSON *out, const cJSON *questions, const char *name, const char *in,
                        const char *field)
{
    size_t n = 0;
    const cJSON *r;
    double *v = malloc(((size_t)cJSON_GetArraySize(questions) + 1) * sizeof *v);
    cJSON_ArrayForEach(r, questions)
    {
        const cJSON *x = json_item(*in ? json_item(r, in) : r, field);
        if (v && cJSON_IsNumber(x) && !(*in && !json_is(r, "status", "answered")))
            v[n++] = x->valuedouble;
    }
    if (n) {
        qsort(v, n, sizeof *v, ascending);
        cJSON *o = cJSON_AddObjectToObject(out, name);
        cJSON_AddNumberToObject(o, "p50", v[(n - 1) / 2]);
        cJSON_AddNumberToObject(o, "p95", v[(size_t)(0.95 * (double)(n - 1))]);
        cJSON_AddNumberToObject(o, "n", (double)n);
    }
    free(v);
}

// Mean and interval of a measure over the records it says something about; `v` has room for a
// value of each.
static int add_measure(cJSON *means, const struct measure *m, const cJSON *questions, double *v)
{
    double sum = 0, low, high;
    size_t n = 0;
    const cJSON *r;
    cJSON_ArrayForEach(r, questions)
    {
        if (measure_of(m, r, &v[n]))
            sum += v[n++];
    }
    if (!n)
        return 0;
    if (bootstrap_interval(v, n, &low, &high))
        return -ENOMEM;
    cJSON *o = cJSON_AddObjectToObject(means, m->name);
    cJSON_AddNumberToObject(o, "mean", sum / (double)n);
    cJSON_AddNumberToObject(o, "low", low);
    cJSON_AddNumberToObject(o, "high", high);
    cJSON_AddNumberToObject(o, "n", (double)n);
    return 0;
}

cJSON *summary_of(const cJSON *questions)
{
    cJSON *out = cJSON_CreateObject(), *means = cJSON_AddObjectToObject(out, "measures");
    double auc, *v = malloc(((size_t)cJSON_GetArraySize(questions) + 1) * sizeof *v);
    int rc = v && means ? 0 : -ENOMEM;
    for (size_t i = 0; i < n_measures && !rc; i++)
        rc = add_measure(means, &measures[i], questions, v);
    free(v);
    if (rc) {
        cJSON_Delete(out);
        return NULL;
    }
    if (area(questions, &auc))
        cJSON_AddNumberToObject(out, "abstention_auc", auc);
    cJSON *latency = cJSON_AddObjectToObject(out, "latency_ms");
    add_latency(latency, questions, "search", "", "search_ms");
    add_latency(latency, questions, "passages", "timings_ms", "passages");
    add_latency(latency, questions, "first token", "timings_ms", "first_token");
    add_latency(latency, questions, "whole answer", "timings_ms", "total");
    return out;
}

void summary_print(const cJSON *run)
{
    const cJSON *summary = json_item(run, "summary");
    const cJSON *o;
    cJSON_ArrayForEach(o, json_item(summary, "measures"))
    {
        printf("%-36s %6.3f  [%.3f, %.3f]  of %g\n", o->string, json_number(o, "mean"),
               json_number(o, "low"), json_number(o, "high"), json_number(o, "n"));
    }
    if (json_item(summary, "abstention_auc"))
        printf("%-36s %6.3f\n", "AUC of the confidence",
               json_number(summary, "abstention_auc"));
    cJSON_ArrayForEach(o, json_item(summary, "latency_ms"))
    {
        printf("%-36s p50 %.1f  p95 %.1f  of %g\n", o->string, json_number(o, "p50"),
               json_number(o, "p95"), json_number(o, "n"));
    }
    double unchecked = json_number(run, "unchecked");
    if (unchecked > 0)
        printf("nobody has checked %g of the %d questions (\"checked\": false)\n", unchecked,
               cJSON_GetArraySize(json_item(run, "questions")));
}
