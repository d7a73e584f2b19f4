// SPDX-License-Identifier: MIT
// On a small random model: the same bits whatever the batches, threads and company, a timeline
// that can be rewound, cancelling that leaves no trace, and wrong models refused by name.
#include "engine/gguf/gguf_writer.h"
#include "engine/transformer/transformer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { VOCAB = 50, D = 64, FF = 96, LAYERS = 2, HEADS = 4, KV = 2, N = 21 };

static char path[] = "/tmp/askd-test-decoder-XXXXXX";
static int32_t tokens[N];

static void add(gguf_writer *w, const char *name, uint64_t cols, uint64_t rows)
{
    static float pool[24][FF * D];
    static int next;
    static uint32_t seed = 3;
    float *x = pool[next++];
    for (uint64_t i = 0; i < cols * rows; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = rows == 1 ? 1 : (float)(seed >> 16 & 1023) / 2048 - 0.25f;
    }
    const uint64_t ne[2] = {cols, rows};
    gguf_writer_tensor(w, name, 0, ne, rows == 1 ? 1 : 2, x);
}

static int setup(void **state)
{
    static const struct {
        const char *name;
        uint64_t cols, rows;
    } parts[] = {{"attn_norm", D, 1},  {"ffn_norm", D, 1},   {"attn_q", D, D},
                 {"attn_k", D, D / 2}, {"attn_v", D, D / 2}, {"attn_output", D, D},
                 {"ffn_gate", D, FF},  {"ffn_up", D, FF},    {"ffn_down", FF, D}};
    struct err e;
    (void)state;
    gguf_writer *w = gguf_writer_new();
    gguf_writer_str(w, "general.architecture", "llama");
    gguf_writer_u32(w, "llama.embedding_length", D);
    gguf_writer_u32(w, "llama.block_count", LAYERS);
    gguf_writer_u32(w, "llama.feed_forward_length", FF);
    gguf_writer_u32(w, "llama.attention.head_count", HEADS);
    gguf_writer_u32(w, "llama.attention.head_count_kv", KV);
    gguf_writer_u32(w, "llama.context_length", 64);
    add(w, "token_embd.weight", D, VOCAB);
    add(w, "output_norm.weight", D, 1);
    for (int l = 0; l < LAYERS; l++)
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%d.%s.weight", l, parts[i].name);
            add(w, name, parts[i].cols, parts[i].rows);
        }
    close(mkstemp(path));
    int rc = gguf_writer_save(w, path, &e);
    gguf_writer_free(w);
    for (int i = 0; i < N; i++)
        tokens[i] = i * 7 % VOCAB;
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

struct rig {
    gguf *g;
    struct team *team;
    transformer *t;
    transformer_session *s;
};

static void open_rig(struct rig *r, unsigned threads)
{
    struct err e = {0};
    int rc = gguf_open(path, &r->g, &e);
    if (!rc)
        rc = team_new(threads, &r->team, &e);
    if (!rc)
        rc = transformer_open(r->g, r->team, &r->t, &e);
    if (!rc)
        rc = transformer_session_new(r->t, 64, 32, &r->s, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    team_take(r->team, TEAM_INTERACTIVE, NULL, NULL);
}

static void close_rig(struct rig *r)
{
    team_give(r->team);
    transformer_session_free(r->s);
    transformer_close(r->t);
    team_free(r->team);
    gguf_close(r->g);
}

static void eval(struct rig *r, size_t first, size_t n, float *all)
{
    struct err e;
    assert_int_equal(transformer_session_eval(r->s, tokens + first, (uint32_t)n, all, NULL, &e),
                     0);
}

static void test_same_bits(void **state)
{
    (void)state;
    static float all[N][VOCAB], again[N][VOCAB];
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct rig r;
        open_rig(&r, threads);
        if (threads == 1) {
            eval(&r, 0, N, all[0]);
            assert_memory_equal(transformer_session_logits(r.s), all[N - 1], sizeof all[0]);
            transformer_session_truncate(r.s, 0);
        }
        for (size_t step = 1; step <= 8; step++) {
            for (size_t i = 0; i < N; i += step)
                eval(&r, i, i + step < N ? step : N - i, again[i]);
            assert_memory_equal(all, again, sizeof all);
            assert_int_equal(transformer_session_len(r.s), N);
            transformer_session_truncate(r.s, 5); // the first five stay valid
            eval(&r, 5, N - 5, again[5]);
            assert_memory_equal(all, again, sizeof all);
            transformer_session_truncate(r.s, 0);
        }
        close_rig(&r);
    }
    // Different tokens give different logits: the test above compares something.
    assert_memory_not_equal(all[0], all[1], sizeof all[0]);
}

static int32_t greatest(const float *row)
{
    int32_t best = 0;
    for (int32_t i = 1; i < VOCAB; i++)
        best = row[i] > row[best] ? i : best;
    return best;
}

