// SPDX-License-Identifier: MIT
// The store: whole at a glance, and fit for the embedder and the settings.
#include "doctor/doctor.h"

#include "base/arena.h"
#include "base/permissions.h"
#include "store/store.h"

#include <inttypes.h>
#include <string.h>

#define VERIFY "askd-ingest verify names each fault and what puts it right"

// Only how many there are: the sentences may quote.
static int count(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)ctx;
    (void)kind;
    (void)sentence;
    return 0;
}

static bool glance(struct examination *x, struct store_health *h)
{
    static const char *const kinds[STORE_FAULTS] = {
        "the file", "trees", "documents", "passages", "vectors", "repeated blocks", "words"};
    struct err e = {0};
    int rc = store_glance(x->config.data, count, NULL, h, &e);
    if (rc == -ENOENT)
        examination_add(x, LEVEL_WARNING, "store", "askd-ingest add PATH", "%s", e.msg);
    else if (rc)
        examination_add(x, LEVEL_FAULT, "store",
                        rc == -EPROTO   ? "use the askd that wrote it, or a later one"
                        : rc == -EACCES ? "run this as the user of the daemon"
                                        : VERIFY,
                        "%s", e.msg);
    uint64_t faults = 0;
    for (size_t i = 0; i < STORE_FAULTS && !rc; i++) {
        faults += h->faults[i];
        if (h->faults[i])
            examination_add(x, LEVEL_FAULT, "store", VERIFY, "%" PRIu64 " faults found in %s",
                            h->faults[i], kinds[i]);
    }
    if (!rc && !faults)
        examination_add(x, LEVEL_FINE, "store", NULL,
                        "schema %d, %" PRIu64 " documents, %" PRIu64
                        " passages, no fault at a glance",
                        h->schema, h->documents, h->passages);
    if (!rc && h->schema > 0 && h->schema < STORE_SCHEMA)
        examination_add(x, LEVEL_NOTE, "store", "askd-ingest add PATH lifts it",
                        "the store is of schema %d, an older askd's; it is read as it is",
                        h->schema);
    return !rc && !faults && h->documents > 0;
}

// Do the vectors go with the embedder that askd would search with?
static void check_vectors(struct examination *x, store *s, arena *a,
                          const struct store_health *h)
{
    struct store_embedder *list;
    struct err e = {0};
    size_t n;
    if (store_embedders(s, a, &list, &n, &e)) {
        examination_add(x, LEVEL_FAULT, "store", VERIFY, "%s", e.msg);
        return;
    }
    const struct store_embedder *ours = NULL;
    for (size_t i = 0; i < n; i++)
        ours = strcmp(list[i].fingerprint, x->fingerprint) != 0 ? ours : &list[i];
    static const char embed[] = "askd-ingest embed, with the same embedder";
    if (!*x->fingerprint)
        return; // without one, which was said
    if (!ours && n)
        examination_add(x, LEVEL_WARNING, "vectors", embed,
                        "the store has vectors of %s, the embedder is %s: searches go by words "
                        "alone",
                        list[0].fingerprint, x->fingerprint);
    else if (!ours)
        examination_add(x, LEVEL_WARNING, "vectors", embed,
                        "no passage has a vector: searches go by words alone");
    else if (!ours->complete)
        examination_add(x, LEVEL_WARNING, "vectors", embed,
                        "%" PRIu64 " of %" PRIu64
                        " passages have a vector: until all have, searches go by words alone",
                        ours->vectors, h->passages);
    else if (ours->vectors < h->passages)
        examination_add(x, LEVEL_WARNING, "vectors", embed,
                        "%" PRIu64 " of %" PRIu64
                        " passages have no vector and are found by their words alone",
                        h->passages - ours->vectors, h->passages);
    else
        examination_add(x, LEVEL_FINE, "vectors", NULL, "every passage has one, of %s",
                        x->fingerprint);
}

// The same for the second embedder, which has vectors of what is not in CJK script.
static void check_english(struct examination *x, store *s)
{
    bool complete;
    uint64_t missing;
    struct err e = {0};
    if (!*x->english)
        return;
    if (store_is_complete(s, x->english, &complete, &e) ||
        store_count_pending(s, x->english, STORE_FOR_NO_CJK, &missing, &e))
        examination_add(x, LEVEL_FAULT, "store", VERIFY, "%s", e.msg);
    else if (!complete || missing)
        examination_add(x, LEVEL_WARNING, "vectors",
                        "askd-ingest embed, with the same embedder_en",
                        "%" PRIu64 " passages have no vector of embedder_en, %s%s", missing,
                        x->english, complete ? "" : ": until all have, it is not used");
    else
        examination_add(x, LEVEL_FINE, "vectors", NULL,
                        "every passage that is not in Chinese script has one of %s",
                        x->english);
}

// Where files' permissions decide, documents of unknown ones are nobody's.
static void check_permissions(struct examination *x, store *s, arena *a,
                              const struct store_collection *list, size_t n)
{
    const struct principal somebody = {.known = true};
    struct rights r;
    struct err e = {0};
    if (access_rights(x->config.access, x->config.acl, &somebody, ACCESS_READ, a, &r))
        return;
    for (size_t i = 0; r.by_files && r.files_of && r.files_of[i]; i++) {
        bool there = false;
        for (size_t k = 0; k < n; k++)
            there |= !strcmp(list[k].name, r.files_of[i]);
        if (!there)
            examination_add(x, LEVEL_WARNING, "acl", "correct the setting acl, or wait for it",
                            "acl names the collection '%s', which is not there", r.files_of[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct store_file *files;
        size_t n_files, unknown = 0;
        if (!rights_by_files(&r, list[i].name))
            continue;
        if (store_files(s, list[i].name, "", a, &files, &n_files, &e)) {
            examination_add(x, LEVEL_FAULT, "store", VERIFY, "%s", e.msg);
            return;
        }
        for (size_t k = 0; k < n_files; k++)
            unknown += !strcmp(files[k].permissions, PERMISSIONS_UNKNOWN);
        if (unknown)
            examination_add(
                x, LEVEL_WARNING, "acl",
                "askd-ingest add the folder again; what stays has an access control "
                "list (getfacl -R -s)",
                "of %zu documents in '%s' it is not known who may read the file, so "
                "nobody is shown them",
                unknown, list[i].name);
        else
            examination_add(x, LEVEL_FINE, "acl", NULL,
                            "in '%s' the permissions of all %zu files are known", list[i].name,
                            n_files);
    }
}

void check_store(struct examination *x)
{
    struct store_health h = {0};
    struct store_collection *list;
    struct err e = {0};
    store *s = NULL;
    size_t n;
    if (!glance(x, &h))
        return;
    arena *a = arena_new(0);
    int rc = a ? store_open_reader(x->config.data, &s, &e) : err_nomem(&e);
    if (!rc)
        rc = store_collections(s, "", NULL, a, &list, &n, &e);
    if (rc)
        examination_add(x, LEVEL_FAULT, "store", VERIFY, "%s", e.msg);
    if (!rc && !x->without_embedder)
        check_vectors(x, s, a, &h);
    if (!rc)
        check_english(x, s);
    if (!rc && *x->config.acl)
        check_permissions(x, s, a, list, n);
    store_close(s);
    arena_free(a);
}
