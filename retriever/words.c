// SPDX-License-Identifier: MIT
// Which words of a question are searched for. All that are no stop words, in small stores; in
// large ones the rarest, as many as a budget of passages to be scored allows: common words cost
// most of the time there and find little that the others do not. Stop words that happen to be
// rare in the documents ("nobody") lead away from what is asked.
//
// And which words are searched for in the other language: what a lexicon calls the question's
// terms there, each translation weighted by how probable it is (Darwish and Oard 2003).
#include "retriever/internal.h"

#include "base/stop.h"
#include "base/utf8.h"

#include <string.h>

#define WORDS_MAX 64
#define BUDGET 100000 // passages that hold one of the words, counted for each word

// Which of the words the budget has room for, the rarest first, of equals the earlier; the
// rarest in any case.
static void afford(const uint64_t *counts, bool *kept, size_t n)
{
    uint64_t left = BUDGET;
    bool wanted[WORDS_MAX];
    memcpy(wanted, kept, n * sizeof *kept);
    memset(kept, 0, n * sizeof *kept);
    for (bool first = true;; first = false) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (wanted[i] && (best == n || counts[i] < counts[best]))
                best = i;
        if (best == n || (!first && counts[best] > left))
            return;
        wanted[best] = false;
        kept[best] = true;
        left -= counts[best] < left ? counts[best] : left;
    }
}

int words_of_query(store *s, store_sizes *z, const struct store_scope *scope,
                   const char *question, arena *a, struct store_word **list, size_t *n,
                   struct err *e)
{
    struct buf b = BUF_INIT;
    uint64_t counts[WORDS_MAX];
    bool keep[WORDS_MAX];
    const char *all[WORDS_MAX];
    size_t n_all = 0;
    bool any = false;
    *n = 0;
    *list = arena_alloc(a, WORDS_MAX * sizeof **list);
    int rc = *list && !text_words(&b, question, strlen(question)) ? 0 : err_nomem(e);
    char *save = NULL;
    for (char *w = rc ? NULL : strtok_r(b.data, " ", &save); w && n_all < WORDS_MAX;
         w = strtok_r(NULL, " ", &save)) {
        bool known = false;
        for (size_t i = 0; i < n_all && !known; i++)
            known = !strcmp(all[i], w);
        if (!known && !(all[n_all++] = arena_strdup(a, w)))
            rc = err_nomem(e);
    }
    buf_free(&b);
    if (!rc)
        rc = store_word_counts(s, z, scope, all, n_all, counts, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < n_all; i++)
        any |= keep[i] = counts[i] && !stop_word(all[i]);
    for (size_t i = 0; i < n_all && !any; i++)
        keep[i] = counts[i]; // of stop words alone, all
    afford(counts, keep, n_all);
    for (size_t i = 0; i < n_all; i++)
        if (keep[i])
            (*list)[(*n)++] = (struct store_word){all[i], counts[i]};
    return 0;
}

// ---- in the other language ----

#define TERMS_MAX 48

static int add_term(const lexicon *l, const char *s, size_t n, arena *a,
                    struct retriever_term *list, size_t *count)
{
    const char *word = arena_strndup(a, s, n);
    struct retriever_term t;
    if (!word)
        return -ENOMEM;
    t.translations = lexicon_find(l, s, n, &t.n);
    if (!t.n || stop_word(word) || *count == TERMS_MAX)
        return 0;
    for (size_t i = 0; i < *count; i++)
        if (list[i].translations == t.translations)
            return 0;
    list[(*count)++] = t;
    return 0;
}

int retriever_terms(retriever *r, const char *question, arena *a, struct retriever_term **out,
                    size_t *n, struct err *e)
{
    struct buf clean = BUF_INIT, f = BUF_INIT;
    *n = 0;
    *out = arena_alloc(a, TERMS_MAX * sizeof **out);
    int rc = *out ? utf8_add_clean(&clean, question, strlen(question)) : -ENOMEM;
    if (!rc)
        rc = utf8_add_folded(&f, clean.data, clean.len);
    for (size_t i = 0, step; i < f.len && !rc && r->lexicon; i += step) {
        uint32_t cp = utf8_decode(f.data + i, f.len - i, &step);
        size_t term = 0, more;
        if (utf8_is_cjk(cp))
            term = lexicon_longest(r->lexicon, f.data + i, f.len - i);
        while (!utf8_is_cjk(cp) && utf8_is_letter(cp)) { // a whole word
            term += term ? more : step;
            if (i + term >= f.len)
                break;
            cp = utf8_decode(f.data + i + term, f.len - i - term, &more);
        }
        if (term)
            rc = add_term(r->lexicon, f.data + i, term, a, *out, n);
        step = term ? term : step;
    }
    buf_free(&clean);
    buf_free(&f);
    return rc ? err_nomem(e) : 0;
}

// As the index holds it: a run of CJK characters as its pairs, with what stands between them.
// NULL when memory runs out.
static const char *index_words(const char *word, arena *a)
{
    struct buf b = BUF_INIT;
    char *out = NULL;
    if (!text_words(&b, word, strlen(word))) {
        while (b.len && b.data[b.len - 1] == ' ')
            buf_truncate(&b, b.len - 1);
        const char *from = b.data;
        for (int i = 0; i < 2 && utf8_has_cjk(word) && strchr(from, ' '); i++)
            from = strchr(from, ' ') + 1; // the first pair says what its two characters do
        out = arena_strdup(a, from);
    }
    buf_free(&b);
    return out;
}

static int add_translations(const struct retriever_term *t, arena *a, const char **words,
                            double *weights, size_t *n)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t at = 0;
        const char *w = index_words(t->translations[i].word, a);
        if (!w)
            return -ENOMEM;
        if (stop_word(t->translations[i].word) || !*w)
            continue;
        while (at < *n && strcmp(words[at], w) != 0)
            at++;
        if (at == WORDS_MAX)
            return 0;
        if (at == *n) {
            words[(*n)++] = w;
            weights[at] = 0;
        }
        weights[at] += t->translations[i].probability;
    }
    return 0;
}

int words_translated(retriever *r, store *s, const struct store_scope *scope,
                     const char *question, const struct store_word *own, size_t n_own, arena *a,
                     struct store_word **list, size_t *n, double *worth, struct err *e)
{
    const char *words[WORDS_MAX];
    double weights[WORDS_MAX];
    uint64_t counts[WORDS_MAX];
    bool keep[WORDS_MAX], any = false;
    struct retriever_term *terms;
    size_t n_terms, n_words = 0;
    *n = 0;
    *list = arena_alloc(a, (WORDS_MAX + n_own) * sizeof **list);
    int rc = *list ? retriever_terms(r, question, a, &terms, &n_terms, e) : err_nomem(e);
    for (size_t i = 0; !rc && i < n_terms; i++)
        if (add_translations(&terms[i], a, words, weights, &n_words))
            rc = err_nomem(e);
    if (!rc)
        rc = store_word_counts(s, r->sizes, scope, words, n_words, counts, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < n_words; i++) {
        (*list)[(*n)++] = (struct store_word){words[i], counts[i], weights[i]};
        any |= keep[i] = counts[i];
    }
    for (size_t i = 0; i < n_own; i++)
        if (!utf8_has_cjk(own[i].word)) // names and commands are the same in both
            (*list)[(*n)++] = own[i];
    *worth = store_words_worth(r->sizes, scope, *list, *n);
    afford(counts, keep, n_words);
    size_t kept = 0;
    for (size_t i = 0; i < *n && any; i++)
        if (i >= n_words || keep[i])
            (*list)[kept++] = (*list)[i];
    *n = kept;
    return 0;
}
