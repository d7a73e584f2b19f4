// SPDX-License-Identifier: MIT
// Drafts from single sentences and lines: definitions, abbreviations, options. Few and right is
// the aim, so the patterns leave out far more than they take.
#include "eval/draft.h"

#include "base/buf.h"
#include "base/sentence.h"
#include "base/utf8.h"
#include "eval/draft_rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define QUESTION_MAX 200
#define QUOTE_MAX 600

bool draft_is_cjk(const char *s, size_t n)
{
    for (size_t i = 0, step; i < n; i += step)
        if (utf8_is_cjk(utf8_decode(s + i, n - i, &step)))
            return true;
    return false;
}

// White space, line ends among it, becomes one space.
static char *one_line(arena *a, const char *s)
{
    char *out = s ? arena_strdup(a, s) : NULL, *w = out;
    for (const char *r = out; r && *r; r++)
        if (!isspace((unsigned char)*r))
            *w++ = *r;
        else if (w > out && w[-1] != ' ')
            *w++ = ' ';
    while (w && w > out && w[-1] == ' ')
        w--;
    if (w)
        *w = 0;
    return out;
}

int draft_add(struct drafts *d, const struct draft *one)
{
    struct draft c = *one;
    if (strlen(c.question) > QUESTION_MAX || (c.quote && strlen(c.quote) > QUOTE_MAX) ||
        (c.answer && !*c.answer))
        return 0;
    if (d->n == d->room) {
        size_t room = d->room ? 2 * d->room : 64;
        struct draft *list = arena_alloc(d->a, room * sizeof *list);
        if (!list)
            return -ENOMEM;
        if (d->n)
            memcpy(list, d->list, d->n * sizeof *list);
        d->list = list;
        d->room = room;
    }
    c.question = one_line(d->a, one->question);
    c.answer = one_line(d->a, one->answer);
    c.quote = one->quote ? arena_strdup(d->a, one->quote) : NULL;
    c.subject = one_line(d->a, one->subject);
    c.note = one->note ? arena_strdup(d->a, one->note) : NULL;
    if (!c.question || (one->answer && !c.answer) || (one->quote && !c.quote))
        return -ENOMEM;
    d->list[d->n++] = c;
    return 0;
}

// What stands before the first match.
static size_t until(pattern *p, struct span s)
{
    struct span m;
    size_t pos = 0;
    return pattern_find(p, s.s, s.n, &pos, &m, 1) ? (size_t)(m.s - s.s) : s.n;
}

static bool has_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (isupper((unsigned char)s.s[i]) || isdigit((unsigned char)s.s[i]) ||
            strchr("/_", s.s[i]))
            return true;
    return false;
}

static int definition(draft_rules *r, const struct passage *p, const char *quote,
                      struct drafts *out)
{
    enum { ARTICLE = 1, SUBJECT, VERB, WHAT };
    struct span g[5];
    size_t pos = 0, n = strlen(quote);
    if (!pattern_find(r->p[RULE_DEFINITION], quote, n, &pos, g, 5) ||
        pattern_in(r->p[RULE_EMPTY_SUBJECT], g[SUBJECT].s, g[SUBJECT].n) ||
        !pattern_in(r->p[RULE_RELATION], g[WHAT].s, g[WHAT].n))
        return 0;
    bool the = g[ARTICLE].n == 4; // "The "
    if (the && !has_name(g[SUBJECT]))
        return 0;
    static const char *const articles[] = {"", "", "a ", "an ", "the "}; // by their length
    char *subject = arena_strndup(out->a, g[SUBJECT].s, g[SUBJECT].n);
    char *question = subject ? arena_printf(out->a, "What %.*s %s%s?", (int)g[VERB].n,
                                            g[VERB].s, articles[g[ARTICLE].n], subject)
                             : NULL;
    size_t end = until(r->p[RULE_CLAUSE], g[WHAT]);
    char *answer = arena_strndup(out->a, g[WHAT].s, end < 15 ? g[WHAT].n : end);
    if (!question || !answer)
        return -ENOMEM;
    return draft_add(out, &(struct draft){.kind = DRAFT_DEFINITION,
                                          .lang = "en",
                                          .question = question,
                                          .answer = answer,
                                          .quote = quote,
                                          .subject = subject,
                                          .document = p->document});
}

