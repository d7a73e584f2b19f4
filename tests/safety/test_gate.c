// SPDX-License-Identifier: MIT
// The gate's promise: however a text is cut, the same bytes come out.
#include "base/buf.h"
#include "base/file.h"
#include "base/utf8.h"
#include "safety/safety.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static safety *rules;

static const char extra[] = "[email]\nenabled = yes\n[us-ssn]\nenabled = yes\n"
                            "[codename]\ncategory = internal\nstages = answer\n"
                            "action = redact\nwords = heron project, heron\n"
                            "[counted]\ncategory = internal\nstages = answer\n"
                            "action = report\npattern = co[a-z]{2,9}d\n"
                            "[address-not-in-passages]\nenabled = no\n"
                            "[abuse-zh-learned]\nenabled = yes\n";

static int setup(void **state)
{
    struct err e = {0};
    char path[] = "/tmp/askd-test-gate-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    if (fd < 0)
        return -1;
    close(fd);
    const struct safety_options o = {.extra = path};
    int rc = file_write_atomic(path, extra, strlen(extra), &e);
    if (!rc)
        rc = safety_open(&o, &rules, &e);
    unlink(path);
    if (rc)
        print_error("%s\n", e.msg);
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    safety_close(rules);
    return 0;
}

static int collect(void *ctx, const char *text, size_t n)
{
    return buf_add(ctx, text, n);
}

// Feed text in pieces of sizes from `next`; what came out, then "|category" if it closed.
static void run(const char *text, size_t n, size_t (*next)(void *), void *ctx, struct buf *out)
{
    struct err e;
    safety_gate *g;
    const char *src[] = {"https://ok.example/page"};
    struct safety_gate_options o = {
        .text = {.stage = SAFETY_ANSWER, .sources = src, .n_sources = 1},
        .write = collect,
        .ctx = out};
    assert_int_equal(safety_gate_new(rules, &o, &g, &e), 0);
    for (size_t i = 0; i < n;) {
        size_t k = next(ctx);
        if (k > n - i)
            k = n - i;
        assert_true(safety_gate_feed(g, text + i, k, &e) >= 0);
        i += k;
    }
    assert_true(safety_gate_finish(g, &e) >= 0);
    const struct safety_finding *f = safety_gate_finding(g);
    if (f)
        buf_addf(out, "|%s@%zu-%zu", f->category, f->start, f->end);
    safety_gate_free(g);
}

static size_t whole(void *ctx)
{
    (void)ctx;
    return SIZE_MAX;
}

static size_t one(void *ctx)
{
    (void)ctx;
    return 1;
}

static size_t some(void *ctx)
{
    unsigned *seed = ctx;
    *seed = *seed * 1103515245u + 12345u;
    return 1 + (*seed >> 16) % 7;
}

static const char *const pieces[] = {
    "plain words ",
    "AKIA",
    "IOSFODNN7EXAMPLE",
    "\xE2\x80\x8B",
    "\xEF\xBC\xA1KIA",
    "4111 1111 ",
    "1111 1111 ",
    "1111",
    "https://ok.example/page",
    "https://evil.test/x",
    " ",
    ".",
    "fuck",
    " you",
    "傻",
    "逼",
    "\xE4",
    "\xFF",
    "中文。",
    "DE89 3704 0044 0532 0130 00",
    "-----BEGIN ",
    "RSA PRIVATE",
    " KEY-----",
    "12",
    "-",
    "a@b.co",
    "eyJ0123456789abc.eyJ",
    "heron",
    " project",
    "ﬁ",
    "%41KIA",
    "%4",
    "&#6",
    "5;KIA",
    "%E5%82%BB",
    "\xD0\x90\xD0\x9AIA", // Cyrillic
    "536-90-",
    "4399",
    "counted",
    "jane@",
    "mail.example.org",
    "http&colon;",
    "//evil.test",
    "贱人都滚出去吧",
    "！",
};

