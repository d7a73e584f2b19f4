// SPDX-License-Identifier: MIT
// The vocabulary, from metadata that is hostile: the wrong type, length or range of any key is
// refused by name.
#include "engine/tokenizer/internal.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VOCAB_MAX (1u << 22)
#define SPECIAL_MAX 65536u // Gemma 3 has 6,414
#define SCORE_MAX 1e9      // sums over any text stay exact enough and finite

static int vocab_map_build(struct tokenizer *t)
{
    size_t cap = 64;
    while (cap < t->n * 2)
        cap *= 2;
    t->map.slots = malloc(cap * sizeof *t->map.slots);
    if (!t->map.slots)
        return -ENOMEM;
    t->map.mask = cap - 1;
    memset(t->map.slots, 0xFF, cap * sizeof *t->map.slots);
    for (size_t i = 0; i < t->n; i++) {
        const struct token *k = &t->tokens[i];
        // Text never becomes a control token: those are not in the map.
        if (!k->n || k->type == TYPE_CONTROL || k->type == TYPE_UNKNOWN || k->type == TYPE_BYTE)
            continue;
        size_t at = hash64_of(k->s, k->n, 0) & t->map.mask;
        bool known = false;
        while (t->map.slots[at] >= 0 && !known) {
            const struct token *o = &t->tokens[t->map.slots[at]];
            known = o->n == k->n && !memcmp(o->s, k->s, k->n);
            at = known ? at : (at + 1) & t->map.mask;
        }
        if (!known)
            t->map.slots[at] = (int32_t)i;
    }
    return 0;
}

int32_t vocab_map_find(const struct tokenizer *t, const char *s, size_t n)
{
    for (size_t at = hash64_of(s, n, 0) & t->map.mask; t->map.slots[at] >= 0;
         at = (at + 1) & t->map.mask) {
        const struct token *o = &t->tokens[t->map.slots[at]];
        if (o->n == n && !memcmp(o->s, s, n))
            return t->map.slots[at];
    }
    return -1;
}

