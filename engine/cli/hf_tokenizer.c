// SPDX-License-Identifier: MIT
// tokenizer.json (Hugging Face tokenizers) -> tokenizer.ggml.*: WordPiece, byte-level BPE with
// a pre-tokeniser that is known, and BPE in SentencePiece's manner, with byte fallback.
#include "engine/cli/hf.h"

#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };
enum { NAME_MAX_BYTES = 4096 };

struct vocabulary {
    struct hf *m;
    const cJSON *model; // of tokenizer.json
    struct gguf_str *words;
    int32_t *types;
    float *scores;
    uint32_t *slots; // id + 1 by spelling, open addressing; 0: free
    size_t mask;
};

static int bad(const struct hf *m, struct err *e, const char *what)
{
    return err_set(e, -EINVAL, "%s/tokenizer.json: %s", m->folder, what);
}

static int unknown(const struct hf *m, struct err *e, const char *what)
{
    return err_set(e, -ENOTSUP, "%s/tokenizer.json: %s", m->folder, what);
}

static const cJSON *get(const cJSON *in, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(in, key);
}

// The steps of a normaliser or pre-tokeniser: itself, or the parts of a Sequence.
static const cJSON *step_of_type(const cJSON *in, const char *list, const char *type)
{
    const cJSON *parts = get(in, list), *v;
    const char *own = hf_string(in, "type");
    if (own && !strcmp(own, type))
        return in;
    cJSON_ArrayForEach(v, parts)
    {
        own = hf_string(v, "type");
        if (own && !strcmp(own, type))
            return v;
    }
    return NULL;
}

// ---- words ----

static int put_word(struct vocabulary *v, const cJSON *id, const char *s, int32_t type,
                    bool again, struct err *e)
{
    struct hf *m = v->m;
    if (!cJSON_IsNumber(id) || id->valuedouble < 0 || id->valuedouble >= m->vocab ||
        id->valuedouble != floor(id->valuedouble))
        return err_set(e, -EINVAL, "%s/tokenizer.json: the id of '%.40s' is none from 0 to %u",
                       m->folder, s, m->vocab - 1);
    size_t i = (size_t)id->valuedouble;
    if (v->words[i].s && !again)
        return err_set(e, -EINVAL, "%s/tokenizer.json: the id of '%.40s' is taken", m->folder,
                       s);
    v->words[i] = (struct gguf_str){s, strlen(s)};
    v->types[i] = type;
    return 0;
}

static void index_words(struct vocabulary *v)
{
    for (uint32_t i = 0; i < v->m->vocab; i++) {
        const struct gguf_str *w = &v->words[i];
        size_t at = hash64_of(w->s, w->n, 0) & v->mask;
        while (v->slots[at])
            at = (at + 1) & v->mask;
        v->slots[at] = i + 1;
    }
}

// The id of the token that two spellings make, or -1.
static int64_t find_joined(const struct vocabulary *v, const char *a, size_t n_a, const char *b,
                           size_t n_b)
{
    char s[NAME_MAX_BYTES];
    if (n_a + n_b > sizeof s)
        return -1;
    memcpy(s, a, n_a);
    memcpy(s + n_a, b, n_b);
    for (size_t at = hash64_of(s, n_a + n_b, 0) & v->mask; v->slots[at];
         at = (at + 1) & v->mask) {
        const struct gguf_str *w = &v->words[v->slots[at] - 1];
        if (w->n == n_a + n_b && !memcmp(w->s, s, w->n))
            return v->slots[at] - 1;
    }
    return -1;
}

// Unigram's vocabulary: [[piece, score], ...], its place being its id.
static int read_pieces(struct vocabulary *v, const cJSON *vocab, struct err *e)
{
    const cJSON *t;
    uint32_t i = 0;
    cJSON_ArrayForEach(t, vocab)
    {
        const cJSON *word = cJSON_GetArrayItem(t, 0), *score = cJSON_GetArrayItem(t, 1);
        if (i == v->m->vocab)
            return bad(v->m, e, "it has more pieces than config.json says");
        if (!cJSON_IsString(word) || !cJSON_IsNumber(score) ||
            !(fabs(score->valuedouble) <= 1e9))
            return err_set(e, -EINVAL, "%s/tokenizer.json: piece %u has no spelling or score",
                           v->m->folder, i);
        v->scores[i] = (float)score->valuedouble;
        v->words[i] = (struct gguf_str){word->valuestring, strlen(word->valuestring)};
        v->types[i++] = NORMAL;
    }
    return 0;
}

