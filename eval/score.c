// SPDX-License-Identifier: MIT
#include "eval/score.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 4096 // of one text; longer ones are compared by their beginning
#define QUOTE_SHARE 0.6

struct words {
    struct buf text; // NUL-separated
    const char *w[WORDS_MAX];
    size_t n;
};

static void words_free(struct words *w)
{
    if (w)
        buf_free(&w->text);
    free(w);
}

static void cut(struct words *w)
{
    for (char *p = w->text.data; w->n < WORDS_MAX && p < w->text.data + w->text.len;) {
        if (*p)
            w->w[w->n++] = p;
        p += strlen(p) + 1;
    }
}

// ---- SQuAD ----

// Python's string.punctuation goes; a, an and the go where they stand as words; the rest is cut
// at white space.
static struct words *squad_words(const char *s)
{
    struct words *w = calloc(1, sizeof *w);
    struct buf folded = BUF_INIT, plain = BUF_INIT;
    int rc = w ? utf8_add_clean(&plain, s, strlen(s)) : -ENOMEM;
    if (w)
        buf_init(&w->text);
    for (size_t i = 0, step; i < plain.len && !rc; i += step) {
        uint32_t cp = utf8_decode(plain.data + i, plain.len - i, &step);
        if (cp < 0x80 && ispunct((int)cp))
            continue;
        rc = utf8_is_space(cp) ? buf_addc(&folded, 0)
             : cp < 0x80       ? buf_addc(&folded, (char)tolower((int)cp))
                               : buf_add(&folded, plain.data + i, step);
    }
    if (!rc)
        rc = buf_addc(&folded, 0);
    for (size_t i = 0; i < folded.len && !rc; i += strlen(folded.data + i) + 1) {
        const char *p = folded.data + i;
        if (*p && strcmp(p, "a") != 0 && strcmp(p, "an") != 0 && strcmp(p, "the") != 0)
            rc = buf_add(&w->text, p, strlen(p) + 1);
    }
    buf_free(&folded);
    buf_free(&plain);
    if (rc) {
        words_free(w);
        return NULL;
    }
    cut(w);
    return w;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// F1 of the bags of words.
static double bag_f1(struct words *a, struct words *b)
{
    size_t same = 0, i = 0, k = 0;
    qsort(a->w, a->n, sizeof *a->w, by_text);
    qsort(b->w, b->n, sizeof *b->w, by_text);
    while (i < a->n && k < b->n) {
        int order = strcmp(a->w[i], b->w[k]);
        same += !order;
        i += order <= 0;
        k += order >= 0;
    }
    return same ? 2.0 * (double)same / (double)(a->n + b->n) : 0;
}

static bool equal(const struct words *a, const struct words *b)
{
    bool yes = a->n == b->n;
    for (size_t i = 0; i < a->n && yes; i++)
        yes = !strcmp(a->w[i], b->w[i]);
    return yes;
}

int score_squad(const char *answer, const char *const *gold, size_t n, struct match *out)
{
    struct words *a = squad_words(answer);
    int rc = a ? 0 : -ENOMEM;
    *out = (struct match){0};
    for (size_t i = 0; i < n && !rc; i++) {
        struct words *b = squad_words(gold[i]), *again = squad_words(answer);
        if (!b || !again) {
            rc = -ENOMEM;
        } else {
            if (equal(a, b))
                out->em = 1;
            double f1 = bag_f1(again, b);
            out->f1 = f1 > out->f1 ? f1 : out->f1;
        }
        words_free(b);
        words_free(again);
    }
    words_free(a);
    return rc;
}

// ---- ROUGE-L ----

static struct words *plain_words(const char *s)
{
    struct words *w = calloc(1, sizeof *w);
    struct buf folded = BUF_INIT;
    int rc = w ? utf8_add_folded(&folded, s, strlen(s)) : -ENOMEM;
    bool inside = false;
    if (w)
        buf_init(&w->text);
    for (size_t i = 0, step; i < folded.len && !rc; i += step) {
        uint32_t cp = utf8_decode(folded.data + i, folded.len - i, &step);
        bool cjk = utf8_is_cjk(cp), part = utf8_is_letter(cp) || utf8_is_number(cp);
        if (inside && (cjk || !part)) {
            rc = buf_addc(&w->text, 0);
            inside = false;
        }
        if (!rc && part) {
            rc = buf_add(&w->text, folded.data + i, step);
            inside = true;
        }
        if (!rc && cjk) {
            rc = buf_addc(&w->text, 0);
            inside = false;
        }
    }
    if (!rc)
        rc = buf_addc(&w->text, 0);
    buf_free(&folded);
    if (rc) {
        words_free(w);
        return NULL;
    }
    cut(w);
    return w;
}

static int longest_subsequence(const struct words *a, const struct words *b, size_t *out)
{
    size_t *row = calloc(b->n + 1, sizeof *row);
    if (!row)
        return -ENOMEM;
    for (size_t i = 0; i < a->n; i++) {
        size_t diagonal = 0;
        for (size_t k = 0; k < b->n; k++) {
            size_t up = row[k + 1];
            if (!strcmp(a->w[i], b->w[k]))
                row[k + 1] = diagonal + 1;
            else if (row[k] > row[k + 1])
                row[k + 1] = row[k];
            diagonal = up;
        }
    }
    *out = row[b->n];
    free(row);
    return 0;
}

int score_rouge_l(const char *answer, const char *const *gold, size_t n, double *out)
{
    struct words *a = plain_words(answer);
    int rc = a ? 0 : -ENOMEM;
    *out = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        struct words *b = plain_words(gold[i]);
        size_t same = 0;
        rc = b ? longest_subsequence(a, b, &same) : -ENOMEM;
        if (!rc && same) {
            double f = 2.0 * (double)same / (double)(a->n + b->n);
            *out = f > *out ? f : *out;
        }
        words_free(b);
    }
    words_free(a);
    return rc;
}