static void test_every_cut(void **state)
{
    (void)state;
    unsigned seed = 7, closed = 0;
    for (int round = 0; round < 6000; round++) {
        struct buf text = BUF_INIT, a = BUF_INIT, b = BUF_INIT, c = BUF_INIT;
        for (int i = 0; i < 8; i++) {
            seed = seed * 1103515245u + 12345u;
            buf_adds(&text, pieces[(seed >> 16) % (sizeof pieces / sizeof *pieces)]);
        }
        run(text.data, text.len, whole, NULL, &a);
        run(text.data, text.len, one, NULL, &b);
        run(text.data, text.len, some, &seed, &c);
        closed += strchr(a.data, '|') != NULL;
        if (strcmp(a.data, b.data) || strcmp(a.data, c.data))
            print_error("text: %s\nwhole: %s\nones: %s\nsome: %s\n", text.data, a.data, b.data,
                        c.data);
        assert_string_equal(a.data, b.data);
        assert_string_equal(a.data, c.data);
        buf_free(&text);
        buf_free(&a);
        buf_free(&b);
        buf_free(&c);
    }
    assert_in_range(closed, 600, 5800); // both outcomes were tried
}

static void expect(const char *text, const char *out)
{
    struct buf b = BUF_INIT;
    run(text, strlen(text), one, NULL, &b);
    assert_string_equal(b.data, out);
    buf_free(&b);
}

static void test_outcomes(void **state)
{
    (void)state;
    expect("all is well.", "all is well.");
    expect("see https://ok.example/page.", "see https://ok.example/page.");
    expect("see https://evil.test/a now", "see |link@4-23");
    expect("key: AKIAIOSFODNN7EXAMPLE and more", "key: |secret@5-25");
    // A rule that starts earlier and ends later wins over one inside it.
    expect("x fuck you", "x |abuse@2-10");
    expect("tail AKIA", "tail AKIA");
}

static void test_redaction(void **state)
{
    (void)state;
    expect("the heron project is late", "the [withheld: internal] is late");
    expect("heronheron heron.", "heronheron [withheld: internal].");
    expect("mail jane@example.org, or 536-90-4399",
           "mail [withheld: personal], or [withheld: personal]");
    expect("jane@example.org AKIAIOSFODNN7EXAMPLE x", "[withheld: personal] |secret@17-37");
    // The whole of a character goes with the part of it that matched: the ligature is f and i.
    expect("536-90-4399\xE2\x80\x8B, then", "[withheld: personal]\xE2\x80\x8B, then");
    struct safety_count c;
    struct err e;
    const char *text = "counted, counted and heron";
    const struct safety_gate_options o = {.text = {.stage = SAFETY_ANSWER, .count = true}};
    safety_gate *g;
    assert_int_equal(safety_gate_new(rules, &o, &g, &e), 0);
    assert_int_equal(safety_gate_feed(g, text, strlen(text), &e), 0);
    assert_int_equal(safety_gate_finish(g, &e), 0);
    assert_int_equal(safety_gate_passed(g), strlen(text));
    safety_gate_free(g);
    unsigned found = 0;
    for (size_t i = 0; safety_count(rules, i, &c); i++)
        found += c.n == 2 ? !strcmp(c.rule, "counted") && !strcmp(c.action, "report")
                          : c.n == 1 && !strcmp(c.rule, "codename");
    assert_int_equal(found, 2);
}

// One character as somebody might disguise it.
static void disguise(struct buf *b, char ch, unsigned how)
{
    static const char from[] = "AIOSEKTPXCHMBY", *const to[] = {
                                                     "\xD0\x90", "\xD0\x86", "\xCE\x9F",
                                                     "\xD0\x85", "\xCE\x95", "\xCE\x9A",
                                                     "\xCE\xA4", "\xD0\xA0", "\xCE\xA7",
                                                     "\xD0\xA1", "\xD0\x9D", "\xD0\x9C",
                                                     "\xCE\x92", "\xD2\xAE"};
    const char *at = strchr(from, ch);
    char enc[4];
    if (how == 1 && at)
        buf_adds(b, to[at - from]);
    else if (how == 2) // full width
        buf_add(b, enc, utf8_encode(0xFF00u + (unsigned char)ch - 0x20u, enc));
    else if (how == 3)
        buf_addf(b, "%%%02x", (unsigned char)ch);
    else if (how == 4)
        buf_addf(b, "&#x%X;", (unsigned char)ch);
    else if (how == 5)
        buf_addf(b, "&#%d;", ch);
    else if (how == 6)
        buf_addf(b, "%c\xE2\x80\x8D", ch); // zero-width joiner
    else if (how == 7)
        buf_addf(b, "\xC2\xAD%c", ch); // soft hyphen
    else if (how == 8)
        buf_addf(b, "%c\xCC\x81", ch); // combining acute
    else
        buf_addc(b, ch);
}

