// SPDX-License-Identifier: MIT
// Keys and values, saved and put back into another session, in pieces and over others: the
// logits of what follows are the same bits.
#include "engine/transformer/transformer.h"
#include "tests/llm/models.h"

#include <setjmp.h>

#include <cmocka.h>

enum { N = 45, MORE = 5 };

static struct team *team;
static int32_t tokens[N + MORE];

static int setup(void **state)
{
    struct err e;
    (void)state;
    for (int i = 0; i < N + MORE; i++)
        tokens[i] = 5 + i * 7 % 200;
    int rc = team_new(2, &team, &e);
    if (!rc)
        team_take(team, TEAM_INTERACTIVE, NULL, NULL);
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    team_give(team);
    team_free(team);
    return 0;
}

static void eval(transformer_session *s, const int32_t *t, uint32_t n)
{
    struct err e;
    if (transformer_session_eval(s, t, n, NULL, NULL, &e))
        fail_msg("%s", e.msg);
}

static void check_model(const char *path)
{
    struct err e = {0};
    gguf *g;
    transformer *t;
    transformer_session *a, *b;
    struct transformer_info info;
    assert_int_equal(gguf_open(path, &g, &e), 0);
    assert_int_equal(transformer_open(g, team, &t, &e), 0);
    transformer_describe(t, &info);
    size_t row = info.n_vocab * sizeof(float);
    // Of different room, so of different layout in memory.
    assert_int_equal(transformer_session_new(t, 64, 64, &a, &e), 0);
    assert_int_equal(transformer_session_new(t, 50, 50, &b, &e), 0);
    eval(a, tokens, N);
    char *saved = malloc(transformer_state_bytes(t, N)), *expected = malloc(row);
    assert_int_equal(transformer_state_bytes(t, N), N * transformer_state_bytes(t, 1));
    static const uint32_t cuts[][3] = {
        {0, N, N}, {0, 16, N}, {0, 1, N}, {7, 23, N}, {44, 45, N}};
    eval(a, tokens + N, MORE);
    memcpy(expected, transformer_session_logits(a), row);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        int32_t other[N + MORE] = {0};
        transformer_session_truncate(b, 0);
        eval(b, other, N + MORE); // what lies there is of something else
        transformer_session_truncate(b, 0);
        if (cuts[i][0])
            eval(b, tokens, cuts[i][0]);
        for (int k = 0; k < 2; k++) {
            uint32_t first = cuts[i][k], n = cuts[i][k + 1] - first;
            transformer_session_save(a, first, n, saved);
            assert_int_equal(transformer_session_restore(b, first, n, saved, &e), 0);
            assert_int_equal(transformer_session_len(b), first + n);
        }
        eval(b, tokens + N, MORE);
        assert_memory_equal(transformer_session_logits(b), expected, row);
    }
    transformer_session_truncate(b, 3);
    assert_int_equal(transformer_session_restore(b, 4, 1, saved, &e), -E2BIG);
    assert_int_equal(transformer_session_restore(b, 3, 48, saved, &e), -E2BIG);
    assert_int_equal(transformer_session_len(b), 3);
    free(saved);
    free(expected);
    transformer_session_free(a);
    transformer_session_free(b);
    transformer_close(t);
    gguf_close(g);
}

static void test_tiny(void **state)
{
    char path[] = "/tmp/askd-test-state-XXXXXX";
    (void)state;
    assert_int_equal(tiny_model(path, 64, 3), 0);
    check_model(path);
    unlink(path);
}

static void test_real(void **state)
{
    char path[PATH_MAX];
    (void)state;
    for (size_t i = 0; i < 2; i++)
        if (real_model(i, path))
            check_model(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tiny),
                                       cmocka_unit_test(test_real)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
