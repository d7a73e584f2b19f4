// SPDX-License-Identifier: MIT
// Tokenizer metadata of the wrong type, length or range is refused by a sentence that names the
// file and the key. Each case is a sound vocabulary with one key replaced or added.
#include "base/file.h"
#include "engine/gguf/gguf_writer.h"
#include "engine/tokenizer/tokenizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY(name) "tokenizer.ggml." name
#define NORMALIZER(name) "askd.tokenizer.normalizer." name
enum { WORDS = 6 };

static char path[] = "/tmp/askd-test-metadata-XXXXXX";

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

// What a case puts in the place of the sound value: a writer of exactly one key.
struct change {
    const char *model, *key;
    void (*write)(gguf_writer *w, const char *key);
    const char *sentence; // NULL: it is accepted
};

static void absent(gguf_writer *w, const char *key)
{
    (void)w;
    (void)key;
}

static void text(gguf_writer *w, const char *key)
{
    gguf_writer_str(w, key, "text");
}

static void number(gguf_writer *w, const char *key)
{
    gguf_writer_u32(w, key, 1);
}

static void beyond(gguf_writer *w, const char *key)
{
    gguf_writer_u32(w, key, WORDS);
}

static void minus_one(gguf_writer *w, const char *key)
{
    gguf_writer_u32(w, key, UINT32_MAX);
}

static void real(gguf_writer *w, const char *key)
{
    gguf_writer_f32(w, key, 1);
}

static void strings_0(gguf_writer *w, const char *key)
{
    gguf_writer_strings(w, key, NULL, 0);
}

static void bytes_6(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_U8, (uint8_t[WORDS]){1, 1, 1, 1, 1, 1}, WORDS);
}

static void bools_6(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_BOOL, (uint8_t[WORDS]){1, 1, 1, 1, 1, 1}, WORDS);
}

static void floats_5(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_F32, (float[5]){0}, 5);
}

static void floats_0(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_F32, "", 0);
}

static void floats_nan(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_F32, (float[WORDS]){0, 0, 0, NAN, 0, 0}, WORDS);
}

static void floats_infinite(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_F32, (float[WORDS]){0, -INFINITY, 0, 0, 0, 0}, WORDS);
}

static void floats_huge(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_F32, (float[WORDS]){0, 0, 3e38f, 0, 0, 0}, WORDS);
}

static void ints_7(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_I32, (int32_t[7]){1, 1, 1, 1, 1, 1, 1}, 7);
}

static void ints_5(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_I32, (int32_t[5]){1, 1, 1, 1, 1}, 5);
}

static void type_7(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_I32, (int32_t[WORDS]){1, 1, 7, 1, 1, 1}, WORDS);
}

static void type_negative(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_I32, (int32_t[WORDS]){1, 1, 1, INT32_MIN, 1, 1}, WORDS);
}

static void type_byte(gguf_writer *w, const char *key) // of a token that is spelled "a"
{
    gguf_writer_array(w, key, GGUF_I32, (int32_t[WORDS]){3, 6, 1, 1, 1, 1}, WORDS);
}

static void words(gguf_writer *w, const char *key, const char *last, size_t n)
{
    const struct gguf_str all[WORDS] = {{"<unk>", 5}, {"a", 1},  {"b", 1},
                                        {"ab", 2},    {"bb", 2}, {last, n}};
    gguf_writer_strings(w, key, all, WORDS);
}

static void byte_negative(gguf_writer *w, const char *key)
{
    words(w, key, "<0x-1>", 6);
}

static void byte_lower(gguf_writer *w, const char *key)
{
    words(w, key, "<0xff>", 6);
}

static void byte_long(gguf_writer *w, const char *key)
{
    words(w, key, "<0x100>", 7);
}

static void byte_sound(gguf_writer *w, const char *key)
{
    words(w, key, "<0xFF>", 6);
}

static void user_no_utf8(gguf_writer *w, const char *key)
{
    words(w, key, "\xA9", 1);
}

static void merge(gguf_writer *w, const char *key, const char *s, size_t n)
{
    const struct gguf_str all[] = {{"a b", 3}, {s, n}};
    gguf_writer_strings(w, key, all, 2);
}

static void merge_single(gguf_writer *w, const char *key)
{
    merge(w, key, "ab", 2);
}

static void merge_empty(gguf_writer *w, const char *key)
{
    merge(w, key, "", 0);
}

static void merge_half(gguf_writer *w, const char *key)
{
    merge(w, key, "a ", 2);
}

