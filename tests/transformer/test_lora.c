// SPDX-License-Identifier: MIT
// Adapters on tiny random models: as llama.cpp adds them, as weights into which they were
// merged, several at once, to one session and not to its neighbour; and refused when they are
// of another model.
#include "tests/transformer/tiny.h"

#include "engine/tensor/isa.h"
#include "engine/transformer/transformer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Relative, root mean square of all logits: what 8-bit activations may move. Two passes whose
// activations round otherwise, as with merged weights, stand apart by the root of two of that.
#define TOLERANCE 0.02
#define TOLERANCE_OF_TWO 0.0283
enum { MOST = 3, VOCAB = 64, ROWS = 40 };

struct rig {
    struct tiny model;
    gguf *g;
    struct team *team;
    transformer *t;
    transformer_adapter *adapters[MOST];
    uint32_t n;
};

static int open_adapter(struct rig *r, const char *name, tiny_edit *edit, void *arg,
                        transformer_adapter **out, struct err *e)
{
    struct tiny file;
    gguf *g;
    tiny_make(&file, name, edit, arg);
    assert_int_equal(gguf_open(file.path, &g, e), 0);
    int rc = transformer_adapter_open(g, r->t, out, e);
    gguf_close(g);
    tiny_drop(&file);
    return rc;
}

static void open_rig(struct rig *r, const char *model, unsigned threads,
                     const char *const *adapters, uint32_t n)
{
    struct err e = {0};
    memset(r, 0, sizeof *r);
    tiny_make(&r->model, model, NULL, NULL);
    int rc = gguf_open(r->model.path, &r->g, &e);
    if (!rc)
        rc = team_new(threads, &r->team, &e);
    if (!rc)
        rc = transformer_open(r->g, r->team, &r->t, &e);
    for (; r->n < n && !rc; r->n++)
        rc = open_adapter(r, adapters[r->n], NULL, NULL, &r->adapters[r->n], &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    team_take(r->team, TEAM_INTERACTIVE, NULL, NULL);
}

static void close_rig(struct rig *r)
{
    team_give(r->team);
    for (uint32_t i = 0; i < r->n; i++)
        transformer_adapter_close(r->adapters[i]);
    transformer_close(r->t);
    team_free(r->team);
    gguf_close(r->g);
    tiny_drop(&r->model);
}

// All logits with the first n adapters, `each` tokens at a time.
static void decode(struct rig *r, const float *scales, uint32_t n, uint32_t each,
                   float (*all)[VOCAB])
{
    struct err e = {0};
    transformer_session *s;
    assert_int_equal(r->model.n_tokens, ROWS);
    assert_int_equal(transformer_session_new(r->t, ROWS, ROWS, &s, &e), 0);
    assert_int_equal(transformer_session_set_adapters(
                         s, (const transformer_adapter *const *)r->adapters, scales, n, &e),
                     0);
    for (uint32_t at = 0; at < ROWS; at += each)
        assert_int_equal(transformer_session_eval(s, r->model.tokens + at,
                                                  ROWS - at < each ? ROWS - at : each, all[at],
                                                  NULL, &e),
                         0);
    transformer_session_free(s);
}

static double apart(float (*a)[VOCAB], float (*b)[VOCAB])
{
    double off = 0, whole = 0;
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < VOCAB; k++) {
            off += ((double)a[i][k] - (double)b[i][k]) * ((double)a[i][k] - (double)b[i][k]);
            whole += (double)b[i][k] * (double)b[i][k];
        }
    return sqrt(off / whole);
}

static double off_golden(const struct rig *r, float (*all)[VOCAB])
{
    static float got[TINY_ROWS_MAX][TINY_WIDTH_MAX];
    for (uint32_t i = 0; i < r->model.n_rows; i++)
        memcpy(got[i], all[r->model.at[i]], sizeof all[0]);
    return tiny_difference(&r->model, got);
}

static const char *const two[] = {"adapter-1", "adapter-2"};
static const char *const fused[] = {"adapter-phi3"};
static const float scales[] = {0.75f, -0.5f};

// As in the golden file, and the same bytes whatever the threads, batches and instructions.
static void check_golden(const char *model, const char *const *adapters, uint32_t n)
{
    static float all[ROWS][VOCAB], again[ROWS][VOCAB];
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct rig r;
        open_rig(&r, model, threads, adapters, n);
        if (threads == 1) {
            decode(&r, scales, n, ROWS, all);
            double off = off_golden(&r, all);
            decode(&r, NULL, 0, ROWS, again);
            double without = off_golden(&r, again);
            print_message("# %s: off by %.4f, without adapters by %.4f\n", model, off, without);
            assert_true(off < TOLERANCE);
            assert_true(without > 4 * TOLERANCE);
        }
        for (uint32_t each = 1; each <= ROWS; each = each * 3 + 2) {
            decode(&r, scales, n, each, again);
            assert_memory_equal(all, again, sizeof all);
        }
        for (isa_chosen = ISA_SCALAR; isa_chosen < isa_best; isa_chosen++) {
            decode(&r, scales, n, ROWS, again);
            assert_memory_equal(all, again, sizeof all);
        }
        close_rig(&r);
    }
}