// Whatever the disguise and the cut, not a byte of it passes.
static void test_disguises(void **state)
{
    (void)state;
    static const char *const secrets[] = {"AKIAIOSFODNN7EXAMPLE",
                                          "ghp_0123456789abcdefghijABCDEFGHIJ012345",
                                          "4111111111111111", "DE89370400440532013000"};
    unsigned seed = 11;
    for (int round = 0; round < 2000; round++) {
        struct buf text = BUF_INIT, out = BUF_INIT;
        const char *secret = secrets[round % 4];
        buf_adds(&text, "the key is ");
        size_t start = text.len;
        for (const char *p = secret; *p; p++) {
            seed = seed * 1103515245u + 12345u;
            disguise(&text, *p, (seed >> 16) % 9);
        }
        buf_adds(&text, " and no more");
        run(text.data, text.len, some, &seed, &out);
        const char *close = strchr(out.data, '|');
        if (!close || (size_t)(close - out.data) > start + 2)
            print_error("text: %s\nout: %s\n", text.data, out.data);
        assert_non_null(close);
        // At most an invisible character before the first visible one has passed.
        assert_true((size_t)(close - out.data) <= start + 2);
        buf_free(&text);
        buf_free(&out);
    }
}

// Links in each form that something between here and a reader may follow, at every byte.
static void test_links(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "https://evil.test/x",
        "[here](https://evil.test/x)",
        "[here][1]\n\n[1]: https://evil.test/x",
        "<https://evil.test/x>",
        "![](https://evil.test/x?d=1)",
        "![][i]\n[i]: //evil.test/x.png",
        "<img src=\"https://evil.test/x\">",
        "<img src=//evil.test/x>",
        "<a href='HTTPS://EVIL.TEST/x'>",
        "![](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](javascript:alert(1))",
        "[x](vbscript:x)",
        "[x](%68ttps://evil.test/)",
        "[x](https%3a//evil.test/)",
        "[x](http&#115;://evil.test/)",
        "[x](https&colon;//evil.test/)",
        "[x](https:&sol;&#x2F;evil.test/)",
        "\xEF\xBD\x88ttps://evil.test/",
        "ht\xE2\x80\x8Btps://evil.test/",
        "https:\\\\evil.test/",
        "https:/evil.test/",
        "https:evil.test/",
        "www.evil.test/x",
        "ftp://evil.test/x",
        "file:///etc/passwd",
        "mailto:a@evil.test",
        "tel:+15551234",
        "wss://evil.test/",
        // As long as what the sources have, and longer; or the same with something hidden.
        "https://ok.example/page2",
        "https://ok.example/page-2",
        "https://ok.example.evil.test/",
        "https://ok.example/p\xD0\xB0ge",
        "https://ok.example/pa\xE2\x80\x8Bge",
        "https://ok.example/page%2e%2e",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buf out = BUF_INIT;
        run(forms[i], strlen(forms[i]), one, NULL, &out);
        if (!strstr(out.data, "|link@"))
            print_error("passed: %s\n", forms[i]);
        assert_non_null(strstr(out.data, "|link@"));
        assert_null(strstr(out.data, "evil.test"));
        buf_free(&out);
    }
    expect("see https://ok.example/page, (https://ok.example/page) and "
           "[it](https://ok.example/page)",
           "see https://ok.example/page, (https://ok.example/page) and "
           "[it](https://ok.example/page)");
    expect("50% of 1//2 is &c. AT&T; a://b", "50% of 1//2 is &c. AT&T; a://b");
}

// What is certain is let through at once, so that answers stream.
static void test_streams(void **state)
{
    (void)state;
    struct err e;
    safety_gate *g;
    struct buf out = BUF_INIT;
    struct safety_gate_options o = {
        .text = {.stage = SAFETY_ANSWER}, .write = collect, .ctx = &out};
    assert_int_equal(safety_gate_new(rules, &o, &g, &e), 0);
    assert_int_equal(safety_gate_feed(g, "The quota is set in the file. It", 32, &e), 0);
    assert_true(out.len >= 28);
    safety_gate_free(g);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut), cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_redaction), cmocka_unit_test(test_disguises),
        cmocka_unit_test(test_links),     cmocka_unit_test(test_streams),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
