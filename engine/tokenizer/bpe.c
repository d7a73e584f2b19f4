// SPDX-License-Identifier: MIT
// Byte-level BPE (Sennrich et al. 2016; GPT-2's byte alphabet): pre-tokenise by regular
// expression, then merge neighbouring symbols by the rank of the pair, lowest first, leftmost
// on a tie.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/tokenizer/internal.h"

#include "base/utf8.h"
#include "engine/tokenizer/merges.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define SPLIT_MAX 4
#define MERGE_MAX 1024 // bytes of a pair's spelling

struct merge {
    uint64_t pair; // left id << 32 | right id
    uint32_t rank;
    int32_t result; // -1: free slot
};

struct bpe {
    struct merge *merges; // open addressing
    size_t mask;
    int32_t byte_token[256];
    bool whole_words; // a piece that is a token stays one (llama-bpe)
    pcre2_code *split[SPLIT_MAX];
    size_t n_split;
};

// GPT-2 bytes_to_unicode: printable bytes are themselves, the others U+0100 and on, in order.
static uint32_t byte_to_code_point(unsigned b)
{
    if ((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174)
        return b;
    return 256 + (b <= 32 ? b : b <= 160 ? 33 + (b - 127) : 67);
}

int bpe_unspell(const char *s, size_t n, char *out)
{
    int len = 0;
    size_t step;
    for (size_t i = 0; i < n; i += step) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        unsigned b = cp < 256         ? cp
                     : cp - 256 <= 32 ? cp - 256
                     : cp - 256 < 67  ? cp - 256 - 33 + 127
                                      : 173;
        if (cp > 323 || byte_to_code_point(b) != cp)
            return -1;
        out[len++] = (char)b;
    }
    return len;
}

static const struct merge *find_merge(const struct bpe *b, int32_t left, int32_t right)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    for (size_t at = (pair * 0x9E3779B97F4A7C15u >> 20) & b->mask; b->merges[at].result >= 0;
         at = (at + 1) & b->mask)
        if (b->merges[at].pair == pair)
            return &b->merges[at];
    return NULL;
}

static void add_merge(struct bpe *b, int32_t left, int32_t right, int32_t result, uint32_t rank)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t at = (pair * 0x9E3779B97F4A7C15u >> 20) & b->mask;
    while (b->merges[at].result >= 0) {
        if (b->merges[at].pair == pair)
            return; // the first rank counts
        at = (at + 1) & b->mask;
    }
    b->merges[at] = (struct merge){pair, rank, result};
}

// "left right" in the byte-level spelling. False when it is no such pair; a pair whose tokens
// the vocabulary lacks never merges.
static bool read_merge(struct tokenizer *t, const struct gguf_str *s, uint32_t rank)
{
    char raw[2 * MERGE_MAX];
    const char *space = s->n > 1 && s->n <= MERGE_MAX ? memchr(s->s + 1, ' ', s->n - 1) : NULL;
    if (!space)
        return false;
    int left = bpe_unspell(s->s, (size_t)(space - s->s), raw);
    int right =
        left <= 0 ? -1 : bpe_unspell(space + 1, s->n - (size_t)(space - s->s) - 1, raw + left);
    if (right <= 0)
        return false;
    int32_t l = vocab_map_find(t, raw, (size_t)left),
            r = vocab_map_find(t, raw + left, (size_t)right),
            both = vocab_map_find(t, raw, (size_t)(left + right));
    if (l >= 0 && r >= 0 && both >= 0)
        add_merge(t->bpe, l, r, both, rank);
    return true;
}

// White space as Unicode has it: PCRE2's \s leaves U+0085 out.
#define S "\\s\\x{85}"
#define WORDS                                                                             \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" S "\\p{L}\\p{N}]+|[" S "]+(?![^" S \
    "])|[" S "]+"
#define LLAMA3(digits)                                                                   \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits "| ?[^" S \
    "\\p{L}\\p{N}]+[\\r\\n]*|[" S "]*[\\r\\n]+|[" S "]+(?![^" S "])|[" S "]+"
// Words are cut where small letters are followed by large ones.
#define UPPER "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
#define LOWER "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"
#define TEKKEN                                                                                 \
    "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]+[" LOWER \
    "]*|\\p{N}| ?[^" S "\\p{L}\\p{N}]+[\\r\\n/]*|[" S "]*[\\r\\n]+|[" S "]+(?![^" S "])|[" S   \
    "]+"

