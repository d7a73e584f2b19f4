// SPDX-License-Identifier: MIT
// The store of earlier prompts: what prompts have in common is computed once though their
// timelines are gone, the text stays the same, the budget holds, and a foreign or broken file
// is refused whole.
#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "llm/llm.h"
#include "llm/kv.h"
#include "tests/llm/models.h"

#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

static struct team *team;
static char tiny[] = "/tmp/askd-test-kv-XXXXXX", file[] = "/tmp/askd-test-kv-XXXXXX";

static int setup(void **state)
{
    struct err e;
    (void)state;
    close(mkstemp(file));
    return tiny_model(tiny, 64, 2) || team_new(2, &team, &e);
}

static int teardown(void **state)
{
    (void)state;
    team_free(team);
    unlink(tiny);
    return unlink(file);
}

static llm *open_model(const char *path, uint32_t sessions, uint32_t mb)
{
    struct err e;
    llm *m;
    const struct llm_options o = {.team = team,
                                  .n_ctx = 512,
                                  .n_sessions = sessions,
                                  .cache_mb = mb,
                                  .no_cache = mb == 0};
    if (llm_open(path, &o, &m, &e))
        fail_msg("%s", e.msg);
    return m;
}

static int add(void *ctx, const char *text, size_t n)
{
    return buf_add(ctx, text, n);
}

// The same system prompt, another question each.
static struct llm_result ask(llm *m, int question, struct buf *out)
{
    struct err e;
    struct llm_result res;
    char text[64];
    snprintf(text, sizeof text, "%c: question number %d?", 'a' + question % 26, question);
    const struct llm_message msg[] = {
        {"system", "You answer from the passages. [1] The backup starts at half past two."},
        {"user", text}};
    struct llm_request r = {
        .messages = msg, .n_messages = 2, .max_tokens = 12, .on_text = add, .ctx = out};
    buf_clear(out);
    if (llm_generate(m, &r, &res, &e))
        fail_msg("%s", e.msg);
    return res;
}

static void on_model(const char *path)
{
    enum { QUESTIONS = 6 };
    llm *plain = open_model(path, 1, 0), *m = open_model(path, 1, 64);
    struct buf a = BUF_INIT, b = BUF_INIT;
    struct llm_stats s;
    uint32_t common = 0;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < QUESTIONS; i++) {
            ask(plain, i, &a);
            struct llm_result res = ask(m, i, &b);
            assert_string_equal(a.data, b.data);
            if (i == 1 && !round)
                common = res.cached_tokens; // by the timeline: the one before was alike
            // In the second round all but the last token is known, though five others used
            // the only timeline since.
            if (round)
                assert_int_equal(res.cached_tokens, res.prompt_tokens - 1);
            else if (i)
                assert_true(res.cached_tokens >= common);
            assert_true(res.restored_tokens <= res.cached_tokens);
            assert_int_equal(round > 0, res.restored_tokens > 0);
        }
    llm_stats(m, &s);
    assert_int_equal(s.cache_hits, QUESTIONS);
    assert_true(s.cache_restored_tokens > QUESTIONS);
    assert_in_range(s.cache_bytes, 1, s.cache_bytes_max);
    assert_true(s.cache_bytes_max <= 64u << 20);
    llm_stats(plain, &s);
    assert_int_equal(s.cache_bytes, 0);
    assert_int_equal(s.cache_hits, 0);
    llm_close(plain);
    llm_close(m);
    buf_free(&a);
    buf_free(&b);
}

static void test_tiny(void **state)
{
    (void)state;
    on_model(tiny);
}

static void test_real(void **state)
{
    char path[PATH_MAX];
    (void)state;
    for (size_t i = 0; i < 2; i++)
        if (real_model(i, path))
            on_model(path);
}

static void *worker(void *arg)
{
    llm *m = ((void **)arg)[0];
    struct buf *expected = ((void **)arg)[1], out = BUF_INIT;
    for (int i = 0; i < 60; i++) {
        ask(m, i % 20, &out);
        if (strcmp(out.data, expected[i % 20].data))
            return arg;
    }
    buf_free(&out);
    return NULL;
}

// Several at once on a store too small for all: the least used goes, no text changes.
static void test_small_and_shared(void **state)
{
    (void)state;
    struct buf expected[20];
    llm *plain = open_model(tiny, 1, 0), *m = open_model(tiny, 2, 1);
    pthread_t t[3];
    struct llm_stats s;
    for (int i = 0; i < 20; i++) {
        buf_init(&expected[i]);
        ask(plain, i, &expected[i]);
    }
    void *arg[2] = {m, expected}, *failed;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, worker, arg), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], &failed);
        assert_null(failed);
    }
    llm_stats(m, &s);
    assert_true(s.cache_bytes <= 1u << 20);
    for (int i = 0; i < 20; i++)
        buf_free(&expected[i]);
    llm_close(plain);
    llm_close(m);
}

