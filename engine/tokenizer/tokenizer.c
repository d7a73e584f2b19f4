// SPDX-License-Identifier: MIT
// The vocabulary, control tokens, and which algorithm does the rest.
#include "engine/tokenizer/internal.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VOCAB_MAX (1u << 22)

void tokens_free(struct tokens *t)
{
    free(t->ids);
    *t = (struct tokens)TOKENS_INIT;
}

int tokens_add(struct tokens *t, int32_t id)
{
    if (t->len == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        int32_t *grown = realloc(t->ids, cap * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        t->ids = grown;
        t->cap = cap;
    }
    t->ids[t->len++] = id;
    return 0;
}

int vocab_map_build(struct tokenizer *t)
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

static int bad(const gguf *g, struct err *e, const char *what)
{
    return err_set(e, -EINVAL, "%s: tokenizer: %s", gguf_path(g), what);
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
    return err_set(e, -EINVAL, "%s: tokenizer model '%.*s' is none of gpt2, llama, bert, t5",
                   gguf_path(g), (int)(model.n < 40 ? model.n : 40), model.s);
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

static int read_tokens(struct tokenizer *t, const gguf *g, struct err *e)
{
    struct gguf_array words, scores = {0}, types = {0};
    int rc = gguf_get_array(g, "tokenizer.ggml.tokens", &words, e);
    if (rc)
        return rc;
    if (!words.s || !words.n || words.n > VOCAB_MAX)
        return bad(g, e, "tokens is no list of strings, or empty, or too long");
    rc = gguf_get_array(g, "tokenizer.ggml.scores", &scores, e);
    if (!rc || rc == -ENOENT)
        rc = gguf_get_array(g, "tokenizer.ggml.token_type", &types, e);
    if (rc && rc != -ENOENT)
        return rc;
    if ((scores.n && scores.n != words.n) || (types.n && types.n != words.n))
        return bad(g, e, "tokens, scores and types differ in number");
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
        if ((types.n && gguf_array_i64(&types, i, &type)) ||
            (scores.n && gguf_array_f64(&scores, i, &score)) || !isfinite(score) || type < 0 ||
            type > 6)
            return bad(g, e, "a score or a type is no number that it can be");
        // Whatever the file calls it, what ends a turn is no text.
        bool end = words.s[i].n && ends_turn(words.s[i].s, words.s[i].n);
        k->type = end ? TYPE_CONTROL : (uint8_t)type;
        k->score = (float)score;
        k->s = at;
        k->n = (uint32_t)unspell(t, k, &words.s[i], at);
        at += k->n;
    }
    return 0;
}

static int32_t read_id(const struct tokenizer *t, const gguf *g, const char *key,
                       int32_t fallback)
{
    uint32_t v;
    char name[80];
    snprintf(name, sizeof name, "tokenizer.ggml.%s", key);
    if (gguf_get_u32(g, name, &v, NULL) || v >= t->n)
        return fallback;
    return (int32_t)v;
}

static int longest_first(const void *a, const void *b, void *ctx)
{
    const struct tokenizer *t = ctx;
    uint32_t x = t->tokens[*(const int32_t *)a].n, y = t->tokens[*(const int32_t *)b].n;
    return x != y ? (x < y ? 1 : -1) : (*(const int32_t *)a < *(const int32_t *)b ? -1 : 1);
}

static int read_special(struct tokenizer *t, const gguf *g, struct err *e)
{
    bool flag;
    t->bos = read_id(t, g, "bos_token_id", -1);
    t->eos = read_id(t, g, "eos_token_id", -1);
    t->unk = read_id(t, g, "unknown_token_id", t->kind == KIND_SENTENCEPIECE ? 0 : -1);
    t->cls = read_id(t, g, "cls_token_id", t->bos);
    t->sep = read_id(t, g, "seperator_token_id", t->eos);
    t->add_bos = t->kind != KIND_BPE;
    t->add_eos = t->kind == KIND_WORDPIECE || t->kind == KIND_UNIGRAM;
    t->add_prefix_space = t->kind == KIND_SENTENCEPIECE || t->kind == KIND_UNIGRAM;
    if (!gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &flag, NULL))
        t->add_bos = flag;
    if (!gguf_get_bool(g, "tokenizer.ggml.add_eos_token", &flag, NULL))
        t->add_eos = flag;
    if (!gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &flag, NULL))
        t->add_prefix_space = flag;
    memset(t->byte_id, 0xFF, sizeof t->byte_id);
    for (size_t i = 0; i < t->n; i++) {
        const struct token *k = &t->tokens[i];
        unsigned byte;
        char spelled[8] = {0};
        if (k->n == 6 && k->type == TYPE_BYTE) {
            memcpy(spelled, k->s, 6);
            if (sscanf(spelled, "<0x%2X>", &byte) == 1)
                t->byte_id[byte & 255] = (int32_t)i;
        }
        t->n_special += k->n && (k->type == TYPE_CONTROL || k->type == TYPE_USER);
        t->n_user += k->n && k->type == TYPE_USER;
    }
    t->special = calloc(t->n_special + 1, sizeof *t->special);
    if (!t->special)
        return err_nomem(e);
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->tokens[i].n &&
            (t->tokens[i].type == TYPE_CONTROL || t->tokens[i].type == TYPE_USER))
            t->special[n++] = (int32_t)i;
    qsort_r(t->special, n, sizeof *t->special, longest_first, t);
    return 0;
}

