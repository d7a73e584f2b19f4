// SPDX-License-Identifier: MIT
// Token ids against the reference's (tests/golden/tokenizer): of models, where they are
// present, and of vocabularies made here. test_rules.c has what holds for every vocabulary.
#include "base/buf.h"
#include "base/file.h"
#include "base/utf8.h"
#include "engine/gguf/gguf_writer.h"
#include "engine/tokenizer/tokenizer.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int open_model(const char *name, tokenizer **t)
{
    char path[PATH_MAX];
    struct err e;
    gguf *g;
    if (getenv("ASKD_MODELS"))
        snprintf(path, sizeof path, "%s/%s.gguf", getenv("ASKD_MODELS"), name);
    else
        snprintf(path, sizeof path, "%s/models/cache/%s.gguf", getenv("ASKD_SRCDIR"), name);
    if (access(path, R_OK))
        return -1;
    assert_int_equal(gguf_open(path, &g, &e), 0);
    int rc = tokenizer_open(g, t, &e);
    if (rc)
        print_error("%s\n", e.msg);
    assert_int_equal(rc, 0);
    gguf_close(g);
    return 0;
}

static size_t unescape(char *s)
{
    size_t n = 0;
    for (char *p = s; *p; p++) {
        unsigned v;
        if (p[0] == '\\' && p[1] == 'x' && sscanf(p + 2, "%2x", &v) == 1) {
            s[n++] = (char)v;
            p += 3;
        } else {
            s[n++] = *p;
        }
    }
    return n;
}

static void read_golden(const char *name, struct buf *out)
{
    char path[PATH_MAX];
    struct err e;
    snprintf(path, sizeof path, "%s/tests/golden/tokenizer/%s", getenv("ASKD_SRCDIR"), name);
    assert_int_equal(file_read(path, 1 << 20, out, &e), 0);
}

// The same ids with spans, which ascend, stand between characters and begin and end with
// anything but white space.
static void check_spans(const tokenizer *t, const char *s, size_t n, unsigned flags)
{
    struct tokens plain = TOKENS_INIT, out = TOKENS_INIT;
    struct token_spans spans = TOKEN_SPANS_INIT;
    struct err e;
    int rc = tokenizer_encode_spans(t, s, n, flags, &out, &spans, &e);
    if (rc == -ENOTSUP) {
        assert_non_null(strstr(e.msg, "unigram"));
        assert_true(!out.len && !spans.len);
        return;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(tokenizer_encode(t, s, n, flags, &plain), 0);
    assert_true(out.len == plain.len && spans.len == out.len);
    assert_memory_equal(out.ids ? out.ids : (void *)"", plain.ids ? plain.ids : (void *)"",
                        out.len * sizeof *out.ids);
    char *border = calloc(n + 1, 1);
    assert_non_null(border);
    for (size_t i = 0, step; i <= n; i += step) {
        border[i] = 1;
        step = i < n ? utf8_valid_step(s + i, n - i) : 1;
        step = step ? step : 1;
    }
    for (size_t i = 0; i < spans.len; i++) {
        struct token_span x = spans.at[i];
        assert_true(x.start <= x.end && x.end <= n && border[x.start] && border[x.end]);
        assert_true(x.start == x.end || (s[x.start] != ' ' && s[x.end - 1] != ' '));
        assert_true(!i || (spans.at[i - 1].start <= x.start && spans.at[i - 1].end <= x.end));
    }
    free(border);
    tokens_free(&plain);
    tokens_free(&out);
    token_spans_free(&spans);
}

// Every line of the corpus gives the ids in NAME.ids; text gives no control token.
static void hold_against(const tokenizer *t, const char *name, int32_t unknown)
{
    char file[80];
    struct buf corpus = BUF_INIT, ids = BUF_INIT;
    snprintf(file, sizeof file, "%s.ids", name);
    read_golden("corpus.txt", &corpus);
    read_golden(file, &ids);
    char *line, *expected, *a = corpus.data, *b = ids.data;
    size_t n = 0;
    while ((line = strsep(&a, "\n")) && a) {
        struct tokens out = TOKENS_INIT;
        struct buf got = BUF_INIT;
        expected = strsep(&b, "\n");
        assert_non_null(expected);
        n++;
        size_t len = unescape(line);
        assert_int_equal(tokenizer_encode(t, line, len, 0, &out), 0);
        check_spans(t, line, len, 0);
        check_spans(t, line, len, TOKENIZER_ADD_SPECIAL | TOKENIZER_PARSE_CONTROL);
        for (size_t i = 0; i < out.len; i++) {
            assert_true(out.ids[i] == unknown || !tokenizer_is_control(t, out.ids[i]));
            buf_addf(&got, "%s%d", i ? " " : "", out.ids[i]);
        }
        if (strcmp(got.data, expected))
            fail_msg("%s, line %zu:\n%s\nis not\n%s", name, n, got.data, expected);
        buf_free(&got);
        tokens_free(&out);
    }
    assert_true(n == 42 && b && !*b);
    buf_free(&corpus);
    buf_free(&ids);
}

static void golden(const char *name, int32_t unknown)
{
    tokenizer *t;
    if (open_model(name, &t)) {
        print_message("# skipped: %s is absent (scripts/fetch-models)\n", name);
        return;
    }
    hold_against(t, name, unknown);
    tokenizer_close(t);
}

static void test_smollm(void **state)
{
    (void)state;
    golden("SmolLM2-135M-Instruct.Q4_1", -1);
}

static void test_gemma(void **state)
{
    (void)state;
    golden("gemma-3-270m-q4_k_m", -1);
}

static void test_minilm(void **state)
{
    (void)state;
    golden("all-MiniLM-L6-v2.F32", 100);
}

static void test_e5(void **state)
{
    (void)state;
    golden("multilingual-e5-small.Q4_0", 3);
}

struct spans_of {
    const char *text, *spans;
};

static void known_spans(const tokenizer *t, const struct spans_of *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *s = cases[i].text;
        struct tokens out = TOKENS_INIT;
        struct token_spans spans = TOKEN_SPANS_INIT;
        struct buf got = BUF_INIT;
        struct err e;
        assert_int_equal(tokenizer_encode_spans(t, s, strlen(s), 0, &out, &spans, &e), 0);
        for (size_t k = 0; k < spans.len; k++)
            buf_addf(&got, "%s%u-%u", k ? " " : "", spans.at[k].start, spans.at[k].end);
        assert_string_equal(got.data, cases[i].spans);
        // They are appended: what stood there stays.
        size_t len = spans.len;
        assert_int_equal(tokenizer_encode_spans(t, "ab", 2, 0, &out, &spans, &e), 0);
        assert_true(spans.len == out.len && spans.len > len);
        assert_true(spans.at[len].start == 0 && spans.at[spans.len - 1].end == 2);
        buf_free(&got);
        tokens_free(&out);
        token_spans_free(&spans);
    }
}