static void test_golden(void **state)
{
    (void)state;
    check_golden("llama-adapted", two, 2);
    check_golden("phi3-adapted", fused, 1);
}

// ---- merged ----

// W + s alpha / rank B A for the tensors of adapter-1.
static void merge(const char *tensor, float *x, size_t n, void *arg)
{
    enum { RANK = 4 };
    static const struct {
        const char *part;
        size_t cols;
    } parts[] = {{"attn_q.", 64},
                 {"attn_v.", 64},
                 {"attn_output.", 64},
                 {"ffn_gate.", 64},
                 {"ffn_down.", 96}};
    float scale = *(float *)arg * 8 / RANK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(tensor, parts[i].part))
            continue;
        char name[80];
        size_t cols = parts[i].cols, rows = n / cols;
        float *a = malloc(cols * RANK * sizeof *a), *b = malloc(rows * RANK * sizeof *b);
        assert_true(a && b);
        snprintf(name, sizeof name, "%s.lora_a", tensor);
        tiny_draw(name, -9, 0, 1, cols * RANK, a);
        snprintf(name, sizeof name, "%s.lora_b", tensor);
        tiny_draw(name, -10, 0, 1, rows * RANK, b);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++)
                for (size_t k = 0; k < RANK; k++)
                    x[r * cols + c] += scale * b[r * RANK + k] * a[k * cols + c];
        free(a);
        free(b);
    }
}

static void test_merged(void **state)
{
    static float added[ROWS][VOCAB], merged[ROWS][VOCAB], plain[ROWS][VOCAB];
    float scale = 0.75f;
    struct rig r, m;
    (void)state;
    open_rig(&r, "llama-adapted", 1, two, 1);
    decode(&r, &scale, 1, ROWS, added);
    decode(&r, NULL, 0, ROWS, plain);
    close_rig(&r);
    open_rig(&m, "llama-adapted", 1, NULL, 0);
    tiny_drop(&m.model);
    struct tiny file;
    tiny_make_with(&file, "llama-adapted", NULL, merge, &scale);
    struct rig w = {.model = file, .team = m.team};
    struct err e;
    assert_int_equal(gguf_open(file.path, &w.g, &e), 0);
    assert_int_equal(transformer_open(w.g, w.team, &w.t, &e), 0);
    decode(&w, NULL, 0, ROWS, merged);
    double off = apart(added, merged), without = apart(plain, merged);
    print_message("# merged: off by %.4f, without by %.4f\n", off, without);
    assert_true(off < TOLERANCE_OF_TWO);
    assert_true(without > 4 * TOLERANCE);
    transformer_close(w.t);
    gguf_close(w.g);
    tiny_drop(&file);
    close_rig(&m);
}

// ---- several ----

static void test_several(void **state)
{
    static const char *const same[] = {"adapter-1", "adapter-1", "adapter-2"};
    static float whole[ROWS][VOCAB], parts[ROWS][VOCAB], none[ROWS][VOCAB];
    const float one[] = {1}, halves[] = {0.5f, 0.5f}, zeros[] = {0, 0, 0};
    struct rig r;
    (void)state;
    open_rig(&r, "llama-adapted", 1, same, 3);
    decode(&r, one, 1, ROWS, whole);
    decode(&r, halves, 2, ROWS, parts);
    // Adding in two steps rounds otherwise, and that may move an activation by a step.
    print_message("# half twice: off by %.6f\n", apart(parts, whole));
    assert_true(apart(parts, whole) < 0.005);
    decode(&r, NULL, 0, ROWS, none);
    decode(&r, zeros, 3, ROWS, parts);
    assert_memory_equal(none, parts, sizeof none);
    close_rig(&r);
}

