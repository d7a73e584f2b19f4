// SPDX-License-Identifier: MIT
// Is there an answer at all? Logistic regression over what the search brought, as many
// questions without an answer as with one. bench/fit-evidence fits it, docs/quality.md shows on
// what and how well. The weights of the cosines belong to multilingual-e5-small and, where the
// second embedder speaks, to all-MiniLM-L6-v2.
#include "answer/internal.h"

#include "base/utf8.h"

#include <math.h>
#include <string.h>

// Weighted share of the question's words in one passage with its title and headings.
static int passage_coverage(const struct answer_passage *p, const struct word_list *w, arena *a,
                            double *out)
{
    const char *headings = words_of_headings(&p->hit, a),
               *text = words_fold(p->hit.text, strlen(p->hit.text), a),
               *folded = headings && text ? arena_printf(a, "%s %s", headings, text) : NULL;
    *out = folded ? words_coverage(w, folded, p->hit.foreign) : 0;
    return folded ? 0 : -ENOMEM;
}

// Without vectors only the words speak. Cosines of Chinese run higher than those of English.
static double without_reader(const struct answer_passages *p, const struct answer_evidence *v)
{
    if (!(v->cosine > 0))
        return -3.35 + 5.0 * v->coverage;
    return -53.3 + 2.75 * v->coverage + 28.3 * v->sentence + 26.0 * v->cosine + 5.4 * v->fused -
           (utf8_has_cjk(p->question) ? 1.3 : 0);
}

static double reader_log_odds(const struct answer_evidence *v)
{
    return log(v->read / (1 - v->read));
}

// What the reader adds was set by hand, see docs/quality.md.
static double in_one_language(const struct answer_passages *p, const struct answer_evidence *v)
{
    double z = without_reader(p, v);
    return v->read > 0 ? 0.8 * z + 0.42 * reader_log_odds(v) + 0.45 : z;
}

// Less of a question is found in the same words, and the reader, which has not learnt to read
// so, is too sure that there is nothing.
static double across(const struct answer_passages *p, const struct answer_evidence *v)
{
    return without_reader(p, v) + (v->cosine > 0 ? 1 : 0);
}

// The second embedder's cosine knows more than the first one's, and than how the legs agree.
static double in_english(const struct answer_evidence *v)
{
    return v->read > 0 ? -20.9 + 6.1 * v->english + 1.0 * v->coverage + 20.5 * v->sentence +
                             0.67 * reader_log_odds(v)
                       : -26.4 + 5.9 * v->english + 2.4 * v->coverage + 25.9 * v->sentence;
}

int evidence_measure(const struct answer_passages *p, const struct word_list *w,
                     const struct extract *x, size_t n, arena *a, struct answer_evidence *out)
{
    const struct answer_passage *best = NULL;
    *out = (struct answer_evidence){0};
    for (size_t i = 0; i < p->n && i < 5; i++) {
        const struct answer_passage *h = &p->passages[i];
        if (h->hidden)
            continue;
        best = best ? best : h;
        double c;
        if (passage_coverage(h, w, a, &c))
            return -ENOMEM;
        out->coverage = c > out->coverage ? c : out->coverage;
        out->cosine = h->hit.dense > out->cosine ? h->hit.dense : out->cosine;
        out->english = h->hit.english > out->english ? h->hit.english : out->english;
        out->fused = h->hit.fused > out->fused ? h->hit.fused : out->fused;
        out->read = h->hit.read > out->read ? h->hit.read : out->read;
    }
    for (size_t i = 0; i < n; i++) {
        out->sentence = x[i].similarity > out->sentence ? x[i].similarity : out->sentence;
        out->sentence_coverage =
            x[i].coverage > out->sentence_coverage ? x[i].coverage : out->sentence_coverage;
    }
    if (!n)
        return 0;
    double z = best && best->hit.foreign             ? across(p, out)
               : out->english > 0 && out->cosine > 0 ? in_english(out)
                                                     : in_one_language(p, out);
    out->confidence = 1 / (1 + exp(-z));
    return 0;
}
