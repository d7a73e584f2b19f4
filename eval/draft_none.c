// SPDX-License-Identifier: MIT
// Drafts of questions without an answer: something that the documents speak of, with an
// attribute that they tell of other things, never of this one. Every passage is looked at; but
// an answer may be there in other words, so a person has to look.
#include "eval/draft_rules.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECT_MIN 3
#define SUBJECT_MAX 40

static const struct {
    const char *lang, *question, *name;
    const char *words; // a passage with one of them may hold the answer
} attributes[] = {
    {"en", "Who wrote the first version of %s?", "its author",
     "(?i)\\b(?:wr(?:o|i)te|written|authors?|creat(?:ed|or)|invent\\w*|develop\\w*|founder|"
     "initiat\\w*|designed by)\\b"},
    {"en", "In which year did %s first come out?", "its first year",
     "\\b(?:19|20)\\d\\d\\b|(?i)\\b(?:years?|first (?:version|release)|history|born)\\b"},
    {"en", "How much does %s cost?", "its price",
     "(?i)\\b(?:price[sd]?|costs?|fees?|pa(?:y|id)|euros?|dollars?|cheap\\w*|expensive|"
     "commercial\\w*|charge)\\b|[€$£]"},
    {"en", "How many people use %s?", "how many use it",
     "(?i)\\b(?:millions?|thousands?|popular\\w*|widely|widespread|most used|everyone|per "
     "?cent)\\b|%"},
    {"en", "In which programming language is %s written?", "its language",
     "(?i)\\b(?:written in|language|perl|python|java|ruby|shell script|C\\+\\+|PHP)\\b| C "},
    {"zh", "%s的第一个版本是谁编写的？", "its author",
     "作者|编写|开发|创建|发明|设计|创始|发起|撰写"},
    {"zh", "%s最早是哪一年发布的？", "its first year",
     "(?:19|20)\\d\\d|年|最早|历史|首个|第一个?版"},
    {"zh", "%s的价格是多少？", "its price",
     "价格|费用|收费|付费|元|成本|昂贵|便宜|商业|免费|\\$|€"},
    {"zh", "有多少人在使用%s？", "how many use it",
     "多少人|百万|流行|普及|广泛|大多数|受欢迎|%|最常"},
    {"zh", "%s是用哪种编程语言编写的？", "its language",
     "语言|Perl|Python|Java|Ruby|脚本|PHP|C\\+\\+|编写"},
};
#define ATTRIBUTES (sizeof attributes / sizeof *attributes)
#define HALF (ATTRIBUTES / 2) // the same in the other language stands so far from it

static char *folded(const char *s, arena *a)
{
    char *out = arena_strdup(a, s);
    for (char *w = out; w && *w; w++)
        *w = (char)tolower((unsigned char)*w);
    return out;
}

// The subject as a word of its own; both folded.
static const char *find_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at++) {
        bool left = at == text || !isalnum((unsigned char)at[-1]);
        bool right = !isalnum((unsigned char)at[n]);
        if ((unsigned char)*word >= 0x80 || (left && right))
            return at;
    }
    return NULL;
}

// Is the attribute told of the subject in a passage, in either language?
static bool told(pattern *const *words, size_t k, const struct passage *p, size_t n,
                 const char *const *texts, const char *subject)
{
    pattern *other = words[(k + HALF) % ATTRIBUTES];
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(p[i].text);
        if ((find_word(texts[i], subject) || strcasestr(p[i].title, subject)) &&
            (pattern_in(words[k], p[i].text, len) || pattern_in(other, p[i].text, len)))
            return true;
    }
    return false;
}

// A name of one thing that somebody makes: "How much does the network cost?" asks nothing.
static bool is_product(draft_rules *r, const struct draft *d)
{
    const char *s = d->subject;
    size_t n = s ? strlen(s) : 0;
    return n >= SUBJECT_MIN && n <= SUBJECT_MAX && d->kind == DRAFT_DEFINITION &&
           isalpha((unsigned char)*s) && !strchr(s, ' ') && !draft_is_cjk(s, n) &&
           !strstr(d->question, "What are") && !strstr(d->question, "What is a ") &&
           !strstr(d->question, "What is the ") &&
           pattern_in(r->p[RULE_PRODUCT], d->answer, strlen(d->answer));
}

static int ask(struct drafts *out, const struct draft *of, size_t k)
{
    char *question = NULL, *note;
    const char *slot = strstr(attributes[k].question, "%s");
    bool gap = *attributes[k].lang == 'z';
    note =
        arena_printf(out->a,
                     "no passage that names %s has a word for %s; look whether the documents "
                     "answer it in others",
                     of->subject, attributes[k].name);
    question = arena_printf(
        out->a, "%.*s%s%s%s%s", (int)(slot - attributes[k].question), attributes[k].question,
        gap && slot > attributes[k].question ? " " : "", of->subject, gap ? " " : "", slot + 2);
    if (!question || !note)
        return -ENOMEM;
    return draft_add(out, &(struct draft){.kind = DRAFT_UNANSWERABLE,
                                          .lang = attributes[k].lang,
                                          .question = question,
                                          .subject = of->subject,
                                          .note = note,
                                          .document = of->document});
}

// One question about a product, by the first attribute in turn that nobody tells of it.
static int ask_of(struct drafts *out, const struct draft *of, pattern *const *words,
                  const bool *known, const struct passage *p, size_t n,
                  const char *const *texts, size_t *turn)
{
    char *subject = folded(of->subject, out->a);
    if (!subject)
        return -ENOMEM;
    for (size_t t = 0; t < ATTRIBUTES; t++) {
        size_t k = (*turn + t) % ATTRIBUTES;
        if (!known[k] || strcmp(attributes[k].lang, of->lang) != 0 ||
            told(words, k, p, n, texts, subject))
            continue;
        *turn = k + 1;
        return ask(out, of, k);
    }
    return 0;
}

int draft_unanswerable(draft_rules *r, const struct passage *p, size_t n,
                       const struct drafts *found, size_t max, struct drafts *out,
                       struct err *e)
{
    pattern *words[ATTRIBUTES] = {NULL};
    bool known[ATTRIBUTES] = {false};
    const char **texts = arena_alloc(out->a, (n + 1) * sizeof *texts);
    size_t turn = 0, products = 0, at = 0;
    int rc = texts ? 0 : err_nomem(e);
    for (size_t i = 0; i < n && !rc; i++)
        rc = (texts[i] = folded(p[i].text, out->a)) ? 0 : err_nomem(e);
    for (size_t k = 0; k < ATTRIBUTES && !rc; k++) {
        rc = pattern_new(attributes[k].words, &words[k], e);
        for (size_t i = 0; i < n && !rc && !known[k]; i++)
            known[k] = pattern_in(words[k], p[i].text, strlen(p[i].text));
    }
    for (size_t i = 0; i < found->n; i++)
        products += is_product(r, &found->list[i]);
    // Each costs a walk over all passages: every so many-th, where there are more than enough.
    size_t step = max ? products / max + 1 : SIZE_MAX;
    for (size_t i = 0; i < found->n && !rc; i++)
        if (is_product(r, &found->list[i]) && at++ % step == 0 && max &&
            ask_of(out, &found->list[i], words, known, p, n, texts, &turn))
            rc = err_nomem(e);
    for (size_t k = 0; k < ATTRIBUTES; k++)
        pattern_free(words[k]);
    return rc;
}
