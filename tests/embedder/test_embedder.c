// SPDX-License-Identifier: MIT
// Vectors against another implementation's on the same weights (tests/golden/embedder, where
// the model is present): the angle between them is that of rounding.
#include "base/buf.h"
#include "base/file.h"
#include "embedder/embedder.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static embedder *m;
static struct team *team;

static const char *model_path(const char *name)
{
    static char path[PATH_MAX];
    const char *dir = getenv("ASKD_MODELS");
    snprintf(path, sizeof path, "%s%s/%s.gguf", dir ? dir : getenv("ASKD_SRCDIR"),
             dir ? "" : "/models/cache", name);
    return path;
}

static int setup(void **state)
{
    struct err e;
    const char *path = model_path("multilingual-e5-small.Q4_0");
    (void)state;
    int rc = team_new(2, &team, &e);
    if (!rc && !access(path, R_OK))
        rc = embedder_open(path, team, &m, &e);
    if (rc)
        print_error("%s\n", e.msg);
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    embedder_close(m);
    team_free(team);
    return 0;
}

static bool absent(void)
{
    if (!m)
        print_message("# skipped: the embedder is absent (scripts/fetch-models)\n");
    return !m;
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static void against_golden(embedder *model, const char *name)
{
    char path[PATH_MAX], *at, *line;
    struct err e;
    struct buf b = BUF_INIT;
    size_t dims = embedder_dims(model), checked = 0;
    float *v = malloc(2 * dims * sizeof *v);
    snprintf(path, sizeof path, "%s/tests/golden/embedder/%s.txt", getenv("ASKD_SRCDIR"), name);
    assert_int_equal(file_read(path, 1 << 20, &b, &e), 0);
    at = b.data;
    while ((line = strsep(&at, "\n")) && *line) {
        const struct embedder_text text = {line, strlen(line)};
        char *numbers = strsep(&at, "\n");
        for (size_t i = 0; i < dims; i++)
            v[i] = strtof(numbers, &numbers);
        assert_int_equal(
            embedder_embed(model, EMBEDDER_PASSAGE, TEAM_BATCH, &text, 1, v + dims, NULL, &e),
            0);
        double c = cosine(v, v + dims, dims);
        print_message("# %.5f %s\n", c, line);
        assert_true(c > 0.9995);
        checked++;
    }
    assert_int_equal(checked, 5);
    free(v);
    buf_free(&b);
}

static void test_e5(void **state)
{
    (void)state;
    if (!absent())
        against_golden(m, "multilingual-e5-small.Q4_0");
}

static void test_minilm(void **state)
{
    struct err e;
    embedder *mini;
    const char *path = model_path("all-MiniLM-L6-v2.F32");
    (void)state;
    if (access(path, R_OK)) {
        print_message("# skipped: %s is absent (scripts/fetch-models --all)\n", path);
        return;
    }
    assert_int_equal(embedder_open(path, team, &mini, &e), 0);
    against_golden(mini, "all-MiniLM-L6-v2.F32");
    embedder_close(mini);
}

static void test_alone_or_together(void **state)
{
    (void)state;
    if (absent())
        return;
    struct err e;
    size_t dims = embedder_dims(m);
    const struct embedder_text texts[3] = {
        {"one text", 8}, {"another, longer text", 20}, {"", 0}};
    float *v = malloc(4 * dims * sizeof *v);
    assert_int_equal(embedder_embed(m, EMBEDDER_QUERY, TEAM_BATCH, texts, 3, v, NULL, &e), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            embedder_embed(m, EMBEDDER_QUERY, TEAM_BATCH, &texts[i], 1, v + 3 * dims, NULL, &e),
            0);
        assert_memory_equal(v + (size_t)i * dims, v + 3 * dims, dims * sizeof *v);
    }
    char *large = malloc(100000);
    memset(large, 'x', 100000);
    const struct embedder_text big = {large, 100000};
    assert_int_equal(embedder_embed(m, EMBEDDER_QUERY, TEAM_BATCH, &big, 1, v, NULL, &e), 0);
    atomic_bool cancel = true;
    assert_int_equal(embedder_embed(m, EMBEDDER_QUERY, TEAM_BATCH, texts, 1, v, &cancel, &e),
                     -ECANCELED);
    free(large);
    free(v);
}

// While somebody else has the team, which is never given back here: a query does not ask for
// it.
static void test_query_needs_no_team(void **state)
{
    (void)state;
    if (absent())
        return;
    struct err e;
    size_t dims = embedder_dims(m);
    char *large = malloc(100000);
    memset(large, 'x', 100000);
    const struct embedder_text texts[3] = {
        {"How is a queued job cancelled?", 30}, {"", 0}, {large, 100000}};
    float *want = malloc(3 * dims * sizeof *want), *got = malloc(dims * sizeof *got);
    atomic_bool cancel = true;
    assert_int_equal(embedder_embed(m, EMBEDDER_QUERY, TEAM_BATCH, texts, 3, want, NULL, &e),
                     0);
    team_take(team, TEAM_INTERACTIVE, NULL, NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(embedder_query(m, texts[i].s, texts[i].n, got, NULL, &e), 0);
        assert_memory_equal(got, want + i * dims, dims * sizeof *got);
    }
    assert_int_equal(embedder_query(m, "x", 1, got, &cancel, &e), -ECANCELED);
    team_give(team);
    free(large);
    free(want);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_e5),
        cmocka_unit_test(test_minilm),
        cmocka_unit_test(test_alone_or_together),
        cmocka_unit_test(test_query_needs_no_team),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