// Three sessions in each step, with other adapters or none: the same bytes as each alone.
static void test_company(void **state)
{
    static float alone[3][ROWS][VOCAB];
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct rig r;
        struct err e;
        struct transformer_part parts[3];
        open_rig(&r, "llama-adapted", threads, two, 2);
        for (uint32_t i = 0; i < 3; i++) {
            decode(&r, scales, i, ROWS, alone[i]);
            parts[i] = (struct transformer_part){.want = TRANSFORMER_LOGITS};
            assert_int_equal(transformer_session_new(r.t, ROWS, ROWS, &parts[i].session, &e),
                             0);
            assert_int_equal(transformer_session_set_adapters(
                                 parts[i].session,
                                 (const transformer_adapter *const *)r.adapters, scales, i, &e),
                             0);
        }
        for (uint32_t step = 0; step < 5; step++) {
            for (uint32_t i = 0; i < 3; i++) {
                parts[i].tokens = r.model.tokens + transformer_session_len(parts[i].session);
                parts[i].n = 1 + (i + step) % 3;
            }
            assert_int_equal(transformer_step(parts, 3, &e), 0);
            for (uint32_t i = 0; i < 3; i++)
                assert_memory_equal(transformer_session_logits(parts[i].session),
                                    alone[i][transformer_session_len(parts[i].session) - 1],
                                    sizeof alone[0][0]);
        }
        // Others empty the timeline, the same do not.
        const transformer_adapter *const *all = (const transformer_adapter *const *)r.adapters;
        transformer_session *s = parts[2].session;
        uint32_t len = transformer_session_len(s);
        assert_int_equal(transformer_session_set_adapters(s, all, scales, 2, &e), 0);
        assert_int_equal(transformer_session_len(s), len);
        assert_int_equal(transformer_session_set_adapters(s, all, scales, 1, &e), 0);
        assert_int_equal(transformer_session_len(s), 0);
        for (uint32_t i = 0; i < 3; i++)
            transformer_session_free(parts[i].session);
        close_rig(&r);
    }
    (void)state;
}

// ---- refused ----

static void test_refused(void **state)
{
    static const struct {
        struct tiny_change change;
        const char *says;
    } all[] = {
        {{"architecture llama", "architecture qwen2"}, "qwen2"},
        {{"general.type adapter", "general.type model"}, "general.type"},
        {{"general.type", NULL}, "general.type"},
        {{"adapter.type lora", "adapter.type ia3"}, "ia3"},
        {{"blk.1.attn_v.weight.lora_b", NULL}, "blk.1.attn_v.weight.lora_b"},
        {{"blk.1.attn_v.weight.lora_a", NULL}, "blk.1.attn_v.weight.lora_a"},
        {{"lora_a -9 0 96 4", "lora_a -9 0 64 4"}, "blk.0.ffn_down.weight.lora_a"},
        {{"lora_b -10 0 4 96", "lora_b -10 0 4 64"}, "blk.0.ffn_gate.weight.lora_a"},
        {{"lora_b -10 0 4 64", "lora_b -10 0 5 64"}, "blk.0.attn_q.weight.lora_a"},
        {{"blk.0.attn_q", "blk.7.attn_q"}, "blk.7.attn_q"},
        {{"blk.0.attn_q.weight.lora", "token_embd.weight.lora"}, "token_embd.weight.lora_a"},
        {{"blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.magnitude"}, "magnitude"},
    };
    struct rig r, other;
    struct err e = {0};
    transformer_adapter *a;
    transformer_session *s;
    (void)state;
    open_rig(&r, "llama-adapted", 1, two, 1);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct tiny_change c = all[i].change;
        assert_true(open_adapter(&r, "adapter-1", tiny_change_line, &c, &a, &e) < 0);
        if (!strstr(e.msg, all[i].says))
            print_error("%s: %s\n", all[i].says, e.msg);
        assert_non_null(strstr(e.msg, all[i].says));
    }
    open_rig(&other, "llama-adapted", 1, NULL, 0);
    const transformer_adapter *many[TRANSFORMER_ADAPTERS_MAX + 1] = {r.adapters[0]};
    float same[TRANSFORMER_ADAPTERS_MAX + 1] = {1};
    assert_int_equal(transformer_session_new(other.t, 8, 8, &s, &e), 0);
    assert_int_equal(transformer_session_set_adapters(s, many, same, 1, &e), -EINVAL);
    transformer_session_free(s);
    for (size_t i = 0; i <= TRANSFORMER_ADAPTERS_MAX; i++)
        many[i] = r.adapters[0];
    assert_int_equal(transformer_session_new(r.t, 8, 8, &s, &e), 0);
    same[0] = NAN;
    assert_int_equal(transformer_session_set_adapters(s, many, same, 1, &e), -EINVAL);
    assert_int_equal(
        transformer_session_set_adapters(s, many, same, TRANSFORMER_ADAPTERS_MAX + 1, &e),
        -E2BIG);
    transformer_session_free(s);
    close_rig(&other);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),  cmocka_unit_test(test_merged),
        cmocka_unit_test(test_several), cmocka_unit_test(test_company),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
