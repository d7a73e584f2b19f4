// SPDX-License-Identifier: MIT
// Several requests at once share passes, and each writes what it writes alone: greedy and
// drawn, with and without guesses, constrained, beside newcomers, a slow reader, one that gives
// up and one that is cancelled at any time.
#include "base/buf.h"
#include "llm/constraint.h"
#include "llm/llm.h"
#include "tests/llm/models.h"

#include <pthread.h>
#include <setjmp.h>
#include <time.h>

#include <cmocka.h>

enum { KINDS = 6, WORKERS = 5 };

static struct team *team;
static char tiny[] = "/tmp/askd-test-turns-XXXXXX";
static llm *m;
static struct buf expected[KINDS];
static int rounds;

static int setup(void **state)
{
    struct err e;
    (void)state;
    return tiny_model(tiny, 64, 2) || team_new(2, &team, &e);
}

static int teardown(void **state)
{
    (void)state;
    team_free(team);
    return unlink(tiny);
}

static int add(void *ctx, const char *text, size_t n)
{
    return buf_add(ctx, text, n);
}

static int add_slowly(void *ctx, const char *text, size_t n)
{
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    return buf_add(ctx, text, n);
}

static int write_kind(int kind, bool slow, llm_constraint *c, const atomic_bool *cancel,
                      struct buf *out, struct err *e)
{
    struct buf text = BUF_INIT;
    for (int i = 0; i <= kind; i++) // prompts of one to many pieces
        assert_int_equal(
            buf_addf(&text, "Question %d: what comes after one, two, three? ", i * kind), 0);
    const struct llm_message msg = {"user", text.data};
    struct llm_request r = {.messages = &msg,
                            .n_messages = 1,
                            .max_tokens = 20,
                            .no_drafts = kind % 2,
                            .cancel = cancel,
                            .on_text = slow ? add_slowly : add,
                            .ctx = out};
    r.sampling.temperature = kind == 2 || kind == 3 ? 0.8f : 0;
    r.sampling.seed = (uint64_t)kind;
    r.constraint = kind == 4 ? c : NULL;
    buf_clear(out);
    int rc = llm_generate(m, &r, NULL, e);
    buf_free(&text);
    return rc;
}

// Somebody else's hand that cancels after a while: in the queue, in a pass, or too late.
struct hand {
    atomic_bool cancel;
    long after_us;
};

static void *cancel_later(void *arg)
{
    struct hand *h = arg;
    nanosleep(&(struct timespec){.tv_nsec = h->after_us * 1000}, NULL);
    atomic_store(&h->cancel, true);
    return NULL;
}

static bool cancelled_or_whole(int kind, int round, llm_constraint *c, struct buf *out)
{
    struct err e;
    pthread_t t;
    struct hand h = {.after_us = round * 7919L % 20000};
    if (pthread_create(&t, NULL, cancel_later, &h))
        return false;
    int rc = write_kind(kind, false, c, &h.cancel, out, &e);
    pthread_join(t, NULL);
    // What had come is the beginning of what comes.
    size_t n = rc == -ECANCELED ? out->len : SIZE_MAX;
    return (!rc || rc == -ECANCELED) && !strncmp(out->data, expected[kind].data, n);
}

static void *worker(void *arg)
{
    struct err e;
    struct buf out = BUF_INIT;
    llm_constraint *c = NULL;
    intptr_t me = (intptr_t)arg;
    bool ok = !llm_constraint_regex(m, "[a-z]{3,12}( [a-z]{3,12}){1,4}", &c, &e);
    for (int i = 0; i < rounds && ok; i++) {
        int kind = (int)(me + i) % KINDS;
        atomic_bool gone = true;
        if (me == 0 && i % 3 == 1) // gives up at once
            ok = write_kind(kind, false, c, &gone, &out, &e) == -ECANCELED;
        else if (me == 2 || (me == 0 && i % 3 == 2))
            ok = cancelled_or_whole(kind, i, c, &out);
        else
            ok = !write_kind(kind, me == 1, c, NULL, &out, &e) &&
                 !strcmp(out.data, expected[kind].data);
    }
    llm_constraint_free(c);
    buf_free(&out);
    return ok ? NULL : arg ? arg : (void *)-1;
}

static void on_model(const char *path, int n)
{
    struct err e;
    struct llm_stats before, after;
    pthread_t t[WORKERS];
    llm_constraint *c;
    // Fewer timelines than requests.
    const struct llm_options o = {.team = team, .n_ctx = 512, .n_sessions = WORKERS - 1};
    if (llm_open(path, &o, &m, &e))
        fail_msg("%s", e.msg);
    rounds = n;
    assert_int_equal(llm_constraint_regex(m, "[a-z]{3,12}( [a-z]{3,12}){1,4}", &c, &e), 0);
    for (int i = 0; i < KINDS; i++) {
        buf_init(&expected[i]);
        assert_int_equal(write_kind(i, false, c, NULL, &expected[i], &e), 0);
    }
    llm_constraint_free(c);
    llm_stats(m, &before);
    assert_int_equal(before.shared_passes, 0);
    for (intptr_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, worker, (void *)i), 0);
    void *failed[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        pthread_join(t[i], &failed[i]);
    for (int i = 0; i < WORKERS; i++)
        assert_null(failed[i]);
    llm_stats(m, &after);
    print_message("# %s: %u of %u passes were shared\n", strrchr(path, '/') + 1,
                  (unsigned)after.shared_passes, (unsigned)(after.passes - before.passes));
    assert_true(after.shared_passes > 0);
    assert_true(after.drafted_tokens > before.drafted_tokens);
    for (int i = 0; i < KINDS; i++)
        buf_free(&expected[i]);
    llm_close(m);
}

static void test_tiny(void **state)
{
    (void)state;
    on_model(tiny, 30);
}

static void test_real(void **state)
{
    char path[PATH_MAX];
    (void)state;
    for (size_t i = 0; i < 2; i++)
        if (real_model(i, path))
            on_model(path, i ? 2 : 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tiny),
                                       cmocka_unit_test(test_real)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
