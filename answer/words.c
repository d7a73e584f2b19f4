// SPDX-License-Identifier: MIT
// The content words of a question and how much of them a text holds.
#include "answer/internal.h"

#include "base/stop.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

#define WORDS_MAX 48

const char *words_fold(const char *text, size_t n, arena *a)
{
    struct buf clean = BUF_INIT, folded = BUF_INIT;
    const char *out = NULL;
    if (!utf8_add_clean(&clean, text, n) && !utf8_add_folded(&folded, clean.data, clean.len)) {
        for (size_t i = 0; i < folded.len; i++)
            if (folded.data[i] == '\n' || folded.data[i] == '\t' || folded.data[i] == '\r')
                folded.data[i] = ' ';
        out = arena_strndup(a, folded.data, folded.len);
    }
    buf_free(&clean);
    buf_free(&folded);
    return out;
}

const char *words_of_headings(const struct retriever_hit *h, arena *a)
{
    struct buf b = BUF_INIT;
    int rc = buf_adds(&b, h->document->title ? h->document->title : "");
    for (size_t i = 0; h->section && h->section[i] && !rc; i++)
        rc = buf_addf(&b, " %s", h->section[i]);
    const char *out = rc ? NULL : words_fold(b.data, b.len, a);
    buf_free(&b);
    return out;
}

static int add_word(struct word_list *out, const char *s, size_t n, arena *a)
{
    if (out->n == WORDS_MAX)
        return 0;
    char *w = arena_strndup(a, s, n);
    if (!w)
        return -ENOMEM;
    if (stop_word(w))
        return 0;
    for (size_t i = 0; i < out->n; i++)
        if (!strcmp(out->w[i], w))
            return 0;
    out->w[out->n++] = w;
    return 0;
}

static bool in_word(uint32_t cp)
{
    return utf8_is_letter(cp) || utf8_is_number(cp) || utf8_is_mark(cp) || cp == '_' ||
           cp == '-' || cp == '/' || cp == '.' || cp == '\'';
}

// Split folded text: runs of word characters, and bigrams of CJK characters.
static int split(const char *s, struct word_list *out, arena *a)
{
    size_t n = strlen(s), step, last = 0, last_n = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (utf8_is_cjk(cp)) {
            char one[5] = {0};
            memcpy(one, s + i, step);
            bool stop = stop_word(one);
            if (last_n && !stop && add_word(out, s + last, last_n + step, a))
                return -ENOMEM;
            last = i;
            last_n = stop ? 0 : step;
            i += step;
            continue;
        }
        last_n = 0;
        size_t start = i;
        while (i < n) {
            cp = utf8_decode(s + i, n - i, &step);
            if (utf8_is_cjk(cp) || !in_word(cp))
                break;
            i += step;
        }
        if (i == start) {
            i += step;
            continue;
        }
        size_t end = i;
        while (end > start && strchr(".-/'", s[end - 1]))
            end--;
        if (end - start > 1 && add_word(out, s + start, end - start, a))
            return -ENOMEM;
    }
    return 0;
}

// Share of passages to weight: idf against one in 100,000 as the rarest worth telling apart.
static double rarity(double share)
{
    double idf = log(1 / (share < 1e-5 ? 1e-5 : share)) / log(1e5);
    return idf < 0.05 ? 0.05 : idf;
}

// A term is as rare as its translations are, by how probable they are.
static int weigh_terms(retriever *r, const struct rights *rights, struct word_list *w, arena *a,
                       struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_terms; i++)
        n += w->terms[i].n;
    const char **all = arena_alloc(a, (n + 1) * sizeof *all);
    double *share = arena_alloc(a, (n + 1) * sizeof *share);
    w->term_weight = arena_alloc(a, (w->n_terms + 1) * sizeof *w->term_weight);
    if (!all || !share || !w->term_weight)
        return err_nomem(e);
    n = 0;
    for (size_t i = 0; i < w->n_terms; i++)
        for (size_t k = 0; k < w->terms[i].n; k++)
            all[n++] = w->terms[i].translations[k].word;
    int rc = retriever_word_share(r, rights, all, n, share, e);
    n = 0;
    for (size_t i = 0; i < w->n_terms && !rc; i++) {
        double sum = 0, whole = 0;
        for (size_t k = 0; k < w->terms[i].n; k++) {
            sum += w->terms[i].translations[k].probability * rarity(share[n++]);
            whole += w->terms[i].translations[k].probability;
        }
        w->term_weight[i] = sum / whole;
    }
    return rc;
}

int words_of_question(retriever *r, const struct rights *rights, const char *question, arena *a,
                      struct word_list *out, struct err *e)
{
    *out = (struct word_list){.w = arena_alloc(a, WORDS_MAX * sizeof *out->w),
                              .weight = arena_alloc(a, WORDS_MAX * sizeof *out->weight)};
    const char *folded = words_fold(question, strlen(question), a);
    if (!out->w || !out->weight || !folded || split(folded, out, a))
        return err_nomem(e);
    int rc = retriever_word_share(r, rights, out->w, out->n, out->weight, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < out->n; i++)
        out->weight[i] = rarity(out->weight[i]);
    rc = retriever_terms(r, question, a, &out->terms, &out->n_terms, e);
    return rc ? rc : weigh_terms(r, rights, out, a, e);
}

// Length of the word without a common English ending, so that "quotas" finds "quota".
static size_t stem(const char *w)
{
    static const char *const ends[] = {"ing", "ed", "es", "s"};
    size_t n = strlen(w);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t k = strlen(ends[i]);
        if (n >= k + 3 && !memcmp(w + n - k, ends[i], k))
            return n - k;
    }
    return n;
}

static bool stands(const char *text, const char *w)
{
    size_t n = stem(w);
    bool ascii = (unsigned char)*w < 0x80;
    for (const char *p = text; (p = strstr(p, *w ? (char[2]){*w, 0} : "")); p++) {
        if (strncmp(p, w, n))
            continue;
        if (!ascii || p == text ||
            !((p[-1] >= 'a' && p[-1] <= 'z') || (p[-1] >= '0' && p[-1] <= '9')))
            return true;
    }
    return false;
}

double words_coverage(const struct word_list *w, const char *folded, bool foreign)
{
    double sum = 0, found = 0, other_sum = 0, other_found = 0;
    for (size_t i = 0; i < w->n; i++) {
        double here = stands(folded, w->w[i]) ? w->weight[i] : 0;
        sum += w->weight[i];
        found += here;
        if (foreign && (unsigned char)*w->w[i] < 0x80) {
            other_sum += w->weight[i];
            other_found += here;
        }
    }
    double own = sum > 0 ? found / sum : 0;
    for (size_t i = 0; i < w->n_terms && foreign; i++) {
        bool any = false;
        for (size_t k = 0; k < w->terms[i].n && !any; k++)
            any = stands(folded, w->terms[i].translations[k].word);
        other_sum += w->term_weight[i];
        other_found += any ? w->term_weight[i] : 0;
    }
    double other = other_sum > 0 ? other_found / other_sum : 0;
    return foreign && w->n_terms && other > own ? other : own;
}

bool words_told(const char *sentence, const char *folded, arena *a)
{
    struct word_list w = {.w = arena_alloc(a, WORDS_MAX * sizeof *w.w)};
    if (!w.w || split(sentence, &w, a))
        return false;
    for (size_t i = 0; i < w.n; i++)
        if (!stands(folded, w.w[i]))
            return false;
    return true;
}
