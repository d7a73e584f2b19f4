// SPDX-License-Identifier: MIT
// Follow-up questions: rules first. A question that leans on what was said before ("And how do
// I undo that?") is searched together with the question before it.
#include "answer/internal.h"

#include "base/utf8.h"

#include <string.h>

#define CARRY_MAX 400 // bytes of the earlier question that are carried over

static bool has_word(const char *folded, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = folded; (p = strstr(p, word)); p++) {
        bool left = p == folded || !((p[-1] >= 'a' && p[-1] <= 'z') || p[-1] == '\'');
        bool right = !(p[n] >= 'a' && p[n] <= 'z');
        if (left && right)
            return true;
    }
    return false;
}

// Does the question point back, by a pronoun, a connective or by being very short?
static bool leans_back(const char *q, arena *a)
{
    static const char *const en[] = {"it",    "its",      "that",    "this", "those",   "these",
                                     "them",  "they",     "their",   "one",  "ones",    "he",
                                     "she",   "there",    "then",    "same", "instead", "such",
                                     "above", "previous", "earlier", "also", "else"};
    static const char *const starts[] = {"and ",       "but ",      "or ",  "so ",
                                         "what about", "how about", "then "};
    static const char *const zh[] = {"它",   "这",   "那",   "其",   "该",   "他", "她",  "呢",
                                     "上述", "前面", "刚才", "还有", "另外", "此", "同样"};
    const char *f = words_fold(q, strlen(q), a);
    if (!f)
        return true;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (!strncmp(f, starts[i], strlen(starts[i])))
            return true;
    for (size_t i = 0; i < sizeof en / sizeof *en; i++)
        if (has_word(f, en[i]))
            return true;
    for (size_t i = 0; i < sizeof zh / sizeof *zh; i++)
        if (strstr(f, zh[i]))
            return true;
    size_t words = 0, cjk = 0, step;
    for (size_t i = 0, n = strlen(f); i < n; i += step) {
        uint32_t cp = utf8_decode(f + i, n - i, &step);
        cjk += utf8_is_cjk(cp);
        words += cp == ' ';
    }
    return cjk ? cjk < 6 : words < 3;
}

const char *followup_standalone(const struct answer_request *r, arena *a)
{
    const char *before = NULL;
    for (size_t i = r->n_history; i-- > 0 && !before;)
        if (r->history[i].user && *r->history[i].text)
            before = r->history[i].text;
    if (!before || !leans_back(r->question, a))
        return arena_strdup(a, r->question);
    size_t n = strlen(before);
    while (n > CARRY_MAX || (n < strlen(before) && ((unsigned char)before[n] & 0xC0) == 0x80))
        n--;
    return arena_printf(a, "%.*s %s", (int)n, before, r->question);
}
