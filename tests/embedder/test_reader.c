// SPDX-License-Identifier: MIT
// Readers of random weights on a tiny model and, where it is present, on the default embedder:
// what is read is the form that reader.h tells, laid by hand here; the same bytes in any
// company, with any number of threads and beside embedding; spans against a search of all.
#include "base/arena.h"
#include "embedder/reader.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/transformer/transformer.h"
#include "tests/embedder/random_reader.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXTS = 10, OUTPUTS = 3 };

struct rig {
    char model[PATH_MAX], adapter[64];
    struct team *team;
    embedder *m;
    reader *r;
};

static char tiny_path[] = "/tmp/askd-test-xlmr-XXXXXX";

static int make_tiny(const char *kind, const char *path)
{
    char command[2 * PATH_MAX];
    snprintf(command, sizeof command, "'%s/tests/tools/make_tiny_model' %s '%s'",
             getenv("ASKD_BUILDDIR"), kind, path);
    return system(command);
}

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(tiny_path);
    return fd < 0 || close(fd) ? -1 : make_tiny("xlmr", tiny_path);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(tiny_path);
}

// The models that are here: the tiny one always.
static const char *const names[] = {NULL, "multilingual-e5-small.Q4_0"};
enum { MODELS = sizeof names / sizeof *names };

static bool find_model(size_t i, char path[PATH_MAX])
{
    const char *dir = getenv("ASKD_MODELS");
    if (!names[i])
        snprintf(path, PATH_MAX, "%s", tiny_path);
    else
        snprintf(path, PATH_MAX, "%s%s/%s.gguf", dir ? dir : getenv("ASKD_SRCDIR"),
                 dir ? "" : "/models/cache", names[i]);
    if (!access(path, R_OK))
        return true;
    print_message("# skipped: %s is absent (scripts/fetch-models)\n", path);
    return false;
}

// Save a reader, of another base if told so, and open it.
static int open_reader(struct rig *r, struct random_reader of, bool own_base, struct err *e)
{
    strcpy(r->adapter, "/tmp/askd-test-reader-XXXXXX");
    int fd = mkstemp(r->adapter);
    assert_true(fd >= 0);
    close(fd);
    of.model = r->model;
    of.base = own_base ? embedder_fingerprint(r->m) : of.base;
    assert_int_equal(random_reader_save(&of, r->adapter, e), 0);
    int rc = reader_open(r->m, r->adapter, &r->r, e);
    if (rc)
        unlink(r->adapter);
    return rc;
}

static const struct random_reader usual = {.rank = 8, .outputs = OUTPUTS, .seed = 7};

static bool open_rig(struct rig *r, size_t model, unsigned threads)
{
    struct err e = {0};
    memset(r, 0, sizeof *r);
    if (!find_model(model, r->model))
        return false;
    int rc = team_new(threads, &r->team, &e);
    if (!rc)
        rc = embedder_open(r->model, r->team, &r->m, &e);
    if (!rc)
        rc = open_reader(r, usual, true, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    return true;
}

static void close_rig(struct rig *r)
{
    reader_close(r->r);
    embedder_close(r->m);
    team_free(r->team);
    unlink(r->adapter);
}

// ---- texts ----

static const char question[] = "When does the nation's backup start?";

static char *repeated(const char *s, size_t times)
{
    size_t n = strlen(s);
    char *all = malloc(n * times + 1);
    assert_non_null(all);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * n, s, n);
    all[n * times] = 0;
    return all;
}

struct texts {
    struct reader_text at[TEXTS];
    char *owned[2];
};

static void make_texts(struct texts *t)
{
    static const char *const some[TEXTS][2] = {
        {"Backups", "The nightly backup starts at 02:15 and ends before five."},
        {"", "The nightly backup starts at 02:15 and ends before five."},
        {"", ""},
        {"Heading alone", ""},
        {"\xE4\xB8\xAD\xE5\x9B\xBD", "  \xE5\x9B\xBD \xE4\xB8\xAD\xE5\x9B\xBD  x\xCC\x81 "},
        {"bad \xFF", "\xFE\xFF the \xE4\xB8 tion\n\n in"},
        {"x", "y"},
        {" ", "    "},
    };
    for (size_t i = 0; i < TEXTS; i++) {
        const char *heading = some[i][0] ? some[i][0] : "Long", *s = some[i][1];
        if (i >= TEXTS - 2) // two windows, and several
            s = t->owned[i - (TEXTS - 2)] = repeated(
                i == TEXTS - 1 ? "the tin can in the inn, 42. " : "another \xC3\xA9 . ",
                i == TEXTS - 1 ? 120 : 60);
        t->at[i] = (struct reader_text){heading, strlen(heading), s, strlen(s)};
    }
}

