// SPDX-License-Identifier: MIT
// Memory that runs out: the Nth allocation fails, once or from then on, in SQLite or in our own
// code, for every N until a run needs no more. Each run ends with -ENOMEM or as if nothing had
// been; what was acknowledged is there; with AddressSanitizer, nothing is lost of the memory
// either.
#include "tests/store/failing_sqlite.h"
#include "tests/store/workload.h"
#include "tests/tools/failing.h"

#include "answer/answer.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "ingest/extractor.h"
#include "ingest/take.h"
#include "retriever/retriever.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// ---- what is run ----

static char dir[] = "/tmp/askd-test-memory-XXXXXX";
static char data[64], docs[64];
static struct walk_file files[3];

static int setup(void **state)
{
    static const char *const names[] = {"a.md", "b.html", "c.txt"};
    static const char *const texts[] = {
        "# Title\n\nSome words about quotas.\n\n## Part\n\n- one\n- two\n\n```\ncode\n```\n",
        "<html><title>T</title><body><h1>H</h1><p>Words <b>here</b>.</p></body></html>",
        "Plain text about the quota.\n\nAnother paragraph of it.\n"};
    static char paths[3][128];
    struct err e;
    (void)state;
    failing_sqlite();
    if (!mkdtemp(dir))
        return -1;
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(docs, sizeof docs, "%s/docs", dir);
    if (file_mkdirs(docs, 0700, &e))
        return -1;
    for (int i = 0; i < 3; i++) {
        struct stat st;
        snprintf(paths[i], sizeof paths[i], "%s/%s", docs, names[i]);
        if (file_write_atomic(paths[i], texts[i], strlen(texts[i]), &e) || stat(paths[i], &st))
            return -1;
        files[i] = (struct walk_file){.path = paths[i], .size = st.st_size};
    }
    return 0;
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static void empty(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", data);
    assert_int_equal(system(command), 0);
}

static int acked;
static void note_ack(void *ctx, int step)
{
    (void)ctx;
    acked = step;
}

static int write_all(struct err *e)
{
    return work_run(data, 1, note_ack, NULL, e);
}

static unsigned stride(unsigned by, unsigned by_all)
{
    const char *v = getenv("ASKD_FAULTS");
    return v && !strcmp(v, "all") ? by_all : by;
}

static void check_writing(bool sqlite, unsigned by, unsigned by_all)
{
    unsigned tried = 0;
    char why[ERR_MSG_MAX];
    struct err e;
    int found;
    bool more = true;
    for (unsigned at = 1; more; at += stride(by, by_all))
        for (int on = 0; on < 2; on++, tried++) {
            empty();
            acked = 0;
            more = failing_try(write_all, at, on, !sqlite, NULL);
            if (work_check(data, acked, &found, why)) {
                print_error("allocation %u: acknowledged %d: %s\n", at, acked, why);
                fail();
            }
            assert_int_equal(work_run(data, found + 1, NULL, NULL, &e), 0);
        }
    print_message("# writing, %s: %u runs, nothing lost\n", sqlite ? "SQLite" : "ours", tried);
}

static void test_writing(void **state)
{
    (void)state;
    check_writing(true, 3001, 23);
    check_writing(false, 61, 1);
}

// What runs in a process of its own, here.
static int extract_all(struct err *e)
{
    static const char *const texts[] = {
        "# Title\n\nSome words.\n\n## Part\n\n- one\n- "
        "[two](https://e.org/)\n\n```\ncode\n```\n"
        "| a | b |\n|---|---|\n| 1 | &copy; |\n",
        "<html><title>T</title><body><h1>H</h1><p>Words "
        "<b>here</b>.<ol><li>x</ol></body></html>",
        "caf\xE9 cr\xE8me br\xFBl\xE9"
        "e, d\xE9j\xE0 vu\n\n1. one\n2. two\n",
        "Head\nOne page.\n\fHead\nAnother.\n\fHead\nA third.\n\f"};
    static const enum format formats[] = {FORMAT_MARKDOWN, FORMAT_HTML, FORMAT_TEXT,
                                          FORMAT_PDF};
    for (int i = 0; i < 4; i++) {
        struct buf b = BUF_INIT;
        struct doc d;
        doc_init(&d, "text");
        int rc = buf_adds(&b, texts[i]) ? err_nomem(e) : extract_bytes(formats[i], &b, &d, e);
        if (!rc && !d.n_blocks)
            rc = -EINVAL;
        doc_free(&d);
        buf_free(&b);
        if (rc == -EOVERFLOW) // the HTML tree does not tell its own bound from the machine's
            rc = -ENOMEM;
        if (rc)
            return rc;
    }
    return 0;
}

// A text that is long enough for its words to need more and more room.
static int cut(struct err *e)
{
    struct buf text = BUF_INIT, words = BUF_INIT;
    int rc = 0;
    for (int i = 0; i < 40 && !rc; i++)
        rc = buf_adds(&text, "plain words, --some-options, \u5982\u4f55\u91cd\u7f6e ");
    rc = rc ? rc : text_words(&words, text.data, text.len);
    if (!rc && (words.len < text.len || !strstr(words.data, "options \uE02D")))
        rc = -EINVAL;
    buf_free(&text);
    buf_free(&words);
    return rc ? err_set(e, rc, "no memory for the words") : 0;
}

// A file becomes a document, or fails for want of memory.
static extractors *x;
static int take_one(struct err *e)
{
    static const struct repeats none;
    for (int i = 0; i < 3; i++) {
        struct taken t = {0};
        take_file(x, &files[i], NULL, "default", 1 << 20, &none, &t);
        int rc = t.outcome == OUT_NEW ? 0 : t.err.code;
        if (t.outcome == OUT_SKIPPED || (t.outcome != OUT_NEW && !rc))
            rc = -EINVAL; // it was taken for something else
        *e = t.err;
        taken_free(&t);
        if (rc)
            return rc;
    }
    return 0;
}

static int start_extractors(struct err *e)
{
    extractors *other;
    int rc = extractors_new(2, &other, e);
    extractors_free(other);
    return rc;
}

// As whoever reads everything, as a user where files decide in another collection, and as one
// where they do in all: of the work's documents nobody knows who may read them.
static int search(struct err *e)
{
    static const char *const elsewhere[] = {"elsewhere", NULL}, *const even[] = {"even", NULL};
    static const struct rights rights[] = {
        {.by_files = true, .files_of = elsewhere, .user = true},
        {.collections = even, .by_files = true, .user = true}};
    retriever *r = NULL;
    struct retriever_result out;
    struct retriever_query q = {.question = "Which oak? unique0x3x0", .k = 8};
    arena *a = arena_new(0);
    int rc = a ? retriever_open(data, NULL, NULL, NULL, &r, e) : err_nomem(e);
    for (int i = 0; i < 3 && !rc; i++) {
        q.rights = i ? &rights[i - 1] : NULL;
        rc = retriever_search(r, &q, a, &out, e);
        if (!rc && i == 2 ? out.n || out.passages_total
                          : !rc && (!out.n || !strstr(out.hits[0].text, "unique0x3x0")))
            rc = -EINVAL; // nothing is found, or too much, without a word
    }
    retriever_close(r);
    arena_free(a);
    return rc;
}

static void check_run(failing_fn *run, const char *what, unsigned sqlite_by, unsigned ours_by)
{
    unsigned tried = 0, failed = 0;
    int rc;
    for (int sqlite = 0; sqlite < 2; sqlite++) {
        bool more = true;
        for (unsigned at = 1; more; at += stride(sqlite ? sqlite_by : ours_by, 1)) {
            more = false;
            for (int on = 0; on < 2; on++, tried++) {
                more |= failing_try(run, at, on, !sqlite, &rc);
                failed += rc != 0;
            }
        }
    }
    print_message("# %s: %u runs, %u failed with a sentence, the others as if nothing had"
                  " been\n",
                  what, tried, failed);
}

static void test_taking(void **state)
{
    (void)state;
    failing_all(cut, "cutting a text into words", 1);
    failing_all(extract_all, "extracting documents", 1);
    struct err e;
    assert_int_equal(extractors_new(1, &x, &e), 0);
    failing_all(take_one, "taking documents", 1);
    failing_all(start_extractors, "starting extractors", 1);
    extractors_free(x);
}

// A question is answered from the store, by quoting.
static safety *rules;
static int answer(struct err *e)
{
    retriever *r = NULL;
    answerer *an = NULL;
    struct answer_result out;
    const struct answer_request q = {.question = "Which oak has unique0x3x0?", .k = 3};
    arena *a = arena_new(0);
    int rc = a ? retriever_open(data, NULL, NULL, NULL, &r, e) : err_nomem(e);
    const struct answer_options o = {.retriever = r, .safety = rules};
    if (!rc)
        rc = answerer_new(&o, &an, e);
    if (!rc)
        rc = answer_run(an, &q, NULL, a, &out, e);
    if (!rc && (out.status == ANSWER_WITHHELD || !*out.text || !out.passages.n))
        rc = -EINVAL; // something else was answered
    answerer_free(an);
    retriever_close(r);
    arena_free(a);
    return rc;
}

static void test_answering(void **state)
{
    struct err e;
    (void)state;
    empty();
    assert_int_equal(work_run(data, 1, NULL, NULL, &e), 0);
    assert_int_equal(safety_open(NULL, &rules, &e), 0);
    check_run(answer, "opening and answering", 29, 1);
    safety_close(rules);
}

static void test_searching(void **state)
{
    struct err e;
    (void)state;
    empty();
    assert_int_equal(work_run(data, 1, NULL, NULL, &e), 0);
    check_run(search, "opening and searching", 17, 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing), cmocka_unit_test(test_taking),
        cmocka_unit_test(test_searching), cmocka_unit_test(test_answering)};
    if (argc && !strcmp(argv[0], EXTRACTOR_NAME))
        return extractor_main(extract_bytes, &extractor_limits);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, setup, teardown);
}