static int definition_zh(draft_rules *r, const struct passage *p, const char *quote,
                         struct drafts *out)
{
    struct span g[3];
    size_t pos = 0;
    if (!pattern_find(r->p[RULE_DEFINITION_ZH], quote, strlen(quote), &pos, g, 3))
        return 0;
    while (g[1].n && g[1].s[g[1].n - 1] == ' ')
        g[1].n--;
    size_t end = until(r->p[RULE_CLAUSE_ZH], g[2]);
    char *subject = arena_strndup(out->a, g[1].s, g[1].n);
    char *answer = arena_strndup(out->a, g[2].s, end < 12 ? g[2].n : end);
    char *question = subject ? arena_printf(out->a, "什么是%s%s？",
                                            (unsigned char)*subject < 0x80 ? " " : "", subject)
                             : NULL;
    if (!question || !answer)
        return -ENOMEM;
    return draft_add(out, &(struct draft){.kind = DRAFT_DEFINITION,
                                          .lang = "zh",
                                          .question = question,
                                          .answer = answer,
                                          .quote = quote,
                                          .subject = subject,
                                          .document = p->document});
}

// Do the words' first letters, small words left out or not, spell the abbreviation? *from gets
// the byte of the first word that does.
static bool spells(struct span abbr, struct span words, size_t *from)
{
    for (size_t i = 0; i < words.n; i++) {
        if (i && words.s[i - 1] != ' ')
            continue;
        for (int small = 0; small < 2; small++) {
            size_t k = 0;
            bool right = true;
            for (size_t j = i; j < words.n && right; j++) {
                bool starts = j == i || words.s[j - 1] == ' ' || words.s[j - 1] == '-';
                if (!starts || (small && islower((unsigned char)words.s[j])))
                    continue;
                right = k < abbr.n && toupper((unsigned char)words.s[j]) ==
                                          toupper((unsigned char)abbr.s[k++]);
            }
            if (right && k == abbr.n && isupper((unsigned char)words.s[i])) {
                *from = i;
                return true;
            }
        }
    }
    return false;
}

static int abbreviations(draft_rules *r, const struct passage *p, const char *quote,
                         struct drafts *out)
{
    size_t n = strlen(quote), from;
    bool zh = draft_is_cjk(quote, n);
    int rc = 0;
    if (strstr(quote, " | "))
        return 0; // rows of a table
    for (int reverse = 0; reverse < 2 && !rc; reverse++) {
        struct span g[3];
        size_t pos = 0;
        while (!rc && pattern_find(r->p[reverse ? RULE_EXPANSION : RULE_ABBREVIATION], quote, n,
                                   &pos, g, 3)) {
            struct span abbr = g[reverse ? 2 : 1], words = g[reverse ? 1 : 2];
            if (abbr.n < 2 || !spells(abbr, words, &from))
                continue;
            char *subject = arena_strndup(out->a, abbr.s, abbr.n);
            char *answer = arena_strndup(out->a, words.s + from, words.n - from);
            char *question =
                subject
                    ? arena_printf(out->a, zh ? "%s 是什么的缩写？" : "What does %s stand for?",
                                   subject)
                    : NULL;
            rc = question && answer ? draft_add(out, &(struct draft){.kind = DRAFT_ABBREVIATION,
                                                                     .lang = zh ? "zh" : "en",
                                                                     .question = question,
                                                                     .answer = answer,
                                                                     .quote = quote,
                                                                     .subject = subject,
                                                                     .document = p->document})
                                    : -ENOMEM;
        }
    }
    return rc;
}

// Which command the passage's options are of: the one it names most, above them.
static char *command_of(draft_rules *r, const struct passage *p, size_t before, arena *a)
{
    struct span g[2], last = {NULL, 0};
    size_t pos = 0;
    while (pattern_find(r->p[RULE_COMMAND], p->text, before, &pos, g, 2))
        if (g[1].n > 1)
            last = g[1];
    pos = 0;
    if (!last.s &&
        pattern_find(r->p[RULE_COMMAND_TITLE], p->title, strlen(p->title), &pos, g, 2))
        last = g[1];
    return last.s ? arena_strndup(a, last.s, last.n) : NULL;
}

