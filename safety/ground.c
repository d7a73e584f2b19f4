// SPDX-License-Identifier: MIT
#include "safety/ground.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/sentence.h"
#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MIN_OVERLAP 0.70
#define WINDOW 3

// Folded text with white space collapsed, so that line breaks do not matter.
static int fold(struct buf *out, const char *s, size_t n)
{
    struct buf clean = BUF_INIT, folded = BUF_INIT;
    int rc = utf8_add_clean(&clean, s, n);
    if (!rc)
        rc = utf8_add_folded(&folded, clean.data, clean.len);
    bool gap = false;
    for (size_t i = 0; i < folded.len && !rc; i++) {
        char c = folded.data[i];
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
            gap = out->len > 0;
            continue;
        }
        if (gap)
            rc = buf_addc(out, ' ');
        gap = false;
        if (!rc)
            rc = buf_addc(out, c);
    }
    buf_free(&clean);
    buf_free(&folded);
    return rc;
}

// The passage folded, but for the numbers that count the items of a list: they state nothing.
static int fold_statements(struct buf *out, const char *s, size_t n)
{
    struct buf bare = BUF_INIT;
    int rc = buf_add(&bare, s, n);
    for (size_t i = 0, next; i < bare.len; i = next) {
        const char *line = bare.data + i, *end = memchr(line, '\n', bare.len - i);
        next = end ? (size_t)(end - bare.data) + 1 : bare.len;
        size_t start = i + strspn(line, " \t"),
               digits = strspn(bare.data + start, "0123456789");
        const char *behind = bare.data + start + digits;
        if (digits && (*behind == '.' || *behind == ')') && behind[1] == ' ')
            memset(bare.data + start, ' ', digits);
    }
    if (!rc)
        rc = fold(out, bare.data, bare.len);
    buf_free(&bare);
    return rc;
}

// A word of folded text: letters, digits, and what holds identifiers and paths together.
struct word {
    const char *s;
    size_t n;
    bool cjk; // one character
};

static bool joins(char c)
{
    return c && strchr("._-/~$@+=:%#\\", c);
}

// Next word at *pos; 1 or 0 at the end. A CJK character is a word of its own.
static int word_next(const char *s, size_t n, size_t *pos, struct word *w)
{
    size_t i = *pos, step;
    while (i < n) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (utf8_is_letter(cp) || utf8_is_number(cp) ||
            (cp < 0x80 && strchr("-/~$_.@", (int)cp)))
            break;
        i += step;
    }
    if (i >= n) {
        *pos = n;
        return 0;
    }
    uint32_t cp = utf8_decode(s + i, n - i, &step);
    if (utf8_is_cjk(cp)) {
        *w = (struct word){s + i, step, true};
        *pos = i + step;
        return 1;
    }
    size_t start = i;
    while (i < n) {
        cp = utf8_decode(s + i, n - i, &step);
        if (utf8_is_cjk(cp) || !(utf8_is_letter(cp) || utf8_is_number(cp) || utf8_is_mark(cp) ||
                                 (cp < 0x80 && joins((char)cp))))
            break;
        i += step;
    }
    *pos = i;
    while (i > start + 1 && strchr(".:-=,", s[i - 1]))
        i--;
    *w = (struct word){s + start, i - start, false};
    return 1;
}

static bool is_literal(const struct word *w)
{
    bool letter = false, digit = false, joint = false;
    for (size_t i = 0; i < w->n; i++) {
        unsigned char c = (unsigned char)w->s[i];
        digit |= isdigit(c) != 0;
        letter |= isalpha(c) || c >= 0x80;
        joint |= c < 0x80 && strchr("/_~$@\\=", c) && c;
        joint |= c == '.' && i > 0 && i + 1 < w->n;
        joint |= c == '-' && i == 0 && w->n > 1;
    }
    return digit || (joint && letter);
}

