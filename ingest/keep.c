// SPDX-License-Identifier: MIT
// verify, snapshot, restore: the store itself, whatever is in it.
#include "ingest/ingest.h"

#include <inttypes.h>
#include <string.h>

static int print_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    static const char *const kinds[STORE_FAULTS] = {"file",   "tree",   "document", "passage",
                                                    "vector", "repeat", "words"};
    (void)ctx;
    printf("%s: ", kinds[kind]);
    report_text(stdout, sentence);
    putchar('\n');
    return ingest_signal;
}

// The least that puts all of it right.
static void advise(const struct store_health *h, const char *data)
{
    const uint64_t *f = h->faults;
    if (f[STORE_FAULT_FILE] || f[STORE_FAULT_TREE])
        printf("next: askd-ingest restore DIR puts a snapshot in its place; without one, stop "
               "askd, move %s/askd.db* aside and add the documents again\n",
               data);
    else if (f[STORE_FAULT_DOCUMENT] || f[STORE_FAULT_PASSAGE] || f[STORE_FAULT_WORDS])
        puts("next: askd-ingest rebuild, for each --collection, reads the documents again; or "
             "askd-ingest restore DIR puts a snapshot in its place");
    else if (f[STORE_FAULT_VECTOR])
        puts("next: askd-ingest embed makes them again");
    else
        puts("next: askd-ingest add, for each --collection, looks for them again");
}

int ingest_verify(const struct options *o, struct err *e)
{
    struct store_health h;
    uint64_t faults = 0;
    if (o->n_paths) {
        err_set(e, -EINVAL, "verify takes no PATH");
        return 2;
    }
    if (store_verify(o->data, print_fault, NULL, &h, e))
        return 2;
    for (int i = 0; i < STORE_FAULTS; i++)
        faults += h.faults[i];
    printf("%" PRIu64 " documents, %" PRIu64 " passages, %" PRIu64 " vectors: ", h.documents,
           h.passages, h.vectors);
    if (faults)
        printf("%" PRIu64 " faults\n", faults);
    else
        puts("all as they were put");
    if (!faults && h.vectors < h.passages * (h.embedders ? h.embedders : 1))
        puts("some passages have no vector yet; askd-ingest embed makes them");
    if (h.unsummed)
        puts("the store has no sums of its rows yet; the next askd-ingest add makes them");
    if (faults)
        advise(&h, o->data);
    return faults ? 1 : 0;
}

int ingest_snapshot(const struct options *o, struct err *e)
{
    struct store_health h;
    if (o->n_paths != 1) {
        err_set(e, -EINVAL, "snapshot takes one DIR, which must not be there");
        return 2;
    }
    if (store_snapshot(o->data, o->paths[0], &h, e))
        return 2;
    printf("%" PRIu64 " documents, %" PRIu64 " passages, %" PRIu64 " vectors in %s\n",
           h.documents, h.passages, h.vectors, o->paths[0]);
    return 0;
}

int ingest_restore(const struct options *o, struct err *e)
{
    struct store_health h;
    char aside[PATH_MAX];
    if (o->n_paths != 1) {
        err_set(e, -EINVAL, "restore takes one DIR, which snapshot has made");
        return 2;
    }
    if (store_restore(o->data, o->paths[0], aside, &h, e))
        return 2;
    printf("%" PRIu64 " documents, %" PRIu64 " passages, %" PRIu64 " vectors from %s\n",
           h.documents, h.passages, h.vectors, o->paths[0]);
    if (*aside)
        printf("what was there could not be read and is now %s\n", aside);
    return 0;
}