static void merge_three(gguf_writer *w, const char *key)
{
    merge(w, key, "a b b", 5);
}

static void merge_foreign(gguf_writer *w, const char *key)
{
    merge(w, key, "a \xE4\xBD\xA0", 5); // no spelling of bytes
}

static void merge_not_in_vocabulary(gguf_writer *w, const char *key)
{
    merge(w, key, "b a", 3);
}

static void merge_long(gguf_writer *w, const char *key)
{
    char s[2000];
    memset(s, 'a', sizeof s);
    s[1000] = ' ';
    merge(w, key, s, sizeof s);
}

static void u32s_2(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_U32, (uint32_t[2]){65, 66}, 2);
}

static void u32s_falling(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_U32, (uint32_t[2]){66, 65}, 2);
}

static void i32s_negative(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_I32, (int32_t[2]){-1, 65}, 2);
}

static void offsets_beyond(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_U32, (uint32_t[3]){0, 1, 4000000000u}, 3);
}

static void offsets_falling(gguf_writer *w, const char *key)
{
    gguf_writer_array(w, key, GGUF_U32, (uint32_t[3]){0, 3, 2}, 3);
}

static void charsmap(gguf_writer *w, const char *key, const uint32_t *units, size_t n)
{
    gguf_writer_array(w, key, GGUF_U8, units, n * sizeof *units);
}

static void trie_short(gguf_writer *w, const char *key)
{
    charsmap(w, key, (uint32_t[]){8, 1u << 10}, 2);
}

static void trie_odd(gguf_writer *w, const char *key)
{
    charsmap(w, key, (uint32_t[]){3, 0, 0}, 3);
}

static void trie_none(gguf_writer *w, const char *key)
{
    charsmap(w, key, (uint32_t[]){0, 0, 0}, 3);
}

// Every unit leads far away, ends a key, or both: followed nowhere.
static void trie_astray(gguf_writer *w, const char *key)
{
    uint32_t units[258] = {257 * 4, 1u << 10};
    for (uint32_t i = 1; i < 257; i++)
        units[i + 1] = (i ^ 1) | 1u << 8 | UINT32_MAX << 10 >> (i % 2);
    charsmap(w, key, units, 258);
}

