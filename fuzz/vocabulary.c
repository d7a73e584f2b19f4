// SPDX-License-Identifier: MIT
#include "fuzz/vocabulary.h"

#include "base/utf8.h"
#include "engine/gguf/gguf_writer.h"
#include "fuzz/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, BYTE = 6, WORDS_MAX = 400 };
struct vocabulary {
    struct gguf_str words[WORDS_MAX];
    float scores[WORDS_MAX];
    int32_t types[WORDS_MAX];
    char spelled[WORDS_MAX][8];
    size_t n;
};

static void add(struct vocabulary *v, const char *s, size_t n, int32_t type)
{
    v->words[v->n] = (struct gguf_str){s, n};
    v->scores[v->n] = -(float)v->n / 16;
    v->types[v->n++] = type;
}

static void add_all(struct vocabulary *v, const char *const *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(v, s[i], strlen(s[i]), NORMAL);
}

static void add_bytes(struct vocabulary *v, bool gpt2)
{
    uint32_t beyond = 256;
    for (unsigned b = 0; b < 256; b++) {
        char *s = v->spelled[v->n];
        bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        size_t n =
            gpt2 ? utf8_encode(plain ? b : beyond++, s) : (size_t)snprintf(s, 8, "<0x%02X>", b);
        add(v, s, n, gpt2 ? NORMAL : BYTE);
    }
}

tokenizer *fuzz_tokenizer(enum fuzz_kind kind)
{
    static const char *const models[] = {"gpt2", "gpt2", "gpt2", "gpt2", "llama", "bert", "t5"};
    static const char *const splits[] = {"gpt-2", "smollm", "qwen2", "llama-bpe"};
    static const char *const bpe[] = {"th", "the", "\xC4\xA0t", "an", "12", "123", "a'"};
    static const struct gguf_str merges[] = {
        {"t h", 3}, {"th e", 4}, {"\xC4\xA0 t", 4}, {"a n", 3}, {"1 2", 3}};
    static const char *const pieces[] = {"\xE2\x96\x81",
                                         "a",
                                         "b",
                                         "ab",
                                         "\342\226\201a",
                                         "the",
                                         "\xE2\x96\x81the",
                                         "1",
                                         "12",
                                         "\xE4\xBD\xA0",
                                         "\xE4\xBD\xA0\xE5\xA5\xBD",
                                         "aa",
                                         "aaaa",
                                         ".",
                                         "\n\n"};
    static const uint32_t from[] = {'\n', 0xFDFA, 0xFF21}, offsets[] = {0, 1, 4, 5},
                          to[] = {' ', 'a', ' ', 'b', 'A'};
    static struct vocabulary v;
    char path[] = "/tmp/askd-fuzz-XXXXXX";
    struct err e;
    gguf *g;
    tokenizer *t;
    v.n = 0;
    add(&v, "<unk>", 5, kind == FUZZ_T5 ? UNKNOWN : CONTROL);
    add(&v, "<|im_end|>", 10, CONTROL);
    if (kind < FUZZ_LLAMA) {
        add_bytes(&v, true);
        add_all(&v, bpe, sizeof bpe / sizeof *bpe);
    } else {
        if (kind == FUZZ_LLAMA)
            add_bytes(&v, false);
        add_all(&v, pieces, sizeof pieces / sizeof *pieces);
        add(&v, "<user>", 6, USER);
    }
    gguf_writer *w = gguf_writer_new();
    gguf_writer_str(w, "tokenizer.ggml.model", models[kind]);
    gguf_writer_str(w, "tokenizer.ggml.pre", kind < FUZZ_LLAMA ? splits[kind] : "default");
    gguf_writer_strings(w, "tokenizer.ggml.tokens", v.words, v.n);
    gguf_writer_array(w, "tokenizer.ggml.scores", GGUF_F32, v.scores, v.n);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_I32, v.types, v.n);
    gguf_writer_strings(w, "tokenizer.ggml.merges", merges, sizeof merges / sizeof *merges);
    gguf_writer_u32(w, "tokenizer.ggml.unknown_token_id", 0);
    gguf_writer_array(w, "askd.tokenizer.normalizer.codepoints", GGUF_U32, from, 3);
    gguf_writer_array(w, "askd.tokenizer.normalizer.offsets", GGUF_U32, offsets, 4);
    gguf_writer_array(w, "askd.tokenizer.normalizer.outputs", GGUF_U32, to, 5);
    int fd = mkstemp(path);
    FUZZ_CHECK(fd >= 0);
    close(fd);
    FUZZ_CHECK(!gguf_writer_save(w, path, &e));
    gguf_writer_free(w);
    FUZZ_CHECK(!gguf_open(path, &g, &e));
    FUZZ_CHECK(!tokenizer_open(g, &t, &e));
    gguf_close(g);
    unlink(path);
    return t;
}
