// SPDX-License-Identifier: MIT
// Constraints under random logits: every text that comes out is what was asked for, none runs
// into a wall, and where max_tokens allows it each comes to its end. Expressions, citing and
// quoting; test_constraint_schema.c has schemas.
#include "base/utf8.h"
#include "tests/llm/constraint_rig.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_regex(void **state)
{
    // As we write it, and as POSIX does.
    static const struct {
        const char *ours, *theirs;
    } patterns[] = {
        {"yes|no|may(be)?", NULL},
        {"[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]", NULL},
        {"\\d+(\\.\\d{1,3})?", "[0-9]+(\\.[0-9]{1,3})?"},
        {"[a-z]{3,8}(, [a-z]{3,8}){0,3}\\.", NULL},
        {"(?:ab|a)(?:bc|c)*d{2,}", "(ab|a)(bc|c)*d{2,}"},
        {"^(the|then)? ?(and|an)+$", NULL},
        {"\\x41[\\x42-\\x44]\\u0045?", "A[B-D]E?"},
        {"(a|b)*a(a|b){7}", NULL}, // 2^8 states
        {"[]^-]{1,3}", NULL},
        {"", "()"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char whole[256];
        regex_t posix;
        snprintf(whole, sizeof whole, "^(%s)$",
                 patterns[i].theirs ? patterns[i].theirs : patterns[i].ours);
        assert_int_equal(regcomp(&posix, whole, REG_EXTENDED | REG_NOSUB), 0);
        for (size_t m = 0; m < n_models; m++) {
            llm_constraint *c = regex(m, patterns[i].ours);
            for (uint64_t seed = 0; seed < seeds(m); seed++) {
                if (!write_text(m, c, 40, seed))
                    fail_msg("%s: no end: %s", patterns[i].ours, text.data);
                if (regexec(&posix, text.data, 0, NULL, 0))
                    fail_msg("%s: %s", patterns[i].ours, text.data);
            }
            llm_constraint_free(c);
        }
        regfree(&posix);
    }
}

static void test_utf8(void **state)
{
    (void)state;
    for (size_t m = 0; m < n_models; m++) {
        llm_constraint *c = regex(m, "[^\\x00-\\x7F]{1,5}"), *d = regex(m, "[α-ω你-佡]+");
        for (uint64_t seed = 0; seed < seeds(m); seed++) {
            assert_true(write_text(m, c, 20, seed));
            assert_true(utf8_valid(text.data, text.len));
            assert_in_range(utf8_count(text.data, text.len), 1, 5);
            for (size_t i = 0; i < text.len; i++)
                assert_true((unsigned char)text.data[i] >= 0x80);
            assert_true(write_text(m, d, 20, seed));
            assert_true(utf8_valid(text.data, text.len));
            for (size_t i = 0, step; i < text.len; i += step) {
                uint32_t cp = utf8_decode(text.data + i, text.len - i, &step);
                assert_true((cp >= 0x3B1 && cp <= 0x3C9) || (cp >= 0x4F60 && cp <= 0x4F61));
            }
        }
        llm_constraint_free(c);
        llm_constraint_free(d);
    }
}

static void test_regex_refused(void **state)
{
    static const struct {
        const char *pattern, *says;
    } wrong[] = {{"a(b", "not closed"},
                 {"a)", "not opened"},
                 {"[a", "not closed"},
                 {"*a", "nothing"},
                 {"a{3,2}", "{n,m}"},
                 {"a{1001}", "1000"},
                 {"(?=a)", "(?:"},
                 {"\\1", "back"},
                 {"a*?", "lazy"},
                 {"a**", "group"},
                 {"[z-a]", "range"},
                 {"a^b", "ends"},
                 {"^a|b", "group"},
                 {"\\", "backslash"},
                 {"[^\\u0000-\\uFFFF]x\\q", "letter"},
                 {"((a{1000}){1000}){9}", "states"},
                 {"\\xZ", "hexadecimal"},
                 {"a$b", "ends"}};
    (void)state;
    struct err e;
    llm_constraint *c;
    char deep[200];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_true(llm_constraint_regex(&models[0].m, wrong[i].pattern, &c, &e) < 0);
        if (!strstr(e.msg, wrong[i].says))
            fail_msg("%s: %s", wrong[i].pattern, e.msg);
    }
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    assert_int_equal(llm_constraint_regex(&models[0].m, deep, &c, &e), -E2BIG);
}

// ---- citing and quoting ----

static const char *const passages[] = {
    "The backup starts at 02:30 \xE2\x80\x94 every night. \xE5\xA4\x87\xE4\xBB\xBD\xE4\xBA\x8E"
    "\xE5\x87\x8C\xE6\x99\xA8\xE5\xBC\x80\xE5\xA7\x8B",
    "Ask \xE2\x80\x9Cthe admin\xE2\x80\x9D, or the \xFF admin's deputy.", "aaaaaaaaab", ""};