// "PATH: tokenizer.ggml.KEY: what is wrong with it".
static int bad(const gguf *g, struct err *e, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static int bad(const gguf *g, struct err *e, const char *key, const char *fmt, ...)
{
    char what[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(e, -EINVAL, "%s: tokenizer.ggml.%s: %s", gguf_path(g), key, what);
}

static int read_kind(struct tokenizer *t, const gguf *g, struct err *e)
{
    static const char *const names[] = {"gpt2", "llama", "bert", "t5"};
    struct gguf_str model;
    int rc = gguf_get_str(g, "tokenizer.ggml.model", &model, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < 4; i++)
        if (model.n == strlen(names[i]) && !memcmp(model.s, names[i], model.n)) {
            t->kind = (enum tokenizer_kind)i;
            return 0;
        }
    return bad(g, e, "model", "'%.*s' is none of gpt2, llama, bert, t5",
               (int)(model.n < 40 ? model.n : 40), model.s);
}

static bool ends_turn(const char *s, size_t n)
{
    static const char *const ends[] = {
        "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>",
        "<eos>",      "</s>",          "<|eom_id|>", "<|end|>"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (n == strlen(ends[i]) && !memcmp(s, ends[i], n))
            return true;
    return false;
}

// The bytes that a token's spelling stands for.
static size_t unspell(const struct tokenizer *t, const struct token *k,
                      const struct gguf_str *s, char *out)
{
    if (t->kind == KIND_BPE && k->type != TYPE_CONTROL && k->type != TYPE_USER) {
        int n = bpe_unspell(s->s, s->n, out);
        if (n >= 0)
            return (size_t)n;
    }
    memcpy(out, s->s, s->n);
    return s->n;
}

static bool is_whole(enum gguf_type t)
{
    return t != GGUF_F32 && t != GGUF_F64 && t != GGUF_BOOL && t != GGUF_STRING;
}

// The three arrays, as long as each other, of the types that they must have. Scores and types
// may be absent.
static int read_arrays(const gguf *g, struct gguf_array *words, struct gguf_array *scores,
                       struct gguf_array *types, struct err *e)
{
    int rc = gguf_get_array(g, "tokenizer.ggml.tokens", words, e);
    if (rc)
        return rc;
    if (!words->s || !words->n || words->n > VOCAB_MAX)
        return bad(g, e, "tokens", "it is no list of 1 to %u strings", VOCAB_MAX);
    rc = gguf_get_array(g, "tokenizer.ggml.scores", scores, e);
    if (rc && rc != -ENOENT)
        return rc;
    if (!rc && scores->type != GGUF_F32 && scores->type != GGUF_F64)
        return bad(g, e, "scores", "its elements are no floating-point numbers");
    if (!rc && scores->n != words->n)
        return bad(g, e, "scores", "it has %zu elements for %zu tokens", scores->n, words->n);
    rc = gguf_get_array(g, "tokenizer.ggml.token_type", types, e);
    if (rc && rc != -ENOENT)
        return rc;
    if (!rc && !is_whole(types->type))
        return bad(g, e, "token_type", "its elements are no whole numbers");
    if (!rc && types->n != words->n)
        return bad(g, e, "token_type", "it has %zu elements for %zu tokens", types->n,
                   words->n);
    return 0;
}

static int read_tokens(struct tokenizer *t, const gguf *g, struct err *e)
{
    struct gguf_array words, scores = {0}, types = {0};
    int rc = read_arrays(g, &words, &scores, &types, e);
    if (rc)
        return rc;
    uint32_t eos = UINT32_MAX;
    (void)gguf_get_u32(g, "tokenizer.ggml.eos_token_id", &eos, NULL); // read_scalars complains
    size_t total = 0;
    for (size_t i = 0; i < words.n; i++)
        total += words.s[i].n;
    t->n = words.n;
    t->tokens = calloc(words.n, sizeof *t->tokens);
    t->blob = malloc(total + 1);
    if (!t->tokens || !t->blob)
        return err_nomem(e);
    char *at = t->blob;
    for (size_t i = 0; i < words.n; i++) {
        struct token *k = &t->tokens[i];
        int64_t type = TYPE_NORMAL;
        double score = 0;
        if (scores.n && (gguf_array_f64(&scores, i, &score) || !(fabs(score) <= SCORE_MAX)))
            return bad(g, e, "scores", "element %zu is no number from -1e9 to 1e9", i);
        if (types.n && (gguf_array_i64(&types, i, &type) || type < 0 || type > TYPE_BYTE))
            return bad(g, e, "token_type", "element %zu is none from 0 to 6", i);
        // Whatever the file calls it, what ends a turn is no text. Only "</s>" may be text, an
        // HTML tag, where the model ends with another token (Gemma 3).
        bool end = ends_turn(words.s[i].s, words.s[i].n) &&
                   (i == eos || words.s[i].n != 4 || memcmp(words.s[i].s, "</s>", 4));
        k->type = end ? TYPE_CONTROL : (uint8_t)type;
        k->score = (float)score;
        k->s = at;
        k->n = (uint32_t)unspell(t, k, &words.s[i], at);
        at += k->n;
    }
    return 0;
}

// Absent: the fallback.
static int read_id(const struct tokenizer *t, const gguf *g, const char *key, int32_t fallback,
                   int32_t *out, struct err *e)
{
    uint32_t v;
    char name[80];
    snprintf(name, sizeof name, "tokenizer.ggml.%s", key);
    *out = fallback;
    int rc = gguf_get_u32(g, name, &v, e);
    if (rc == -ENOENT)
        return 0;
    if (!rc && v >= t->n)
        return bad(g, e, key, "%u is no token: the vocabulary has %zu", v, t->n);
    *out = rc ? fallback : (int32_t)v;
    return rc;
}

static int read_flag(const gguf *g, const char *key, bool *out, struct err *e)
{
    char name[80];
    snprintf(name, sizeof name, "tokenizer.ggml.%s", key);
    int rc = gguf_get_bool(g, name, out, e);
    return rc == -ENOENT ? 0 : rc;
}

static int read_scalars(struct tokenizer *t, const gguf *g, struct err *e)
{
    t->add_bos = t->kind != KIND_BPE;
    t->add_eos = t->kind == KIND_WORDPIECE || t->kind == KIND_UNIGRAM;
    t->add_prefix_space = t->kind == KIND_SENTENCEPIECE || t->kind == KIND_UNIGRAM;
    int rc = read_id(t, g, "bos_token_id", -1, &t->bos, e);
    if (!rc)
        rc = read_id(t, g, "eos_token_id", -1, &t->eos, e);
    if (!rc)
        rc = read_id(t, g, "unknown_token_id", t->kind == KIND_SENTENCEPIECE ? 0 : -1, &t->unk,
                     e);
    if (!rc)
        rc = read_id(t, g, "cls_token_id", t->bos, &t->cls, e);
    if (!rc)
        rc = read_id(t, g, "seperator_token_id", t->eos, &t->sep, e);
    if (!rc)
        rc = read_flag(g, "add_bos_token", &t->add_bos, e);
    if (!rc)
        rc = read_flag(g, "add_eos_token", &t->add_eos, e);
    return rc ? rc : read_flag(g, "add_space_prefix", &t->add_prefix_space, e);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "<0x0A>" and no other spelling: the byte, or -1.
static int byte_of(const struct token *k)
{
    if (k->n != 6 || memcmp(k->s, "<0x", 3) || k->s[5] != '>' || hex(k->s[3]) < 0 ||
        hex(k->s[4]) < 0)
        return -1;
    return hex(k->s[3]) * 16 + hex(k->s[4]);
}

static int longest_first(const void *a, const void *b, void *ctx)
{
    const struct tokenizer *t = ctx;
    uint32_t x = t->tokens[*(const int32_t *)a].n, y = t->tokens[*(const int32_t *)b].n;
    return x != y ? (x < y ? 1 : -1) : (*(const int32_t *)a < *(const int32_t *)b ? -1 : 1);
}

static bool is_special(const struct token *k)
{
    return k->n && (k->type == TYPE_CONTROL || k->type == TYPE_USER);
}

static int read_special(struct tokenizer *t, const gguf *g, struct err *e)
{
    memset(t->byte_id, 0xFF, sizeof t->byte_id);
    for (size_t i = 0; i < t->n; i++) {
        const struct token *k = &t->tokens[i];
        int byte = k->type == TYPE_BYTE ? byte_of(k) : 0;
        if (byte < 0)
            return bad(g, e, "tokens", "token %zu is of type byte, but is not spelled <0xHH>",
                       i);
        if (k->type == TYPE_BYTE)
            t->byte_id[byte] = (int32_t)i;
        // Text is split at these: a split must never part the bytes of a character.
        if (is_special(k) && !utf8_valid(k->s, k->n))
            return bad(g, e, "tokens", "token %zu is a control or user token, but no UTF-8", i);
        t->n_special += is_special(k);
        t->n_user += k->n && k->type == TYPE_USER;
    }
    if (t->n_special > SPECIAL_MAX)
        return bad(g, e, "token_type", "%zu control and user tokens are more than %u",
                   t->n_special, SPECIAL_MAX);
    t->special = calloc(t->n_special + 1, sizeof *t->special);
    if (!t->special)
        return err_nomem(e);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (is_special(&t->tokens[i]))
            t->special[n++] = (int32_t)i;
    qsort_r(t->special, n, sizeof *t->special, longest_first, t);
    return 0;
}

int vocab_open(struct tokenizer *t, const gguf *g, struct err *e)
{
    int rc = read_kind(t, g, e);
    if (!rc)
        rc = read_tokens(t, g, e);
    if (!rc)
        rc = read_scalars(t, g, e);
    if (!rc)
        rc = read_special(t, g, e);
    return !rc && vocab_map_build(t) ? err_nomem(e) : rc;
}

bool vocab_ends_turn(const struct token *k)
{
    return ends_turn(k->s, k->n);
}
