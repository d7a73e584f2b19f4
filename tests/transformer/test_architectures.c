// SPDX-License-Identifier: MIT
// Every architecture on a tiny random model, against what llama.cpp computes with it in f32.
// The weights are such that the engine keeps them exactly; its activations have 8 bits, which
// moves logits by about a hundredth of their size. A feature left out moves them by a tenth at
// least.
#include "tests/transformer/tiny.h"

#include "engine/tensor/isa.h"
#include "engine/transformer/transformer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TOLERANCE 0.02 // relative, root mean square of all logits of a model

struct rig {
    gguf *g;
    struct team *team;
    transformer *t;
};

static void open_rig(struct rig *r, const struct tiny *m, unsigned threads)
{
    struct err e = {0};
    int rc = gguf_open(m->path, &r->g, &e);
    if (!rc)
        rc = team_new(threads, &r->team, &e);
    if (!rc)
        rc = transformer_open(r->g, r->team, &r->t, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    team_take(r->team, TEAM_INTERACTIVE, NULL, NULL);
}

static void close_rig(struct rig *r)
{
    team_give(r->team);
    transformer_close(r->t);
    team_free(r->team);
    gguf_close(r->g);
}

// What was taken is what is foretold.
static void check_needs(const struct rig *r, const transformer_session *s, uint32_t n)
{
    struct transformer_needs needs;
    struct transformer_info info;
    struct err e;
    transformer_describe(r->t, &info);
    assert_int_equal(transformer_measure(r->g, r->team, n, n, &needs, &e), 0);
    assert_int_equal(needs.weights, info.weight_bytes);
    assert_int_equal(needs.session, transformer_session_bytes(s));
    assert_int_equal(needs.n_vocab, info.n_vocab);
    assert_int_equal(needs.n_ctx, n);
}

// All logits, fed `each` tokens at a time.
static void decode(const struct tiny *m, unsigned threads, uint32_t each,
                   float (*all)[TINY_WIDTH_MAX])
{
    static float dense[TINY_TOKENS_MAX * TINY_WIDTH_MAX];
    struct rig r;
    struct err e = {0};
    transformer_session *s;
    open_rig(&r, m, threads);
    assert_int_equal(transformer_session_new(r.t, m->n_tokens, m->n_tokens, &s, &e), 0);
    if (m->n_source)
        assert_int_equal(transformer_session_read(s, m->source, m->n_source, NULL, &e), 0);
    check_needs(&r, s, m->n_tokens);
    for (uint32_t at = 0; at < m->n_tokens; at += each) {
        uint32_t n = m->n_tokens - at < each ? m->n_tokens - at : each;
        assert_int_equal(transformer_session_eval(s, m->tokens + at, n,
                                                  dense + (size_t)at * m->width, NULL, &e),
                         0);
    }
    for (uint32_t i = 0; i < m->n_tokens; i++)
        memcpy(all[i], dense + (size_t)i * m->width, m->width * sizeof *dense);
    transformer_session_free(s);
    close_rig(&r);
}

// The vector of the tokens [first, first + n), as the `nth` of `of` sequences whose others are
// of other lengths.
static void encode(const struct tiny *m, unsigned threads, uint32_t nth, uint32_t of,
                   float *out)
{
    static int32_t tokens[8 * TINY_TOKENS_MAX];
    static float all[8 * TINY_WIDTH_MAX];
    uint32_t starts[9] = {0};
    struct rig r;
    struct err e = {0};
    for (uint32_t i = 0; i < of; i++) {
        uint32_t n = i == nth ? m->n_tokens : 1 + i * 5;
        memcpy(tokens + starts[i], m->tokens, n * sizeof *tokens);
        starts[i + 1] = starts[i] + n;
    }
    open_rig(&r, m, threads);
    assert_int_equal(transformer_encode(r.t, tokens, starts, of, all, NULL, &e), 0);
    memcpy(out, all + (size_t)nth * m->width, m->width * sizeof *out);
    close_rig(&r);
}

// By the calling thread alone, while another has the team.
static void encode_alone(const struct tiny *m, float *out)
{
    struct rig r;
    struct err e = {0};
    open_rig(&r, m, 2);
    assert_int_equal(transformer_encode_alone(r.t, m->tokens, m->n_tokens, out, NULL, &e), 0);
    close_rig(&r);
}

static double vector_difference(const struct tiny *m, const float *vector)
{
    static float got[1][TINY_WIDTH_MAX];
    memcpy(got[0], vector, m->width * sizeof *vector);
    return tiny_difference(m, got);
}

// As in the golden file, and the same bytes whatever the threads, company and instructions.
static void test_encoder(void **state)
{
    float vector[TINY_WIDTH_MAX], again[TINY_WIDTH_MAX];
    const char *name = *state;
    struct tiny m;
    tiny_make(&m, name, NULL, NULL);
    size_t bytes = m.width * sizeof *vector;
    encode(&m, 1, 0, 1, vector);
    double off = vector_difference(&m, vector);
    print_message("# %s: off by %.4f\n", name, off);
    assert_true(off < TOLERANCE);
    for (unsigned threads = 1; threads <= 2; threads++)
        for (uint32_t of = 1; of <= 8; of++) {
            encode(&m, threads, of / 2, of, again);
            assert_memory_equal(vector, again, bytes);
        }
    encode_alone(&m, again);
    assert_memory_equal(vector, again, bytes);
    for (isa_chosen = ISA_SCALAR; isa_chosen < isa_best; isa_chosen++) {
        encode(&m, 1, 0, 1, again);
        assert_memory_equal(vector, again, bytes);
    }
    tiny_drop(&m);
}

static double difference(const struct tiny *m, float (*all)[TINY_WIDTH_MAX])
{
    static float got[TINY_ROWS_MAX][TINY_WIDTH_MAX];
    for (uint32_t r = 0; r < m->n_rows; r++)
        memcpy(got[r], all[m->at[r]], sizeof *got);
    return tiny_difference(m, got);
}

// As in the golden file, and the same bytes whatever the threads, batches and instructions.
static void test_decoder(void **state)
{
    static float all[TINY_TOKENS_MAX][TINY_WIDTH_MAX], again[TINY_TOKENS_MAX][TINY_WIDTH_MAX];
    const char *name = *state;
    struct tiny m;
    tiny_make(&m, name, NULL, NULL);
    memset(all, 0, sizeof all);
    memset(again, 0, sizeof again);
    decode(&m, 1, m.n_tokens, all);
    double off = difference(&m, all);
    print_message("# %s: off by %.4f\n", name, off);
    assert_true(off < TOLERANCE);
    for (unsigned threads = 1; threads <= 2; threads++)
        for (uint32_t each = 1; each <= m.n_tokens; each = each * 3 + 2) {
            decode(&m, threads, each, again);
            assert_memory_equal(all, again, sizeof all);
        }
    for (isa_chosen = ISA_SCALAR; isa_chosen < isa_best; isa_chosen++) {
        decode(&m, 1, m.n_tokens, again);
        assert_memory_equal(all, again, sizeof all);
    }
    tiny_drop(&m);
}

static int without(char *line, void *what)
{
    return strstr(line, what) == NULL;
}

// What the golden values tell apart: a model without one of its features is far off.
static void test_telling(void **state)
{
    static float all[TINY_TOKENS_MAX][TINY_WIDTH_MAX];
    static char features[][2][24] = {{"llama", "rope_freqs"},
                                     {"qwen2", "attn_q.bias"},
                                     {"qwen2", "rope.freq_base"},
                                     {"qwen3", "rope.freq_base"},
                                     {"phi3-short", "rope_factors"},
                                     {"phi3-long", "original_context"},
                                     {"phi3-long", "attn_factor"},
                                     {"bert", "attn_v.bias"},
                                     {"nomic-bert", "token_types"},
                                     {"nomic-bert", "rope.freq_base"},
                                     {"modern-bert", "freq_base_swa"},
                                     {"modern-bert", "window_pattern"},
                                     {"t5", "ffn_gate"}};
    (void)state;
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        struct tiny m;
        double off;
        tiny_make(&m, features[i][0], without, features[i][1]);
        if (strstr(features[i][0], "bert")) {
            encode(&m, 1, 0, 1, all[0]);
            off = vector_difference(&m, all[0]);
        } else {
            decode(&m, 1, m.n_tokens, all);
            off = difference(&m, all);
        }
        print_message("# %s without %s: off by %.4f\n", features[i][0], features[i][1], off);
        assert_true(off > 4 * TOLERANCE);
        tiny_drop(&m);
    }
}

