// SPDX-License-Identifier: MIT
// Adapters by name: as weights into which they were merged, within rounding; the same bytes
// whatever timelines and the store hold of other adapters, and whatever else runs; refused when
// they are not known.
#include "base/buf.h"
#include "engine/gguf/gguf.h"
#include "engine/gguf/gguf_writer.h"
#include "engine/tensor/formats.h"
#include "llm/constraint.h"
#include "llm/llm.h"
#include "tests/llm/models.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

enum { RANK = 32, TENSORS_MOST = 64, SETS = 6, WORKERS = 4, ROUNDS = 12 };
#define MERGED_SCALE 0.75f
// Largest difference of log-probabilities: 8-bit weights and activations that round otherwise.
#define TOLERANCE 0.1

static char base[] = "/tmp/askd-test-adapters-XXXXXX",
            merged[] = "/tmp/askd-test-adapters-XXXXXX",
            one[] = "/tmp/askd-test-adapters-XXXXXX", two[] = "/tmp/askd-test-adapters-XXXXXX",
            file[] = "/tmp/askd-test-adapters-XXXXXX";
static struct team *team;

static bool adapted(const char *name)
{
    return strstr(name, "attn_q.") || strstr(name, "attn_v.") || strstr(name, "ffn_down.");
}

// A tensor of the first adapter as floats.
static float *half_of(const gguf *adapter, const char *tensor, const char *half)
{
    char name[100];
    snprintf(name, sizeof name, "%s.lora_%s", tensor, half);
    const struct gguf_tensor *t = gguf_tensor_find(adapter, name);
    assert_non_null(t);
    float *x = malloc(t->ne[0] * t->ne[1] * sizeof *x);
    assert_non_null(x);
    tensor_unpack(tensor_type_info(t->type), t->data, t->ne[0] * t->ne[1], x);
    return x;
}

// W + s alpha / rank B A, in f32.
static float *merge(const gguf *adapter, const struct gguf_tensor *t)
{
    size_t cols = t->ne[0], rows = t->ne[1];
    float *x = malloc(cols * rows * sizeof *x);
    float *a = half_of(adapter, t->name, "a"), *b = half_of(adapter, t->name, "b");
    assert_non_null(x);
    tensor_unpack(tensor_type_info(t->type), t->data, cols * rows, x);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            for (size_t k = 0; k < RANK; k++)
                x[r * cols + c] += MERGED_SCALE / 2 * b[r * RANK + k] * a[k * cols + c];
    free(a);
    free(b);
    return x;
}

// The base model with the first adapter in its weights.
static int write_merged(void)
{
    struct err e;
    gguf *g, *adapter;
    float *owned[TENSORS_MOST];
    size_t n_owned = 0;
    gguf_writer *w = gguf_writer_new();
    if (!w || gguf_open(base, &g, &e) || gguf_open(one, &adapter, &e))
        return -1;
    for (size_t i = 0; i < gguf_kv_count(g); i++)
        gguf_writer_copy(w, g, i);
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        const void *data = t->data;
        if (adapted(t->name)) {
            assert_true(n_owned < TENSORS_MOST);
            data = owned[n_owned++] = merge(adapter, t);
        }
        gguf_writer_tensor(w, t->name, adapted(t->name) ? 0 : t->type, t->ne,
                           t->ne[1] > 1 ? 2 : 1, data);
    }
    int rc = gguf_writer_save(w, merged, &e);
    gguf_writer_free(w);
    gguf_close(adapter);
    gguf_close(g);
    while (n_owned)
        free(owned[--n_owned]);
    return rc;
}

static int setup(void **state)
{
    struct err e;
    (void)state;
    close(mkstemp(merged));
    close(mkstemp(file));
    return tiny_model(base, 64, 2) || tiny_file("lora", one, 64, 2, 7) ||
           tiny_file("lora", two, 64, 2, 8) || write_merged() || team_new(2, &team, &e);
}

static int teardown(void **state)
{
    (void)state;
    team_free(team);
    return unlink(base) | unlink(merged) | unlink(one) | unlink(two) | unlink(file);
}

static llm *open_model(const char *path, uint32_t sessions, bool cache)
{
    struct err e;
    llm *m;
    const struct llm_adapter_file files[] = {{"one", one}, {"two", two}};
    const struct llm_options o = {.team = team,
                                  .n_ctx = 512,
                                  .n_sessions = sessions,
                                  .cache_mb = 16,
                                  .no_cache = !cache,
                                  .adapters = files,
                                  .n_adapters = path == base ? 2 : 0};
    if (llm_open(path, &o, &m, &e))
        fail_msg("%s", e.msg);
    return m;
}

