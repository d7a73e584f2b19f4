// SPDX-License-Identifier: MIT
// make_tiny_model llama|t5|bert|xlmr|lora FILE [WIDTH LAYERS [SEED]]: a GGUF model of random
// but always the same weights (Q8_0), with a real tokenizer and chat template, for tests that
// need a model and not its wisdom. WIDTH is a multiple of 32 (default 64), LAYERS at least 1
// (default 2). lora: an adapter of rank 32 for the llama of that size, of some of its matrices.
//
// llama: byte BPE over all 256 bytes and a few merges, ChatML. t5: an encoder-decoder with the
// same tokens and no template. bert: WordPiece over ASCII letters, their pairs, digits and
// punctuation; mean pooling, so that texts of the same words get near vectors even with random
// weights. xlmr: the same with a unigram vocabulary, as XLM-R and E5 have it.
#include "base/buf.h"
#include "base/utf8.h"
#include "engine/gguf/gguf_writer.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { F32 = 0, Q8_0 = 8 }; // ggml type ids
enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3 };
enum {
    CONTEXT_LLAMA = 2048,
    CONTEXT_BERT = 256,
    CONTEXT_T5 = 512,
    HEAD = 16,
    RANK = 32,
    TENSORS_MAX = 8192
};

struct maker {
    gguf_writer *w;
    const char *arch;
    uint32_t d, layers, ff;
    uint64_t random;
    void *owned[TENSORS_MAX]; // borrowed by the writer until the save
    size_t n_owned;
    struct gguf_str *words;
    int32_t *types;
    size_t n_words;
};