// What is folded, spelled out or no text at all.
static void test_e5_spans(void **state)
{
    (void)state;
    static const struct spans_of cases[] = {
        {"", ""},
        {"  ", ""},
        {"a  of\tit ", "0-1 3-5 6-8"},
        // full width; a ligature that is divided among tokens; text that has no spaces
        {"\xEF\xBC\xA1\xEF\xBC\xA2 x", "0-6 7-8"},
        {"\xEF\xAC\x83q", "0-3 0-4"},
        {"\xE4\xB8\xAD\xE5\x9B\xBD\xE4\xBA\xBA\xE6\xB0\x91", "0-0 0-12"},
        // bytes that are no text become a space
        {"x \xFF\xFE y", "0-1 5-6"},
        // four words in one character
        {"\xEF\xB7\xBA!", "0-3 0-3 0-3 0-3 3-4"},
    };
    tokenizer *t;
    if (open_model("multilingual-e5-small.Q4_0", &t)) {
        print_message("# skipped: the embedder is absent (scripts/fetch-models)\n");
        return;
    }
    known_spans(t, cases, sizeof cases / sizeof *cases);
    tokenizer_close(t);
}

// ---- byte-level BPE over bpe.merges and bpe.words (see make_golden.py) ----

enum { BPE_MAX = 1024 };

// GPT-2's spelling of a byte, as UTF-8.
static struct gguf_str spelled_byte(unsigned b)
{
    static char all[256][2];
    static unsigned beyond;
    bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    beyond = b ? beyond : 256;
    unsigned cp = plain ? b : beyond++;
    size_t n = cp < 128 ? 1 : 2;
    all[b][0] = (char)(n == 1 ? cp : 0xC0 | cp >> 6);
    all[b][1] = (char)(0x80 | (cp & 63));
    return (struct gguf_str){all[b], n};
}

static void add_word(struct gguf_str *words, size_t *n, struct gguf_str s)
{
    for (size_t i = 0; i < *n; i++)
        if (words[i].n == s.n && !memcmp(words[i].s, s.s, s.n))
            return;
    assert_true(*n < BPE_MAX);
    words[(*n)++] = s;
}

