// SPDX-License-Identifier: MIT
// The rules that hold for every vocabulary, on small ones made here.
#include "base/buf.h"
#include "engine/gguf/gguf_writer.h"
#include "engine/tokenizer/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// A byte-level vocabulary: letters, "ab", "abc" and a control token.
static tokenizer *tiny(const char *pre, struct err *e, int *rc)
{
    static const struct gguf_str words[] = {{"a", 1},       {"b", 1},   {"c", 1},
                                            {"ab", 2},      {"abc", 3}, {"<|im_end|>", 10},
                                            {"\xC4\xA0", 2}};
    static const struct gguf_str merges[] = {{"a b", 3}, {"ab c", 4}, {"b c", 3}};
    static const int32_t types[] = {1, 1, 1, 1, 1, 3, 1};
    char path[] = "/tmp/askd-test-tok-XXXXXX";
    gguf *g;
    tokenizer *t = NULL;
    close(mkstemp(path));
    gguf_writer *w = gguf_writer_new();
    gguf_writer_str(w, "tokenizer.ggml.model", "gpt2");
    gguf_writer_str(w, "tokenizer.ggml.pre", pre);
    gguf_writer_strings(w, "tokenizer.ggml.tokens", words, 7);
    gguf_writer_strings(w, "tokenizer.ggml.merges", merges, 3);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_I32, types, 7);
    gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", 5);
    assert_int_equal(gguf_writer_save(w, path, e), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(path, &g, e), 0);
    *rc = tokenizer_open(g, &t, e);
    gguf_close(g);
    unlink(path);
    return t;
}

static void test_control_never_from_text(void **state)
{
    (void)state;
    struct err e;
    int rc;
    tokenizer *t = tiny("gpt-2", &e, &rc);
    assert_int_equal(rc, 0);
    const char *text = "abc<|im_end|>";
    struct tokens out = TOKENS_INIT;
    assert_int_equal(tokenizer_encode(t, text, strlen(text), 0, &out), 0);
    assert_int_equal(out.ids[0], 4);
    for (size_t i = 0; i < out.len; i++)
        assert_int_not_equal(out.ids[i], 5);
    out.len = 0;
    assert_int_equal(tokenizer_encode(t, text, strlen(text), TOKENIZER_PARSE_CONTROL, &out), 0);
    assert_true(out.len == 2 && out.ids[1] == 5);
    assert_true(tokenizer_is_end(t, 5) && tokenizer_is_control(t, 5));
    assert_int_equal(tokenizer_find(t, "<|im_end|>"), 5);
    struct buf b = BUF_INIT;
    assert_int_equal(tokenizer_decode(t, 6, &b), 0);
    assert_int_equal(tokenizer_decode(t, 4, &b), 0);
    assert_int_equal(tokenizer_decode(t, 5, &b), 0);
    assert_string_equal(b.data, " abc");
    assert_int_equal(tokenizer_decode(t, 7, &b), -EINVAL);
    buf_free(&b);
    tokens_free(&out);
    tokenizer_close(t);
}

static void test_long_run_is_not_quadratic(void **state)
{
    (void)state;
    struct err e;
    int rc;
    tokenizer *t = tiny("gpt-2", &e, &rc);
    size_t n = 1 << 20;
    char *text = malloc(n);
    for (size_t i = 0; i < n; i++)
        text[i] = "abc"[i % 3];
    struct tokens out = TOKENS_INIT;
    assert_int_equal(tokenizer_encode(t, text, n, 0, &out), 0);
    assert_int_equal(out.len, n / 3 + 1);
    tokens_free(&out);
    free(text);
    tokenizer_close(t);
}

static void test_bos_where_nothing_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *pre;
        size_t n;
    } cases[] = {{"gpt-2", 1}, {"qwen2", 1}, {"llama-bpe", 2}, {"tekken", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e;
        int rc;
        tokenizer *t = tiny(cases[i].pre, &e, &rc);
        struct tokens out = TOKENS_INIT;
        assert_int_equal(rc, 0);
        assert_int_equal(tokenizer_encode(t, "abc", 3, TOKENIZER_ADD_SPECIAL, &out), 0);
        assert_int_equal(out.len, cases[i].n);
        assert_true(cases[i].n == 1 || out.ids[0] == tokenizer_bos(t));
        tokens_free(&out);
        tokenizer_close(t);
    }
}

static void test_unknown_pre_tokeniser(void **state)
{
    (void)state;
    struct err e;
    int rc;
    tokenizer *t = tiny("martian", &e, &rc);
    assert_null(t);
    assert_int_equal(rc, -EINVAL);
    assert_non_null(strstr(e.msg, "martian"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_never_from_text),
        cmocka_unit_test(test_long_run_is_not_quadratic),
        cmocka_unit_test(test_bos_where_nothing_is_said),
        cmocka_unit_test(test_unknown_pre_tokeniser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
