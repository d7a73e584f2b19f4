// SPDX-License-Identifier: MIT
// An encoder-decoder writes: what the engine says token by token, the same alone and beside
// others, whatever the timelines held before.
#include "base/buf.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/transformer/transformer.h"
#include "llm/llm.h"
#include "tests/llm/models.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

enum { PROMPTS = 3, TOKENS = 24 };

static const char *const prompts[PROMPTS] = {"translate: the cat sat on the mat",
                                             "summarize: and then there was light", "why?"};
static char tiny[] = "/tmp/askd-test-source-XXXXXX";
static struct team *team;
static llm *m;
static struct buf expected[PROMPTS];

static int setup(void **state)
{
    struct err e;
    (void)state;
    const struct llm_options o = {.n_ctx = 64, .n_sessions = 2};
    struct llm_options mine = o;
    if (tiny_file("t5", tiny, 64, 2, 1) || team_new(2, &team, &e))
        return -1;
    mine.team = team;
    return llm_open(tiny, &mine, &m, &e);
}

static int teardown(void **state)
{
    (void)state;
    llm_close(m);
    team_free(team);
    for (int i = 0; i < PROMPTS; i++)
        buf_free(&expected[i]);
    return unlink(tiny);
}

static int add(void *ctx, const char *text, size_t n)
{
    return buf_add(ctx, text, n);
}

// What was written, token by token.
struct ids {
    int32_t all[TOKENS];
    size_t n;
};

static int add_id(void *ctx, const struct llm_token *t)
{
    struct ids *ids = ctx;
    assert_true(ids->n < TOKENS);
    ids->all[ids->n++] = t->id;
    return 0;
}

static void write_ids(const char *prompt, struct ids *out)
{
    const struct llm_message msg = {"user", prompt};
    const struct llm_request r = {.messages = &msg,
                                  .n_messages = 1,
                                  .max_tokens = TOKENS,
                                  .on_token = add_id,
                                  .ctx = out};
    struct err e;
    assert_int_equal(llm_generate(m, &r, NULL, &e), 0);
}

static int write_to(const char *prompt, uint32_t max_tokens, struct buf *out,
                    struct llm_result *res, struct err *e)
{
    const struct llm_message msg = {"user", prompt};
    const struct llm_request r = {.messages = &msg,
                                  .n_messages = 1,
                                  .max_tokens = max_tokens,
                                  .on_text = add,
                                  .ctx = out};
    buf_clear(out);
    return llm_generate(m, &r, res, e);
}

// Greedy, by hand.
static void by_hand(const char *prompt, struct ids *out)
{
    struct err e;
    gguf *g;
    tokenizer *t;
    transformer *model;
    transformer_session *s;
    struct transformer_info info;
    struct tokens p = TOKENS_INIT;
    assert_int_equal(gguf_open(tiny, &g, &e), 0);
    assert_int_equal(tokenizer_open(g, &t, &e), 0);
    assert_int_equal(transformer_open(g, team, &model, &e), 0);
    transformer_describe(model, &info);
    assert_int_equal(transformer_session_new(model, 64, 1, &s, &e), 0);
    assert_int_equal(tokenizer_encode(t, prompt, strlen(prompt), TOKENIZER_ADD_SPECIAL, &p), 0);
    team_take(team, TEAM_INTERACTIVE, NULL, NULL);
    assert_int_equal(transformer_session_read(s, p.ids, (uint32_t)p.len, NULL, &e), 0);
    int32_t id = info.start;
    for (int i = 0; i < TOKENS; i++) {
        assert_int_equal(transformer_session_eval(s, &id, 1, NULL, NULL, &e), 0);
        const float *x = transformer_session_logits(s);
        id = 0;
        for (uint32_t k = 1; k < info.n_vocab; k++)
            id = x[k] > x[id] ? (int32_t)k : id;
        if (tokenizer_is_end(t, id))
            break;
        out->all[out->n++] = id;
    }
    team_give(team);
    tokens_free(&p);
    transformer_session_free(s);
    transformer_close(model);
    tokenizer_close(t);
    gguf_close(g);
}

static void test_writes(void **state)
{
    struct llm_info info;
    (void)state;
    llm_describe(m, &info);
    assert_string_equal(info.architecture, "t5");
    for (int i = 0; i < PROMPTS; i++) {
        struct ids got = {.n = 0}, want = {.n = 0};
        struct llm_result res;
        struct err e = {0};
        by_hand(prompts[i], &want);
        write_ids(prompts[i], &got);
        assert_int_equal(got.n, want.n);
        assert_memory_equal(got.all, want.all, got.n * sizeof *got.all);
        assert_int_equal(write_to(prompts[i], TOKENS, &expected[i], &res, &e), 0);
        assert_int_equal(res.cached_tokens, 0);
        assert_true(res.prompt_tokens > 1 && expected[i].len);
    }
    assert_string_not_equal(expected[0].data, expected[1].data);
}

static void *worker(void *arg)
{
    struct buf out = BUF_INIT;
    struct err e;
    intptr_t bad = 0;
    for (int i = 0; i < 6 * PROMPTS; i++) {
        int k = (i + (int)(intptr_t)arg) % PROMPTS;
        bad += write_to(prompts[k], TOKENS, &out, NULL, &e) ||
               strcmp(out.data, expected[k].data) != 0;
    }
    buf_free(&out);
    return (void *)bad;
}

static void test_company(void **state)
{
    pthread_t all[3];
    (void)state;
    for (intptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&all[i], NULL, worker, (void *)i), 0);
    for (int i = 0; i < 3; i++) {
        void *bad;
        pthread_join(all[i], &bad);
        assert_null(bad);
    }
}

static void test_limits(void **state)
{
    struct err e = {0};
    struct buf out = BUF_INIT;
    char text[256];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_int_equal(write_to(text, 4, &out, NULL, &e), -E2BIG);
    // Source and answer have room of their own.
    assert_int_equal(write_to("0123456789012345678901234567890123456789", 60, &out, NULL, &e),
                     0);
    assert_int_equal(write_to("0123456789", 64, &out, NULL, &e), -E2BIG);
    const struct llm_message msg = {"user", "x"};
    const struct llm_request begun = {.messages = &msg,
                                      .n_messages = 1,
                                      .max_tokens = 4,
                                      .assistant_prefix = "Well, ",
                                      .on_text = add,
                                      .ctx = &out};
    assert_int_equal(llm_generate(m, &begun, NULL, &e), -EINVAL);
    atomic_bool cancel = true;
    struct llm_request r = begun;
    r.assistant_prefix = NULL;
    r.cancel = &cancel;
    assert_int_equal(llm_generate(m, &r, NULL, &e), -ECANCELED);
    const struct llm_options drafted = {.team = team, .draft_path = tiny};
    llm *other = NULL;
    assert_int_equal(llm_open(tiny, &drafted, &other, &e), -EINVAL);
    buf_free(&out);
}

static void test_score(void **state)
{
    const struct llm_message a = {"user", prompts[0]}, b = {"user", prompts[1]};
    double x, y, again;
    uint32_t n;
    struct err e;
    (void)state;
    assert_int_equal(llm_score(m, &a, 1, "the end", &x, &n, NULL, &e), 0);
    assert_int_equal(llm_score(m, &b, 1, "the end", &y, &n, NULL, &e), 0);
    assert_int_equal(llm_score(m, &a, 1, "the end", &again, &n, NULL, &e), 0);
    assert_true(x < 0 && x == again && x != y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_score),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