// Does `w` stand in text as a whole word?
static bool stands(const struct buf *text, const char *w, size_t n)
{
    const char *from = text->data, *end = text->data + text->len, *hit;
    while ((hit = memmem(from, (size_t)(end - from), w, n))) {
        bool left = hit == text->data || !isalnum((unsigned char)hit[-1]) ||
                    !isalnum((unsigned char)w[0]);
        bool right = hit + n == end || !isalnum((unsigned char)hit[n]) ||
                     !isalnum((unsigned char)w[n - 1]);
        if (left && right)
            return true;
        from = hit + 1;
    }
    return false;
}

static bool is_stop(const struct word *w)
{
    static const char stops[] =
        " a an the of to in on at for and or is are was were be been being it its this that "
        "these "
        "those with as by from you your we our they their can could will would should may "
        "might do "
        "does did has have had if then than so which who what when where how there here also "
        "only "
        "just into about using use used i he she his her them but such any all some each other "
        "more most very via per one up out must need needs ";
    char key[24];
    if (w->n > 20)
        return false;
    key[0] = ' ';
    memcpy(key + 1, w->s, w->n);
    key[w->n + 1] = ' ';
    key[w->n + 2] = 0;
    return strstr(stops, key) != NULL;
}

static bool negates(const struct buf *t)
{
    static const char *const words[] = {"not",   "no",      "never", "cannot",  "without",
                                        "don't", "doesn't", "can't", "isn't",   "aren't",
                                        "won't", "nor",     "none",  "mustn't", "shouldn't"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (stands(t, words[i], strlen(words[i])))
            return true;
    static const char *const zh[] = {"不", "没", "未", "勿", "禁止"};
    for (size_t i = 0; i < sizeof zh / sizeof *zh; i++)
        if (strstr(t->data, zh[i]))
            return true;
    return false;
}

// A word's stem for comparing wordings: common English endings off.
static size_t stem(const struct word *w)
{
    static const char *const ends[] = {"ing", "ed", "es", "s", "ly"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (w->n >= n + 3 && !memcmp(w->s + w->n - n, ends[i], n))
            return w->n - n;
    }
    return w->n;
}

static bool word_stands(const struct buf *text, const struct word *w)
{
    size_t n = stem(w);
    if (n == w->n)
        return stands(text, w->s, n) || (n > 4 && memmem(text->data, text->len, w->s, n));
    return memmem(text->data, text->len, w->s, n) != NULL;
}

// Share of the sentence's content words that stand in `text`; -1 when it has none.
static double overlap(const struct buf *sentence, const struct buf *text)
{
    struct word w, last = {0};
    size_t pos = 0, total = 0, found = 0;
    while (word_next(sentence->data, sentence->len, &pos, &w)) {
        if (w.cjk) {
            // Bigrams of neighbouring characters.
            if (last.cjk && last.s + last.n == w.s) {
                total++;
                found += memmem(text->data, text->len, last.s, last.n + w.n) != NULL;
            }
        } else if (w.n > 1 && !is_stop(&w)) {
            total++;
            found += word_stands(text, &w);
        }
        last = w;
    }
    return total ? (double)found / (double)total : -1;
}

// Without [1] marks, quotes kept.
static int strip_marks(struct buf *out, const char *s, size_t n)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if (s[i] == '[') {
            size_t k = i + 1;
            while (k < n && (isdigit((unsigned char)s[k]) || s[k] == ',' || s[k] == ' '))
                k++;
            if (k < n && s[k] == ']' && k > i + 1) {
                i = k;
                continue;
            }
        }
        rc = buf_addc(out, s[i]);
    }
    return rc;
}

// Every literal of the sentence stands in the passage; and quoted spans do.
static const char *literals(const struct buf *sentence, const struct buf *passage)
{
    struct word w;
    size_t pos = 0;
    while (word_next(sentence->data, sentence->len, &pos, &w))
        if (!w.cjk && is_literal(&w) && !stands(passage, w.s, w.n))
            return isdigit((unsigned char)w.s[0]) ? "number" : "literal";
    const char *s = sentence->data;
    for (size_t i = 0; i < sentence->len; i++) {
        if (s[i] != '`' && s[i] != '"')
            continue;
        const char *end = memchr(s + i + 1, s[i], sentence->len - i - 1);
        if (!end)
            break;
        size_t n = (size_t)(end - s) - i - 1;
        if (n && !memmem(passage->data, passage->len, s + i + 1, n))
            return "literal";
        i = (size_t)(end - s);
    }
    return NULL;
}

