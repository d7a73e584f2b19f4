// SPDX-License-Identifier: MIT
// Readers of random weights on a tiny model and, where it is present, on the default embedder:
// what is read is the form that reader.h tells, laid by hand here; what is no reader is
// refused.
#include "engine/tokenizer/tokenizer.h"
#include "engine/transformer/transformer.h"
#include "tests/embedder/reader_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// ---- the form ----

// The model and the adapter by themselves.
struct parts {
    gguf *g;
    tokenizer *tok;
    transformer *t;
    transformer_adapter *a;
    size_t most;
};

static void open_parts(struct parts *p, const struct rig *r)
{
    struct transformer_info info;
    struct err e;
    gguf *g;
    assert_int_equal(gguf_open(r->model, &p->g, &e), 0);
    assert_int_equal(tokenizer_open(p->g, &p->tok, &e), 0);
    assert_int_equal(transformer_open(p->g, r->team, &p->t, &e), 0);
    assert_int_equal(gguf_open(r->adapter, &g, &e), 0);
    assert_int_equal(transformer_adapter_open(g, p->t, &p->a, &e), 0);
    gguf_close(g);
    transformer_describe(p->t, &info);
    p->most = info.n_ctx < 512 ? info.n_ctx : 512;
}

static void close_parts(struct parts *p)
{
    transformer_adapter_close(p->a);
    transformer_close(p->t);
    tokenizer_close(p->tok);
    gguf_close(p->g);
}

// Logits of <s> question </s> </s> text </s>, text being ids [from, to).
static float *sequence(struct parts *p, struct team *team, const struct tokens *q,
                       const int32_t *ids, size_t n)
{
    size_t n_q = q->len < 64 ? q->len : 64, len = n_q + n + 4, at = 0;
    int32_t *all = malloc(len * sizeof *all);
    float *out = malloc(len * OUTPUTS * sizeof *out);
    const uint32_t starts[2] = {0, (uint32_t)len};
    struct err e;
    assert_true(all && out);
    assert_true(len <= p->most);
    all[at++] = tokenizer_find(p->tok, "<s>");
    for (size_t i = 0; i < n_q; i++)
        all[at++] = q->ids[i];
    all[at++] = tokenizer_find(p->tok, "</s>");
    all[at++] = tokenizer_find(p->tok, "</s>");
    for (size_t i = 0; i < n; i++)
        all[at++] = ids[i];
    all[at++] = tokenizer_find(p->tok, "</s>");
    team_take(team, TEAM_INTERACTIVE, NULL, NULL);
    assert_int_equal(transformer_encode_tokens(p->t, p->a, all, starts, 1, out, NULL, &e), 0);
    team_give(team);
    free(all);
    return out;
}

static void check_form(struct rig *r, struct parts *p, const char *q,
                       const struct reader_text *x, const struct reading *got)
{
    struct tokens qs = TOKENS_INIT, ids = TOKENS_INIT;
    struct token_spans spans = TOKEN_SPANS_INIT;
    struct err e;
    size_t prefix = x->n_heading ? x->n_heading + 2 : 0, seen = 0;
    char *whole = malloc(prefix + x->n + 1);
    assert_non_null(whole);
    snprintf(whole, prefix + x->n + 1, "%s%s%s", x->heading, prefix ? ": " : "", x->s);
    assert_int_equal(tokenizer_encode(p->tok, q, strlen(q), 0, &qs), 0);
    assert_int_equal(tokenizer_encode_spans(p->tok, whole, prefix + x->n, 0, &ids, &spans, &e),
                     0);
    size_t n_q = qs.len < 64 ? qs.len : 64, room = p->most - 4 - n_q;
    float null = INFINITY, relevance = -INFINITY;
    for (size_t first = 0, last = 0; !first || last < ids.len; first += room - 64) {
        last = first + room < ids.len ? first + room : ids.len;
        float *logits = sequence(p, r->team, &qs, ids.ids + first, last - first);
        null = fminf(null, logits[0] + logits[1]);
        relevance = fmaxf(relevance, logits[2]);
        for (size_t i = first ? first + 32 : 0; i < (last < ids.len ? last - 32 : last); i++) {
            const float *want = logits + (n_q + 3 + i - first) * OUTPUTS;
            if (spans.at[i].end <= prefix)
                continue;
            assert_true(seen < got->n);
            const struct reader_token *t = &got->tokens[seen++];
            assert_true(t->start <= t->end && t->end <= x->n);
            assert_int_equal(t->end + prefix, spans.at[i].end);
            assert_int_equal(t->start + prefix, spans.at[i].start);
            assert_memory_equal(&t->start_logit, &want[0], sizeof *want);
            assert_memory_equal(&t->end_logit, &want[1], sizeof *want);
        }
        free(logits);
        if (last == ids.len)
            break;
    }
    assert_int_equal(seen, got->n);
    assert_memory_equal(&null, &got->null, sizeof null);
    assert_memory_equal(&relevance, &got->relevance, sizeof relevance);
    free(whole);
    tokens_free(&qs);
    tokens_free(&ids);
    token_spans_free(&spans);
}

