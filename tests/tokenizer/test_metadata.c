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

static char long_merge[2000]; // set by setup
static uint32_t astray[258];  // a trie whose every unit leads far away, ends a key, or both

static int setup(void **state)
{
    (void)state;
    memset(long_merge, 'a', sizeof long_merge);
    long_merge[sizeof long_merge / 2] = ' ';
    astray[0] = 257 * 4;
    astray[1] = 1u << 10;
    for (uint32_t i = 1; i < 257; i++)
        astray[i + 1] = (i ^ 1) | 1u << 8 | UINT32_MAX << 10 >> (i % 2);
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

// What a case puts in the place of the sound value, or adds.
struct value {
    enum { ABSENT, STRING, NUMBER, REAL, ARRAY, LAST_WORD, LAST_MERGE } kind;
    const void *p; // a string, or the elements
    size_t n;      // bytes, elements, or the number
    uint32_t type; // of elements
};
#define STRINGED(s) (s), sizeof(s) - 1
#define ELEMENTS(c, ...) (const c[]){__VA_ARGS__}, sizeof((const c[]){__VA_ARGS__}) / sizeof(c)
#define U8S(...)                                       \
    {                                                  \
        ARRAY, ELEMENTS(uint8_t, __VA_ARGS__), GGUF_U8 \
    }
#define BOOLS(...)                                       \
    {                                                    \
        ARRAY, ELEMENTS(uint8_t, __VA_ARGS__), GGUF_BOOL \
    }
#define I32S(...)                                       \
    {                                                   \
        ARRAY, ELEMENTS(int32_t, __VA_ARGS__), GGUF_I32 \
    }
#define U32S(...)                                        \
    {                                                    \
        ARRAY, ELEMENTS(uint32_t, __VA_ARGS__), GGUF_U32 \
    }
#define F32S(...)                                     \
    {                                                 \
        ARRAY, ELEMENTS(float, __VA_ARGS__), GGUF_F32 \
    }
#define NO_FLOATS              \
    {                          \
        ARRAY, "", 0, GGUF_F32 \
    }
#define NO_STRINGS                  \
    {                               \
        ARRAY, NULL, 0, GGUF_STRING \
    }
#define GONE               \
    {                      \
        ABSENT, NULL, 0, 0 \
    }
#define TEXT                        \
    {                               \
        STRING, STRINGED("text"), 0 \
    }
#define U32(v)               \
    {                        \
        NUMBER, NULL, (v), 0 \
    }
#define F32              \
    {                    \
        REAL, NULL, 0, 0 \
    }
#define WORD(s)                   \
    {                             \
        LAST_WORD, STRINGED(s), 0 \
    } // in the place of the vocabulary's last
#define MERGE(s)                   \
    {                              \
        LAST_MERGE, STRINGED(s), 0 \
    } // behind "a b"
#define TRIE(...)                                                                        \
    {                                                                                    \
        ARRAY, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}), \
            GGUF_U8                                                                      \
    }

struct change {
    const char *model, *key;
    struct value value;
    const char *sentence; // NULL: it is accepted
};

static void put_words(gguf_writer *w, const char *key, const char *last, size_t n)
{
    const struct gguf_str all[WORDS] = {{"<unk>", 5}, {"a", 1},  {"b", 1},
                                        {"ab", 2},    {"bb", 2}, {last, n}};
    gguf_writer_strings(w, key, all, WORDS);
}

static void put_merges(gguf_writer *w, const char *key, const char *last, size_t n)
{
    const struct gguf_str all[] = {{"a b", 3}, {last, n}};
    gguf_writer_strings(w, key, all, 2);
}

static void put(gguf_writer *w, const char *key, const struct value *v)
{
    switch (v->kind) {
    case ABSENT:
        break;
    case STRING:
        gguf_writer_str(w, key, v->p);
        break;
    case NUMBER:
        gguf_writer_u32(w, key, (uint32_t)v->n);
        break;
    case REAL:
        gguf_writer_f32(w, key, 1);
        break;
    case ARRAY:
        if (v->type == GGUF_STRING)
            gguf_writer_strings(w, key, NULL, 0);
        else
            gguf_writer_array(w, key, v->type, v->p, v->n);
        break;
    case LAST_WORD:
        put_words(w, key, v->p, v->n);
        break;
    case LAST_MERGE:
        put_merges(w, key, v->p, v->n);
        break;
    }
}

