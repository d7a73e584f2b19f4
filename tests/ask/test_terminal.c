// SPDX-License-Identifier: MIT
#include "ask/print.h"
#include "ask/terminal.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BAD "\xEF\xBF\xBD"

static void expect(const char *in, size_t n, const char *want)
{
    struct buf b = BUF_INIT;
    // However the text is cut, the same comes out.
    for (size_t piece = 1; piece <= n + 1; piece++) {
        struct terminal_filter f = {0};
        buf_clear(&b);
        for (size_t i = 0; i < n; i += piece)
            assert_int_equal(terminal_clean(&f, in + i, n - i < piece ? n - i : piece, &b), 0);
        assert_int_equal(terminal_finish(&f, &b), 0);
        assert_string_equal(b.data, want);
    }
    buf_free(&b);
}
#define EXPECT(in, want) expect(in, sizeof(in) - 1, want)

static void text_stays(void **state)
{
    (void)state;
    EXPECT("plain text\n\twith tabs", "plain text\n\twith tabs");
    EXPECT("\xE5\xA6\x82\xE4\xBD\x95\xE9\x87\x8D\xE7\xBD\xAE",
           "\xE5\xA6\x82\xE4\xBD\x95\xE9\x87\x8D\xE7\xBD\xAE");
    EXPECT("\xF0\x9F\x98\x80!", "\xF0\x9F\x98\x80!");
    EXPECT("", "");
    EXPECT("line\r\nline", "line\nline");
}

static void control_goes(void **state)
{
    (void)state;
    EXPECT("\033]0;title\007", BAD "]0;title" BAD);
    EXPECT("\033[2J", BAD "[2J");
    EXPECT("a\bb\177c", "a" BAD "b" BAD "c");
    EXPECT("\xC2\x9B"
           "2J",
           BAD "2J"); // C1 CSI in UTF-8
    EXPECT("\x9B"
           "2J",
           BAD "2J"); // and as a bare byte
    EXPECT("a\xE2\x80\xAE"
           "b",
           "a" BAD "b"); // right-to-left override
    EXPECT("a\xE2\x81\xA6"
           "b",
           "a" BAD "b"); // isolate
    EXPECT("a\0b", "a" BAD "b");
    EXPECT("\xED\xA0\x80", BAD BAD BAD);         // a surrogate
    EXPECT("\xC0\xAF", BAD BAD);                 // overlong
    EXPECT("\xF4\x90\x80\x80", BAD BAD BAD BAD); // beyond Unicode
    EXPECT("ab\xE5\xA6", "ab" BAD);              // cut at the end
    EXPECT("\xE5\xA6x", BAD BAD "x");
}

static void nothing_obeyed_in_any_bytes(void **state)
{
    (void)state;
    uint64_t r = 1;
    for (int round = 0; round < 2000; round++) {
        char in[64];
        struct buf b = BUF_INIT;
        struct terminal_filter f = {0};
        size_t n = round % sizeof in;
        for (size_t i = 0; i < n; i++) {
            r = r * 6364136223846793005u + 1442695040888963407u;
            in[i] = (char)(r >> 56);
        }
        assert_int_equal(terminal_clean(&f, in, n / 2, &b), 0);
        assert_int_equal(terminal_clean(&f, in + n / 2, n - n / 2, &b), 0);
        assert_int_equal(terminal_finish(&f, &b), 0);
        assert_true(utf8_valid(b.data, b.len));
        for (size_t i = 0, step; i < b.len; i += step) {
            uint32_t cp = utf8_decode(b.data + i, b.len - i, &step);
            assert_true(cp == '\n' || cp == '\t' ||
                        (cp >= 32 && cp != 127 && (cp < 128 || cp >= 160)));
        }
        buf_free(&b);
    }
}

static void lines_stay_lines(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_int_equal(terminal_clean_text("  a\n\n b\tc  ", true, &b), 0);
    assert_string_equal(b.data, "a b c");
    buf_clear(&b);
    assert_int_equal(terminal_clean_text("", true, &b), 0);
    assert_string_equal(b.data, "");
    buf_free(&b);
}

static void json_stays_json(void **state)
{
    (void)state;
    static const char in[] = "{\"a\":\"x\177\xC2\x9B\xE2\x80\xAE\xE5\xA6\x82\\u001b\"}\n";
    struct buf b = BUF_INIT;
    struct terminal_filter f = {0};
    assert_int_equal(terminal_clean_json(&f, in, sizeof in - 1, &b), 0);
    assert_string_equal(b.data, "{\"a\":\"x\\u007f\\u009b\\u202e\xE5\xA6\x82\\u001b\"}\n");
    cJSON *was = cJSON_Parse(in), *is = cJSON_Parse(b.data);
    assert_true(was && is && cJSON_Compare(was, is, 1));
    cJSON_Delete(was);
    cJSON_Delete(is);
    buf_free(&b);
}

// What print.c makes of a "done" object.
static void printed(const char *json, const char *want)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    struct printer p = {.out = out, .style = {"", "", "", ""}};
    cJSON *o = cJSON_Parse(json);
    assert_non_null(o);
    print_sources(&p, o);
    fclose(out);
    assert_string_equal(text, want);
    cJSON_Delete(o);
    free(text);
}

static void sources_name_the_place(void **state)
{
    (void)state;
    printed("{\"status\":\"answered\",\"answer\":\"Run it [1].\",\"citations\":[{\"n\":1,"
            "\"document\":{\"path\":\"/srv/a.md\",\"title\":\"A\"},\"section\":[\"A\",\"B\"],"
            "\"page\":null,\"lines\":[3,4],\"quote\":\"exact\\nwords\"}]}",
            "\n[1] A > B\n    /srv/a.md:3-4\n    \"exact words\"\n");
    // A quote that is the answer is not said twice; one line is one number; pages.
    printed("{\"status\":\"answered\",\"answer\":\"exact [2]\",\"citations\":[{\"n\":2,"
            "\"document\":{\"path\":\"/a.pdf\",\"title\":\"\"},\"section\":[],\"page\":7,"
            "\"lines\":[3,3],\"quote\":\"exact\"}]}",
            "\n[2] (no title)\n    /a.pdf:3, page 7\n");
    printed("{\"status\":\"not_found\",\"answer\":\"no\",\"citations\":[],\"passages\":[{"
            "\"document\":{\"path\":\"/a\\u001b[2J\\n.md\",\"title\":\"T\"},\"lines\":[1,9]}]}",
            "\nNearest passages:\n  T\n    /a" BAD "[2J .md:1-9\n");
    // Shapes that a daemon never sends break nothing.
    printed("{\"citations\":[1,{\"n\":\"x\",\"lines\":\"y\",\"section\":[null]}]}",
            "\n[0] (no title)\n    \n[0] (no title)\n    \n");
    printed("{}", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays),
        cmocka_unit_test(control_goes),
        cmocka_unit_test(nothing_obeyed_in_any_bytes),
        cmocka_unit_test(lines_stay_lines),
        cmocka_unit_test(json_stays_json),
        cmocka_unit_test(sources_name_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
