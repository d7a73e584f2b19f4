// SPDX-License-Identifier: MIT
// The real models against an exact forward pass (tests/golden/logits): what 8-bit activations
// may move, and no more. Past 512 tokens gemma3's windows matter.
#include "engine/transformer/transformer.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TOKENS_MAX = 600, BATCH = 64, TOP = 8, LINE = 8192 };

struct running {
    gguf *g;
    struct team *team;
    transformer *t;
    transformer_session *s;
    struct transformer_info info;
    float *rows; // [TOKENS_MAX][n_vocab]
};

static void start(struct running *r, const char *path)
{
    struct err e;
    assert_int_equal(gguf_open(path, &r->g, &e), 0);
    assert_int_equal(team_new(2, &r->team, &e), 0);
    assert_int_equal(transformer_open(r->g, r->team, &r->t, &e), 0);
    transformer_describe(r->t, &r->info);
    assert_int_equal(transformer_session_new(r->t, TOKENS_MAX, BATCH, &r->s, &e), 0);
    struct transformer_needs needs;
    assert_int_equal(transformer_measure(r->g, r->team, TOKENS_MAX, BATCH, &needs, &e), 0);
    assert_int_equal(needs.weights, r->info.weight_bytes);
    assert_int_equal(needs.session, transformer_session_bytes(r->s));
    r->rows = malloc((size_t)TOKENS_MAX * r->info.n_vocab * sizeof *r->rows);
    assert_non_null(r->rows);
}

static void stop(struct running *r)
{
    free(r->rows);
    transformer_session_free(r->s);
    transformer_close(r->t);
    team_free(r->team);
    gguf_close(r->g);
}

static void feed(struct running *r, const int32_t *ids, uint32_t n)
{
    struct err e;
    team_take(r->team, TEAM_INTERACTIVE, NULL, NULL);
    for (uint32_t at = 0; at < n; at += BATCH)
        assert_int_equal(
            transformer_session_eval(r->s, ids + at, n - at < BATCH ? n - at : BATCH,
                                     r->rows + (size_t)at * r->info.n_vocab, NULL, &e),
            0);
    team_give(r->team);
}

// Token by token, and only the likeliest next one: as in the rows that are there.
static void find_best(struct running *r, const int32_t *ids, uint32_t n)
{
    struct err e;
    team_take(r->team, TEAM_INTERACTIVE, NULL, NULL);
    transformer_session_truncate(r->s, 0);
    for (uint32_t i = 0; i < n; i++) {
        struct transformer_part part = {r->s, ids + i, 1, TRANSFORMER_BEST, -1, NULL};
        const float *row = r->rows + (size_t)i * r->info.n_vocab;
        int32_t best = 0;
        for (uint32_t k = 1; k < r->info.n_vocab; k++)
            best = row[k] > row[best] ? (int32_t)k : best;
        assert_int_equal(transformer_step(&part, 1, &e), 0);
        assert_int_equal(part.best, best);
    }
    team_give(r->team);
}

static double log_probability(const float *row, uint32_t n, uint32_t id)
{
    double sum = 0, top = -1e30;
    for (uint32_t i = 0; i < n; i++)
        top = row[i] > top ? row[i] : top;
    for (uint32_t i = 0; i < n; i++)
        sum += exp((double)row[i] - top);
    return (double)row[id] - top - log(sum);
}

// One "at POSITION ID:LOGPROB ..." line: what the exact pass gives its likeliest tokens more
// than ours does, weighted by their probability (the divergence on these tokens).
static double divergence(const struct running *r, const char *line)
{
    int used, at;
    double sum = 0, want;
    uint32_t id;
    assert_int_equal(sscanf(line, "at %d%n", &at, &used), 1);
    const float *row = r->rows + (size_t)at * r->info.n_vocab;
    for (int k = 0; k < TOP; k++, line += used) {
        if (!k)
            line += used;
        assert_int_equal(sscanf(line, " %u:%lf%n", &id, &want, &used), 2);
        double got = log_probability(row, r->info.n_vocab, id);
        assert_true(fabs(got - want) < 1);
        sum += exp(want) * fabs(want - got);
    }
    return sum;
}

static void against_golden(const char *model)
{
    static char path[PATH_MAX], line[LINE];
    static int32_t ids[TOKENS_MAX];
    struct running r;
    const char *dir = getenv("ASKD_MODELS"), *src = getenv("ASKD_SRCDIR");
    snprintf(path, sizeof path, "%s%s/%s.gguf", dir ? dir : src, dir ? "" : "/models/cache",
             model);
    if (access(path, R_OK)) {
        print_message("# skipped: %s is absent (scripts/fetch-models)\n", path);
        return;
    }
    start(&r, path);
    snprintf(path, sizeof path, "%s/tests/golden/logits/%s.txt", src, model);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    uint32_t n = 0, rows = 0;
    int used;
    for (const char *p = line + 3; n < TOKENS_MAX && sscanf(p, "%d%n", &ids[n], &used) == 1;
         n++)
        p += used;
    feed(&r, ids, n);
    double sum = 0;
    for (; fgets(line, sizeof line, f); rows++)
        sum += divergence(&r, line);
    fclose(f);
    assert_int_equal(rows, 25);
    find_best(&r, ids, n < 300 ? n : 300);
    print_message("# %s: mean difference of the likeliest tokens %.4f\n", model, sum / rows);
    assert_true(sum / rows < 0.1);
    stop(&r);
}

static void test_llama(void **state)
{
    (void)state;
    against_golden("SmolLM2-135M-Instruct.Q4_1");
}

static void test_gemma3(void **state)
{
    (void)state;
    against_golden("gemma-3-270m-q4_k_m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama),
        cmocka_unit_test(test_gemma3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