int tokenizer_open(const gguf *g, tokenizer **out, struct err *e)
{
    tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(e);
    int rc = read_kind(t, g, e);
    if (!rc)
        rc = read_tokens(t, g, e);
    if (!rc)
        rc = read_special(t, g, e);
    if (!rc && vocab_map_build(t))
        rc = err_nomem(e);
    if (!rc && t->kind == KIND_BPE)
        rc = bpe_open(t, g, e);
    if (!rc && t->kind == KIND_UNIGRAM)
        rc = unigram_open(t, g, e);
    if (rc) {
        tokenizer_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

void tokenizer_close(tokenizer *t)
{
    if (!t)
        return;
    bpe_close(t);
    unigram_close(t);
    free(t->special);
    free(t->map.slots);
    free(t->tokens);
    free(t->blob);
    free(t);
}

// Text without special tokens.
static int encode_plain(const tokenizer *t, const char *s, size_t n, bool first,
                        struct tokens *out)
{
    if (!n)
        return 0;
    switch (t->kind) {
    case KIND_BPE:
        return bpe_encode(t, s, n, out);
    case KIND_SENTENCEPIECE:
        return sentencepiece_encode(t, s, n, first && t->add_prefix_space, out);
    case KIND_WORDPIECE:
        return wordpiece_encode(t, s, n, out);
    case KIND_UNIGRAM:
        return unigram_encode(t, s, n, out);
    }
    return -EINVAL;
}

// Split at the special tokens from the k-th on, longest first, and encode what is between.
static int encode_split(const tokenizer *t, size_t k, const char *s, size_t n, bool control,
                        bool first, struct tokens *out)
{
    while (n && k < t->n_special) {
        const struct token *p = &t->tokens[t->special[k]];
        const char *hit = p->type == TYPE_USER || control ? memmem(s, n, p->s, p->n) : NULL;
        if (!hit) {
            k++;
            continue;
        }
        int rc = encode_split(t, k + 1, s, (size_t)(hit - s), control, first, out);
        if (!rc)
            rc = tokens_add(out, t->special[k]);
        if (rc)
            return rc;
        n -= (size_t)(hit - s) + p->n;
        s = hit + p->n;
        first = false;
    }
    return encode_plain(t, s, n, first, out);
}

int tokenizer_encode(const tokenizer *t, const char *text, size_t n, unsigned flags,
                     struct tokens *out)
{
    bool control = flags & TOKENIZER_PARSE_CONTROL, special = flags & TOKENIZER_ADD_SPECIAL;
    bool first = !(flags & TOKENIZER_NO_PREFIX_SPACE);
    int32_t start = t->kind == KIND_WORDPIECE ? t->cls : t->bos;
    int32_t end = t->kind == KIND_WORDPIECE ? t->sep : t->eos;
    struct buf clean = BUF_INIT;
    int rc = 0;
    if (special && t->add_bos && start >= 0)
        rc = tokens_add(out, start);
    // SentencePiece takes foreign bytes as they are, through its byte tokens.
    if (!rc && t->kind != KIND_SENTENCEPIECE && !utf8_valid(text, n)) {
        rc = utf8_add_clean(&clean, text, n);
        text = clean.data;
        n = clean.len;
    }
    if (!rc)
        rc = control || t->n_user ? encode_split(t, 0, text, n, control, first, out)
                                  : encode_plain(t, text, n, first, out);
    if (!rc && special && t->add_eos && end >= 0)
        rc = tokens_add(out, end);
    buf_free(&clean);
    return rc;
}

int tokenizer_decode(const tokenizer *t, int32_t id, struct buf *out)
{
    if (id < 0 || (size_t)id >= t->n)
        return -EINVAL;
    const struct token *k = &t->tokens[id];
    if (k->type == TYPE_CONTROL || k->type == TYPE_UNKNOWN)
        return 0;
    if (k->type == TYPE_BYTE) {
        for (int b = 0; b < 256; b++)
            if (t->byte_id[b] == id)
                return buf_addc(out, (char)b);
        return 0;
    }
    if (t->kind == KIND_BPE)
        return buf_add(out, k->s, k->n);
    // U+2581 stands for a space.
    int rc = 0;
    for (uint32_t i = 0; i < k->n && !rc; i++) {
        if (k->n - i >= 3 && !memcmp(k->s + i, "\xE2\x96\x81", 3)) {
            rc = buf_addc(out, ' ');
            i += 2;
        } else {
            rc = buf_addc(out, k->s[i]);
        }
    }
    return rc;
}

size_t tokenizer_size(const tokenizer *t)
{
    return t->n;
}

int32_t tokenizer_bos(const tokenizer *t)
{
    return t->bos;
}

int32_t tokenizer_eos(const tokenizer *t)
{
    return t->eos;
}

bool tokenizer_is_control(const tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->n &&
           (t->tokens[id].type == TYPE_CONTROL || t->tokens[id].type == TYPE_UNKNOWN);
}

bool tokenizer_is_end(const tokenizer *t, int32_t id)
{
    if (id < 0 || (size_t)id >= t->n)
        return false;
    const struct token *k = &t->tokens[id];
    return id == t->eos || (k->type == TYPE_CONTROL && ends_turn(k->s, k->n));
}

int32_t tokenizer_find(const tokenizer *t, const char *spelling)
{
    size_t n = strlen(spelling);
    for (size_t i = 0; i < t->n_special; i++) {
        const struct token *k = &t->tokens[t->special[i]];
        if (k->n == n && !memcmp(k->s, spelling, n))
            return t->special[i];
    }
    return vocab_map_find(t, spelling, n);
}