static int options(draft_rules *r, const struct passage *p, struct drafts *out)
{
    struct span g[3], h = draft_bare(r, p->heading);
    size_t pos = 0, n = strlen(p->text);
    char *heading = arena_strndup(out->a, h.s, h.n);
    int rc = heading ? 0 : -ENOMEM;
    bool zh_heading = draft_is_cjk(h.s, h.n);
    while (!rc && pattern_find(r->p[RULE_OPTION], p->text, n, &pos, g, 3)) {
        bool zh = draft_is_cjk(g[2].s, g[2].n);
        size_t end, at = 0;
        struct span intro;
        if (pattern_find(r->p[RULE_LEAD], g[2].s, g[2].n, &at, &intro, 1)) {
            g[2].s += intro.n;
            g[2].n -= intro.n;
        }
        end = g[2].n;
        while (end && strchr(" ;,.", g[2].s[end - 1]))
            end--;
        char *flag = arena_strndup(out->a, g[1].s, g[1].n);
        char *what = arena_strndup(out->a, g[2].s, end);
        char *quote = arena_strndup(out->a, g[0].s, g[0].n);
        char *command = command_of(r, p, (size_t)(g[0].s - p->text), out->a);
        char *question =
            !flag || !what || !quote ? NULL
            : command && zh ? arena_printf(out->a, "%s 的选项 %s 有什么用？", command, flag)
            : command ? arena_printf(out->a, "What does the option %s of %s do?", flag, command)
            : zh ? arena_printf(out->a, "“%s”中，选项 %s 有什么用？", heading, flag)
                 : arena_printf(out->a, "In “%s”, what does the option %s do?", heading, flag);
        if (!question)
            return -ENOMEM;
        if (!command && zh != zh_heading)
            continue; // a heading that was translated, a text that was not
        size_t lead = strspn(quote, " \t");
        rc = draft_add(out, &(struct draft){.kind = DRAFT_OPTION,
                                            .lang = zh ? "zh" : "en",
                                            .question = question,
                                            .answer = what,
                                            .quote = quote + lead,
                                            .subject = question,
                                            .document = p->document});
    }
    pos = 0;
    while (!rc && pattern_find(r->p[RULE_ROW], p->text, n, &pos, g, 3)) {
        bool zh = draft_is_cjk(g[2].s, g[2].n);
        char *name = arena_strndup(out->a, g[1].s, g[1].n);
        char *what = arena_strndup(out->a, g[2].s, g[2].n);
        char *quote = arena_strndup(out->a, g[0].s, g[0].n);
        char *question =
            name ? arena_printf(out->a, zh ? "“%s”中，%s 是什么？" : "In “%s”, what is %s?",
                                heading, name)
                 : NULL;
        if (!question || !what || !quote)
            return -ENOMEM;
        rc = draft_add(out, &(struct draft){.kind = DRAFT_OPTION,
                                            .lang = zh ? "zh" : "en",
                                            .question = question,
                                            .answer = what,
                                            .quote = quote,
                                            .subject = question,
                                            .document = p->document});
    }
    return rc;
}

// The bytes of "- " or "12. " before an item of a list.
static size_t list_mark(const char *s)
{
    size_t n = strspn(s, "0123456789");
    if (!n)
        n = strspn(s, "-*");
    else
        n = n < 4 && (s[n] == '.' || s[n] == ')') ? n + 1 : 0;
    return n && s[n] == ' ' ? n + 1 : 0;
}

int draft_from_passage(draft_rules *r, const struct passage *p, struct drafts *out,
                       struct err *e)
{
    struct sentence s;
    size_t pos = 0, n = strlen(p->text);
    int rc = options(r, p, out);
    while (!rc && sentence_next(p->text, n, &pos, &s)) {
        if (s.end - s.start > QUOTE_MAX || !memcmp(p->text + s.start, "```", 3))
            continue;
        size_t at = s.start + list_mark(p->text + s.start);
        char *quote = arena_strndup(out->a, p->text + at, s.end - at);
        rc = quote ? 0 : -ENOMEM;
        if (!rc)
            rc = draft_is_cjk(quote, s.end - at) ? definition_zh(r, p, quote, out)
                                                 : definition(r, p, quote, out);
        if (!rc)
            rc = abbreviations(r, p, quote, out);
    }
    return rc ? err_nomem(e) : 0;
}