static const struct change changes[] = {
    {"gpt2", KEY("model"), absent, "the key tokenizer.ggml.model is missing"},
    {"gpt2", KEY("model"), number, "tokenizer.ggml.model is no string"},
    {"gpt2", KEY("model"), text, "model: 'text' is none of"},
    {"gpt2", KEY("pre"), number, "tokenizer.ggml.pre is no string"},
    {"gpt2", KEY("pre"), text, "pre: 'text' is none of"},
    {"gpt2", KEY("tokens"), absent, "the key tokenizer.ggml.tokens is missing"},
    {"gpt2", KEY("tokens"), text, "tokenizer.ggml.tokens is no array"},
    {"gpt2", KEY("tokens"), bytes_6, "tokens: it is no list"},
    {"gpt2", KEY("tokens"), strings_0, "tokens: it is no list"},
    {"llama", KEY("tokens"), byte_negative, "tokens: token 5 is of type byte"},
    {"llama", KEY("tokens"), byte_lower, "tokens: token 5 is of type byte"},
    {"llama", KEY("tokens"), byte_long, "tokens: token 5 is of type byte"},
    {"llama", KEY("tokens"), byte_sound, NULL},
    {"t5", KEY("tokens"), user_no_utf8, "tokens: token 5 is a control or user token"},
    {"llama", KEY("scores"), number, "tokenizer.ggml.scores is no array"},
    {"llama", KEY("scores"), bytes_6, "scores: its elements are no floating-point"},
    {"llama", KEY("scores"), floats_5, "scores: it has 5 elements for 6 tokens"},
    {"llama", KEY("scores"), floats_0, "scores: it has 0 elements for 6 tokens"},
    {"t5", KEY("scores"), floats_nan, "scores: element 3"},
    {"t5", KEY("scores"), floats_infinite, "scores: element 1"},
    {"t5", KEY("scores"), floats_huge, "scores: element 2"},
    {"gpt2", KEY("token_type"), text, "tokenizer.ggml.token_type is no array"},
    {"gpt2", KEY("token_type"), ints_5, "token_type: it has 5 elements for 6 tokens"},
    {"gpt2", KEY("token_type"), ints_7, "token_type: it has 7 elements for 6 tokens"},
    {"gpt2", KEY("token_type"), floats_nan, "token_type: its elements are no whole"},
    {"gpt2", KEY("token_type"), bools_6, "token_type: its elements are no whole"},
    {"gpt2", KEY("token_type"), strings_0, "token_type: its elements are no whole"},
    {"gpt2", KEY("token_type"), type_7, "token_type: element 2"},
    {"gpt2", KEY("token_type"), type_negative, "token_type: element 3"},
    {"gpt2", KEY("token_type"), type_byte, "tokens: token 1 is of type byte"},
    {"gpt2", KEY("bos_token_id"), beyond, "bos_token_id: 6 is no token"},
    {"gpt2", KEY("eos_token_id"), minus_one, "eos_token_id: 4294967295 is no token"},
    {"gpt2", KEY("eos_token_id"), text, "eos_token_id is no whole number"},
    {"bert", KEY("unknown_token_id"), beyond, "unknown_token_id: 6 is no token"},
    {"bert", KEY("cls_token_id"), beyond, "cls_token_id: 6 is no token"},
    {"bert", KEY("seperator_token_id"), beyond, "seperator_token_id: 6 is no token"},
    {"bert", KEY("seperator_token_id"), real, "seperator_token_id is no whole number"},
    {"llama", KEY("add_bos_token"), number, "add_bos_token is no boolean"},
    {"llama", KEY("add_eos_token"), text, "add_eos_token is no boolean"},
    {"llama", KEY("add_space_prefix"), number, "add_space_prefix is no boolean"},
    {"gpt2", KEY("merges"), absent, "the key tokenizer.ggml.merges is missing"},
    {"gpt2", KEY("merges"), bytes_6, "merges: it is no list"},
    {"gpt2", KEY("merges"), merge_single, "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), merge_empty, "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), merge_half, "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), merge_three, "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), merge_foreign, "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), merge_long, "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), merge_not_in_vocabulary, NULL},
    {"gpt2", KEY("merges"), strings_0, NULL},
    {"t5", KEY("unknown_token_id"), absent, "needs an unknown token"},
    {"t5", KEY("precompiled_charsmap"), text, "precompiled_charsmap is no array"},
    {"t5", KEY("precompiled_charsmap"), u32s_2, "precompiled_charsmap: it is no list of bytes"},
    {"t5", KEY("precompiled_charsmap"), trie_short, "its trie is cut short"},
    {"t5", KEY("precompiled_charsmap"), trie_odd, "its trie is cut short"},
    {"t5", KEY("precompiled_charsmap"), trie_none, "its trie is cut short"},
    {"t5", KEY("precompiled_charsmap"), trie_astray, NULL},
    {"t5", NORMALIZER("codepoints"), text, "codepoints is no array"},
    {"t5", NORMALIZER("codepoints"), u32s_falling, "do not fit together"},
    {"t5", NORMALIZER("codepoints"), i32s_negative, "element 0 is no number of 32 bits"},
    {"t5", NORMALIZER("offsets"), absent, "offsets is missing"},
    {"t5", NORMALIZER("offsets"), u32s_2, "do not fit together"},
    {"t5", NORMALIZER("offsets"), offsets_beyond, "do not fit together"},
    {"t5", NORMALIZER("offsets"), offsets_falling, "do not fit together"},
    {"t5", NORMALIZER("outputs"), absent, "outputs is missing"},
    {"t5", NORMALIZER("outputs"), floats_5, "element 0 is no number of 32 bits"},
};

static void write_model(const struct change *c)
{
    struct err e;
    gguf_writer *w = gguf_writer_new();
#define UNLESS_CHANGED(k) if (strcmp(c->key, k))
    UNLESS_CHANGED(KEY("model"))
    gguf_writer_str(w, KEY("model"), c->model);
    UNLESS_CHANGED(KEY("tokens"))
    words(w, KEY("tokens"), strcmp(c->model, "llama") ? "c" : "<0x0A>",
          strcmp(c->model, "llama") ? 1 : 6);
    UNLESS_CHANGED(KEY("token_type"))
    gguf_writer_array(w, KEY("token_type"), GGUF_I32,
                      (int32_t[WORDS]){2, 1, 1, 1, 1,
                                       !strcmp(c->model, "llama") ? 6
                                       : !strcmp(c->model, "t5")  ? 4
                                                                  : 1},
                      WORDS);
    UNLESS_CHANGED(KEY("scores"))
    gguf_writer_array(w, KEY("scores"), GGUF_F32, (float[WORDS]){0, -1, -2, -3, -4, -5}, WORDS);
    UNLESS_CHANGED(KEY("merges")) merge(w, KEY("merges"), "b b", 3);
    UNLESS_CHANGED(KEY("unknown_token_id")) gguf_writer_u32(w, KEY("unknown_token_id"), 0);
    // The one normaliser is read where the other is absent.
    UNLESS_CHANGED(NORMALIZER("codepoints"))
    if (strcmp(c->key, KEY("precompiled_charsmap")))
        u32s_2(w, NORMALIZER("codepoints"));
    UNLESS_CHANGED(NORMALIZER("offsets"))
    gguf_writer_array(w, NORMALIZER("offsets"), GGUF_U32, (uint32_t[3]){0, 1, 2}, 3);
    UNLESS_CHANGED(NORMALIZER("outputs")) u32s_2(w, NORMALIZER("outputs"));
    c->write(w, c->key);
    assert_int_equal(gguf_writer_save(w, path, &e), 0);
    gguf_writer_free(w);
}

