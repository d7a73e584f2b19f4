// SPDX-License-Identifier: MIT
// Drafts from headings: one that asks is a question; one that names a task ("Installing X")
// becomes one, answered by the sentence below it that tells how.
#include "eval/draft_rules.h"

#include "base/buf.h"
#include "base/sentence.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PASSAGES_LOOKED_AT 4
#define ANSWER_ENOUGH 60
#define QUESTION_LINE_MAX 120
#define SENTENCE_MIN 40
#define SENTENCE_MAX 320

// Tasks that manuals name by a gerund, and the verb that the question needs.
static const char *const verbs[][2] = {
    {"Adding", "add"},
    {"Adapting", "adapt"},
    {"Applying", "apply"},
    {"Automating", "automate"},
    {"Backing", "back"},
    {"Booting", "boot"},
    {"Building", "build"},
    {"Changing", "change"},
    {"Checking", "check"},
    {"Choosing", "choose"},
    {"Compiling", "compile"},
    {"Configuring", "configure"},
    {"Connecting", "connect"},
    {"Converting", "convert"},
    {"Creating", "create"},
    {"Customizing", "customize"},
    {"Debugging", "debug"},
    {"Defining", "define"},
    {"Deleting", "delete"},
    {"Deploying", "deploy"},
    {"Detecting", "detect"},
    {"Disabling", "disable"},
    {"Displaying", "display"},
    {"Editing", "edit"},
    {"Enabling", "enable"},
    {"Exporting", "export"},
    {"Filtering", "filter"},
    {"Finding", "find"},
    {"Generating", "generate"},
    {"Getting", "get"},
    {"Identifying", "identify"},
    {"Importing", "import"},
    {"Inspecting", "inspect"},
    {"Installing", "install"},
    {"Limiting", "limit"},
    {"Listing", "list"},
    {"Loading", "load"},
    {"Locating", "locate"},
    {"Logging", "log"},
    {"Making", "make"},
    {"Managing", "manage"},
    {"Migrating", "migrate"},
    {"Monitoring", "monitor"},
    {"Mounting", "mount"},
    {"Moving", "move"},
    {"Partitioning", "partition"},
    {"Preparing", "prepare"},
    {"Preventing", "prevent"},
    {"Printing", "print"},
    {"Protecting", "protect"},
    {"Querying", "query"},
    {"Rebuilding", "rebuild"},
    {"Recompiling", "recompile"},
    {"Recovering", "recover"},
    {"Removing", "remove"},
    {"Repairing", "repair"},
    {"Replacing", "replace"},
    {"Reporting", "report"},
    {"Resetting", "reset"},
    {"Restoring", "restore"},
    {"Restarting", "restart"},
    {"Restricting", "restrict"},
    {"Running", "run"},
    {"Searching", "search"},
    {"Securing", "secure"},
    {"Sending", "send"},
    {"Setting", "set"},
    {"Sharing", "share"},
    {"Starting", "start"},
    {"Stopping", "stop"},
    {"Submitting", "submit"},
    {"Synchronizing", "synchronize"},
    {"Testing", "test"},
    {"Uninstalling", "uninstall"},
    {"Updating", "update"},
    {"Upgrading", "upgrade"},
    {"Using", "use"},
    {"Verifying", "verify"},
    {"Viewing", "view"},
    {"Writing", "write"},
};

struct span draft_bare(draft_rules *r, const char *heading)
{
    struct span h = {heading, strlen(heading)}, m;
    for (int i = 0; i < 2; i++) {
        size_t pos = 0;
        if (pattern_find(r->p[i ? RULE_CALLOUT : RULE_NUMBER], h.s, h.n, &pos, &m, 1)) {
            h.s += m.n;
            h.n -= m.n;
        }
    }
    return h;
}

static bool same_letters(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tolower((unsigned char)a[i]) != tolower((unsigned char)b[i]))
            return false;
    return true;
}

