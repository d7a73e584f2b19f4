// SPDX-License-Identifier: MIT
#include "ingest/sketch.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <ctype.h>
#include <string.h>

#define EMPTY UINT32_MAX
#define WORDS_TO_TELL 12 // fewer words have no language

void sketch_open(struct sketch *k)
{
    *k = (struct sketch){0};
    memset(k->bin, 0xFF, sizeof k->bin);
}

static void add_word(struct sketch *k, uint64_t hash, uint32_t *in_text)
{
    memmove(k->last, k->last + 1, (SKETCH_RUN - 1) * sizeof *k->last);
    k->last[SKETCH_RUN - 1] = hash;
    k->words++;
    if (++*in_text < SKETCH_RUN)
        return;
    uint64_t h = hash64_of(k->last, sizeof k->last, 0);
    uint32_t value = (uint32_t)h & (EMPTY >> 1); // EMPTY stays free, borrowed bins too
    uint32_t *bin = &k->bin[h >> 58];
    *bin = value < *bin ? value : *bin;
    k->runs++;
}

static bool is_english(const char *w, size_t n)
{
    static const char *const common[] = {"the", "of",   "and",  "to",
                                         "for", "with", "that", "this"};
    for (size_t i = 0; n < 5 && i < sizeof common / sizeof *common; i++)
        if (strlen(common[i]) == n && !memcmp(common[i], w, n))
            return true;
    return false;
}

void sketch_add(struct sketch *k, const char *s, size_t n)
{
    char w[48];
    size_t len = 0, step;
    uint32_t in_text = 0;
    for (size_t i = 0; i <= n; i += step) {
        uint32_t cp = ' ';
        step = 1;
        if (i < n)
            cp = (unsigned char)s[i] < 0x80 ? (unsigned char)s[i]
                                            : utf8_decode(s + i, n - i, &step);
        bool cjk = cp >= 0x80 && utf8_is_cjk(cp) && utf8_is_letter(cp);
        bool part = cp < 0x80 ? isalnum((int)cp) != 0
                              : !cjk && (utf8_is_letter(cp) || utf8_is_mark(cp));
        if (part) {
            for (size_t b = 0; b < step && len < sizeof w; b++)
                w[len++] = (char)(cp < 0x80 ? tolower((int)cp) : s[i + b]);
            continue;
        }
        if (len) {
            k->english += is_english(w, len);
            add_word(k, hash64_of(w, len, 0), &in_text);
        }
        len = 0;
        if (!cjk)
            continue;
        k->han += cp >= 0x3400 && cp < 0xA000;
        k->kana += cp < 0x3400 || cp >= 0xA000;
        add_word(k, cp, &in_text);
    }
}

void sketch_close(struct sketch *k)
{
    uint32_t filled[SKETCH_BINS];
    for (size_t i = 0; i < SKETCH_BINS && k->runs; i++) {
        size_t away = 0;
        while (k->bin[(i + away) % SKETCH_BINS] == EMPTY)
            away++;
        filled[i] = k->bin[(i + away) % SKETCH_BINS] + (uint32_t)away * 0x1000193u;
    }
    if (k->runs)
        memcpy(k->bin, filled, sizeof filled);
}

double sketch_alike(const struct sketch *a, const struct sketch *b)
{
    size_t same = 0;
    for (size_t i = 0; i < SKETCH_BINS; i++)
        same += a->bin[i] == b->bin[i];
    return a->runs && b->runs ? (double)same / SKETCH_BINS : 0;
}

enum language sketch_language(const struct sketch *k)
{
    if (k->words < WORDS_TO_TELL)
        return LANGUAGE_NONE;
    if (k->kana * 10 > k->han && k->kana * 5 > k->words)
        return LANGUAGE_OTHER;
    if (k->han * 3 > k->words)
        return LANGUAGE_CHINESE;
    return k->english * 25 > k->words ? LANGUAGE_ENGLISH : LANGUAGE_OTHER;
}

const char *sketch_language_name(enum language l)
{
    static const char *const names[] = {"English", "Chinese", "other or mixed",
                                        "too short to tell"};
    return names[l];
}