// Several sessions in one step, each at another place: the same bits as each alone.
static void test_steps(void **state)
{
    (void)state;
    enum { SESSIONS = 7 };
    static float alone[N][VOCAB], rows[SESSIONS][2][VOCAB];
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct rig r;
        struct err e;
        transformer_session *s[SESSIONS];
        struct transformer_part parts[SESSIONS];
        open_rig(&r, threads);
        eval(&r, 0, N, alone[0]);
        for (uint32_t i = 0; i < SESSIONS; i++) {
            assert_int_equal(transformer_session_new(r.t, 64 - i, 32, &s[i], &e), 0);
            parts[i] = (struct transformer_part){s[i], tokens, 1 + 2 * i, TRANSFORMER_NOTHING,
                                                 0,    NULL};
        }
        for (uint32_t many = 1; many <= SESSIONS; many++) {
            for (uint32_t i = 0; i < SESSIONS; i++) // prompts, in two steps
                transformer_session_truncate(s[i], 0);
            for (uint32_t i = 0; i < SESSIONS; i++) {
                parts[i].tokens = tokens;
                parts[i].n = 1 + 2 * i;
                parts[i].want = TRANSFORMER_NOTHING;
                parts[i].all = NULL;
            }
            assert_int_equal(transformer_step(parts, 3, &e), 0);
            assert_int_equal(transformer_step(parts + 3, 2, &e), 0);
            assert_int_equal(transformer_step(parts + 5, 2, &e), 0);
            for (uint32_t at = 0; at < 6; at++) {
                for (uint32_t i = 0; i < many; i++) {
                    parts[i].tokens = tokens + transformer_session_len(s[i]);
                    parts[i].n = 1 + (i + at) % 2;
                    parts[i].want = i % 3 ? TRANSFORMER_LOGITS : TRANSFORMER_BEST;
                    parts[i].all = (i + at / 2) % 2 ? rows[i][0] : NULL;
                    if (transformer_session_len(s[i]) + parts[i].n > N) {
                        transformer_session_truncate(s[i], 0);
                        parts[i].tokens = tokens;
                    }
                }
                assert_int_equal(transformer_step(parts, many, &e), 0);
                for (uint32_t i = 0; i < many; i++) {
                    const float *row = alone[transformer_session_len(s[i]) - 1];
                    if (parts[i].want == TRANSFORMER_BEST)
                        assert_int_equal(parts[i].best, greatest(row));
                    assert_memory_equal(transformer_session_logits(s[i]), row, sizeof alone[0]);
                    if (parts[i].all) // the rows before it, too
                        assert_memory_equal(rows[i], row - (parts[i].n - 1) * VOCAB,
                                            parts[i].n * sizeof alone[0]);
                }
            }
        }
        for (uint32_t i = 0; i < SESSIONS; i++)
            transformer_session_free(s[i]);
        close_rig(&r);
    }
}

enum { LEAVERS = 5, STAYS = 0, AT_ONCE, A_LAYER_LATER, MANNERS };

struct leavers {
    atomic_bool cancel[2]; // of those who leave at once; a layer later
    int called;
    bool stop; // the thread, when somebody leaves
};

// Once the first have left, the others are cancelled: in the middle of the pass.
static bool on_left(void *ctx)
{
    struct leavers *l = ctx;
    l->called++;
    atomic_store(&l->cancel[1], true);
    return l->stop;
}

static void leave_step(transformer_session **s, unsigned manners, float alone[N][VOCAB])
{
    struct transformer_part parts[LEAVERS] = {{0}};
    struct leavers l = {.cancel = {true, false}, .stop = manners % 2};
    unsigned n[MANNERS] = {0};
    struct err e;
    for (unsigned i = 0, m = manners; i < LEAVERS; i++, m /= MANNERS) {
        uint32_t before = 2 * i % 3;
        transformer_session_truncate(s[i], before);
        n[m % MANNERS]++;
        parts[i] =
            (struct transformer_part){.session = s[i],
                                      .tokens = tokens + before,
                                      .n = 1 + 3 * i % 7,
                                      .want = i % 2 ? TRANSFORMER_BEST : TRANSFORMER_LOGITS,
                                      .cancel = m % MANNERS ? &l.cancel[m % MANNERS - 1] : NULL,
                                      .on_left = on_left,
                                      .ctx = &l};
    }
    if (!n[AT_ONCE] && n[A_LAYER_LATER])
        return; // nobody would cancel them
    int rc = transformer_step(parts, LEAVERS, &e), stops = 0;
    for (; rc == -EAGAIN; stops++)
        rc = transformer_step_go_on(parts, &e);
    // Where all have left, there is nothing to go on with.
    int layers = !!n[AT_ONCE] + !!n[A_LAYER_LATER];
    assert_int_equal(stops, l.stop ? layers - (layers && !n[STAYS]) : 0);
    assert_int_equal(rc, n[STAYS] ? 0 : -ECANCELED);
    assert_int_equal(l.called, n[AT_ONCE] + n[A_LAYER_LATER]);
    for (unsigned i = 0, m = manners; i < LEAVERS; i++, m /= MANNERS) {
        assert_int_equal(parts[i].left, m % MANNERS != STAYS);
        if (parts[i].left) {
            assert_int_equal(transformer_session_len(s[i]), 2 * i % 3);
            parts[i].cancel = NULL; // it may come again
            assert_int_equal(transformer_step(&parts[i], 1, &e), 0);
        }
        const float *row = alone[transformer_session_len(s[i]) - 1];
        assert_memory_equal(transformer_session_logits(s[i]), row, sizeof alone[0]);
        if (parts[i].want == TRANSFORMER_BEST)
            assert_int_equal(parts[i].best, greatest(row));
    }
}