static const struct change changes[] = {
    {"gpt2", KEY("model"), GONE, "the key tokenizer.ggml.model is missing"},
    {"gpt2", KEY("model"), U32(1), "tokenizer.ggml.model is no string"},
    {"gpt2", KEY("model"), TEXT, "model: 'text' is none of"},
    {"gpt2", KEY("pre"), U32(1), "tokenizer.ggml.pre is no string"},
    {"gpt2", KEY("pre"), TEXT, "pre: 'text' is none of"},
    {"gpt2", KEY("tokens"), GONE, "the key tokenizer.ggml.tokens is missing"},
    {"gpt2", KEY("tokens"), TEXT, "tokenizer.ggml.tokens is no array"},
    {"gpt2", KEY("tokens"), U8S(1, 1, 1, 1, 1, 1), "tokens: it is no list"},
    {"gpt2", KEY("tokens"), NO_STRINGS, "tokens: it is no list"},
    {"llama", KEY("tokens"), WORD("<0x-1>"), "tokens: token 5 is of type byte"},
    {"llama", KEY("tokens"), WORD("<0xff>"), "tokens: token 5 is of type byte"},
    {"llama", KEY("tokens"), WORD("<0x100>"), "tokens: token 5 is of type byte"},
    {"llama", KEY("tokens"), WORD("<0xFF>"), NULL},
    {"t5", KEY("tokens"), WORD("\xA9"), "tokens: token 5 is a control or user token"},
    {"llama", KEY("scores"), U32(1), "tokenizer.ggml.scores is no array"},
    {"llama", KEY("scores"), U8S(1, 1, 1, 1, 1, 1),
     "scores: its elements are no floating-point"},
    {"llama", KEY("scores"), F32S(0, 0, 0, 0, 0), "scores: it has 5 elements for 6 tokens"},
    {"llama", KEY("scores"), NO_FLOATS, "scores: it has 0 elements for 6 tokens"},
    {"t5", KEY("scores"), F32S(0, 0, 0, NAN, 0, 0), "scores: element 3"},
    {"t5", KEY("scores"), F32S(0, -INFINITY, 0, 0, 0, 0), "scores: element 1"},
    {"t5", KEY("scores"), F32S(0, 0, 3e38f, 0, 0, 0), "scores: element 2"},
    {"gpt2", KEY("token_type"), TEXT, "tokenizer.ggml.token_type is no array"},
    {"gpt2", KEY("token_type"), I32S(1, 1, 1, 1, 1),
     "token_type: it has 5 elements for 6 tokens"},
    {"gpt2", KEY("token_type"), I32S(1, 1, 1, 1, 1, 1, 1),
     "token_type: it has 7 elements for 6 tokens"},
    {"gpt2", KEY("token_type"), F32S(0, 0, 0, NAN, 0, 0),
     "token_type: its elements are no whole"},
    {"gpt2", KEY("token_type"), BOOLS(1, 1, 1, 1, 1, 1),
     "token_type: its elements are no whole"},
    {"gpt2", KEY("token_type"), NO_STRINGS, "token_type: its elements are no whole"},
    {"gpt2", KEY("token_type"), I32S(1, 1, 7, 1, 1, 1), "token_type: element 2"},
    {"gpt2", KEY("token_type"), I32S(1, 1, 1, INT32_MIN, 1, 1), "token_type: element 3"},
    {"gpt2", KEY("token_type"), I32S(3, 6, 1, 1, 1, 1), "tokens: token 1 is of type byte"},
    {"gpt2", KEY("bos_token_id"), U32(WORDS), "bos_token_id: 6 is no token"},
    {"gpt2", KEY("eos_token_id"), U32(UINT32_MAX), "eos_token_id: 4294967295 is no token"},
    {"gpt2", KEY("eos_token_id"), TEXT, "eos_token_id is no whole number"},
    {"bert", KEY("unknown_token_id"), U32(WORDS), "unknown_token_id: 6 is no token"},
    {"bert", KEY("cls_token_id"), U32(WORDS), "cls_token_id: 6 is no token"},
    {"bert", KEY("seperator_token_id"), U32(WORDS), "seperator_token_id: 6 is no token"},
    {"bert", KEY("seperator_token_id"), F32, "seperator_token_id is no whole number"},
    {"llama", KEY("add_bos_token"), U32(1), "add_bos_token is no boolean"},
    {"llama", KEY("add_eos_token"), TEXT, "add_eos_token is no boolean"},
    {"llama", KEY("add_space_prefix"), U32(1), "add_space_prefix is no boolean"},
    {"gpt2", KEY("merges"), GONE, "the key tokenizer.ggml.merges is missing"},
    {"gpt2", KEY("merges"), U8S(1, 1, 1, 1, 1, 1), "merges: it is no list"},
    {"gpt2", KEY("merges"), MERGE("ab"), "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), MERGE(""), "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), MERGE("a "), "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), MERGE("a b b"), "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), MERGE("a \xE4\xBD\xA0"), "merges: element 1 is no pair"},
    {"gpt2",
     KEY("merges"),
     {LAST_MERGE, long_merge, sizeof long_merge, 0},
     "merges: element 1 is no pair"},
    {"gpt2", KEY("merges"), MERGE("b a"), NULL},
    {"gpt2", KEY("merges"), NO_STRINGS, NULL},
    {"t5", KEY("unknown_token_id"), GONE, "needs an unknown token"},
    {"t5", KEY("precompiled_charsmap"), TEXT, "precompiled_charsmap is no array"},
    {"t5", KEY("precompiled_charsmap"), U32S(65, 66),
     "precompiled_charsmap: it is no list of bytes"},
    {"t5", KEY("precompiled_charsmap"), TRIE(8, 1u << 10), "its trie is cut short"},
    {"t5", KEY("precompiled_charsmap"), TRIE(3, 0, 0), "its trie is cut short"},
    {"t5", KEY("precompiled_charsmap"), TRIE(0, 0, 0), "its trie is cut short"},
    {"t5", KEY("precompiled_charsmap"), {ARRAY, astray, sizeof astray, GGUF_U8}, NULL},
    {"t5", NORMALIZER("codepoints"), TEXT, "codepoints is no array"},
    {"t5", NORMALIZER("codepoints"), U32S(66, 65), "do not fit together"},
    {"t5", NORMALIZER("codepoints"), I32S(-1, 65), "element 0 is no number of 32 bits"},
    {"t5", NORMALIZER("offsets"), GONE, "offsets is missing"},
    {"t5", NORMALIZER("offsets"), U32S(65, 66), "do not fit together"},
    {"t5", NORMALIZER("offsets"), U32S(0, 1, 4000000000u), "do not fit together"},
    {"t5", NORMALIZER("offsets"), U32S(0, 3, 2), "do not fit together"},
    {"t5", NORMALIZER("outputs"), GONE, "outputs is missing"},
    {"t5", NORMALIZER("outputs"), F32S(0, 0, 0, 0, 0), "element 0 is no number of 32 bits"},
};