static int add(void *ctx, const char *text, size_t n)
{
    return buf_add(ctx, text, n);
}

// ---- merged ----

static int add_logprob(void *ctx, const struct llm_token *t)
{
    return buf_add(ctx, &t->logprob, sizeof t->logprob);
}

// Log-probabilities of a text that the constraint leaves no choice in.
static void told(llm *m, const struct llm_adapter *use, size_t n, struct buf *out)
{
    struct err e;
    const struct llm_message msg = {"user", "What is written here?"};
    struct llm_request r = {.messages = &msg,
                            .n_messages = 1,
                            .max_tokens = 64,
                            .adapters = use,
                            .n_adapters = n,
                            .on_token = add_logprob,
                            .ctx = out};
    assert_int_equal(llm_constraint_regex(m, "xyz 0123 QWRT pqs", &r.constraint, &e), 0);
    if (llm_generate(m, &r, NULL, &e))
        fail_msg("%s", e.msg);
    llm_constraint_free(r.constraint);
}

static double apart(const struct buf *a, const struct buf *b)
{
    double most = 0, x, y;
    assert_int_equal(a->len, b->len);
    assert_true(a->len >= 17 * sizeof x);
    for (size_t i = 0; i < a->len; i += sizeof x) {
        memcpy(&x, a->data + i, sizeof x);
        memcpy(&y, b->data + i, sizeof y);
        most = fmax(most, fabs(x - y));
    }
    return most;
}

static void test_merged(void **state)
{
    struct buf added = BUF_INIT, in = BUF_INIT, plain = BUF_INIT;
    const struct llm_adapter use = {"one", MERGED_SCALE};
    llm *m = open_model(base, 1, true), *other = open_model(merged, 1, true);
    (void)state;
    told(m, &use, 1, &added);
    told(m, NULL, 0, &plain);
    told(other, NULL, 0, &in);
    print_message("# merged and added differ by %.3f, without an adapter by %.3f\n",
                  apart(&added, &in), apart(&plain, &in));
    assert_true(apart(&added, &in) < TOLERANCE);
    assert_true(apart(&plain, &in) > 4 * TOLERANCE);
    llm_close(m);
    llm_close(other);
    buf_free(&added);
    buf_free(&in);
    buf_free(&plain);
}

// ---- the same bytes ----

static const struct llm_adapter uses[][2] = {
    {{"one", 1}, {"two", 0.5f}}, {{"two", 0.5f}, {"one", 1}}, // the order says nothing
    {{"one", 1}, {NULL, 0}},     {{"one", 2}, {NULL, 0}},
    {{"two", 1}, {"one", 0}},    {{"one", 0}, {"two", 0}},
};
static const size_t n_uses[SETS] = {2, 2, 1, 1, 2, 2};

static int ask(llm *m, int set, int question, struct llm_result *res, struct buf *out,
               struct err *e)
{
    char text[80];
    snprintf(text, sizeof text, "Question %d: what comes after one, two, three?", question);
    const struct llm_message msg[] = {
        {"system", "You answer from the passages. [1] The backup starts at half past two."},
        {"user", text}};
    const struct llm_request r = {.messages = msg,
                                  .n_messages = 2,
                                  .max_tokens = 16,
                                  .adapters = set < SETS ? uses[set] : NULL,
                                  .n_adapters = set < SETS ? n_uses[set] : 0,
                                  .on_text = add,
                                  .ctx = out};
    buf_clear(out);
    return llm_generate(m, &r, res, e);
}

static struct buf expected[SETS + 1];

// By a model each that has seen nothing else.
static void expect(void)
{
    struct err e;
    struct llm_result res;
    for (int set = 0; set <= SETS; set++) {
        llm *m = open_model(base, 1, false);
        buf_init(&expected[set]);
        assert_int_equal(ask(m, set, 1, &res, &expected[set], &e), 0);
        assert_int_equal(res.cached_tokens, 0);
        llm_close(m);
    }
    assert_string_equal(expected[0].data, expected[1].data);
    assert_string_equal(expected[5].data, expected[6].data);
    for (int set = 2; set <= 6; set++)
        for (int other = 0; other < set && set != 5; other++)
            assert_true(other == 5 || strcmp(expected[set].data, expected[other].data));
}

static void forget(void)
{
    for (int set = 0; set <= SETS; set++)
        buf_free(&expected[set]);
}

