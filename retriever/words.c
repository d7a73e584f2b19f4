// SPDX-License-Identifier: MIT
// Which words of a question are searched for. Words in more than a tenth of the passages cost
// most of the time and find nothing that the others do not; stop words that happen to be rare
// in the documents ("nobody") lead away from what is asked.
#include "retriever/internal.h"

#include "base/stop.h"

#include <string.h>

#define WORDS_MAX 64
#define COMMON_SHARE 0.10
#define SMALL_STORE 200 // passages: below, shares say nothing

int words_of_query(store *s, const char *question, arena *a, const char ***list, size_t *n,
                   struct err *e)
{
    struct buf b = BUF_INIT;
    uint64_t counts[WORDS_MAX], total;
    const char **all = arena_alloc(a, (WORDS_MAX + 1) * sizeof *all);
    *n = 0;
    *list = all;
    int rc = all && !text_words(&b, question, strlen(question)) ? 0 : err_nomem(e);
    char *save = NULL;
    for (char *w = rc ? NULL : strtok_r(b.data, " ", &save); w && *n < WORDS_MAX;
         w = strtok_r(NULL, " ", &save)) {
        bool known = false;
        for (size_t i = 0; i < *n && !known; i++)
            known = !strcmp(all[i], w);
        if (!known && !(all[(*n)++] = arena_strdup(a, w)))
            rc = err_nomem(e);
    }
    buf_free(&b);
    if (!rc)
        rc = store_word_counts(s, all, *n, counts, &total, e);
    const char **rare = rc ? NULL : arena_alloc(a, (WORDS_MAX + 1) * sizeof *rare);
    if (!rare)
        return rc ? rc : err_nomem(e);
    double most = total < SMALL_STORE ? (double)total : COMMON_SHARE * (double)total;
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (counts[i] && (double)counts[i] <= most && !stop_word(all[i]))
            rare[kept++] = all[i];
    if (kept) {
        *list = rare;
        *n = kept;
    }
    return 0;
}