static void drop_texts(struct texts *t)
{
    free(t->owned[0]);
    free(t->owned[1]);
}

static void read_all(struct rig *r, const char *q, const struct reader_text *texts, size_t n,
                     arena *a, struct reading *out)
{
    struct err e = {0};
    int rc = reader_read(r->r, TEAM_INTERACTIVE, q, strlen(q), texts, n, a, out, NULL, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
}

static void same(const struct reading *x, const struct reading *y)
{
    assert_memory_equal(&x->null, &y->null, sizeof x->null);
    assert_memory_equal(&x->relevance, &y->relevance, sizeof x->relevance);
    assert_int_equal(x->n, y->n);
    if (x->n)
        assert_memory_equal(x->tokens, y->tokens, x->n * sizeof *x->tokens);
}

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
    team_take(team, TEAM_INTERACTIVE);
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

// ---- company ----

static void test_alone_or_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODELS; i++) {
        struct texts t;
        struct reading all[TEXTS];
        arena *a = arena_new(0);
        make_texts(&t);
        for (unsigned threads = 1; threads <= (i ? 2 : 4); threads++) {
            struct rig r;
            struct reading again[TEXTS];
            if (!open_rig(&r, i, threads))
                break;
            if (threads == 1)
                read_all(&r, question, t.at, TEXTS, a, all);
            read_all(&r, question, t.at, TEXTS, a, again);
            for (size_t k = 0; k < TEXTS; k++)
                same(&all[k], &again[k]);
            for (size_t k = 0; k < (i ? 5 : TEXTS) && threads == 1; k++) {
                read_all(&r, question, &t.at[k], 1, a, again);
                same(&all[k], again);
            }
            read_all(&r, question, NULL, 0, a, NULL);
            close_rig(&r);
        }
        drop_texts(&t);
        arena_free(a);
    }
}

// Several threads embed and read with the same weights at once.
struct worker {
    pthread_t thread;
    struct rig *r;
    const struct texts *t;
    const struct reading *want;
    const float *vector;
    bool embeds, failed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct err e;
    size_t dims = embedder_dims(w->r->m);
    float *v = malloc(dims * sizeof *v);
    const struct embedder_text text = {question, sizeof question - 1};
    for (int i = 0; i < 5 && v; i++) {
        arena *a = arena_new(0);
        struct reading out[3];
        if (w->embeds)
            w->failed |=
                embedder_embed(w->r->m, EMBEDDER_QUERY, TEAM_BATCH, &text, 1, v, NULL, &e) ||
                memcmp(v, w->vector, dims * sizeof *v);
        else
            w->failed |=
                reader_read(w->r->r, TEAM_INTERACTIVE, question, sizeof question - 1, w->t->at,
                            3, a, out, NULL, &e) ||
                out[0].n != w->want[0].n ||
                memcmp(out[0].tokens, w->want[0].tokens, out[0].n * sizeof *out[0].tokens) ||
                memcmp(&out[2].null, &w->want[2].null, sizeof out[2].null);
        arena_free(a);
    }
    free(v);
    return NULL;
}