// Directly: a store of four chunks.
static void test_least_used_goes(void **state)
{
    (void)state;
    struct err e;
    gguf *g;
    transformer *t;
    transformer_session *s;
    struct kv_store st;
    const struct kv_key none = {{0}}, other = {"other adapters"};
    int32_t x[64], y[64];
    for (int i = 0; i < 64; i++) {
        x[i] = 10 + i;
        y[i] = i < 20 ? x[i] : 100 + i;
    }
    assert_int_equal(gguf_open(tiny, &g, &e), 0);
    assert_int_equal(transformer_open(g, team, &t, &e), 0);
    assert_int_equal(transformer_session_new(t, 64, 64, &s, &e), 0);
    size_t chunk = transformer_state_bytes(t, CHUNK_TOKENS) + sizeof(struct chunk);
    assert_int_equal(kv_init(&st, t, chunk * 4 + chunk / 2, &e), 0);
    assert_int_equal(st.cap, 4);
    team_take(team, TEAM_INTERACTIVE, NULL, NULL);
    assert_int_equal(transformer_session_eval(s, x, 64, NULL, NULL, &e), 0);
    kv_put(&st, &none, s, x, 20); // a chunk and a piece of one
    assert_int_equal(st.n, 2);
    kv_put(&st, &none, s, x, 30); // the piece grows
    assert_int_equal(st.n, 2);
    kv_put(&st, &none, s, x, 25); // is there
    assert_int_equal(st.n, 2);
    assert_int_equal(kv_get(&st, &none, s, x, 64, 30), 0);
    assert_int_equal(kv_get(&st, &other, s, x, 64, 0), 0);
    assert_int_equal(kv_get(&st, &none, s, x, 64, 29), 30);
    assert_int_equal(kv_get(&st, &none, s, y, 64, 17), 20); // up to where they part
    assert_int_equal(transformer_session_len(s), 20);
    assert_int_equal(transformer_session_eval(s, y + 20, 44, NULL, NULL, &e), 0);
    kv_put(&st, &none, s, y,
           64); // needs three more: the piece of x goes, the first chunk stays
    assert_int_equal(st.n, 4);
    assert_int_equal(kv_get(&st, &none, s, y, 63, 3), 63);
    assert_int_equal(transformer_session_len(s), 63);
    team_give(team);
    kv_free(&st);
    transformer_session_free(s);
    transformer_close(t);
    gguf_close(g);
}

static void rewrite(const struct buf *b, bool hash)
{
    struct err e;
    struct buf c = BUF_INIT;
    assert_int_equal(buf_add(&c, b->data, b->len), 0);
    if (hash && c.len >= 16) { // who writes a file on purpose writes the hash too
        struct hash128 h = hash128_of(c.data, c.len - 16);
        memcpy(c.data + c.len - 16, h.bytes, 16);
    }
    assert_int_equal(file_write_atomic(file, c.data, c.len, &e), 0);
    buf_free(&c);
}

static void test_file(void **state)
{
    (void)state;
    struct err e;
    struct buf a = BUF_INIT, b = BUF_INIT, whole = BUF_INIT, copy = BUF_INIT;
    struct llm_stats before, after;
    llm *m = open_model(tiny, 1, 64);
    ask(m, 1, &a);
    ask(m, 2, &a);
    assert_int_equal(llm_cache_save(m, file, &e), 0);
    llm_stats(m, &before);
    llm_close(m);
    assert_int_equal(file_read(file, 1 << 24, &whole, &e), 0);
    // Another process knows the prompt at once.
    m = open_model(tiny, 1, 64);
    assert_int_equal(llm_cache_load(m, file, &e), 0);
    assert_int_equal(llm_cache_load(m, file, &e), 0); // twice is once
    llm_stats(m, &after);
    assert_int_equal(after.cache_bytes, before.cache_bytes);
    struct llm_result res = ask(m, 2, &b);
    assert_string_equal(a.data, b.data);
    assert_int_equal(res.restored_tokens, res.prompt_tokens - 1);
    llm_close(m);
    // A store too small takes what fits.
    m = open_model(tiny, 1, 0);
    assert_int_equal(llm_cache_load(m, file, &e), 0);
    llm_close(m);
    // Cut anywhere, a bit turned anywhere, with and without a hash that fits.
    m = open_model(tiny, 1, 64);
    for (size_t i = 0; i < whole.len; i += i < 400 ? 1 : 997) {
        assert_int_equal(buf_add(&copy, whole.data, whole.len), 0);
        copy.data[i] = (char)(copy.data[i] ^ 0x40);
        rewrite(&copy, false);
        assert_int_equal(llm_cache_load(m, file, &e), -EINVAL);
        rewrite(&copy, true);
        (void)llm_cache_load(m, file, &e); // may pass: then it is a store
        buf_truncate(&copy, i);
        rewrite(&copy, false);
        assert_int_equal(llm_cache_load(m, file, &e), -EINVAL);
        rewrite(&copy, true);
        assert_int_equal(llm_cache_load(m, file, &e), -EINVAL);
        buf_clear(&copy);
    }
    ask(m, 3, &a); // whatever was believed, nothing breaks
    assert_int_equal(llm_cache_load(m, "/nonexistent", &e), -ENOENT);
    llm_close(m);
    // Another model's.
    char other[] = "/tmp/askd-test-kv-XXXXXX";
    assert_int_equal(tiny_model(other, 64, 3), 0);
    rewrite(&whole, false);
    m = open_model(other, 1, 64);
    assert_int_equal(llm_cache_load(m, file, &e), -EINVAL);
    assert_non_null(strstr(e.msg, "another model"));
    llm_close(m);
    unlink(other);
    buf_free(&a);
    buf_free(&b);
    buf_free(&whole);
    buf_free(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny), cmocka_unit_test(test_small_and_shared),
        cmocka_unit_test(test_file), cmocka_unit_test(test_least_used_goes),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