// Expressions that are applied one behind the other, each to what the one before cut out and to
// what it left.
static const struct split_rule {
    const char *names[8]; // as files name them: several are the same rule
    const char *patterns[SPLIT_MAX];
    bool whole_words;
} rules[] = {
    {{"gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais"}, {WORDS}, false},
    {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"},
     {"\\p{N}", WORDS},
     false},
    {{"qwen2", "stablelm2", "deepseek-r1-qwen", "megrez", "hunyuan"}, {LLAMA3("")}, false},
    {{"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"}, {LLAMA3("{1,3}")}, true},
    {{"dbrx", "smaug-bpe"}, {LLAMA3("{1,3}")}, false},
    {{"tekken"}, {TEKKEN}, true},
    // What llama.cpp falls back to where a file names none.
    {{"default"},
     {"[\\p{P}\\$\\+<=>\\^~\\|]+",
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" S "\\p{L}\\p{N}]+|[" S "]+(?![^" S
      "])",
      "\\p{N}+", "[0-9][0-9][0-9]"},
     false},
};

static const struct split_rule *find_rule(const struct gguf_str *name)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        for (size_t k = 0; k < 8 && rules[i].names[k]; k++)
            if (strlen(rules[i].names[k]) == name->n &&
                !memcmp(rules[i].names[k], name->s, name->n))
                return &rules[i];
    return NULL;
}

static int compile_split(struct tokenizer *t, const gguf *g, struct err *e)
{
    struct gguf_str pre = {"default", 7};
    int rc = gguf_get_str(g, "tokenizer.ggml.pre", &pre, e);
    if (rc && rc != -ENOENT)
        return rc;
    const struct split_rule *r = find_rule(&pre);
    if (!r)
        return err_set(e, -EINVAL,
                       "%s: tokenizer.ggml.pre: '%.*s' is none of gpt-2, smollm, qwen2, "
                       "llama-bpe, tekken, default and their like",
                       gguf_path(g), (int)(pre.n < 40 ? pre.n : 40), pre.s);
    t->bpe->whole_words = r->whole_words;
    // These models expect their BOS, and llama.cpp's converter does not say so in the file.
    bool said;
    if (r->whole_words &&
        gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &said, NULL) == -ENOENT)
        t->add_bos = true;
    for (int k = 0; k < SPLIT_MAX && r->patterns[k]; k++) {
        int code;
        PCRE2_SIZE at;
        pcre2_code *p = pcre2_compile((PCRE2_SPTR)r->patterns[k], PCRE2_ZERO_TERMINATED,
                                      PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
        if (!p)
            return err_nomem(e);
        (void)pcre2_jit_compile(p, PCRE2_JIT_COMPLETE);
        t->bpe->split[t->bpe->n_split++] = p;
    }
    return 0;
}

int bpe_open(struct tokenizer *t, const gguf *g, struct err *e)
{
    struct gguf_array merges;
    int rc = gguf_get_array(g, "tokenizer.ggml.merges", &merges, e);
    if (rc)
        return rc;
    if (!merges.s || merges.n > 1u << 22)
        return err_set(e, -EINVAL,
                       "%s: tokenizer.ggml.merges: it is no list of at most 4194304 strings",
                       gguf_path(g));
    t->bpe = calloc(1, sizeof *t->bpe);
    if (!t->bpe)
        return err_nomem(e);
    size_t cap = 64;
    while (cap < merges.n * 2)
        cap *= 2;
    t->bpe->merges = malloc(cap * sizeof *t->bpe->merges);
    if (!t->bpe->merges)
        return err_nomem(e);
    memset(t->bpe->merges, 0xFF, cap * sizeof *t->bpe->merges);
    t->bpe->mask = cap - 1;
    for (unsigned b = 0; b < 256; b++)
        t->bpe->byte_token[b] = vocab_map_find(t, &(char){(char)b}, 1);
    for (size_t i = 0; i < merges.n; i++)
        if (!read_merge(t, &merges.s[i], (uint32_t)i))
            return err_set(e, -EINVAL,
                           "%s: tokenizer.ggml.merges: element %zu is no pair of pieces in "
                           "byte-level spelling",
                           gguf_path(g), i);
    return compile_split(t, g, e);
}