// What stands in quotation marks is from a passage; what brackets name is 1, 12 or 30.
static void check_grounded(const char *s, bool cite, bool quote)
{
    static const char *const open[] = {"\"", "\xE2\x80\x9C", "\xE3\x80\x8C"},
                             *const close[] = {"\"", "\xE2\x80\x9D", "\xE3\x80\x8D"};
    assert_true(utf8_valid(s, strlen(s)));
    while (*s) {
        size_t k = 0;
        while (quote && k < 3 && strncmp(s, open[k], strlen(open[k])))
            k++;
        if (quote && k < 3) {
            s += strlen(open[k]);
            const char *end = strstr(s, close[k]);
            bool found = false;
            assert_non_null(end);
            for (size_t p = 0; p < 4 && !found; p++)
                found = memmem(passages[p], strlen(passages[p]), s, (size_t)(end - s));
            if (!found)
                fail_msg("not from a passage: %.*s", (int)(end - s), s);
            s = end + strlen(close[k]);
            continue;
        }
        const char *digit = s + 1 + strspn(s + 1, " ");
        if (cite && *s == '[' && *digit >= '0' && *digit <= '9') {
            char *end;
            unsigned long n = strtoul(digit, &end, 10);
            assert_true((n == 1 || n == 12 || n == 30) && *end == ']' && *digit != '0');
        }
        s++;
    }
}

static void test_grounded(void **state)
{
    static const uint32_t numbers[] = {1, 12, 30};
    (void)state;
    struct err e;
    unsigned quoted = 0, cited = 0;
    for (size_t m = 0; m < n_models; m++)
        for (int kind = 1; kind < 4; kind++) {
            const struct llm_grounds g = {kind & 1, numbers, 3, kind & 2, passages, 4};
            llm_constraint *c;
            assert_int_equal(llm_constraint_grounded(&models[m].m, &g, &c, &e), 0);
            for (uint64_t seed = 0; seed < seeds(m); seed++) {
                // Begin where it is narrow, which random tokens seldom do.
                assert_true(write_text(m, c, 1 + (uint32_t)(seed % 50), seed));
                check_grounded(text.data, g.cite, g.quote);
                quoted += strchr(text.data, '"') != NULL;
                cited += strchr(text.data, ']') != NULL;
            }
            llm_constraint_free(c);
        }
    print_message("# %u quote, %u cite\n", quoted, cited);
    assert_true(quoted && cited);
    // Nothing to cite, nothing to quote: no number, and only empty quotations.
    llm_constraint *c;
    const struct llm_grounds none = {.cite = true, .quote = true};
    assert_int_equal(llm_constraint_grounded(&models[0].m, &none, &c, &e), 0);
    for (uint64_t seed = 0; seed < 100; seed++) {
        assert_true(write_text(0, c, 60, seed));
        for (const char *p = text.data; (p = strchr(p, '[')); p++)
            assert_false(p[1] >= '0' && p[1] <= '9');
        const char *q = strchr(text.data, '"');
        assert_true(!q || q[1] == '"');
    }
    llm_constraint_free(c);
    char *large = malloc((2u << 20) + 1);
    memset(large, 'a', 2u << 20);
    large[2u << 20] = 0;
    const struct llm_grounds many = {
        .quote = true, .passages = (const char *const *)&large, .n_passages = 1};
    assert_int_equal(llm_constraint_grounded(&models[0].m, &many, &c, &e), -E2BIG);
    free(large);
}

// Ever fewer tokens: an end wherever one is possible.
static void test_budget(void **state)
{
    (void)state;
    struct err e;
    llm_constraint *c;
    // 9 bytes at least: {"a":null}
    const char *schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"null\","
                         "\"string\"]}},\"required\":[\"a\"]}";
    for (size_t m = 0; m < n_models; m++) {
        assert_int_equal(llm_constraint_schema(&models[m].m, schema, &c, &e), 0);
        for (uint32_t left = 1; left <= 30; left++)
            for (uint64_t seed = 0; seed < (m ? 2 : 20); seed++)
                if (!write_text(m, c, left, seed))
                    assert_true(left < 8); // {"a":""} byte by byte
        llm_constraint_free(c);
        // 36 bytes, but few of the real models' tokens.
        c = regex(m, "[a-z ]{5} and the answer to the question [a-z]{5}");
        for (uint64_t seed = 0; seed < 6 && m; seed++)
            assert_true(write_text(m, c, 22, seed));
        llm_constraint_free(c);
    }
    // What the vocabulary cannot write is said at once.
    assert_int_equal(llm_constraint_regex(&models[0].m, "a[^\\x00-\\uFFFF]b[^\\s\\S]", &c, &e),
                     -EINVAL);
    assert_non_null(strstr(e.msg, "tokens"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regex),         cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_regex_refused), cmocka_unit_test(test_grounded),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
