// SPDX-License-Identifier: MIT
// Text split at special tokens, and which algorithm does the rest.
#include "engine/tokenizer/internal.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)256 << 20) // bytes: positions fit 32 bits, normalised too

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

void token_spans_free(struct token_spans *s)
{
    free(s->at);
    *s = (struct token_spans)TOKEN_SPANS_INIT;
}

int token_spans_add(struct token_spans *s, struct token_span x)
{
    if (s->len == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        struct token_span *grown = realloc(s->at, cap * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        s->at = grown;
        s->cap = cap;
    }
    s->at[s->len++] = x;
    return 0;
}

int tokenizer_open(const gguf *g, tokenizer **out, struct err *e)
{
    tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return err_nomem(e);
    int rc = vocab_open(t, g, e);
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

// What is encoded goes to `tokens` and, where `spans` is not NULL, to both.
struct target {
    struct tokens *tokens;
    struct token_spans *spans;
};

static int add_special(struct target *out, int32_t id, size_t start, size_t end)
{
    int rc = tokens_add(out->tokens, id);
    if (!rc && out->spans)
        rc = token_spans_add(out->spans, (struct token_span){(uint32_t)start, (uint32_t)end});
    return rc;
}

// s[at..at + n), without special tokens.
static int encode_plain(const tokenizer *t, const char *s, size_t at, size_t n, bool first,
                        struct target *to)
{
    struct tokens *out = to->tokens;
    s += at;
    if (!n)
        return 0;
    switch (t->kind) {
    case KIND_BPE:
        return bpe_encode(t, s, n, out);
    case KIND_SENTENCEPIECE:
        return sentencepiece_encode(t, s, n, first && t->add_prefix_space, out);
    case KIND_WORDPIECE:
        return wordpiece_encode(t, s, n, out);
    case KIND_UNIGRAM: {
        size_t known = to->spans ? to->spans->len : 0;
        int rc = unigram_encode(t, s, n, out, to->spans);
        for (; to->spans && known < to->spans->len; known++) {
            to->spans->at[known].start += (uint32_t)at;
            to->spans->at[known].end += (uint32_t)at;
        }
        return rc;
    }
    }
    return -EINVAL;
}

// Stretches of text, and the special tokens between them.
struct piece {
    size_t at, n;
    int32_t id; // -1: text
};

struct pieces {
    struct piece *p;
    size_t n, cap;
};

static int pieces_add(struct pieces *l, struct piece p)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct piece *grown = realloc(l->p, cap * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        l->p = grown;
        l->cap = cap;
    }
    l->p[l->n++] = p;
    return 0;
}

// Take every occurrence of one special token out of the text that is left.
static int cut(const struct pieces *from, struct pieces *to, const char *s,
               const struct token *k, int32_t id)
{
    int rc = 0;
    for (size_t i = 0; i < from->n && !rc; i++) {
        struct piece p = from->p[i];
        const char *hit;
        while (!rc && p.id < 0 && (hit = memmem(s + p.at, p.n, k->s, k->n))) {
            size_t before = (size_t)(hit - s) - p.at;
            if (before)
                rc = pieces_add(to, (struct piece){p.at, before, -1});
            if (!rc)
                rc = pieces_add(to, (struct piece){p.at + before, k->n, id});
            p.at += before + k->n;
            p.n -= before + k->n;
        }
        if (!rc && (p.id >= 0 || p.n))
            rc = pieces_add(to, p);
    }
    return rc;
}

// Most special tokens do not occur: their first two bytes tell, without a search.
struct pairs {
    uint8_t bits[65536 / 8];
};

static void pairs_note(struct pairs *m, const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i + 1 < n; i++)
        m->bits[u[i] << 5 | u[i + 1] >> 3] |= (uint8_t)(1u << (u[i + 1] & 7));
}

static bool pairs_may_have(const struct pairs *m, const struct token *k)
{
    const unsigned char *u = (const unsigned char *)k->s;
    return k->n < 2 || (m->bits[u[0] << 5 | u[1] >> 3] >> (u[1] & 7) & 1);
}