// SplitMix64 (Steele, Lea, Flood 2014).
static uint64_t next(struct maker *m)
{
    uint64_t z = m->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void *keep(struct maker *m, size_t n)
{
    void *p = m->n_owned < TENSORS_MAX ? calloc(1, n) : NULL;
    if (!p) {
        fprintf(stderr, "make_tiny_model: out of memory or too many layers\n");
        exit(2);
    }
    return m->owned[m->n_owned++] = p;
}

// A vector of a constant, [n].
static void constant(struct maker *m, const char *name, uint64_t n, float value)
{
    float *x = keep(m, n * sizeof *x);
    for (uint64_t i = 0; i < n; i++)
        x[i] = value;
    gguf_writer_tensor(m->w, name, F32, &n, 1, x);
}

// A matrix [rows, cols] of random weights, about 1/sqrt(cols) large.
static void matrix(struct maker *m, const char *name, uint64_t cols, uint64_t rows)
{
    // A Q8_0 block: an f16 scale, here a power of two, and 32 signed bytes.
    int power = -(int)lround(log2(73.0 * sqrt((double)cols)));
    uint16_t scale = (uint16_t)((power + 15) << 10);
    uint64_t blocks = rows * cols / 32, ne[2] = {cols, rows};
    unsigned char *x = keep(m, blocks * 34);
    for (uint64_t b = 0; b < blocks; b++) {
        memcpy(x + b * 34, &scale, 2);
        for (int i = 0; i < 32; i += 8) {
            uint64_t r = next(m);
            memcpy(x + b * 34 + 2 + i, &r, 8);
        }
    }
    gguf_writer_tensor(m->w, name, Q8_0, ne, 2, x);
}

static void layer_matrix(struct maker *m, uint32_t i, const char *part, uint64_t cols,
                         uint64_t rows)
{
    char name[80];
    snprintf(name, sizeof name, "blk.%u.%s.weight", i, part);
    matrix(m, name, cols, rows);
}

static void layer_vector(struct maker *m, uint32_t i, const char *part, float value)
{
    char name[80];
    snprintf(name, sizeof name, "blk.%u.%s", i, part);
    constant(m, name, m->d, value);
}

static void word(struct maker *m, const char *s, size_t n, int32_t type)
{
    char *copy = keep(m, n + 1);
    memcpy(copy, s, n);
    m->words[m->n_words] = (struct gguf_str){copy, n};
    m->types[m->n_words++] = type;
}

static uint32_t number(struct maker *m, const char *tail, uint32_t v)
{
    char key[80];
    snprintf(key, sizeof key, "%s.%s", m->arch, tail);
    gguf_writer_u32(m->w, key, v);
    return v;
}

static void head(struct maker *m, const char *name)
{
    gguf_writer_str(m->w, "general.architecture", m->arch);
    gguf_writer_str(m->w, "general.name", name);
    number(m, "embedding_length", m->d);
    number(m, "block_count", m->layers);
    number(m, "feed_forward_length", m->ff);
    number(m, "attention.head_count", m->d / HEAD);
}

// GPT-2's spelling of bytes: printable ones as they are, the others from U+0100 on.
static void spell_bytes(struct maker *m)
{
    uint32_t beyond = 256;
    for (uint32_t b = 0; b < 256; b++) {
        bool plain = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        char s[4];
        word(m, s, utf8_encode(plain ? b : beyond++, s), NORMAL);
    }
}

// Byte BPE and a few merges.
static void byte_words(struct maker *m)
{
    static const char *const controls[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    static const char *const merges[] = {"t h", "th e", "i n", "a n", "an d", "e r"};
    struct gguf_str pairs[sizeof merges / sizeof *merges];
    for (size_t i = 0; i < 3; i++)
        word(m, controls[i], strlen(controls[i]), CONTROL);
    spell_bytes(m);
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        char joined[16];
        size_t n = strcspn(merges[i], " ");
        snprintf(joined, sizeof joined, "%.*s%s", (int)n, merges[i], merges[i] + n + 1);
        word(m, joined, strlen(joined), NORMAL);
        pairs[i] = (struct gguf_str){merges[i], strlen(merges[i])};
    }
    gguf_writer_str(m->w, "tokenizer.ggml.model", "gpt2");
    gguf_writer_str(m->w, "tokenizer.ggml.pre", "smollm");
    gguf_writer_strings(m->w, "tokenizer.ggml.merges", pairs, sizeof merges / sizeof *merges);
    gguf_writer_u32(m->w, "tokenizer.ggml.bos_token_id", 1);
    gguf_writer_u32(m->w, "tokenizer.ggml.eos_token_id", 2);
}

static void make_llama(struct maker *m)
{
    head(m, "tiny-llama");
    number(m, "attention.head_count_kv", m->d / HEAD / 2);
    number(m, "context_length", CONTEXT_LLAMA);
    gguf_writer_f32(m->w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    byte_words(m);
    gguf_writer_str(m->w, "tokenizer.chat_template",
                    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
                    "message['content'] + '<|im_end|>\n'}}{% endfor %}");
    matrix(m, "token_embd.weight", m->d, m->n_words);
    constant(m, "output_norm.weight", m->d, 1);
    for (uint32_t i = 0; i < m->layers; i++) {
        layer_matrix(m, i, "attn_q", m->d, m->d);
        layer_matrix(m, i, "attn_k", m->d, m->d / 2);
        layer_matrix(m, i, "attn_v", m->d, m->d / 2);
        layer_matrix(m, i, "attn_output", m->d, m->d);
        layer_matrix(m, i, "ffn_gate", m->d, m->ff);
        layer_matrix(m, i, "ffn_up", m->d, m->ff);
        layer_matrix(m, i, "ffn_down", m->ff, m->d);
        layer_vector(m, i, "attn_norm.weight", 1);
        layer_vector(m, i, "ffn_norm.weight", 1);
    }
}

static void t5_attention(struct maker *m, const char *stack, uint32_t i, const char *part)
{
    static const char *const ends[] = {"q", "k", "v", "o"};
    char name[80];
    for (size_t k = 0; k < 4; k++) {
        snprintf(name, sizeof name, "%s.blk.%u.%s_%s.weight", stack, i, part, ends[k]);
        matrix(m, name, m->d, m->d);
    }
    snprintf(name, sizeof name, "%s.blk.%u.%s_norm.weight", stack, i, part);
    constant(m, name, m->d, 1);
}

static void t5_stack(struct maker *m, const char *stack, bool decoder)
{
    char name[80];
    uint64_t ne[2] = {m->d / HEAD, 32};
    float *bias = keep(m, ne[0] * ne[1] * sizeof *bias);
    for (size_t i = 0; i < ne[0] * ne[1]; i++)
        bias[i] = (float)(next(m) % 256) / 128 - 1;
    snprintf(name, sizeof name, "%s.blk.0.attn_rel_b.weight", stack);
    gguf_writer_tensor(m->w, name, F32, ne, 2, bias);
    snprintf(name, sizeof name, "%s.output_norm.weight", stack);
    constant(m, name, m->d, 1);
    for (uint32_t i = 0; i < m->layers; i++) {
        t5_attention(m, stack, i, "attn");
        if (decoder)
            t5_attention(m, stack, i, "cross_attn");
        snprintf(name, sizeof name, "%s.blk.%u.ffn_up.weight", stack, i);
        matrix(m, name, m->d, m->ff);
        snprintf(name, sizeof name, "%s.blk.%u.ffn_down.weight", stack, i);
        matrix(m, name, m->ff, m->d);
        snprintf(name, sizeof name, "%s.blk.%u.ffn_norm.weight", stack, i);
        constant(m, name, m->d, 1);
    }
}

static void make_t5(struct maker *m)
{
    head(m, "tiny-t5");
    number(m, "context_length", CONTEXT_T5);
    number(m, "attention.relative_buckets_count", 32);
    number(m, "decoder_start_token_id", 0);
    gguf_writer_f32(m->w, "t5.attention.layer_norm_rms_epsilon", 1e-6f);
    byte_words(m);
    matrix(m, "token_embd.weight", m->d, m->n_words);
    matrix(m, "output.weight", m->d, m->n_words);
    t5_stack(m, "enc", false);
    t5_stack(m, "dec", true);
}

static void bert_words(struct maker *m)
{
    static const char *const controls[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char apart[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    char s[8];
    for (size_t i = 0; i < 4; i++)
        word(m, controls[i], strlen(controls[i]), CONTROL);
    for (size_t i = 0; i < sizeof apart - 1; i++)
        word(m, s, (size_t)snprintf(s, sizeof s, "\xE2\x96\x81%c", apart[i]), NORMAL);
    for (int start = 0; start < 2; start++) {
        const char *mark = start ? "\xE2\x96\x81" : "";
        for (size_t i = 0; i < sizeof letters - 1; i++) {
            word(m, s, (size_t)snprintf(s, sizeof s, "%s%c", mark, letters[i]), NORMAL);
            for (size_t k = 0; k < sizeof letters - 1; k++)
                word(m, s,
                     (size_t)snprintf(s, sizeof s, "%s%c%c", mark, letters[i], letters[k]),
                     NORMAL);
        }
    }
    gguf_writer_str(m->w, "tokenizer.ggml.model", "bert");
    gguf_writer_u32(m->w, "tokenizer.ggml.unknown_token_id", 1);
    gguf_writer_u32(m->w, "tokenizer.ggml.bos_token_id", 2);
    gguf_writer_u32(m->w, "tokenizer.ggml.eos_token_id", 3);
}

// A handful of pieces that cover letters, with and without the mark of a word's beginning.
static void unigram_words(struct maker *m)
{
    static const char *const controls[] = {"<s>", "<pad>", "</s>"};
    static const char *const pieces[] = {
        "the", "an",           "in", "er",           "tion",         ":",        ".", ",",
        "?",   "\xE4\xB8\xAD", "-",  "\xE2\x96\x81", "\xE5\x9B\xBD", "\xC3\xA9", "'"};
    char s[8];
    for (size_t i = 0; i < 3; i++)
        word(m, controls[i], strlen(controls[i]), CONTROL);
    word(m, "<unk>", 5, UNKNOWN);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        word(m, pieces[i], strlen(pieces[i]), NORMAL);
    for (char c = '0'; c <= 'z'; c++)
        for (int start = 0; start < 2 && isalnum((unsigned char)c); start++)
            word(m, s, (size_t)snprintf(s, sizeof s, "%s%c", start ? "\xE2\x96\x81" : "", c),
                 NORMAL);
    float *scores = keep(m, m->n_words * sizeof *scores);
    for (size_t i = 0; i < m->n_words; i++)
        scores[i] = -2 - (float)i / 16;
    gguf_writer_array(m->w, "tokenizer.ggml.scores", GGUF_F32, scores, m->n_words);
    gguf_writer_str(m->w, "tokenizer.ggml.model", "t5");
    gguf_writer_u32(m->w, "tokenizer.ggml.bos_token_id", 0);
    gguf_writer_u32(m->w, "tokenizer.ggml.eos_token_id", 2);
    gguf_writer_u32(m->w, "tokenizer.ggml.unknown_token_id", 3);
}

static void make_bert(struct maker *m, bool unigram)
{
    m->arch = "bert";
    head(m, unigram ? "tiny-xlmr" : "tiny-bert");
    number(m, "context_length", CONTEXT_BERT);
    number(m, "pooling_type", 1);
    gguf_writer_f32(m->w, "bert.attention.layer_norm_epsilon", 1e-12f);
    gguf_writer_str(m->w, "askd.embedder.query_prefix", "");
    gguf_writer_str(m->w, "askd.embedder.passage_prefix", "");
    (unigram ? unigram_words : bert_words)(m);
    matrix(m, "token_embd.weight", m->d, m->n_words);
    matrix(m, "position_embd.weight", m->d, CONTEXT_BERT);
    matrix(m, "token_types.weight", m->d, 2);
    constant(m, "token_embd_norm.weight", m->d, 1);
    constant(m, "token_embd_norm.bias", m->d, 0);
    for (uint32_t i = 0; i < m->layers; i++) {
        layer_matrix(m, i, "attn_q", m->d, m->d);
        layer_matrix(m, i, "attn_k", m->d, m->d);
        layer_matrix(m, i, "attn_v", m->d, m->d);
        layer_matrix(m, i, "attn_output", m->d, m->d);
        layer_matrix(m, i, "ffn_up", m->d, m->ff);
        layer_matrix(m, i, "ffn_down", m->ff, m->d);
        layer_vector(m, i, "attn_output_norm.weight", 1);
        layer_vector(m, i, "attn_output_norm.bias", 0);
        layer_vector(m, i, "layer_output_norm.weight", 1);
        layer_vector(m, i, "layer_output_norm.bias", 0);
    }
}

static void adapt(struct maker *m, uint32_t i, const char *part, uint64_t cols, uint64_t rows)
{
    char name[80];
    snprintf(name, sizeof name, "blk.%u.%s.weight.lora_a", i, part);
    matrix(m, name, cols, RANK);
    snprintf(name, sizeof name, "blk.%u.%s.weight.lora_b", i, part);
    matrix(m, name, RANK, rows);
}

static void make_lora(struct maker *m)
{
    gguf_writer_str(m->w, "general.architecture", "llama");
    gguf_writer_str(m->w, "general.type", "adapter");
    gguf_writer_str(m->w, "adapter.type", "lora");
    gguf_writer_f32(m->w, "adapter.lora.alpha", RANK / 2.0f);
    for (uint32_t i = 0; i < m->layers; i++) {
        adapt(m, i, "attn_q", m->d, m->d);
        adapt(m, i, "attn_v", m->d, m->d / 2);
        adapt(m, i, "ffn_down", m->ff, m->d);
    }
}

int main(int argc, char **argv)
{
    static struct maker m = {.d = 64, .layers = 2, .random = 1};
    struct err e = {0};
    if (argc >= 5) {
        m.d = (uint32_t)atoi(argv[3]);
        m.layers = (uint32_t)atoi(argv[4]);
    }
    if (argc == 6)
        m.random = (uint64_t)atoi(argv[5]);
    if (argc < 3 || argc == 4 || argc > 6 ||
        (strcmp(argv[1], "llama") && strcmp(argv[1], "t5") && strcmp(argv[1], "bert") &&
         strcmp(argv[1], "xlmr") && strcmp(argv[1], "lora")) ||
        !m.d || m.d % 32 || m.d > 4096 || !m.layers || m.layers > 256) {
        fprintf(stderr,
                "usage: make_tiny_model llama|t5|bert|xlmr|lora FILE [WIDTH LAYERS [SEED]]\n");
        return 2;
    }
    m.arch = argv[1];
    m.ff = m.d * 2;
    m.w = gguf_writer_new();
    m.words = keep(&m, 8192 * sizeof *m.words);
    m.types = keep(&m, 8192 * sizeof *m.types);
    if (!strcmp(m.arch, "llama"))
        make_llama(&m);
    else if (!strcmp(m.arch, "t5"))
        make_t5(&m);
    else if (!strcmp(m.arch, "bert"))
        make_bert(&m, false);
    else if (!strcmp(m.arch, "xlmr"))
        make_bert(&m, true);
    else
        make_lora(&m);
    if (m.n_words) {
        gguf_writer_strings(m.w, "tokenizer.ggml.tokens", m.words, m.n_words);
        gguf_writer_array(m.w, "tokenizer.ggml.token_type", GGUF_I32, m.types, m.n_words);
    }
    int rc = gguf_writer_save(m.w, argv[2], &e);
    if (rc)
        fprintf(stderr, "make_tiny_model: %s\n", e.msg);
    gguf_writer_free(m.w);
    for (size_t i = 0; i < m.n_owned; i++)
        free(m.owned[i]);
    return rc ? 2 : 0;
}