// model.vocab, then added_tokens over it; ids without a word become [PADn], as in llama.cpp.
static int read_words(struct vocabulary *v, struct err *e)
{
    struct hf *m = v->m;
    const cJSON *vocab = get(v->model, "vocab"), *added = get(m->tokenizer, "added_tokens"), *t;
    if (!cJSON_IsObject(vocab) && !cJSON_IsArray(vocab))
        return bad(m, e, "model.vocab is no object and no list");
    size_t cap = 64;
    while (cap < 2 * (size_t)m->vocab)
        cap *= 2;
    v->mask = cap - 1;
    v->words = arena_alloc(m->a, m->vocab * sizeof *v->words);
    v->types = arena_alloc(m->a, m->vocab * sizeof *v->types);
    v->scores = arena_alloc(m->a, m->vocab * sizeof *v->scores);
    v->slots = arena_alloc(m->a, cap * sizeof *v->slots);
    if (!v->words || !v->types || !v->scores || !v->slots)
        return err_nomem(e);
    int rc = cJSON_IsArray(vocab) ? read_pieces(v, vocab, e) : 0;
    if (cJSON_IsObject(vocab))
        cJSON_ArrayForEach(t, vocab) if (!rc) rc = put_word(v, t, t->string, NORMAL, false, e);
    cJSON_ArrayForEach(t, added)
    {
        const char *s = hf_string(t, "content");
        if (!rc && !s)
            rc = bad(m, e, "an added token has no content");
        if (!rc)
            rc = put_word(v, get(t, "id"), s, cJSON_IsTrue(get(t, "special")) ? CONTROL : USER,
                          true, e);
    }
    for (uint32_t i = 0; i < m->vocab && !rc; i++) {
        if (v->words[i].s)
            continue;
        char *s = arena_printf(m->a, "[PAD%u]", i);
        if (!s)
            return err_nomem(e);
        v->words[i] = (struct gguf_str){s, strlen(s)};
        v->types[i] = UNUSED;
    }
    if (!rc)
        index_words(v);
    return rc;
}

static void write_words(const struct vocabulary *v, const char *model, bool scores)
{
    gguf_writer *w = v->m->w;
    gguf_writer_str(w, "tokenizer.ggml.model", model);
    gguf_writer_strings(w, "tokenizer.ggml.tokens", v->words, v->m->vocab);
    if (scores)
        gguf_writer_array(w, "tokenizer.ggml.scores", GGUF_F32, v->scores, v->m->vocab);
    gguf_writer_array(w, "tokenizer.ggml.token_type", GGUF_I32, v->types, v->m->vocab);
}

// ---- ids of the special tokens ----

static void write_id(const struct vocabulary *v, const char *key, const char *word)
{
    char name[64];
    int64_t id = word ? find_joined(v, word, strlen(word), "", 0) : -1;
    snprintf(name, sizeof name, "tokenizer.ggml.%s_token_id", key);
    if (id >= 0)
        gguf_writer_u32(v->m->w, name, (uint32_t)id);
}

// The word that tokenizer_config.json has at `key`: a string, or an object with `content`.
static const char *special_word(const struct hf *m, const char *key)
{
    const char *s = hf_string(m->tokenizer_config, key);
    return s ? s : hf_string(get(m->tokenizer_config, key), "content");
}