static void test_form(void **state)
{
    (void)state;
    char *long_question = repeated("where in the ", 60);
    const char *const questions[] = {question, "", long_question};
    for (size_t i = 0; i < MODELS; i++) {
        struct rig r;
        struct parts p;
        struct texts t;
        if (!open_rig(&r, i, 2))
            continue;
        open_parts(&p, &r);
        make_texts(&t);
        for (size_t q = 0; q < (i ? 1 : 3); q++) { // the larger model takes its time
            arena *a = arena_new(0);
            struct reading out[TEXTS];
            read_all(&r, questions[q], t.at, TEXTS, a, out);
            for (size_t k = 0; k < TEXTS; k++)
                check_form(&r, &p, questions[q], &t.at[k], &out[k]);
            arena_free(a);
        }
        drop_texts(&t);
        close_parts(&p);
        close_rig(&r);
    }
    free(long_question);
}

// ---- refused ----

static void refused(struct rig *r, struct random_reader of, bool own_base, const char *says)
{
    struct err e = {0};
    assert_true(open_reader(r, of, own_base, &e) < 0);
    if (!strstr(e.msg, says))
        print_error("%s: %s\n", says, e.msg);
    assert_non_null(strstr(e.msg, says));
}

static void test_refused(void **state)
{
    (void)state;
    struct rig r, other;
    struct err e = {0};
    struct reading out;
    struct random_reader of = usual;
    const struct reader_text text = {"", 0, "the inn", 7};
    assert_true(open_rig(&r, 0, 1));
    assert_int_equal(strlen(reader_fingerprint(r.r)), 64);
    struct rig x = r;
    refused(&x, of, false, "askd.reader.base is missing");
    of.base = "tiny-xlmr:00000000000000000000000000000000";
    refused(&x, of, false, "trained on another embedder");
    of.outputs = 4;
    refused(&x, of, true, "reader.weight, has 4 outputs");
    of.outputs = 1;
    refused(&x, of, true, "reader.weight, has 1 outputs");
    assert_true(reader_open(r.m, r.model, &x.r, &e) < 0);
    assert_true(reader_open(r.m, "/nowhere/reader.gguf", &x.r, &e) < 0);
    assert_non_null(strstr(e.msg, "/nowhere/reader.gguf"));
    // Two outputs have no relevance; numbers that overflow are told.
    of.outputs = 2;
    assert_int_equal(open_reader(&x, of, true, &e), 0);
    arena *a = arena_new(0);
    read_all(&x, question, &text, 1, a, &out);
    assert_true(isnan(out.relevance) && isfinite(out.null));
    assert_string_not_equal(reader_fingerprint(x.r), reader_fingerprint(r.r));
    reader_close(x.r);
    unlink(x.adapter);
    of.head = 3e38f;
    assert_int_equal(open_reader(&x, of, true, &e), 0);
    assert_int_equal(reader_read(x.r, TEAM_BATCH, "x", 1, &text, 1, a, &out, NULL, &e),
                     -EINVAL);
    assert_non_null(strstr(e.msg, x.adapter));
    reader_close(x.r);
    unlink(x.adapter);
    arena_free(a);
    // Words of WordPiece cannot be traced to the bytes of a text.
    char path[] = "/tmp/askd-test-bert-XXXXXX";
    close(mkstemp(path));
    assert_int_equal(make_tiny("bert", path), 0);
    other = r;
    snprintf(other.model, sizeof other.model, "%s", path);
    assert_int_equal(embedder_open(path, r.team, &other.m, &e), 0);
    assert_int_equal(open_reader(&other, usual, true, &e), -ENOTSUP);
    assert_non_null(strstr(e.msg, "unigram"));
    embedder_close(other.m);
    unlink(path);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
