// SPDX-License-Identifier: MIT
// WordPiece (BERT): lower case, accents off, CJK characters and punctuation apart, then the
// longest piece first. In the file a piece that starts a word carries U+2581 in front, others
// nothing.
#include "engine/tokenizer/internal.h"

#include "base/utf8.h"

#include <string.h>

#define WORD_MAX 400        // bytes: the characters of the longest word
#define WORD_CHARACTERS 100 // a longer word is unknown

static int emit_word(const struct tokenizer *t, const char *s, size_t n, struct tokens *out)
{
    char word[WORD_MAX + 3];
    if (!n)
        return 0;
    if (n > WORD_MAX || utf8_count(s, n) > WORD_CHARACTERS)
        return t->unk >= 0 ? tokens_add(out, t->unk) : 0;
    size_t start = out->len, at = 0;
    memcpy(word, "\xE2\x96\x81", 3);
    memcpy(word + 3, s, n);
    n += 3;
    while (at < n) {
        size_t end = n;
        int32_t id = -1;
        while (end > at && (id = vocab_map_find(t, word + at, end - at)) < 0) {
            do
                end--;
            while (end > at && ((unsigned char)word[end] & 0xC0) == 0x80);
        }
        if (id < 0 || (at == 0 && end <= 3)) {
            out->len = start;
            return t->unk >= 0 ? tokens_add(out, t->unk) : 0;
        }
        if (tokens_add(out, id))
            return -ENOMEM;
        at = end;
    }
    return 0;
}

static bool is_ideograph(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2FA1F) || (c >= 0xF900 && c <= 0xFAFF);
}

static bool is_apart(uint32_t c)
{
    bool ascii = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
                 (c >= 123 && c <= 126);
    return ascii || is_ideograph(c) || (c >= 128 && utf8_is_punct(c));
}

int wordpiece_encode(const struct tokenizer *t, const char *s, size_t n, struct tokens *out)
{
    struct buf plain = BUF_INIT;
    size_t step;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i += step) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (cp != '\v' && cp != '\f' && cp != 0x85) // to BERT these are controls and no space
            rc = utf8_add_bare(&plain, cp);
    }
    size_t word = 0, i = 0;
    while (i < plain.len && !rc) {
        uint32_t cp = utf8_decode(plain.data + i, plain.len - i, &step);
        bool space = cp == ' ', apart = is_apart(cp);
        if (space || apart) {
            rc = emit_word(t, plain.data + word, i - word, out);
            if (!rc && apart)
                rc = emit_word(t, plain.data + i, step, out);
            word = i + step;
        }
        i += step;
    }
    if (!rc)
        rc = emit_word(t, plain.data + word, plain.len - word, out);
    buf_free(&plain);
    return rc;
}
