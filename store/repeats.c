// SPDX-License-Identifier: MIT
// What cleaning remembers: blocks that many documents repeat, and texts that are there already.
#include "store/internal.h"

#include <string.h>

#define COLLECTION "(SELECT id FROM collections WHERE name = ?1)"

struct repeats {
    const char *collection;
    const struct store_repeat *list;
    size_t n;
};

static int put_repeats(store *s, const void *arg, struct err *e)
{
    const struct repeats *r = arg;
    sqlite3_stmt *q;
    int rc = store_prepare(s, "INSERT OR IGNORE INTO collections (name) VALUES (?)", &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, r->collection, -1, SQLITE_STATIC);
    rc = store_step(s, q, e);
    if (!rc)
        rc = store_prepare(s,
                           "INSERT OR IGNORE INTO repeats (collection, folder, hash, owner,"
                           " sum) SELECT id, ?2, ?3, ?4, askd_sum(id, ?2, ?3, ?4)"
                           " FROM collections WHERE name = ?1",
                           &q, e);
    for (size_t i = 0; i < r->n && !rc; i++) {
        sqlite3_bind_text(q, 1, r->collection, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, r->list[i].folder, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 3, (int64_t)r->list[i].hash);
        sqlite3_bind_text(q, 4, r->list[i].owner, -1, SQLITE_STATIC);
        rc = store_step(s, q, e);
    }
    // The owner may have left the block out while another kept it: it is due to be read again.
    if (!rc)
        rc = store_prepare(s,
                           "UPDATE documents SET hash = '', modified = -1, sum ="
                           " askd_sum(collection, path, title, type, -1, size, '', text_hash,"
                           " added, permissions)"
                           " WHERE path = ?2 AND collection = " COLLECTION
                           " AND " SUM_DOCUMENT("") " = sum",
                           &q, e);
    for (size_t i = 0; i < r->n && !rc; i++) {
        sqlite3_bind_text(q, 1, r->collection, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, r->list[i].owner, -1, SQLITE_STATIC);
        rc = store_step(s, q, e);
    }
    return rc;
}

int store_put_repeats(store *s, const char *collection, const struct store_repeat *list,
                      size_t n, struct err *e)
{
    const struct repeats r = {collection, list, n};
    return n ? store_atomically(s, put_repeats, &r, e) : 0;
}

int store_drop_repeats(store *s, const char *collection, size_t *n, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(s,
                           "DELETE FROM repeats WHERE collection = " COLLECTION
                           " AND (NOT EXISTS (SELECT 1 FROM documents d WHERE"
                           " d.collection = repeats.collection AND d.path = repeats.owner)"
                           " OR sum <> " SUM_REPEAT("") ")",
                           &q, e);
    *n = 0;
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, collection, -1, SQLITE_STATIC);
    rc = store_step(s, q, e);
    *n = rc ? 0 : (size_t)sqlite3_changes(s->db);
    return rc;
}

int store_remove_repeat(store *s, const char *collection, uint64_t hash, const char *owner,
                        struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(
        s, "DELETE FROM repeats WHERE collection = " COLLECTION " AND hash = ?2 AND owner = ?3",
        &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, collection, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, (int64_t)hash);
    sqlite3_bind_text(q, 3, owner, -1, SQLITE_STATIC);
    return store_step(s, q, e);
}

int store_repeats(store *s, const char *collection, arena *a, struct store_repeat **out,
                  size_t *n, struct err *e)
{
    sqlite3_stmt *q;
    struct store_repeat *list = NULL;
    int rc = store_prepare(
        s, "SELECT folder, hash, owner FROM repeats WHERE collection = " COLLECTION, &q, e);
    *n = 0;
    *out = NULL;
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, collection, -1, SQLITE_STATIC);
    int step = SQLITE_DONE;
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        list = store_grow(a, list, *n, sizeof *list);
        bool ok = list;
        const struct store_repeat r = {.folder = store_text_dup(q, 0, a, &ok),
                                       .hash = (uint64_t)sqlite3_column_int64(q, 1),
                                       .owner = store_text_dup(q, 2, a, &ok)};
        if (ok)
            list[(*n)++] = r;
        else
            rc = err_nomem(e);
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    *out = list;
    return rc;
}

int store_same_text(store *s, const char *collection, const char *text_hash,
                    const char *permissions, const char *but_not, arena *a, const char **path,
                    struct err *e)
{
    sqlite3_stmt *q;
    *path = NULL;
    if (!*text_hash)
        return 0;
    int rc = store_prepare(s,
                           "SELECT path FROM documents WHERE collection = " COLLECTION
                           " AND text_hash = ?2 AND path <> ?3 AND permissions = ?4"
                           " ORDER BY +path LIMIT 1",
                           &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, collection, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, text_hash, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, but_not, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 4, permissions, -1, SQLITE_STATIC);
    int step = sqlite3_step(q);
    bool ok = true;
    if (step == SQLITE_ROW)
        *path = store_text_dup(q, 0, a, &ok);
    else if (step != SQLITE_DONE)
        rc = store_fail(s, e);
    if (!ok)
        rc = err_nomem(e);
    sqlite3_reset(q);
    return rc;
}
