// SPDX-License-Identifier: MIT
// Adapters of encoders on tiny random models: the logits of their heads as a pass in f64 with
// merged weights gives them, the same bytes in any company; plain vectors stay as they are; and
// refused where they do not fit.
#include "tests/transformer/tiny.h"

#include "engine/tensor/isa.h"
#include "engine/transformer/transformer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Relative, root mean square of all logits: what 8-bit activations may move. Without any pairs
// the logits of these models are off by 0.013 to 0.026; no pooling averages that away.
#define TOLERANCE 0.035
enum { TOKENS = 40, OUTPUTS = 3, SEQUENCES = 8, WIDTH = 64 };

struct rig {
    struct tiny model;
    gguf *g;
    struct team *team;
    transformer *t;
    transformer_adapter *a;
};

static int open_adapter(struct rig *r, const char *name, tiny_edit *edit, tiny_values *values,
                        void *arg, struct err *e)
{
    struct tiny file;
    gguf *g;
    tiny_make_with(&file, name, edit, values, arg);
    assert_int_equal(gguf_open(file.path, &g, e), 0);
    int rc = transformer_adapter_open(g, r->t, &r->a, e);
    gguf_close(g);
    tiny_drop(&file);
    return rc;
}

static void open_rig(struct rig *r, const char *model, unsigned threads, const char *adapter,
                     tiny_values *values)
{
    struct err e = {0};
    memset(r, 0, sizeof *r);
    tiny_make(&r->model, model, NULL, NULL);
    int rc = gguf_open(r->model.path, &r->g, &e);
    if (!rc)
        rc = team_new(threads, &r->team, &e);
    if (!rc)
        rc = transformer_open(r->g, r->team, &r->t, &e);
    if (!rc && adapter)
        rc = open_adapter(r, adapter, NULL, values, NULL, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    assert_int_equal(r->model.n_tokens, TOKENS);
    team_take(r->team, TEAM_INTERACTIVE, NULL, NULL);
}

static void close_rig(struct rig *r)
{
    team_give(r->team);
    transformer_adapter_close(r->a);
    transformer_close(r->t);
    team_free(r->team);
    gguf_close(r->g);
    tiny_drop(&r->model);
}

// Sequences of other lengths around the tokens, which are the `nth` of `of`.
struct batch {
    int32_t tokens[SEQUENCES * TOKENS];
    uint32_t starts[SEQUENCES + 1];
};

static void lay(struct batch *b, const struct rig *r, uint32_t nth, uint32_t of)
{
    b->starts[0] = 0;
    for (uint32_t i = 0; i < of; i++) {
        uint32_t n = i == nth ? TOKENS : 1 + i * 5;
        memcpy(b->tokens + b->starts[i], r->model.tokens, n * sizeof *b->tokens);
        b->starts[i + 1] = b->starts[i] + n;
    }
}

static void read_tokens(struct rig *r, uint32_t nth, uint32_t of, float *out)
{
    static float all[SEQUENCES * TOKENS * OUTPUTS];
    struct batch b;
    struct err e;
    uint32_t n_out = transformer_adapter_outputs(r->a);
    lay(&b, r, nth, of);
    assert_int_equal(
        transformer_encode_tokens(r->t, r->a, b.tokens, b.starts, of, all, NULL, &e), 0);
    memcpy(out, all + b.starts[nth] * n_out, TOKENS * n_out * sizeof *out);
}

static double off_golden(const struct rig *r, const float *out)
{
    static float got[TINY_ROWS_MAX][TINY_WIDTH_MAX];
    assert_int_equal(transformer_adapter_outputs(r->a), r->model.width);
    for (uint32_t i = 0; i < r->model.n_rows; i++)
        memcpy(got[i], out + r->model.at[i] * r->model.width, r->model.width * sizeof *out);
    return tiny_difference(&r->model, got);
}

static void without_b(const char *tensor, float *x, size_t n, void *arg)
{
    (void)arg;
    if (strstr(tensor, ".lora_b"))
        memset(x, 0, n * sizeof *x);
}

// As in the golden file, and the same bytes whatever the threads, company and instructions.
static void test_golden(void **state)
{
    float out[TOKENS * OUTPUTS], again[TOKENS * OUTPUTS];
    const char *const *names = *state;
    struct rig r;
    open_rig(&r, names[0], 1, names[1], without_b);
    read_tokens(&r, 0, 1, out);
    double without = off_golden(&r, out);
    close_rig(&r);
    for (unsigned threads = 1; threads <= 4; threads++) {
        open_rig(&r, names[0], threads, names[1], NULL);
        size_t bytes = TOKENS * transformer_adapter_outputs(r.a) * sizeof *out;
        if (threads == 1) {
            read_tokens(&r, 0, 1, out);
            double off = off_golden(&r, out);
            print_message("# %s: off by %.4f, without pairs by %.4f\n", names[0], off, without);
            assert_true(off < TOLERANCE);
            assert_true(without > 4 * TOLERANCE);
        }
        for (uint32_t of = 1; of <= SEQUENCES; of++) {
            read_tokens(&r, of / 2, of, again);
            assert_memory_equal(out, again, bytes);
        }
        for (isa_chosen = ISA_SCALAR; isa_chosen < isa_best; isa_chosen++) {
            read_tokens(&r, 0, 1, again);
            assert_memory_equal(out, again, bytes);
        }
        close_rig(&r);
    }
}

static void encode(struct rig *r, float *out)
{
    struct batch b;
    struct err e;
    lay(&b, r, 0, 2);
    assert_int_equal(transformer_encode(r->t, b.tokens, b.starts, 2, out, NULL, &e), 0);
}

// One set of weights serves both kinds of calls, in any order.
static void test_plain(void **state)
{
    float plain[2 * WIDTH], after[2 * WIDTH], out[TOKENS * OUTPUTS], again[TOKENS * OUTPUTS];
    struct rig r;
    (void)state;
    open_rig(&r, "bert-adapted", 2, NULL, NULL);
    encode(&r, plain);
    struct err e;
    assert_int_equal(open_adapter(&r, "adapter-bert", NULL, NULL, NULL, &e), 0);
    encode(&r, after);
    assert_memory_equal(plain, after, sizeof plain);
    read_tokens(&r, 0, 1, out);
    encode(&r, after);
    assert_memory_equal(plain, after, sizeof plain);
    read_tokens(&r, 0, 1, again);
    assert_memory_equal(out, again, sizeof out);
    close_rig(&r);
}

static int only_head(char *line, void *arg)
{
    return arg == NULL ? !strstr(line, "lora_") : !strstr(line, "reader.");
}

// A head alone is an adapter, and its pairs alone are one without logits.
static void test_parts(void **state)
{
    float out[TOKENS * OUTPUTS], nought[TOKENS * OUTPUTS];
    int pairs;
    struct rig r, other;
    struct batch b;
    struct err e = {0};
    atomic_bool cancel = true;
    (void)state;
    open_rig(&r, "bert-adapted", 1, "adapter-bert", without_b);
    read_tokens(&r, 0, 1, nought);
    lay(&b, &r, 0, 1);
    assert_int_equal(
        transformer_encode_tokens(r.t, r.a, b.tokens, b.starts, 1, out, &cancel, &e),
        -ECANCELED);
    open_rig(&other, "bert-adapted", 1, NULL, NULL);
    assert_int_equal(
        transformer_encode_tokens(other.t, r.a, b.tokens, b.starts, 1, out, NULL, &e), -EINVAL);
    close_rig(&other);
    transformer_adapter_close(r.a);
    assert_int_equal(open_adapter(&r, "adapter-bert", only_head, NULL, NULL, &e), 0);
    read_tokens(&r, 0, 1, out);
    assert_memory_equal(out, nought, sizeof out);
    transformer_adapter_close(r.a);
    assert_int_equal(open_adapter(&r, "adapter-bert", only_head, NULL, &pairs, &e), 0);
    assert_int_equal(transformer_adapter_outputs(r.a), 0);
    assert_int_equal(transformer_encode_tokens(r.t, r.a, b.tokens, b.starts, 1, out, NULL, &e),
                     -EINVAL);
    assert_non_null(strstr(e.msg, "head"));
    close_rig(&r);
}

// ---- refused ----

static void spoil(const char *tensor, float *x, size_t n, void *arg)
{
    if (strstr(tensor, arg))
        x[n / 2] = 1.0f / 0.0f;
}

static void refused(struct rig *r, const char *name, tiny_edit *edit, tiny_values *values,
                    void *arg, const char *says)
{
    struct err e = {0};
    assert_true(open_adapter(r, name, edit, values, arg, &e) < 0);
    if (!strstr(e.msg, says) || !strstr(e.msg, "/tmp/"))
        print_error("%s: %s\n", says, e.msg);
    assert_non_null(strstr(e.msg, says));
    assert_non_null(strstr(e.msg, "/tmp/")); // the file
}

static void test_refused(void **state)
{
    static const struct {
        struct tiny_change change;
        const char *says;
    } all[] = {
        {{"architecture bert", "architecture llama"}, "llama"},
        {{"general.type adapter", "general.type model"}, "general.type"},
        {{"adapter.type lora", "adapter.type ia3"}, "ia3"},
        {{"adapter.lora.alpha 8.0", "adapter.lora.alpha nan"}, "adapter.lora.alpha"},
        {{"blk.1.attn_v.weight.lora_b", NULL}, "blk.1.attn_v.weight.lora_b"},
        {{"blk.1.attn_v.weight.lora_a", NULL}, "blk.1.attn_v.weight.lora_a"},
        {{"lora_a -9 0 96 4", "lora_a -9 0 64 4"}, "blk.0.ffn_down.weight.lora_a"},
        {{"lora_b -10 0 4 96", "lora_b -10 0 4 64"}, "blk.0.ffn_up.weight.lora_a"},
        {{"lora_b -10 0 4 64", "lora_b -10 0 5 64"}, "blk.0.attn_q.weight.lora_a"},
        {{"blk.0.attn_q", "blk.7.attn_q"}, "blk.7.attn_q"},
        {{"blk.0.attn_q.weight.lora", "token_embd.weight.lora"}, "token_embd.weight.lora_a"},
        {{"blk.0.attn_q.weight.lora", "position_embd.weight.lora"}, "position_embd"},
        {{"blk.0.attn_q.weight.lora", "blk.0.attn_output_norm.weight.lora"}, "output_norm"},
        {{"blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.magnitude"}, "magnitude"},
        {{"reader.weight", NULL}, "reader.weight"},
        {{"reader.bias", NULL}, "reader.bias"},
        {{"reader.weight -9 0 64 3", "reader.weight -9 0 32 3"}, "reader.weight"},
        {{"reader.weight -9 0 64 3", "reader.weight -9 0 64 4"}, "reader.bias"},
        {{"reader.weight -9 0 64 3", "reader.weight -9 0 64 17"}, "reader.weight"},
        {{"reader.bias -9 0 3", "reader.bias -9 0 2"}, "reader.bias"},
        {{"reader.bias -9 0 3", "reader.bias -9 0 3 2"}, "reader.bias"},
        {{"reader.bias", "reader.extra"}, "reader."},
    };
    struct rig r;
    (void)state;
    open_rig(&r, "bert-adapted", 1, NULL, NULL);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct tiny_change c = all[i].change;
        refused(&r, "adapter-bert", tiny_change_line, NULL, &c, all[i].says);
    }
    refused(&r, "adapter-bert", NULL, spoil, (char[]){"blk.1.ffn_up.weight.lora_a"},
            "blk.1.ffn_up.weight.lora_a");
    refused(&r, "adapter-bert", NULL, spoil, (char[]){"reader.bias"}, "reader.bias");
    refused(&r, "adapter-bert", NULL, spoil, (char[]){"reader.weight"}, "reader.weight");
    refused(&r, "adapter-nomic-bert", NULL, NULL, NULL, "nomic-bert");
    r.a = NULL;
    close_rig(&r);
    // A decoder has no such head.
    open_rig(&r, "llama", 1, NULL, NULL);
    struct tiny_change c = {"blk.0.attn_q.weight.lora_a", "reader.weight"};
    refused(&r, "adapter-1", tiny_change_line, NULL, &c, "reader.weight");
    r.a = NULL;
    close_rig(&r);
}

static const char *const pairs[][2] = {{"bert-adapted", "adapter-bert"},
                                       {"bert-adapted-2", "adapter-bert-2"},
                                       {"nomic-bert-adapted", "adapter-nomic-bert"},
                                       {"modern-bert-adapted", "adapter-modern-bert"}};

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_golden, (void *)pairs[0]),
        cmocka_unit_test_prestate(test_golden, (void *)pairs[1]),
        cmocka_unit_test_prestate(test_golden, (void *)pairs[2]),
        cmocka_unit_test_prestate(test_golden, (void *)pairs[3]),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