// With a router that prefers none, the lowest experts are chosen: the same bytes as a model
// that has only these.
static int alike(char *line, void *n_expert)
{
    char *last = strrchr(line, ' ');
    if (strstr(line, "expert_count"))
        snprintf(last, 16, " %s\n", (char *)n_expert);
    if (strstr(line, "_exps") || strstr(line, "_inp"))
        snprintf(last, 16, " %s\n", (char *)n_expert);
    if (strstr(line, "_inp"))
        snprintf(strstr(line, ".weight"), 64, ".weight -200 0 64 %s\n", (char *)n_expert);
    return 1;
}

static void test_ties(void **state)
{
    static float all[2][TINY_TOKENS_MAX][TINY_WIDTH_MAX];
    char counts[2][2] = {"6", "2"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tiny m;
        tiny_make(&m, "mixtral", alike, counts[i]);
        decode(&m, 1, m.n_tokens, all[i]);
        tiny_drop(&m);
    }
    assert_memory_equal(all[0], all[1], sizeof all[0]);
}

// One tensor after the other: left out, then too wide. `name` is whose turn it is.
struct damage {
    int at, tensor;
    bool wide;
    char name[64];
};

static int damage(char *line, void *arg)
{
    struct damage *d = arg;
    char rest[256];
    int power, used;
    float offset;
    unsigned width;
    if (strncmp(line, "tensor ", 7) || d->tensor++ != d->at)
        return 1;
    sscanf(line, "tensor %63s %d %f %u%n", d->name, &power, &offset, &width, &used);
    if (!d->wide)
        return 0;
    snprintf(rest, sizeof rest, "%s", line + used);
    snprintf(line, TINY_LINE, "tensor %s %d %f %u%s", d->name, power, (double)offset,
             width + 32, rest);
    return 1;
}

