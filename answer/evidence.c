// SPDX-License-Identifier: MIT
// Is there an answer at all? Logistic regression over what the search brought, as many
// questions without an answer as with one. bench/fit-evidence fits it, docs/quality.md shows on
// what and how well. The weights of the cosines belong to multilingual-e5-small.
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
    // Without vectors only the words speak. Cosines of Chinese run higher than those of
    // English.
    double z = out->cosine > 0
                   ? -53.3 + 2.75 * out->coverage + 28.3 * out->sentence + 26.0 * out->cosine +
                         5.4 * out->fused - (utf8_has_cjk(p->question) ? 1.3 : 0)
                   : -3.35 + 5.0 * out->coverage;
    // Across languages less of a question is found in the same words, and the reader, which has
    // not learnt to read so, is too sure that there is nothing.
    if (best && best->hit.foreign && out->cosine > 0)
        z += 1;
    else if (out->read > 0) // its log-odds; set by hand, see docs/quality.md
        z = 0.8 * z + 0.42 * log(out->read / (1 - out->read)) + 0.45;
    out->confidence = 1 / (1 + exp(-z));
    return 0;
}