static int open_changed(const struct change *c, struct err *e)
{
    gguf *g;
    tokenizer *t;
    write_model(c);
    int rc = gguf_open(path, &g, e);
    assert_int_equal(rc, 0);
    rc = tokenizer_open(g, &t, e);
    gguf_close(g);
    if (rc)
        return rc;
    // What opens tokenises.
    struct tokens out = TOKENS_INIT;
    for (int i = 0; i < 256; i++)
        assert_int_equal(tokenizer_encode(t, (const char[]){(char)i, 'a', (char)i}, 3, 0, &out),
                         0);
    for (size_t i = 0; i < out.len; i++)
        assert_true(out.ids[i] >= 0 && out.ids[i] < WORDS);
    tokens_free(&out);
    tokenizer_close(t);
    return 0;
}

static void test_sound(void **state)
{
    (void)state;
    static const char *const models[] = {"gpt2", "llama", "bert", "t5"};
    for (size_t i = 0; i < 4; i++) {
        struct err e = {0};
        struct change c = {models[i], KEY("none"), absent, NULL};
        int rc = open_changed(&c, &e);
        if (rc)
            fail_msg("%s: %s", models[i], e.msg);
    }
}

static void test_each_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const struct change *c = &changes[i];
        struct err e = {0};
        int rc = open_changed(c, &e);
        if (!c->sentence && rc)
            fail_msg("case %zu (%s): %s", i, c->key, e.msg);
        if (c->sentence && (rc == 0 || !strstr(e.msg, path) || !strstr(e.msg, c->sentence)))
            fail_msg("case %zu (%s): %d \"%s\" should say \"%s\"", i, c->key, rc, e.msg,
                     c->sentence);
    }
}

// A user-defined token is found in text, and what is left and right of it stays whole text.
static void test_split_at_user_tokens(void **state)
{
    (void)state;
    struct err e;
    gguf *g;
    tokenizer *t;
    struct change c = {"gpt2", KEY("token_type"), absent, NULL};
    struct tokens out = TOKENS_INIT;
    const struct gguf_str pair = {"a b", 3};
    static const int32_t types[WORDS] = {3, 1, 1, 4, 4, 1};
    gguf_writer *w = gguf_writer_new();
    gguf_writer_str(w, KEY("model"), c.model);
    words(w, KEY("tokens"), "c", 1);
    gguf_writer_array(w, KEY("token_type"), GGUF_I32, types, WORDS);
    gguf_writer_strings(w, KEY("merges"), &pair, 1);
    assert_int_equal(gguf_writer_save(w, path, &e), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(path, &g, &e), 0);
    assert_int_equal(tokenizer_open(g, &t, &e), 0);
    gguf_close(g);
    // "ab" (3) goes before "bb" (4): equal in length, the lower id first.
    static const int32_t want[] = {5, 3, 2, 3, 4, 4, 5};
    assert_int_equal(tokenizer_encode(t, "cabbabbbbbc", 11, 0, &out), 0);
    assert_int_equal(out.len, sizeof want / sizeof *want);
    assert_memory_equal(out.ids, want, sizeof want);
    // Many of them at once: neither deep recursion nor quadratic time.
    size_t n = 2000000;
    char *many = test_malloc(n);
    memset(many, 'b', n);
    out.len = 0;
    assert_int_equal(tokenizer_encode(t, many, n, 0, &out), 0);
    assert_int_equal(out.len, n / 2);
    test_free(many);
    tokens_free(&out);
    tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_each_change),
        cmocka_unit_test(test_split_at_user_tokens),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