// Capitalised words behind the first are names: they stand in the passage in any case.
static bool names(const char *s, size_t n, const struct buf *passage)
{
    bool first = true;
    for (size_t i = 0; i < n;) {
        if (!isalpha((unsigned char)s[i])) {
            i++;
            continue;
        }
        size_t start = i;
        while (i < n && (isalnum((unsigned char)s[i]) || s[i] == '-'))
            i++;
        if (!first && isupper((unsigned char)s[start]) && i - start > 1 && i - start < 64) {
            char low[64];
            for (size_t k = start; k < i; k++)
                low[k - start] = (char)tolower((unsigned char)s[k]);
            if (!stands(passage, low, i - start))
                return false;
        }
        first = false;
    }
    return true;
}

// Overlap of the folded text of passage[start..end), and whether it negates.
static int measure(const struct buf *sentence, const char *passage, size_t start, size_t end,
                   double *share, bool *negated)
{
    struct buf text = BUF_INIT;
    int rc = fold(&text, passage + start, end - start);
    if (!rc) {
        *share = overlap(sentence, &text);
        *negated = negates(&text);
    }
    buf_free(&text);
    return rc;
}

// Best overlap over windows of neighbouring sentences; *negated: the best single one negates.
static int best_window(const struct buf *sentence, const char *passage, size_t n, double *best,
                       bool *negated, struct sentence *nearest)
{
    size_t start[WINDOW], have = 0, pos = 0;
    struct sentence next;
    double alone = -1, share;
    *best = -1;
    *negated = false;
    while (sentence_next(passage, n, &pos, &next)) {
        bool neg, window_neg;
        if (have == WINDOW)
            memmove(start, start + 1, (--have) * sizeof *start);
        start[have++] = next.start;
        int rc = measure(sentence, passage, next.start, next.end, &share, &neg);
        if (!rc && share > alone) {
            alone = share;
            *negated = neg;
            *nearest = next;
        }
        if (!rc)
            rc = measure(sentence, passage, start[0], next.end, &share, &window_neg);
        if (rc)
            return rc;
        if (share > *best)
            *best = share;
    }
    return 0;
}

static const char *judge(const char *text, size_t n, const struct buf *sentence,
                         const struct buf *passage, bool negated, double best)
{
    if (!sentence->len || best < 0)
        return "empty";
    const char *why = literals(sentence, passage);
    if (why)
        return why;
    if (!names(text, n, passage))
        return "name";
    if (best < MIN_OVERLAP)
        return "wording";
    return negates(sentence) != negated ? "negation" : NULL;
}

int ground_check(const char *sentence, size_t n, const char *passage, size_t passage_n,
                 struct ground_verdict *out)
{
    struct buf bare = BUF_INIT, folded = BUF_INIT, whole = BUF_INIT;
    double best = -1;
    bool negated = false;
    struct sentence nearest = {0, 0};
    int rc = strip_marks(&bare, sentence, n);
    if (!rc)
        rc = fold(&folded, bare.data, bare.len);
    if (!rc)
        rc = fold_statements(&whole, passage, passage_n);
    if (!rc)
        rc = best_window(&folded, passage, passage_n, &best, &negated, &nearest);
    if (!rc) {
        const char *why = judge(bare.data, bare.len, &folded, &whole, negated, best);
        *out =
            (struct ground_verdict){!why, why, best < 0 ? 0 : best, nearest.start, nearest.end};
    }
    buf_free(&bare);
    buf_free(&folded);
    buf_free(&whole);
    return rc == -EINVAL ? -ENOMEM : rc;
}