// From tokenizer_config.json, else the id in config.json (the first of several).
static int write_special(const struct vocabulary *v, const char *key, struct err *e)
{
    const struct hf *m = v->m;
    char name[64];
    snprintf(name, sizeof name, "%s_token", key);
    const char *word = special_word(m, name);
    if (!word && m->encoder) // BERT's names for them
        word = special_word(m, *key == 'b' ? "cls_token" : "sep_token");
    if (word && find_joined(v, word, strlen(word), "", 0) >= 0) {
        write_id(v, key, word);
        return 0;
    }
    snprintf(name, sizeof name, "%s_token_id", key);
    const cJSON *id = get(m->config, name);
    id = cJSON_IsArray(id) ? cJSON_GetArrayItem(id, 0) : id;
    if (!cJSON_IsNumber(id))
        return 0;
    if (id->valuedouble < 0 || id->valuedouble >= m->vocab)
        return err_set(e, -EINVAL, "%s/config.json: %s is none from 0 to %u", m->folder, name,
                       m->vocab - 1);
    snprintf(name, sizeof name, "tokenizer.ggml.%s_token_id", key);
    gguf_writer_u32(m->w, name, (uint32_t)id->valuedouble);
    return 0;
}

// Does the post-processor put a special token first (or last)?
static bool template_adds(const struct hf *m, bool last)
{
    const cJSON *p =
        step_of_type(get(m->tokenizer, "post_processor"), "processors", "TemplateProcessing");
    const cJSON *single = get(p, "single");
    int n = cJSON_GetArraySize(single);
    return n > 1 && get(cJSON_GetArrayItem(single, last ? n - 1 : 0), "SpecialToken");
}

static void write_adds(const struct hf *m, const char *key, bool last)
{
    char name[64];
    snprintf(name, sizeof name, "add_%s_token", key);
    const cJSON *said = get(m->tokenizer_config, name);
    snprintf(name, sizeof name, "tokenizer.ggml.add_%s_token", key);
    gguf_writer_bool(m->w, name,
                     cJSON_IsBool(said) ? cJSON_IsTrue(said) : template_adds(m, last));
}

// ---- the kinds ----

// "##" in front of what goes on a word becomes nothing, its absence U+2581.
static int wordpiece(struct vocabulary *v, struct err *e)
{
    struct hf *m = v->m;
    const cJSON *n =
        step_of_type(get(m->tokenizer, "normalizer"), "normalizers", "BertNormalizer");
    static const char *const words[][2] = {
        {"bos", "[CLS]"}, {"eos", "[SEP]"}, {"unknown", "[UNK]"}, {"padding", "[PAD]"}};
    if (!cJSON_IsTrue(get(n, "lowercase")))
        return unknown(m, e, "only vocabularies in lower case are supported for WordPiece");
    for (size_t i = 0; i < 3; i++)
        if (find_joined(v, words[i][1], 5, "", 0) < 0)
            return err_set(e, -EINVAL, "%s/tokenizer.json has no %s", m->folder, words[i][1]);
    for (size_t i = 0; i < 4; i++)
        write_id(v, words[i][0], words[i][1]);
    for (uint32_t i = 0; i < m->vocab; i++) {
        struct gguf_str *w = &v->words[i];
        bool inside = w->n > 2 && !memcmp(w->s, "##", 2);
        // A vocabulary may have its controls among the words.
        bool control = w->n > 2 && w->s[0] == '[' && w->s[w->n - 1] == ']';
        v->types[i] = control && !strncmp(w->s, "[UNK]", w->n) ? UNKNOWN
                      : control && v->types[i] != UNUSED       ? CONTROL
                                                               : v->types[i];
        char *s = control || inside ? (char *)(uintptr_t)w->s + (inside ? 2 : 0)
                                    : arena_printf(m->a, "\xE2\x96\x81%s", w->s);
        if (!s)
            return err_nomem(e);
        *w = (struct gguf_str){s, strlen(s)};
    }
    write_words(v, "bert", false);
    gguf_writer_u32(m->w, "tokenizer.ggml.token_type_count", m->types);
    gguf_writer_bool(m->w, "tokenizer.ggml.add_bos_token", true);
    gguf_writer_bool(m->w, "tokenizer.ggml.add_eos_token", true);
    return 0;
}

#define LLAMA3(digits)                                                         \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