static void write_model(const struct change *c)
{
    struct err e;
    gguf_writer *w = gguf_writer_new();
#define UNLESS_CHANGED(k) if (strcmp(c->key, k))
    UNLESS_CHANGED(KEY("model"))
    gguf_writer_str(w, KEY("model"), c->model);
    UNLESS_CHANGED(KEY("tokens"))
    put_words(w, KEY("tokens"), strcmp(c->model, "llama") ? "c" : "<0x0A>",
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
    UNLESS_CHANGED(KEY("merges")) put_merges(w, KEY("merges"), "b b", 3);
    UNLESS_CHANGED(KEY("unknown_token_id")) gguf_writer_u32(w, KEY("unknown_token_id"), 0);
    // The one normaliser is read where the other is absent.
    UNLESS_CHANGED(NORMALIZER("codepoints"))
    if (strcmp(c->key, KEY("precompiled_charsmap")))
        put(w, NORMALIZER("codepoints"), &(struct value)U32S(65, 66));
    UNLESS_CHANGED(NORMALIZER("offsets"))
    gguf_writer_array(w, NORMALIZER("offsets"), GGUF_U32, (uint32_t[3]){0, 1, 2}, 3);
    UNLESS_CHANGED(NORMALIZER("outputs"))
    put(w, NORMALIZER("outputs"), &(struct value)U32S(65, 66));
    put(w, c->key, &c->value);
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
        struct change c = {models[i], KEY("none"), GONE, NULL};
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
    struct tokens out = TOKENS_INIT;
    const struct gguf_str pair = {"a b", 3};
    static const int32_t types[WORDS] = {3, 1, 1, 4, 4, 1};
    gguf_writer *w = gguf_writer_new();
    gguf_writer_str(w, KEY("model"), "gpt2");
    put_words(w, KEY("tokens"), "c", 1);
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