// Whoever is cancelled leaves, before the first layer or behind it; the others' bits are those
// of each alone, and so are his when he comes again.
static void test_leaving(void **state)
{
    (void)state;
    static float alone[N][VOCAB];
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct rig r;
        struct err e;
        transformer_session *s[LEAVERS];
        open_rig(&r, threads);
        eval(&r, 0, N, alone[0]);
        for (uint32_t i = 0; i < LEAVERS; i++) {
            assert_int_equal(transformer_session_new(r.t, 64, 32, &s[i], &e), 0);
            assert_int_equal(transformer_session_eval(s[i], tokens, 2, NULL, NULL, &e), 0);
        }
        for (unsigned manners = 0; manners < 243; manners++) // 3^5
            leave_step(s, manners, alone);
        for (uint32_t i = 0; i < LEAVERS; i++)
            transformer_session_free(s[i]);
        close_rig(&r);
    }
}

static void test_steps_refused(void **state)
{
    (void)state;
    struct rig r, other;
    struct err e;
    transformer_session *s;
    open_rig(&r, 1);
    open_rig(&other, 1);
    assert_int_equal(transformer_session_new(r.t, 8, 4, &s, &e), 0);
    struct transformer_part parts[2] = {{.session = s, .tokens = tokens, .n = 2},
                                        {.session = s, .tokens = tokens, .n = 2}};
    assert_int_equal(transformer_step(parts, 0, &e), -EINVAL);
    assert_int_equal(transformer_step(parts, 2, &e), -EINVAL); // twice the same
    parts[1].session = other.s;
    assert_int_equal(transformer_step(parts, 2, &e), -EINVAL);
    parts[1].session = r.s;
    parts[1].n = 3; // more than the first holds
    assert_int_equal(transformer_step(parts, 2, &e), -E2BIG);
    parts[1].n = 0;
    assert_int_equal(transformer_step(parts, 2, &e), -E2BIG);
    assert_int_equal(transformer_session_len(s), 0);
    parts[1].n = 2;
    assert_int_equal(transformer_step(parts, 2, &e), 0);
    assert_int_equal(transformer_session_len(r.s), 2);
    transformer_session_free(s);
    close_rig(&other);
    close_rig(&r);
}

static void test_refused_and_cancelled(void **state)
{
    (void)state;
    struct rig r;
    struct err e;
    atomic_bool cancel = true;
    int32_t wrong = VOCAB;
    open_rig(&r, 2);
    eval(&r, 0, 4, NULL);
    assert_int_equal(transformer_session_eval(r.s, tokens, 3, NULL, &cancel, &e), -ECANCELED);
    assert_int_equal(transformer_session_len(r.s), 4);
    assert_int_equal(transformer_session_eval(r.s, &wrong, 1, NULL, NULL, &e), -EINVAL);
    assert_int_equal(transformer_session_eval(r.s, tokens, 33, NULL, NULL, &e), -E2BIG);
    float v[D];
    uint32_t starts[2] = {0, 1};
    assert_int_equal(transformer_encode(r.t, tokens, starts, 1, v, NULL, &e), -EINVAL);
    close_rig(&r);
}

static void test_wrong_models(void **state)
{
    (void)state;
    char other[] = "/tmp/askd-test-decoder-XXXXXX";
    struct err e;
    gguf *g;
    struct team *team;
    transformer *t;
    assert_int_equal(team_new(1, &team, &e), 0);
    for (int i = 0; i < 2; i++) {
        gguf_writer *w = gguf_writer_new();
        gguf_writer_str(w, "general.architecture", i ? "llama" : "martian");
        if (!i)
            close(mkstemp(other));
        assert_int_equal(gguf_writer_save(w, other, &e), 0);
        gguf_writer_free(w);
        assert_int_equal(gguf_open(other, &g, &e), 0);
        assert_int_not_equal(transformer_open(g, team, &t, &e), 0);
        assert_non_null(strstr(e.msg, i ? "embedding_length" : "martian"));
        gguf_close(g);
    }
    unlink(other);
    team_free(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_steps_refused),
        cmocka_unit_test(test_refused_and_cancelled),
        cmocka_unit_test(test_wrong_models),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