// How many words (pairs of characters in Chinese) of `what` stand in the sentence; words count
// by their first five letters.
static unsigned overlap(struct span what, const char *s, size_t n)
{
    unsigned found = 0;
    for (size_t i = 0, k; i < what.n; i += k ? k : 1) {
        size_t need = 0;
        k = 0;
        if ((unsigned char)what.s[i] >= 0x80) {
            need = i + 6 <= what.n ? 6 : 0;
            k = 3;
        } else if (isalnum((unsigned char)what.s[i]) || what.s[i] == '/') {
            while (i + k < what.n &&
                   (isalnum((unsigned char)what.s[i + k]) || strchr("/._-", what.s[i + k])))
                k++;
            need = k > 5 ? 5 : k > 2 ? k : 0;
        }
        bool yes = false;
        for (size_t j = 0; need && j + need <= n && !yes; j++)
            yes = (need == 6 || !j || !isalnum((unsigned char)s[j - 1])) &&
                  same_letters(what.s + i, s + j, need);
        found += yes;
    }
    return found;
}

// The first whole sentence behind `pos` that shares a word with the question, with the next
// where it is short, as one stretch; NULL: none among the first three.
static char *first_sentences(draft_rules *r, const char *text, struct span question, arena *a)
{
    struct sentence s, more;
    size_t n = strlen(text), pos = 0;
    for (int tries = 0; tries < 3 && sentence_next(text, n, &pos, &s); tries++) {
        const char *x = text + s.start;
        size_t k = s.end - s.start, end = s.end, at = pos;
        if (k < 12 || !memcmp(x, "```", 3) || !pattern_in(r->p[RULE_WHOLE], x, k) ||
            pattern_in(r->p[RULE_POINTS_AWAY], x, k) || !overlap(question, x, k))
            continue;
        if (k < ANSWER_ENOUGH && sentence_next(text, n, &at, &more) &&
            !memmem(text + s.end, more.start - s.end, "\n\n", 2))
            end = more.end;
        return arena_strndup(a, x, end - s.start);
    }
    return NULL;
}

static int add_faq(const struct passage *p, struct span question, const char *answer,
                   struct drafts *out)
{
    bool zh = draft_is_cjk(question.s, question.n);
    bool marked =
        question.n && (question.s[question.n - 1] == '?' ||
                       (question.n >= 3 && !memcmp(question.s + question.n - 3, "？", 3)));
    char *text = arena_printf(out->a, "%.*s%s", (int)question.n, question.s,
                              marked ? ""
                              : zh   ? "？"
                                     : "?");
    if (!text)
        return -ENOMEM;
    if (zh != draft_is_cjk(answer, strlen(answer)))
        return 0; // a heading that was translated, a text that was not
    return draft_add(out, &(struct draft){.kind = DRAFT_FAQ,
                                          .lang = zh ? "zh" : "en",
                                          .question = text,
                                          .answer = answer,
                                          .quote = answer,
                                          .document = p->document});
}

// Lines that ask, with the paragraph below as the answer.
static int question_lines(draft_rules *r, const struct passage *p, struct drafts *out)
{
    int rc = 0;
    for (const char *s = p->text, *end; *s && !rc; s = end) {
        size_t n = strcspn(s, "\n");
        end = s + n + strspn(s + n, "\n");
        if (n > QUESTION_LINE_MAX || n < 8 || end - s - (long)n < 2 || !*end)
            continue;
        char *line = arena_strndup(out->a, s, n);
        if (!line)
            return -ENOMEM;
        struct span q = draft_bare(r, line);
        if (!pattern_in(r->p[RULE_QUESTION], q.s, q.n))
            continue;
        char *answer = first_sentences(r, end, q, out->a);
        rc = answer ? add_faq(p, q, answer, out) : 0;
    }
    return rc;
}

// The sentence of the section that tells how: it names what the heading names and an action.
static char *instruction(draft_rules *r, const struct passage *p, size_t n, struct span h,
                         struct span verb, struct span what, bool zh, arena *a)
{
    unsigned best = 0;
    struct span found = {NULL, 0};
    for (size_t i = 0; i < n && i < PASSAGES_LOOKED_AT; i++) {
        const char *t = p[i].text;
        struct sentence s;
        size_t pos = 0, len = strlen(t);
        while (sentence_next(t, len, &pos, &s)) {
            const char *x = t + s.start;
            size_t k = s.end - s.start;
            unsigned words = overlap(what, x, k) ? overlap(h, x, k) : 0;
            if (k < SENTENCE_MIN || k > SENTENCE_MAX || words < 2 || !memcmp(x, "```", 3) ||
                draft_is_cjk(x, k) != zh || pattern_in(r->p[RULE_POINTS_AWAY], x, k) ||
                !pattern_in(r->p[zh ? RULE_INSTRUCTION_ZH : RULE_INSTRUCTION], x, k) ||
                !pattern_in(r->p[RULE_WHOLE], x, k) || !pattern_in(r->p[RULE_LITERAL], x, k) ||
                (zh && !memmem(x, k, verb.s, verb.n) &&
                 !pattern_in(r->p[RULE_BEGINS_ZH], x, k)))
                continue;
            if (words > best) {
                best = words;
                found = (struct span){x, k};
            }
        }
    }
    return found.s ? arena_strndup(a, found.s, found.n) : NULL;
}

