// SPDX-License-Identifier: MIT
// Encoder-decoders beyond what test_architectures holds against another engine: sources of
// sessions, of any length, and what is refused.
#include "tests/transformer/tiny.h"

#include "engine/transformer/transformer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LONG = 256 };

struct rig {
    struct tiny m;
    gguf *g;
    struct team *team;
    transformer *t;
};

static void open_rig(struct rig *r, const char *name, tiny_edit *edit, void *arg,
                     unsigned threads)
{
    struct err e = {0};
    tiny_make(&r->m, name, edit, arg);
    assert_int_equal(gguf_open(r->m.path, &r->g, &e), 0);
    assert_int_equal(team_new(threads, &r->team, &e), 0);
    assert_int_equal(transformer_open(r->g, r->team, &r->t, &e), 0);
    team_take(r->team, TEAM_INTERACTIVE, NULL, NULL);
}

static void close_rig(struct rig *r)
{
    team_give(r->team);
    transformer_close(r->t);
    team_free(r->team);
    gguf_close(r->g);
    tiny_drop(&r->m);
}

static transformer_session *session(struct rig *r, const int32_t *source, uint32_t n)
{
    transformer_session *s;
    struct err e = {0};
    assert_int_equal(transformer_session_new(r->t, LONG, 64, &s, &e), 0);
    if (n)
        assert_int_equal(transformer_session_read(s, source, n, NULL, &e), 0);
    return s;
}

static void eval(transformer_session *s, const int32_t *tokens, uint32_t n)
{
    struct err e = {0};
    assert_int_equal(transformer_session_eval(s, tokens, n, NULL, NULL, &e), 0);
}

// Without the biases of the stack that `arg` names.
static int unbiased(char *line, void *arg)
{
    int power, used;
    char name[64], rest[128];
    if (sscanf(line, "tensor %63s %d%n", name, &power, &used) == 2 && strstr(name, "rel_b") &&
        strstr(name, arg)) {
        snprintf(rest, sizeof rest, "%s", line + used);
        snprintf(line, TINY_LINE, "tensor %s -60%s", name, rest);
    }
    return 1;
}

// The golden values tell a model whose biases are missing, in either stack.
static void test_biases(void **state)
{
    static float all[TINY_TOKENS_MAX * TINY_WIDTH_MAX], got[TINY_ROWS_MAX][TINY_WIDTH_MAX];
    char stacks[][4] = {"enc", "dec", "non"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct rig r;
        struct err e = {0};
        open_rig(&r, "t5", unbiased, stacks[i], 1);
        transformer_session *s = session(&r, r.m.source, r.m.n_source);
        assert_int_equal(transformer_session_eval(s, r.m.tokens, r.m.n_tokens, all, NULL, &e),
                         0);
        for (uint32_t k = 0; k < r.m.n_rows; k++)
            memcpy(got[k], all + (size_t)r.m.at[k] * r.m.width, r.m.width * sizeof *all);
        double off = tiny_difference(&r.m, got);
        print_message("# t5 without the biases of '%s': off by %.4f\n", stacks[i], off);
        assert_true(i == 2 ? off < 0.02 : off > 0.08);
        transformer_session_free(s);
        close_rig(&r);
    }
}

// Two sessions of other sources share steps: the bytes of each alone.
static void test_company(void **state)
{
    struct rig r;
    struct err e = {0};
    (void)state;
    for (unsigned threads = 1; threads <= 2; threads++) {
        open_rig(&r, "t5", NULL, NULL, threads);
        size_t bytes = r.m.width * sizeof(float);
        transformer_session *all[4];
        for (int i = 0; i < 4; i++)
            all[i] = session(&r, r.m.source + i % 2 * 3, r.m.n_source - (uint32_t)(i % 2) * 9);
        for (uint32_t at = 0; at < 20; at++) {
            struct transformer_part parts[2];
            for (int i = 0; i < 2; i++) {
                eval(all[i], r.m.tokens + at + i, 1);
                parts[i] = (struct transformer_part){.session = all[2 + i],
                                                     .tokens = r.m.tokens + at + i,
                                                     .n = 1,
                                                     .want = TRANSFORMER_LOGITS};
            }
            assert_int_equal(transformer_step(parts, 2, &e), 0);
            for (int i = 0; i < 2; i++)
                assert_memory_equal(transformer_session_logits(all[i]),
                                    transformer_session_logits(all[2 + i]), bytes);
            assert_memory_not_equal(transformer_session_logits(all[0]),
                                    transformer_session_logits(all[1]), bytes);
        }
        for (int i = 0; i < 4; i++)
            transformer_session_free(all[i]);
        close_rig(&r);
    }
}

// A source as long as the context, and answers that go as far: the same bytes fed token by
// token and at once, with one thread and with three.
static void test_long(void **state)
{
    static int32_t source[LONG], tokens[LONG];
    float first[TINY_WIDTH_MAX];
    (void)state;
    for (int i = 0; i < LONG; i++) {
        source[i] = (i * 7 + i / 9) % 64;
        tokens[i] = (i * 5 + i / 7) % 64;
    }
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        struct rig r;
        open_rig(&r, "t5", NULL, NULL, threads);
        transformer_session *s = session(&r, source, LONG);
        for (uint32_t at = 0; at < LONG; at += 64)
            eval(s, tokens + at, 64);
        if (threads == 1)
            memcpy(first, transformer_session_logits(s), r.m.width * sizeof *first);
        assert_memory_equal(first, transformer_session_logits(s), r.m.width * sizeof *first);
        transformer_session_truncate(s, 100);
        for (uint32_t at = 100; at < LONG; at++)
            eval(s, tokens + at, 1);
        assert_memory_equal(first, transformer_session_logits(s), r.m.width * sizeof *first);
        transformer_session_free(s);
        close_rig(&r);
    }
}

static void test_refused(void **state)
{
    struct rig r;
    struct err e = {0};
    int32_t far[LONG + 1] = {0}, unknown = 64;
    (void)state;
    open_rig(&r, "t5", NULL, NULL, 1);
    struct transformer_info info;
    transformer_describe(r.t, &info);
    assert_true(info.reads_source && info.causal);
    assert_int_equal(info.start, 3);
    transformer_session *s = session(&r, NULL, 0);
    assert_int_equal(transformer_session_eval(s, r.m.tokens, 1, NULL, NULL, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "source"));
    assert_int_equal(transformer_session_read(s, far, LONG + 1, NULL, &e), -E2BIG);
    assert_int_equal(transformer_session_read(s, far, 0, NULL, &e), -E2BIG);
    assert_int_equal(transformer_session_read(s, &unknown, 1, NULL, &e), -EINVAL);
    assert_int_equal(transformer_session_read(s, r.m.source, 9, NULL, &e), 0);
    eval(s, r.m.tokens, 4);
    // Cancelled, it leaves no source and no timeline.
    atomic_bool cancel = true;
    assert_int_equal(transformer_session_read(s, r.m.source, 9, &cancel, &e), -ECANCELED);
    assert_int_equal(transformer_session_len(s), 0);
    assert_int_equal(transformer_session_eval(s, r.m.tokens, 1, NULL, NULL, &e), -EINVAL);
    transformer_session_free(s);
    close_rig(&r);
    open_rig(&r, "llama", NULL, NULL, 1);
    s = session(&r, NULL, 0);
    assert_int_equal(transformer_session_read(s, r.m.tokens, 1, NULL, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "no encoder"));
    transformer_session_free(s);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_biases),
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
