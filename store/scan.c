// SPDX-License-Identifier: MIT
// Every passage once, in the order of the paths, without keeping any.
#include "store/internal.h"

#include <string.h>

int store_hold(store *s, struct err *e)
{
    return store_exec(s, "BEGIN", e);
}

int store_scan(store *s, const char *collection, store_scan_fn *fn, void *ctx, struct err *e)
{
    sqlite3_stmt *q;
    int step = SQLITE_DONE,
        rc = store_prepare(
            s,
            "SELECT d.id, coalesce(p.id, 0), c.name, d.path, d.title, d.type, d.modified,"
            " d.size, p.section, p.page, p.line_first, p.line_last, p.text,"
            " EXISTS (SELECT 1 FROM vectors v WHERE v.passage = p.id)"
            " FROM collections c JOIN documents d ON d.collection = c.id"
            " LEFT JOIN passages p ON p.document = d.id"
            " WHERE ?1 IS NULL OR c.name = ?1 ORDER BY c.name, d.path, p.ord",
            &q, e);
    if (rc)
        return rc;
    if (collection)
        sqlite3_bind_text(q, 1, collection, -1, SQLITE_STATIC);
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        bool ok = true;
        struct store_scan_row r = {.document = sqlite3_column_int64(q, 0),
                                   .passage = sqlite3_column_int64(q, 1),
                                   .collection = store_text(q, 2, &ok),
                                   .path = store_text(q, 3, &ok),
                                   .title = store_text(q, 4, &ok),
                                   .type = store_text(q, 5, &ok),
                                   .modified = sqlite3_column_int64(q, 6),
                                   .size = sqlite3_column_int64(q, 7),
                                   .heading = store_text(q, 8, &ok),
                                   .page = sqlite3_column_int(q, 9),
                                   .line_first = sqlite3_column_int(q, 10),
                                   .line_last = sqlite3_column_int(q, 11),
                                   .text = store_text(q, 12, &ok),
                                   .has_vector = sqlite3_column_int(q, 13)};
        const char *inner = strrchr(r.heading, SECTION_SEPARATOR);
        r.heading = inner ? inner + 1 : r.heading;
        rc = ok ? fn(ctx, &r) : err_nomem(e);
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    return rc;
}