// GGUF names pre-tokenisers, Hugging Face spells them out.
static const char *name_split(const struct hf *m, const cJSON *model)
{
    const cJSON *pre = get(m->tokenizer, "pre_tokenizer");
    const cJSON *split = step_of_type(pre, "pretokenizers", "Split");
    const cJSON *digits = step_of_type(pre, "pretokenizers", "Digits");
    const cJSON *bytes = step_of_type(pre, "pretokenizers", "ByteLevel");
    const char *regex = hf_string(get(split, "pattern"), "Regex");
    bool whole = cJSON_IsTrue(get(model, "ignore_merges"));
    bool own = !cJSON_IsFalse(get(bytes, "use_regex"));
    if (cJSON_IsTrue(get(bytes, "add_prefix_space")))
        return NULL;
    if (regex && !own && !digits && !strcmp(regex, LLAMA3("{1,3}")) && whole)
        return "llama-bpe";
    if (regex && !own && !digits && !strcmp(regex, LLAMA3("")) && !whole)
        return "qwen2";
    if (!split && own && !whole && !digits)
        return "gpt-2";
    if (!split && own && !whole && cJSON_IsTrue(get(digits, "individual_digits")))
        return "smollm";
    return NULL;
}

// Both halves of a merge: "left right", or [left, right].
static bool halves(const cJSON *merge, const char **a, size_t *n_a, const char **b)
{
    const cJSON *left = cJSON_GetArrayItem(merge, 0), *right = cJSON_GetArrayItem(merge, 1);
    if (cJSON_IsString(left) && cJSON_IsString(right)) {
        *a = left->valuestring;
        *n_a = strlen(*a);
        *b = right->valuestring;
        return *n_a && **b;
    }
    const char *space = cJSON_IsString(merge) && *merge->valuestring
                            ? strchr(merge->valuestring + 1, ' ')
                            : NULL;
    if (!space)
        return false;
    *a = merge->valuestring;
    *n_a = (size_t)(space - *a);
    *b = space + 1;
    return **b;
}

static int byte_level(struct vocabulary *v, struct err *e)
{
    struct hf *m = v->m;
    const cJSON *merges = get(v->model, "merges"), *t;
    const char *pre = name_split(m, v->model), *a, *b;
    size_t n = 0, n_a, count = cJSON_IsArray(merges) ? (size_t)cJSON_GetArraySize(merges) : 0;
    if (!pre)
        return unknown(m, e, "its pre_tokenizer is none of gpt-2, smollm, qwen2, llama-bpe");
    struct gguf_str *all = arena_alloc(m->a, (count + 1) * sizeof *all);
    if (!all)
        return err_nomem(e);
    cJSON_ArrayForEach(t, merges)
    {
        if (!halves(t, &a, &n_a, &b))
            return err_set(e, -EINVAL, "%s/tokenizer.json: merge %zu is no pair", m->folder, n);
        const char *s = arena_printf(m->a, "%.*s %s", (int)n_a, a, b);
        if (!s)
            return err_nomem(e);
        all[n++] = (struct gguf_str){s, strlen(s)};
    }
    write_words(v, "gpt2", false);
    gguf_writer_str(m->w, "tokenizer.ggml.pre", pre);
    gguf_writer_strings(m->w, "tokenizer.ggml.merges", all, n);
    return 0;
}

static int base64_value(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(digits, c) : NULL;
    return p ? (int)(p - digits) : -1;
}

// RFC 4648; what is no digit ends it. The bytes of `out`, which has room for 3/4 of s.
static size_t base64_decode(const char *s, uint8_t *out)
{
    uint32_t bits = 0;
    size_t n = 0;
    int have = 0;
    for (int v; (v = base64_value(*s)) >= 0; s++) {
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8)
            out[n++] = (uint8_t)(bits >> (have -= 8));
    }
    return n;
}