// Words with a capital that the section also has without: a heading's capitals go.
static char *plain_case(const struct passage *p, size_t n, struct span what, arena *a)
{
    char *s = arena_strndup(a, what.s, what.n);
    for (size_t i = 0, k; s && s[i]; i += k ? k : 1) {
        k = strspn(s + i, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (!k || !isupper((unsigned char)s[i]))
            continue;
        bool lower = false;
        s[i] = (char)tolower((unsigned char)s[i]);
        for (size_t j = 0; j < n && j < PASSAGES_LOOKED_AT && !lower; j++)
            lower = memmem(p[j].text, strlen(p[j].text), s + i, k) != NULL;
        if (!lower)
            s[i] = (char)toupper((unsigned char)s[i]);
    }
    return s;
}

static const char *verb_of(struct span gerund)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strlen(verbs[i][0]) == gerund.n && !memcmp(verbs[i][0], gerund.s, gerund.n))
            return verbs[i][1];
    return NULL;
}

static int task(draft_rules *r, const struct passage *p, size_t n, struct span h,
                struct drafts *out)
{
    struct span g[4], verb = {NULL, 0}, what;
    size_t pos = 0;
    bool zh = draft_is_cjk(h.s, h.n);
    char *question = NULL;
    if (!zh && pattern_find(r->p[RULE_GERUND], h.s, h.n, &pos, g, 4)) {
        const char *base = verb_of(g[1]);
        what = g[3];
        char *rest =
            base ? plain_case(p, n, (struct span){g[2].s, h.n - (size_t)(g[2].s - h.s)}, out->a)
                 : NULL;
        question = rest ? arena_printf(out->a, "How do I %s%s?", base, rest) : NULL;
    } else if (zh) {
        bool first = pattern_find(r->p[RULE_VERB_ZH], h.s, h.n, &pos, g, 3);
        if (!first && !pattern_find(r->p[RULE_NOUN_ZH], h.s, h.n, &pos, g, 3))
            return 0;
        verb = g[first ? 1 : 2];
        what = g[first ? 2 : 1];
        while (what.n && *what.s == ' ')
            what.s++, what.n--;
        while (what.n && what.s[what.n - 1] == ' ')
            what.n--;
        question =
            what.n ? arena_printf(out->a, "如何%.*s%s%.*s？", (int)verb.n, verb.s,
                                  (unsigned char)*what.s < 0x80 ? " " : "", (int)what.n, what.s)
                   : NULL;
    }
    if (!question)
        return 0;
    char *answer = instruction(r, p, n, h, verb, what, zh, out->a);
    return answer ? draft_add(out, &(struct draft){.kind = DRAFT_HOWTO,
                                                   .lang = zh ? "zh" : "en",
                                                   .question = question,
                                                   .answer = answer,
                                                   .quote = answer,
                                                   .document = p->document})
                  : 0;
}

int draft_from_section(draft_rules *r, const struct passage *p, size_t n, struct drafts *out,
                       struct err *e)
{
    struct span h = draft_bare(r, p->heading);
    int rc = 0;
    if (pattern_in(r->p[RULE_QUESTION], h.s, h.n)) {
        char *answer = first_sentences(r, p->text, h, out->a);
        rc = answer ? add_faq(p, h, answer, out) : 0;
    } else {
        rc = task(r, p, n, h, out);
    }
    for (size_t i = 0; i < n && !rc; i++)
        rc = question_lines(r, &p[i], out);
    return rc ? err_nomem(e) : 0;
}
