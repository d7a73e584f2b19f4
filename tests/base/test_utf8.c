// SPDX-License-Identifier: MIT
#include "base/hash.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

// Valid and invalid sequences of RFC 3629 section 4, with the length of the first step.
static void test_steps(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        size_t step;
    } t[] = {
        {"a", 1},
        {"\xC3\xA9", 2},
        {"\xE4\xB8\xAD", 3},
        {"\xF0\x9F\x98\x80", 4},
        {"\xC0\x80", 0},
        {"\xE0\x80\x80", 0},
        {"\xED\xA0\x80", 0},
        {"\xF4\x90\x80\x80", 0},
        {"\xF8\x88\x80\x80", 0},
        {"\xE4\xB8", 0},
        {"\x80", 0},
        {"\xFF", 0},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        assert_int_equal(utf8_valid_step(t[i].s, strlen(t[i].s)), t[i].step);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp += cp < 0x3000 ? 1 : 97) {
        if (cp >= 0xD800 && cp <= 0xDFFF)
            continue;
        char out[4];
        size_t step, n = utf8_encode(cp, out);
        assert_int_equal(utf8_decode(out, n, &step), cp);
        assert_int_equal(step, n);
    }
}

static void test_clean_and_fold(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_int_equal(utf8_add_clean(&b, "a\xFF\xE4\xB8z", 5), 0);
    assert_string_equal(b.data, "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
    buf_clear(&b);
    assert_int_equal(utf8_add_folded(&b, "\xEF\xBC\xA1STRASSE", 10), 0);
    assert_string_equal(b.data, "astrasse");
    assert_int_equal(utf8_add_folded(&b, "\xFF", 1), -22);
    buf_free(&b);
}

static void test_classes(void **state)
{
    (void)state;
    assert_true(utf8_is_cjk(0x4E2D));
    assert_false(utf8_is_cjk('a'));
    assert_true(utf8_is_letter(0xE9));
    assert_true(utf8_is_number('7'));
    assert_true(utf8_is_space(0x3000));
    assert_true(utf8_is_punct(0x3002));
    assert_false(utf8_is_punct('x'));
}

static void test_hash(void **state)
{
    (void)state;
    struct hash128 h = hash128_of("", 0);
    char hex[33];
    hash128_hex(&h, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f"); // XXH3-128 of nothing
}

static void test_visible(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    const uint32_t in[] = {'a', 0x200B, 0xFF22, 0xAD, 0xE9, 0x301, 0xFEFF, 0x4E2D, 0xFB01};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        assert_int_equal(utf8_add_visible(&b, in[i]), 0);
    assert_string_equal(b.data, "aBe\xE4\xB8\xAD"
                                "fi");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_visible),    cmocka_unit_test(test_steps),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_clean_and_fold),
        cmocka_unit_test(test_classes),    cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