void bpe_close(struct tokenizer *t)
{
    if (!t->bpe)
        return;
    for (size_t i = 0; i < t->bpe->n_split; i++)
        pcre2_code_free(t->bpe->split[i]);
    free(t->bpe->merges);
    free(t->bpe);
}

// ---- merging one piece ----

struct symbol {
    int32_t id;
    int32_t prev, next; // -1: none
};

struct work {
    struct symbol *sym;
    struct merges queue;
};

static void consider(const struct bpe *b, struct work *w, int32_t left, int32_t right)
{
    if (left < 0 || right < 0 || w->sym[left].id < 0 || w->sym[right].id < 0)
        return;
    const struct merge *m = find_merge(b, w->sym[left].id, w->sym[right].id);
    if (m)
        merges_push(&w->queue, (struct merge_candidate){
                                   m->rank,
                                   left,
                                   right,
                                   {(uint32_t)w->sym[left].id, (uint32_t)w->sym[right].id},
                                   m->result});
}

static int merge_piece(const struct tokenizer *t, const char *s, size_t n, struct tokens *out)
{
    const struct bpe *b = t->bpe;
    int32_t whole = b->whole_words ? vocab_map_find(t, s, n) : -1;
    if (whole >= 0)
        return tokens_add(out, whole);
    struct symbol few[64];
    struct merge_candidate few_heap[3 * 64];
    struct work w = {few, {few_heap, 0}};
    if (n > 64) {
        w.sym = malloc(n * sizeof *w.sym);
        w.queue.heap = malloc(3 * n * sizeof *w.queue.heap);
    }
    int rc = w.sym && w.queue.heap ? 0 : -ENOMEM;
    for (size_t i = 0; i < n && !rc; i++)
        w.sym[i] = (struct symbol){b->byte_token[(unsigned char)s[i]], (int32_t)i - 1,
                                   i + 1 < n ? (int32_t)i + 1 : -1};
    for (size_t i = 0; i + 1 < n && !rc; i++)
        consider(b, &w, (int32_t)i, (int32_t)i + 1);
    while (!rc && w.queue.n) {
        struct merge_candidate c = merges_pop(&w.queue);
        struct symbol *l = &w.sym[c.left], *r = &w.sym[c.right];
        if ((uint32_t)l->id != c.was[0] || (uint32_t)r->id != c.was[1] || l->next != c.right)
            continue;
        l->id = c.result;
        l->next = r->next;
        r->id = -2; // gone
        if (l->next >= 0)
            w.sym[l->next].prev = c.left;
        consider(b, &w, l->prev, c.left);
        consider(b, &w, c.left, l->next);
    }
    for (int32_t i = 0; i >= 0 && n && !rc; i = w.sym[i].next)
        if (w.sym[i].id >=
            0) // a byte that the vocabulary lacks is dropped, as in the reference
            rc = tokens_add(out, w.sym[i].id);
    if (n > 64) {
        free(w.sym);
        free(w.queue.heap);
    }
    return rc;
}

// Apply the k-th expression; what it does not match stays a piece of its own.
static int split(const struct tokenizer *t, size_t k, const char *s, size_t n,
                 struct tokens *out)
{
    if (!n)
        return 0;
    if (k == t->bpe->n_split)
        return merge_piece(t, s, n, out);
    pcre2_match_data *m = pcre2_match_data_create(1, NULL);
    size_t at = 0;
    int rc = m ? 0 : -ENOMEM;
    while (!rc && at < n) {
        int found = pcre2_match(t->bpe->split[k], (PCRE2_SPTR)s, n, at,
                                PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, m, NULL);
        if (found < 0)
            break;
        const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(m);
        rc = split(t, k + 1, s + at, ov[0] - at, out);
        if (!rc)
            rc = split(t, k + 1, s + ov[0], ov[1] - ov[0], out);
        at = ov[1];
    }
    if (!rc)
        rc = split(t, k + 1, s + at, n - at, out);
    pcre2_match_data_free(m);
    return rc;
}

int bpe_encode(const struct tokenizer *t, const char *s, size_t n, struct tokens *out)
{
    return split(t, 0, s, n, out);
}