// One timeline, used by all sets in turn: its tokens and the store's are never another set's.
static void test_cache(void **state)
{
    struct err e;
    struct llm_result res;
    struct buf out = BUF_INIT;
    bool seen[SETS + 1] = {false};
    llm *m = open_model(base, 1, true);
    (void)state;
    expect();
    for (int round = 0; round < 3; round++)
        for (int set = 0; set <= SETS; set++) {
            int same = set == 1 ? 0 : set == 6 ? 5 : set;
            assert_int_equal(ask(m, set, 1, &res, &out, &e), 0);
            assert_string_equal(out.data, expected[set].data);
            // What this set has computed is all there, of the others nothing.
            assert_int_equal(res.cached_tokens, seen[same] ? res.prompt_tokens - 1 : 0);
            seen[same] = true;
        }
    // The store's file keeps them apart, too.
    assert_int_equal(llm_cache_save(m, file, &e), 0);
    llm_close(m);
    m = open_model(base, 1, true);
    assert_int_equal(llm_cache_load(m, file, &e), 0);
    for (int set = 0; set <= SETS; set++) {
        assert_int_equal(ask(m, set, 1, &res, &out, &e), 0);
        assert_string_equal(out.data, expected[set].data);
        assert_int_equal(res.cached_tokens, res.prompt_tokens - 1);
    }
    llm_close(m);
    buf_free(&out);
    forget();
}

static llm *busy;

static void *worker(void *arg)
{
    struct err e;
    struct llm_result res;
    struct buf out = BUF_INIT;
    bool ok = true;
    for (intptr_t i = 0, me = (intptr_t)arg; i < ROUNDS && ok; i++) {
        int set = (int)((me * 2 + i) % (SETS + 1));
        ok = !ask(busy, set, 1, &res, &out, &e) && !strcmp(out.data, expected[set].data);
    }
    buf_free(&out);
    return ok ? NULL : worker;
}

static void test_shared(void **state)
{
    pthread_t t[WORKERS];
    void *failed;
    struct llm_stats stats;
    (void)state;
    expect();
    busy = open_model(base, WORKERS - 1, true);
    for (intptr_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, worker, (void *)i), 0);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(t[i], &failed);
        assert_null(failed);
    }
    llm_stats(busy, &stats);
    assert_true(stats.shared_passes > 0);
    llm_close(busy);
    forget();
}

// ---- refused ----

static void refuse_use(llm *m, const struct llm_adapter *use, size_t n, int code,
                       const char *words)
{
    struct err e;
    const struct llm_message msg = {"user", "Who?"};
    const struct llm_request r = {
        .messages = &msg, .n_messages = 1, .max_tokens = 4, .adapters = use, .n_adapters = n};
    assert_int_equal(llm_generate(m, &r, NULL, &e), code);
    assert_non_null(strstr(e.msg, words));
}

static void refuse_file(const struct llm_adapter_file *files, size_t n, int code,
                        const char *words)
{
    struct err e;
    llm *m;
    const struct llm_options o = {.team = team, .adapters = files, .n_adapters = n};
    assert_int_equal(llm_open(base, &o, &m, &e), code);
    assert_non_null(strstr(e.msg, words));
}

static void test_refused(void **state)
{
    const struct llm_adapter nobody = {"three", 1}, twice[2] = {{"one", 1}, {"one", 2}},
                             odd = {"one", NAN}, vast = {"one", 11}, many[9] = {{"one", 1}};
    const struct llm_adapter_file same[2] = {{"one", one}, {"one", two}}, empty = {"", one},
                                  absent = {"one", "/nonexistent"}, model = {"one", base};
    llm *m = open_model(base, 1, true);
    (void)state;
    refuse_use(m, &nobody, 1, -ENOENT, "no adapter 'three'");
    refuse_use(m, twice, 2, -EINVAL, "'one' is asked for twice");
    refuse_use(m, &odd, 1, -EINVAL, "scale of adapter 'one'");
    refuse_use(m, &vast, 1, -EINVAL, "from -10 to 10");
    assert_int_equal(strlen(llm_adapter_sha256(m, "two")), 64);
    assert_null(llm_adapter_sha256(m, "three"));
    refuse_use(m, many, 9, -E2BIG, "at most 8");
    llm_close(m);
    refuse_file(same, 2, -EINVAL, "two adapters are named 'one'");
    refuse_file(&empty, 1, -EINVAL, "1 to 64 bytes");
    refuse_file(&absent, 1, -ENOENT, "/nonexistent");
    refuse_file(&model, 1, -ENOENT, "general.type");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merged), cmocka_unit_test(test_cache),
        cmocka_unit_test(test_shared), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
