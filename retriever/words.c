// SPDX-License-Identifier: MIT
// Which words of a question are searched for. All that are no stop words, in small stores; in
// large ones the rarest, as many as a budget of passages to be scored allows: common words cost
// most of the time there and find little that the others do not. Stop words that happen to be
// rare in the documents ("nobody") lead away from what is asked.
#include "retriever/internal.h"

#include "base/stop.h"

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