// ---- containment ----

// Folded, white space removed.
static int bare(struct buf *out, const char *s)
{
    struct buf folded = BUF_INIT;
    int rc = utf8_add_folded(&folded, s, strlen(s));
    for (size_t i = 0, step; i < folded.len && !rc; i += step) {
        uint32_t cp = utf8_decode(folded.data + i, folded.len - i, &step);
        if (!utf8_is_space(cp))
            rc = buf_add(out, folded.data + i, step);
    }
    if (!rc)
        rc = buf_reserve(out, 1); // never NULL
    buf_free(&folded);
    return rc;
}

static bool word_byte(unsigned char c)
{
    return isalnum(c);
}

// Does t hold g where white space may differ, but no ASCII word is cut?
static bool holds(const char *t, const char *g)
{
    bool left = word_byte((unsigned char)*g),
         right = word_byte((unsigned char)g[strlen(g) - 1]);
    for (const char *p = t; *p; p++) {
        const char *a = p, *b = g;
        if (isspace((unsigned char)*p))
            continue;
        while (*b) {
            while (isspace((unsigned char)*b))
                b++;
            // White space in the text only where the answer has some, or between other signs.
            const char *from = a;
            while (isspace((unsigned char)*a))
                a++;
            if (a != from && a > p && b > g && !isspace((unsigned char)b[-1]) &&
                word_byte((unsigned char)b[-1]) && word_byte((unsigned char)*b))
                break;
            if (!*b || *a != *b)
                break;
            a++;
            b++;
        }
        if (!*b && !(left && p > t && word_byte((unsigned char)p[-1])) &&
            !(right && word_byte((unsigned char)*a)))
            return true;
    }
    return false;
}

int score_contains(const char *text, const char *const *gold, size_t n, bool *out)
{
    struct buf t = BUF_INIT;
    int rc = utf8_add_folded(&t, text, strlen(text));
    *out = false;
    for (size_t i = 0; i < n && !rc && !*out; i++) {
        struct buf g = BUF_INIT;
        rc = utf8_add_folded(&g, gold[i], strlen(gold[i]));
        while (g.len && isspace((unsigned char)g.data[g.len - 1]))
            buf_truncate(&g, g.len - 1);
        if (!rc && g.len && t.len)
            *out = holds(t.data, g.data + strspn(g.data, " \t\n"));
        buf_free(&g);
    }
    buf_free(&t);
    return rc;
}

int score_holds_quote(const char *text, const char *quote, bool *out)
{
    struct buf t = BUF_INIT, q = BUF_INIT;
    int rc = bare(&t, text);
    if (!rc)
        rc = bare(&q, quote);
    *out = false;
    size_t chars = rc ? 0 : utf8_count(q.data, q.len);
    size_t run = (size_t)(QUOTE_SHARE * (double)chars), start = 0, end = 0, step, have = 0;
    run = run ? run : 1;
    // A window of `run` characters over the quote.
    while (!rc && chars && end < q.len && !*out) {
        utf8_decode(q.data + end, q.len - end, &step);
        end += step;
        if (++have < run)
            continue;
        *out = memmem(t.data, t.len, q.data + start, end - start) != NULL;
        utf8_decode(q.data + start, q.len - start, &step);
        start += step;
        have--;
    }
    buf_free(&t);
    buf_free(&q);
    return rc;
}