static bool optional(const char *model, const char *name)
{
    return !strcmp(name, "output.weight") || strstr(name, "rope_freqs") ||
           strstr(name, "rope_factors_long") ||
           (strstr(name, "ffn_gate") && !strcmp(model, "t5")) ||
           (strstr(name, ".bias") && !strstr(name, "norm")) ||
           (!strcmp(name, "token_types.weight") && !strcmp(model, "nomic-bert"));
}

// Every tensor that is missing or of another shape is refused by its name.
static void test_damaged(void **state)
{
    struct team *team;
    struct err e;
    assert_int_equal(team_new(1, &team, &e), 0);
    for (struct damage d = {0};; d.wide ? d.at++ : 0, d.wide = !d.wide) {
        struct tiny m;
        transformer *t = NULL;
        gguf *g;
        d.tensor = 0;
        tiny_make(&m, *state, damage, &d);
        assert_int_equal(gguf_open(m.path, &g, &e), 0);
        int rc = transformer_open(g, team, &t, &e);
        if (d.at < d.tensor && (d.wide || !optional(*state, d.name))) {
            assert_int_equal(rc, -EINVAL);
            if (!strstr(e.msg, d.name))
                print_error("%s: %s\n", d.name, e.msg);
            assert_non_null(strstr(e.msg, d.name));
        } else {
            assert_int_equal(rc, 0);
        }
        transformer_close(t);
        gguf_close(g);
        tiny_drop(&m);
        if (d.at >= d.tensor)
            break;
    }
    team_free(team);
}

static int renamed(char *line, void *arg)
{
    char *at = strstr(line, "blk.1.attn_q.bias");
    (void)arg;
    if (at)
        memcpy(at, "blk.1.attn_q.sink", strlen("blk.1.attn_q.sink"));
    return 1;
}

// A tensor that nobody looks up is refused by its name: what it does would be left out.
static void test_unknown(void **state)
{
    struct team *team;
    transformer *t = NULL;
    struct tiny m;
    struct err e = {0};
    gguf *g;
    (void)state;
    assert_int_equal(team_new(1, &team, &e), 0);
    tiny_make(&m, "qwen2", renamed, NULL);
    assert_int_equal(gguf_open(m.path, &g, &e), 0);
    assert_int_equal(transformer_open(g, team, &t, &e), -ENOTSUP);
    assert_non_null(strstr(e.msg, "blk.1.attn_q.sink"));
    gguf_close(g);
    team_free(team);
    tiny_drop(&m);
}

static char decoders[][16] = {"llama",     "qwen2",   "qwen3",    "phi3", "phi3-short",
                              "phi3-long", "mixtral", "qwen3moe", "t5",   "t5-first"};

static char encoders[][16] = {"bert", "nomic-bert", "modern-bert"};

enum { DECODERS = sizeof decoders / sizeof *decoders };
enum { ENCODERS = sizeof encoders / sizeof *encoders };

int main(void)
{
    struct CMUnitTest tests[2 * (DECODERS + ENCODERS) + 3] = {
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_telling),
        cmocka_unit_test(test_ties),
    };
    for (size_t i = 0; i < DECODERS + ENCODERS; i++) {
        char *name = i < DECODERS ? decoders[i] : encoders[i - DECODERS];
        tests[3 + 2 * i] = (struct CMUnitTest){name, i < DECODERS ? test_decoder : test_encoder,
                                               NULL, NULL, name};
        tests[4 + 2 * i] = (struct CMUnitTest){name, test_damaged, NULL, NULL, name};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