static int unigram(struct vocabulary *v, struct err *e)
{
    struct hf *m = v->m;
    const cJSON *n =
        step_of_type(get(m->tokenizer, "normalizer"), "normalizers", "Precompiled");
    const char *map = hf_string(n, "precompiled_charsmap");
    const cJSON *unk = get(v->model, "unk_id");
    uint8_t *bytes = arena_alloc(m->a, (map ? strlen(map) : 0) + 1);
    if (!bytes)
        return err_nomem(e);
    if (!cJSON_IsNumber(unk) || unk->valuedouble < 0 || unk->valuedouble >= m->vocab)
        return bad(m, e, "model.unk_id is no id");
    v->types[(size_t)unk->valuedouble] = UNKNOWN;
    write_words(v, "t5", true);
    gguf_writer_u32(m->w, "tokenizer.ggml.unknown_token_id", (uint32_t)unk->valuedouble);
    gguf_writer_u32(m->w, "tokenizer.ggml.token_type_count", m->types);
    gguf_writer_bool(m->w, "tokenizer.ggml.add_space_prefix", true);
    gguf_writer_bool(m->w, "tokenizer.ggml.remove_extra_whitespaces", true);
    if (map)
        gguf_writer_array(m->w, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, bytes,
                          base64_decode(map, bytes));
    return 0;
}

// A merge's rank becomes its token's score, the earlier the higher; single characters need
// none.
static int sentencepiece(struct vocabulary *v, struct err *e)
{
    struct hf *m = v->m;
    const cJSON *merges = get(v->model, "merges"), *t;
    const char *a, *b, *unk = hf_string(v->model, "unk_token");
    size_t n = 0, n_a;
    cJSON_ArrayForEach(t, merges)
    {
        if (!halves(t, &a, &n_a, &b))
            return err_set(e, -EINVAL, "%s/tokenizer.json: merge %zu is no pair", m->folder, n);
        int64_t id = find_joined(v, a, n_a, b, strlen(b));
        n++;
        if (id >= 0 && v->scores[id] >= 0)
            v->scores[id] = -(float)n;
    }
    for (uint32_t i = 0; i < m->vocab; i++) {
        const struct gguf_str *w = &v->words[i];
        if (w->n == 6 && !memcmp(w->s, "<0x", 3) && w->s[5] == '>')
            v->types[i] = BYTE;
        else if (unk && w->n == strlen(unk) && !memcmp(w->s, unk, w->n))
            v->types[i] = UNKNOWN;
        else if (v->scores[i] >= 0)
            v->scores[i] = -(float)(n + 1);
    }
    write_words(v, "llama", true);
    write_id(v, "unknown", unk);
    gguf_writer_bool(m->w, "tokenizer.ggml.add_space_prefix",
                     step_of_type(get(m->tokenizer, "normalizer"), "normalizers", "Prepend"));
    return 0;
}

static void write_template(const struct hf *m)
{
    const cJSON *t = get(m->tokenizer_config, "chat_template"), *v;
    const char *s = cJSON_IsString(t) ? t->valuestring : NULL;
    cJSON_ArrayForEach(v, t)
    {
        const char *name = hf_string(v, "name");
        if (name && !strcmp(name, "default"))
            s = hf_string(v, "template");
    }
    if (s)
        gguf_writer_str(m->w, "tokenizer.chat_template", s);
}

int hf_write_tokenizer(struct hf *m, struct err *e)
{
    struct vocabulary v = {.m = m, .model = get(m->tokenizer, "model")};
    const char *kind = hf_string(v.model, "type");
    bool pieces = m->family == HF_BERT || m->family == HF_NOMIC_BERT;
    const char *wanted = pieces ? "WordPiece" : m->family == HF_XLM_R ? "Unigram" : "BPE";
    if (!kind || strcmp(kind, wanted))
        return err_set(e, -ENOTSUP, "%s/tokenizer.json holds no %s vocabulary", m->folder,
                       wanted);
    int rc = read_words(&v, e);
    if (rc)
        return rc;
    if (pieces)
        return wordpiece(&v, e);
    if (m->family == HF_XLM_R)
        rc = unigram(&v, e);
    else if (cJSON_IsTrue(get(v.model, "byte_fallback")))
        rc = sentencepiece(&v, e);
    else
        rc = byte_level(&v, e);
    if (!rc)
        rc = write_special(&v, "bos", e);
    if (!rc)
        rc = write_special(&v, "eos", e);
    write_adds(m, "bos", false);
    write_adds(m, "eos", true);
    write_template(m);
    return rc;
}
