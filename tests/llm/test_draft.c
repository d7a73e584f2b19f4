// SPDX-License-Identifier: MIT
// Guessed tokens change no byte: with and without them, greedy and drawn, under penalties and
// constraints, from the prompt and from a draft model, on tiny and on real models.
#include "base/buf.h"
#include "llm/constraint.h"
#include "llm/draft.h"
#include "llm/llm.h"
#include "tests/llm/models.h"

#include <setjmp.h>

#include <cmocka.h>

static struct team *team;
static char tiny[] = "/tmp/askd-test-draft-XXXXXX", tinier[] = "/tmp/askd-test-draft-XXXXXX";

static int setup(void **state)
{
    struct err e;
    (void)state;
    return tiny_model(tiny, 64, 2) || tiny_model(tinier, 32, 1) || team_new(2, &team, &e);
}

static int teardown(void **state)
{
    (void)state;
    team_free(team);
    unlink(tiny);
    return unlink(tinier);
}

static void test_lookup(void **state)
{
    (void)state;
    static const int32_t t[] = {1, 2, 3, 9, 8, 2, 3, 4, 5, 1, 2, 3};
    int32_t out[DRAFT_MAX];
    // "1 2 3" is longer than the later "2 3".
    assert_int_equal(llm__lookup(t, 12, 4, out), 4);
    assert_memory_equal(out, t + 3, 4 * sizeof *t);
    assert_int_equal(llm__lookup(t, 7, 4, out), 4); // "2 3", then on
    assert_memory_equal(out, t + 3, 4 * sizeof *t);
    assert_int_equal(llm__lookup(t, 5, 4, out), 0);
    assert_int_equal(llm__lookup(t, 1, 4, out), 0);
    assert_int_equal(llm__lookup(t, 0, 4, out), 0);
    static const int32_t loop[] = {7, 5, 6, 5, 6}; // goes on as it began
    assert_int_equal(llm__lookup(loop, 5, 5, out), 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(out[i], 5 + i % 2);
}

static void test_pace(void **state)
{
    (void)state;
    struct pace p = {0};
    llm__pace_begin(&p);
    assert_in_range(llm__pace_want(&p), 3, DRAFT_MAX);
    for (int i = 0; i < 20; i++)
        llm__pace_outcome(&p, p.want, p.want);
    assert_int_equal(llm__pace_want(&p), DRAFT_MAX);
    uint32_t asked = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t n = llm__pace_want(&p);
        asked += n > 0;
        if (n)
            llm__pace_outcome(&p, n, 0);
    }
    assert_in_range(asked, 10, 60); // off when it loses, but for a try now and then
    // Passes with guesses that cost three times as much must bring more than three tokens.
    llm__pace_begin(&p);
    llm__pace_cost(&p, 1, 10);
    for (uint32_t n = 2; n <= DRAFT_ROWS; n++)
        llm__pace_cost(&p, n, 40);
    llm__pace_outcome(&p, 4, 2);
    assert_int_equal(llm__pace_want(&p), 0);
}

static int add(void *ctx, const char *text, size_t n)
{
    return buf_add(ctx, text, n);
}

static const char *const texts[] = {
    "The backup starts at half past two. The backup ends at four.",
    "Repeat this sentence word for word: The printer on the second floor is called Hermes and "
    "takes A3 paper. Repeat it again.",
    "aaaa bbbb aaaa bbbb aaaa",
    "one two three, one two three, one two",
    "你好，世界。你好，世界。",
    "List three colours.",
    "x"};

struct totals {
    uint64_t drafted, accepted;
};

// The same request with and without guesses; then a follow-up, which finds the timeline as it
// should be.
static void compare(llm *m, struct llm_request r, struct totals *t)
{
    struct err e;
    struct buf out[2] = {BUF_INIT, BUF_INIT};
    struct llm_result res[2];
    for (int i = 0; i < 2; i++) {
        r.no_drafts = i == 0;
        r.ctx = &out[i];
        if (llm_generate(m, &r, &res[i], &e))
            fail_msg("%s", e.msg);
    }
    assert_string_equal(out[0].data, out[1].data);
    assert_int_equal(res[0].completion_tokens, res[1].completion_tokens);
    assert_int_equal(res[0].finish, res[1].finish);
    assert_int_equal(res[0].drafted_tokens, 0);
    t->drafted += res[1].drafted_tokens;
    t->accepted += res[1].accepted_tokens;
    buf_free(&out[0]);
    buf_free(&out[1]);
}

static struct totals compare_all(llm *m, uint32_t tokens, size_t n_texts)
{
    struct err e;
    struct totals t = {0};
    llm_constraint *c = NULL;
    assert_int_equal(llm_constraint_regex(m, "([a-z]{1,9} ){4,12}(end|stop)", &c, &e), 0);
    for (size_t i = 0; i < n_texts; i++)
        for (uint64_t kind = 0; kind < 6; kind++) {
            struct llm_message msg = {"user", texts[i]};
            struct llm_request r = {
                .messages = &msg, .n_messages = 1, .max_tokens = tokens, .on_text = add};
            r.sampling.temperature = kind % 2 ? 0.7f : 0;
            r.sampling.top_p = kind == 3 ? 0.9f : 0;
            r.sampling.seed = i;
            r.sampling.repetition = kind == 2 ? 1.2f : 0;
            r.sampling.frequency = kind == 3 ? 0.3f : 0;
            r.constraint = kind >= 4 ? c : NULL;
            r.stop = kind == 1 ? (const char *const[]){"e ", NULL} : NULL;
            compare(m, r, &t);
        }
    llm_constraint_free(c);
    return t;
}

static void on_model(const char *path, const char *draft, uint32_t tokens, size_t n_texts)
{
    struct err e;
    llm *m;
    const struct llm_options o = {
        .team = team, .n_ctx = 512, .no_lookup = draft != NULL, .draft_path = draft};
    if (llm_open(path, &o, &m, &e))
        fail_msg("%s", e.msg);
    struct totals t = compare_all(m, tokens, n_texts);
    struct llm_stats s;
    llm_stats(m, &s);
    assert_int_equal(s.drafted_tokens, t.drafted);
    assert_int_equal(s.accepted_tokens, t.accepted);
    print_message("# %s: %u of %u guesses came true\n", strrchr(path, '/') + 1,
                  (unsigned)t.accepted, (unsigned)t.drafted);
    assert_true(t.drafted > 0 && t.accepted > 0);
    llm_close(m);
}

static void test_tiny(void **state)
{
    (void)state;
    on_model(tiny, NULL, 120, sizeof texts / sizeof *texts);
    on_model(tiny, tiny, 60, sizeof texts / sizeof *texts);   // guesses all
    on_model(tinier, tiny, 60, sizeof texts / sizeof *texts); // guesses little
}

static void test_real(void **state)
{
    char path[PATH_MAX];
    (void)state;
    for (size_t i = 0; i < 2; i++)
        if (real_model(i, path))
            on_model(path, NULL, 32, 4);
    if (real_model(0, path))
        on_model(path, path, 16, 2);
}

static void test_draft_refused(void **state)
{
    char path[PATH_MAX];
    struct err e;
    llm *m;
    (void)state;
    struct llm_options o = {.team = team, .draft_path = "/nonexistent.gguf"};
    assert_int_equal(llm_open(tiny, &o, &m, &e), -ENOENT);
    if (!real_model(0, path))
        return;
    o.draft_path = path;
    assert_int_equal(llm_open(tiny, &o, &m, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "drafts for"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup),        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_tiny),          cmocka_unit_test(test_real),
        cmocka_unit_test(test_draft_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
