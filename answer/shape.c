// SPDX-License-Identifier: MIT
// The shape of an answer: a list is given as a list, a how-to as all of its steps. The sentence
// that answers best is found without regard to that (extract.c); here it grows to what it is a
// part of. Whatever is quoted stays one stretch of its passage.
#include "answer/internal.h"

#include "base/layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LIST_WORDS 160 // of a list that is told whole; longer ones are told in part

// What a question asks for.
struct wish {
    bool steps;   // how something is done
    bool several; // more than one thing
};

static bool has_any(const char *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(s, words[i]))
            return true;
    return false;
}
#define HAS(s, list) has_any(s, list, sizeof(list) / sizeof *(list))

// "which ports must ...", "what firewall rules do ...": a plural, and then a verb.
static bool asks_plural(const char *q)
{
    static const char verbs[] =
        " are do does must should can need have were will may could to ";
    const char *at = strstr(q, "which ");
    if (!at)
        at = strstr(q, "what ");
    if (!at || (at > q && isalnum((unsigned char)at[-1])))
        return false;
    const char *word = strchr(at, ' ') + 1;
    for (int k = 0; k < 3; k++) { // adjectives may stand between
        size_t n = strcspn(word, " ,.?!"), m = word[n] ? strcspn(word + n + 1, " ,.?!") : 0;
        char verb[16];
        int len = m < sizeof verb - 2
                      ? snprintf(verb, sizeof verb, " %.*s ", (int)m, word + n + 1)
                      : 0;
        if (n > 3 && word[n - 1] == 's' && !strchr("su", word[n - 2]) && m && len &&
            strstr(verbs, verb))
            return true;
        if (!m)
            return false;
        word += n + 1;
    }
    return false;
}

static struct wish wish_of(const char *question, arena *a)
{
    static const char *const how[] = {
        "how do ",  "how can ",      "how to ",    "how should ", "how would ", "how is ",
        "how are ", "how does one ", "what do i ", "steps",       "procedure",  "walk me",
        "怎么",     "怎样",          "如何",       "步骤",        "流程"};
    static const char *const several[] = {"what are ", "which are ", "list ",  "all the ",
                                          "哪些",      "步骤",       "有什么", "什么材料",
                                          "列出",      "分别",       "都有"};
    const char *q = words_fold(question, strlen(question), a);
    if (!q)
        return (struct wish){0};
    return (struct wish){.steps = HAS(q, how), .several = HAS(q, several) || asks_plural(q)};
}

// The stretch that x should be told as: its list, where it is wished for or led to by x itself.
static struct extract whole_list(const char *text, const struct extract *x, struct wish w)
{
    struct layout_list l;
    struct extract out = *x;
    if (!layout_list_at(text, strlen(text), x->start, &l))
        return out;
    bool led = x->start < l.start; // the extract is the lead-in
    if (!led && !w.several && !(w.steps && l.numbered))
        return out;
    if (extract_words(text + l.lead, l.end - l.lead) > LIST_WORDS)
        return out;
    out.start = l.lead < x->start ? l.lead : x->start;
    out.end = l.end > x->end ? l.end : x->end;
    return out;
}

static bool overlap(const struct extract *x, const struct extract *y)
{
    return x->passage == y->passage && x->start < y->end && y->start < x->end;
}

void shape_extracts(const struct answer_passages *p, arena *a, struct extract *x, size_t *n)
{
    struct wish wish = wish_of(p->question, a);
    size_t kept = 0, words = 0;
    for (size_t i = 0; i < *n; i++) {
        const char *text = p->passages[x[i].passage].hit.text;
        struct extract grown = whole_list(text, &x[i], wish);
        bool told = false;
        for (size_t k = 0; k < kept && !told; k++)
            told = overlap(&grown, &x[k]);
        size_t more = extract_words(text + grown.start, grown.end - grown.start);
        if (!told && kept && words + more > WORDS_TOLD) { // only the best may take more room
            grown = x[i];
            more = extract_words(text + grown.start, grown.end - grown.start);
        }
        if (told || (kept && words + more > WORDS_TOLD))
            continue;
        words += more;
        x[kept++] = grown;
    }
    *n = kept;
}
