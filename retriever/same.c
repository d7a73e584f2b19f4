// SPDX-License-Identifier: MIT
// Are two passages the same text, but for a few words? Sets of four neighbouring words are
// compared (shingles, Broder 1997). Texts that differ in a number, a flag, a path or a negation
// are not the same: one of them may be out of date, and whoever asks must see both.
#include "retriever/internal.h"

#include "base/claim.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SHINGLE 4
#define SAME 0.9 // share of the shingles that both have

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static size_t sort_distinct(uint64_t *x, size_t n)
{
    size_t kept = 0;
    if (n)
        qsort(x, n, sizeof *x, by_value);
    for (size_t i = 0; i < n; i++)
        if (!i || x[i] != x[i - 1])
            x[kept++] = x[i];
    return kept;
}

// The next word: a run of letters and digits, or one CJK character. Its hash, or 0 at the end.
// *telling: must it not differ?
enum telling { SAYS_LITTLE, ALONE, WITH_THE_WORD_BEFORE };
static uint64_t next_word(const char *s, size_t n, size_t *pos, enum telling *telling)
{
    char word[64] = "";
    bool number = false, sign = false;
    size_t len = 0, i = *pos, step;
    for (; i < n; i += step) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        bool cjk = utf8_is_cjk(cp), part = cjk || utf8_is_letter(cp) || utf8_is_number(cp);
        if (len && (cjk || !part))
            break;
        if (!part)
            continue;
        number |= utf8_is_number(cp);
        sign |= !len && i && strchr("-/", s[i - 1]); // of "-f" and "/srv"
        if (len + step < sizeof word) {
            memcpy(word + len, s + i, step);
            word[len] = (char)(cp < 0x80 ? tolower((int)cp) : word[len]);
            len += step;
        }
        if (cjk) {
            i += step;
            break;
        }
    }
    *pos = i;
    *telling = number                                ? ALONE
               : sign || claim_is_telling(word, len) ? WITH_THE_WORD_BEFORE
                                                     : SAYS_LITTLE;
    return len ? hash64_of(word, len, 0) | 1 : 0;
}

int shingles_of(const char *text, arena *a, struct shingles *out)
{
    size_t n = strlen(text), cap = n / 2 + 2, pos = 0, words = 0;
    uint64_t last[SHINGLE] = {0}, w;
    enum telling telling;
    *out = (struct shingles){.all = arena_alloc(a, cap * sizeof *out->all),
                             .values = arena_alloc(a, cap * sizeof *out->values)};
    if (!out->all || !out->values)
        return -ENOMEM;
    while (out->n < cap && (w = next_word(text, n, &pos, &telling))) {
        memmove(last, last + 1, (SHINGLE - 1) * sizeof *last);
        last[SHINGLE - 1] = w;
        if (telling == ALONE)
            out->values[out->n_values++] = w;
        else if (telling == WITH_THE_WORD_BEFORE) // "may not"
            out->values[out->n_values++] = hash64_of(last + SHINGLE - 2, 2 * sizeof *last, 0);
        if (++words >= SHINGLE)
            out->all[out->n++] = hash64_of(last, sizeof last, 0);
    }
    if (!out->n) // too short: the whole of it
        out->all[out->n++] = hash64_of(last, sizeof last, 0);
    out->n = sort_distinct(out->all, out->n);
    out->n_values = sort_distinct(out->values, out->n_values);
    return 0;
}

bool shingles_same(const struct shingles *a, const struct shingles *b)
{
    size_t both = 0, i = 0, k = 0;
    if (a->n_values != b->n_values ||
        (a->n_values && memcmp(a->values, b->values, a->n_values * sizeof *a->values) != 0))
        return false;
    while (i < a->n && k < b->n) {
        both += a->all[i] == b->all[k];
        bool first = a->all[i] <= b->all[k], second = b->all[k] <= a->all[i];
        i += first;
        k += second;
    }
    return (double)both >= SAME * (double)(a->n + b->n - both);
}