// Split at the special tokens, longest first, and encode what is between.
static int encode_split(const tokenizer *t, const char *s, size_t n, bool control, bool first,
                        struct target *out)
{
    struct pairs pairs;
    struct pieces now = {0}, next = {0};
    int rc = n ? pieces_add(&now, (struct piece){0, n, -1}) : 0;
    pairs_note(&pairs, s, n);
    for (size_t k = 0; k < t->n_special && !rc; k++) {
        const struct token *p = &t->tokens[t->special[k]];
        if ((p->type != TYPE_USER && !control) || !pairs_may_have(&pairs, p) ||
            !memmem(s, n, p->s, p->n))
            continue;
        next.n = 0;
        rc = cut(&now, &next, s, p, t->special[k]);
        struct pieces swap = now;
        now = next;
        next = swap;
    }
    for (size_t i = 0; i < now.n && !rc; i++) {
        const struct piece *p = &now.p[i];
        rc = p->id >= 0 ? add_special(out, p->id, p->at, p->at + p->n)
                        : encode_plain(t, s, p->at, p->n, first && !i, out);
    }
    free(now.p);
    free(next.p);
    return rc;
}

static int encode(const tokenizer *t, const char *text, size_t n, unsigned flags,
                  struct target *out)
{
    bool control = flags & TOKENIZER_PARSE_CONTROL, special = flags & TOKENIZER_ADD_SPECIAL;
    bool first = !(flags & TOKENIZER_NO_PREFIX_SPACE);
    int32_t start = t->kind == KIND_WORDPIECE ? t->cls : t->bos;
    int32_t end = t->kind == KIND_WORDPIECE ? t->sep : t->eos;
    struct buf clean = BUF_INIT;
    int rc = n > TEXT_MAX ? -E2BIG : 0;
    if (!rc && special && t->add_bos && start >= 0)
        rc = add_special(out, start, 0, 0);
    // SentencePiece takes foreign bytes as they are, through its byte tokens.
    if (!rc && t->kind != KIND_SENTENCEPIECE && !utf8_valid(text, n)) {
        rc = utf8_add_clean(&clean, text, n);
        text = clean.data;
        n = clean.len;
    }
    if (!rc)
        rc = control || t->n_user ? encode_split(t, text, n, control, first, out)
                                  : encode_plain(t, text, 0, n, first, out);
    if (!rc && special && t->add_eos && end >= 0)
        rc = add_special(out, end, n, n);
    buf_free(&clean);
    return rc;
}

int tokenizer_encode(const tokenizer *t, const char *text, size_t n, unsigned flags,
                     struct tokens *out)
{
    struct target to = {out, NULL};
    return encode(t, text, n, flags, &to);
}

// A place in a text where U+FFFD stands for each invalid byte, and the same place in the text.
struct place {
    size_t clean, at;
};

static uint32_t place_of(struct place *p, const char *s, size_t n, uint32_t clean)
{
    while (p->clean < clean) {
        size_t step = utf8_valid_step(s + p->at, n - p->at);
        p->clean += step ? step : 3;
        p->at += step ? step : 1;
    }
    return (uint32_t)p->at;
}

int tokenizer_encode_spans(const tokenizer *t, const char *text, size_t n, unsigned flags,
                           struct tokens *out, struct token_spans *spans, struct err *e)
{
    struct target to = {out, spans};
    struct place starts = {0, 0}, ends = {0, 0};
    size_t known = spans->len;
    if (t->kind != KIND_UNIGRAM)
        return err_set(e, -ENOTSUP,
                       "which bytes a token stands for is known of unigram vocabularies only, "
                       "such as that of multilingual-e5");
    int rc = encode(t, text, n, flags, &to);
    if (rc == -E2BIG)
        return err_set(e, rc, "a text of %zu bytes is more than %zu", n, TEXT_MAX);
    if (rc)
        return err_nomem(e);
    bool valid = utf8_valid(text, n);
    for (size_t i = known; i < spans->len && !valid; i++) {
        spans->at[i].start = place_of(&starts, text, n, spans->at[i].start);
        spans->at[i].end = place_of(&ends, text, n, spans->at[i].end);
    }
    return 0;
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
    return id == t->eos || (k->type == TYPE_CONTROL && vocab_ends_turn(k));
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