static void split_golden(const char *pre)
{
    struct buf merge_text = BUF_INIT, word_text = BUF_INIT;
    struct gguf_str words[BPE_MAX], merges[BPE_MAX];
    size_t n_words = 0, n_merges = 0;
    char *joined = NULL, *at, *line, name[40];
    struct err e;
    gguf *g;
    tokenizer *t;
    char path[] = "/tmp/askd-test-bpe-XXXXXX";
    read_golden("bpe.merges", &merge_text);
    read_golden("bpe.words", &word_text);
    for (unsigned b = 0; b < 256; b++)
        words[n_words++] = spelled_byte(b);
    joined = malloc(merge_text.len);
    assert_non_null(joined);
    char *end = joined;
    for (at = merge_text.data; (line = strsep(&at, "\n")) && *line;) {
        merges[n_merges++] = (struct gguf_str){line, strlen(line)};
        size_t left = strcspn(line, " ");
        int len = sprintf(end, "%.*s%s", (int)left, line, line + left + 1);
        add_word(words, &n_words, (struct gguf_str){end, (size_t)len});
        end += len;
    }
    for (at = word_text.data; (line = strsep(&at, "\n")) && *line;)
        add_word(words, &n_words, (struct gguf_str){line, strlen(line)});
    close(mkstemp(path));
    gguf_writer *w = gguf_writer_new();
    gguf_writer_str(w, "tokenizer.ggml.model", "gpt2");
    gguf_writer_str(w, "tokenizer.ggml.pre", pre);
    gguf_writer_strings(w, "tokenizer.ggml.tokens", words, n_words);
    gguf_writer_strings(w, "tokenizer.ggml.merges", merges, n_merges);
    assert_int_equal(gguf_writer_save(w, path, &e), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(path, &g, &e), 0);
    assert_int_equal(tokenizer_open(g, &t, &e), 0);
    gguf_close(g);
    unlink(path);
    snprintf(name, sizeof name, "bpe-%s", pre);
    hold_against(t, name, -1);
    tokenizer_close(t);
    free(joined);
    buf_free(&merge_text);
    buf_free(&word_text);
}

static void test_gpt2_split(void **state)
{
    (void)state;
    split_golden("gpt-2");
}

static void test_qwen2_split(void **state)
{
    (void)state;
    split_golden("qwen2");
}

// A piece that is a token stays whole, whatever the merges would make of it.
static void test_llama_split(void **state)
{
    (void)state;
    split_golden("llama-bpe");
}

// Words are cut between small and large letters.
static void test_tekken_split(void **state)
{
    (void)state;
    split_golden("tekken");
}

// What is taken where a file names none.
static void test_default_split(void **state)
{
    (void)state;
    split_golden("default");
}

// ---- unigram over unigram.words behind charsmap.hex ----

static void test_charsmap(void **state)
{
    (void)state;
    static struct gguf_str words[BPE_MAX];
    static float scores[BPE_MAX];
    static int32_t types[BPE_MAX];
    static uint8_t map[1 << 14];
    struct buf text = BUF_INIT, hex = BUF_INIT;
    char *at, *line, path[] = "/tmp/askd-test-charsmap-XXXXXX";
    size_t n = 0, n_map = 0;
    struct err e;
    gguf *g;
    tokenizer *t;
    read_golden("unigram.words", &text);
    read_golden("charsmap.hex", &hex);
    for (at = text.data; (line = strsep(&at, "\n")) && *line; n++) {
        assert_true(n < BPE_MAX);
        size_t len = strcspn(line, "\t");
        words[n] = (struct gguf_str){line, len};
        scores[n] = strtof(line + len, NULL);
        types[n] = n ? 1 : 2;
    }
    for (unsigned v; n_map < sizeof map && sscanf(hex.data + 2 * n_map, "%2x", &v) == 1;
         n_map++)
        map[n_map] = (uint8_t)v;
    close(mkstemp(path));
    gguf_writer *w = gguf_writer_new();
    gguf_writer_str(w, "tokenizer.ggml.model", "t5");
    gguf_writer_strings(w, "tokenizer.ggml.tokens", words, n);
    gguf_writer_array(w, "tokenizer.ggml.scores", GGUF_F32, scores, n);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_I32, types, n);
    gguf_writer_u32(w, "tokenizer.ggml.unknown_token_id", 0);
    gguf_writer_array(w, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, map, n_map);
    assert_int_equal(gguf_writer_save(w, path, &e), 0);
    gguf_writer_free(w);
    assert_int_equal(gguf_open(path, &g, &e), 0);
    assert_int_equal(tokenizer_open(g, &t, &e), 0);
    gguf_close(g);
    unlink(path);
    hold_against(t, "charsmap", 0);
    // A letter and its accents that become one; a character that becomes two; bytes that are no
    // text stay characters.
    known_spans(t,
                (const struct spans_of[]){{"e\xCC\x81\xCC\x82 t", "0-0 0-5 6-6 6-7"},
                                          {"t\xEF\xAC\x81s", "0-0 0-1 1-4 1-4 4-5"},
                                          {"a\xFF\xFEo", "0-1 1-2 2-3 3-4"}},
                3);
    tokenizer_close(t);
    buf_free(&text);
    buf_free(&hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smollm),       cmocka_unit_test(test_gemma),
        cmocka_unit_test(test_minilm),       cmocka_unit_test(test_e5),
        cmocka_unit_test(test_e5_spans),     cmocka_unit_test(test_gpt2_split),
        cmocka_unit_test(test_qwen2_split),  cmocka_unit_test(test_llama_split),
        cmocka_unit_test(test_tekken_split), cmocka_unit_test(test_default_split),
        cmocka_unit_test(test_charsmap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