static void test_threads(void **state)
{
    enum { WORKERS = 4 };
    (void)state;
    struct rig r;
    struct texts t;
    struct reading want[TEXTS];
    struct worker all[WORKERS];
    struct err e;
    assert_true(open_rig(&r, 0, 2));
    make_texts(&t);
    arena *a = arena_new(0);
    float *v = malloc(embedder_dims(r.m) * sizeof *v);
    const struct embedder_text text = {question, sizeof question - 1};
    assert_int_equal(embedder_embed(r.m, EMBEDDER_QUERY, TEAM_BATCH, &text, 1, v, NULL, &e), 0);
    read_all(&r, question, t.at, 3, a, want);
    for (int i = 0; i < WORKERS; i++) {
        all[i] = (struct worker){.r = &r, .t = &t, .want = want, .vector = v, .embeds = i % 2};
        assert_int_equal(pthread_create(&all[i].thread, NULL, work, &all[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(all[i].thread, NULL);
        assert_false(all[i].failed);
    }
    free(v);
    arena_free(a);
    drop_texts(&t);
    close_rig(&r);
}

static void test_cancel(void **state)
{
    (void)state;
    struct rig r;
    struct reading out;
    struct err e;
    const struct reader_text text = {"", 0, "the inn", 7};
    atomic_bool cancel = true;
    assert_true(open_rig(&r, 0, 1));
    arena *a = arena_new(0), *none = arena_new(1);
    assert_int_equal(reader_read(r.r, TEAM_BATCH, "x", 1, &text, 1, a, &out, &cancel, &e),
                     -ECANCELED);
    assert_int_equal(reader_read(r.r, TEAM_BATCH, "x", 1, &text, 1, none, &out, NULL, &e),
                     -ENOMEM);
    arena_free(a);
    arena_free(none);
    close_rig(&r);
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

// ---- spans ----

static uint32_t seed = 1;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static bool search(const struct reading *r, size_t from, size_t to, size_t most,
                   struct reader_span *out)
{
    bool found = false;
    double best = 0;
    for (size_t z = 0; z < r->n; z++)
        for (size_t a = z + 1 > most ? z + 1 - most : 0; a <= z; a++) {
            const struct reader_token *s = &r->tokens[a], *t = &r->tokens[z];
            double sum = (double)s->start_logit + (double)t->end_logit;
            if (s->start < from || t->end > to || s->start == s->end || t->start == t->end ||
                (found && sum <= best))
                continue;
            found = true;
            best = sum;
            *out = (struct reader_span){s->start, t->end, (float)(sum - (double)r->null),
                                        s->start_logit, t->end_logit};
        }
    return found;
}

static void test_spans(void **state)
{
    (void)state;
    enum { N = 80 };
    struct reader_token tokens[N];
    size_t hits = 0;
    for (int round = 0; round < 4000; round++) {
        struct reading r = {.null = (float)draw(9) - 4, .tokens = tokens, .n = draw(N + 1)};
        uint32_t at = 0;
        for (size_t i = 0; i < r.n; i++) {
            uint32_t part = i ? tokens[i - 1].end - tokens[i - 1].start : 0;
            tokens[i].start = at + draw(2);
            tokens[i].end = tokens[i].start + draw(4); // some have no bytes
            if (part && draw(8) == 0)                  // some share a character
                tokens[i] = tokens[i - 1];
            // Few values: many are equal.
            tokens[i].start_logit = (float)draw(6) - 3;
            tokens[i].end_logit = (float)draw(6) - 3;
            at = tokens[i].end;
        }
        size_t from = draw(at + 1), to = from + draw(at + 2), most = 1 + draw(N);
        struct reader_span got = {0}, want = {0};
        bool found = reader_span(&r, from, to, most, &got);
        assert_int_equal(found, search(&r, from, to, most, &want));
        assert_true(got.start == want.start && got.end == want.end);
        assert_true(got.score == want.score && got.start_logit == want.start_logit &&
                    got.end_logit == want.end_logit);
        assert_int_equal(reader_span(&r, 0, SIZE_MAX, 0, &got),
                         search(&r, 0, SIZE_MAX, READER_SPAN_TOKENS, &want));
        assert_true(!r.n || got.start == want.start);
        hits += found;
    }
    assert_true(hits > 1000 && hits < 4000);
    // Longer than the queue goes round.
    size_t many = 3 * READER_SPAN_TOKENS_MAX;
    struct reader_token *all = calloc(many, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < many; i++)
        all[i] = (struct reader_token){(uint32_t)i, (uint32_t)i + 1,
                                       (float)(many - i) + (float)draw(64), (float)draw(900)};
    const struct reading r = {.tokens = all, .n = many};
    struct reader_span got, want;
    assert_true(reader_span(&r, 9, many - 9, SIZE_MAX, &got));
    assert_true(search(&r, 9, many - 9, READER_SPAN_TOKENS_MAX, &want));
    assert_true(got.start == want.start && got.end == want.end && got.score == want.score);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),    cmocka_unit_test(test_alone_or_together),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_spans),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
