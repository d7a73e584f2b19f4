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

int words_of_query(retriever *r, store *s, const char *question, arena *a,
                   struct store_word **list, size_t *n, struct err *e)
{
    struct buf b = BUF_INIT;
    uint64_t counts[WORDS_MAX], total = store_sizes_passages(r->sizes);
    const char *all[WORDS_MAX];
    size_t n_all = 0, kept = 0;
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
        rc = store_word_counts(s, all, n_all, counts, e);
    if (rc)
        return rc;
    double most = total < SMALL_STORE ? (double)total : COMMON_SHARE * (double)total;
    for (size_t i = 0; i < n_all; i++)
        if (counts[i] && (double)counts[i] <= most && !stop_word(all[i]))
            (*list)[kept++] = (struct store_word){all[i], counts[i]};
    for (size_t i = 0; i < n_all && !kept; i++)
        (*list)[(*n)++] = (struct store_word){all[i], counts[i]};
    *n = kept ? kept : *n;
    return 0;
}
