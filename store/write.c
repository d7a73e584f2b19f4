// SPDX-License-Identifier: MIT
#include "store/internal.h"

#include "base/buf.h"
#include "base/permissions.h"
#include "base/utf8.h"

#include <string.h>

int store_begin(store *s, struct err *e)
{
    int rc = store_exec(s, "BEGIN IMMEDIATE", e);
    s->in_transaction = !rc;
    return rc;
}

int store_commit(store *s, struct err *e)
{
    int rc = store_exec(s, "COMMIT", e);
    if (rc)
        store_rollback(s);
    s->in_transaction = false;
    return rc;
}

void store_rollback(store *s)
{
    sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->in_transaction = false;
}

int store_atomically(store *s, int (*fn)(store *, const void *, struct err *), const void *arg,
                     struct err *e)
{
    bool outer = s->in_transaction;
    int rc = outer ? store_exec(s, "SAVEPOINT one", e) : store_begin(s, e);
    if (rc)
        return rc;
    rc = fn(s, arg, e);
    if (rc && outer)
        sqlite3_exec(s->db, "ROLLBACK TO one; RELEASE one", NULL, NULL, NULL);
    else if (rc)
        store_rollback(s);
    else
        rc = outer ? store_exec(s, "RELEASE one", e) : store_commit(s, e);
    return rc;
}

static int next_sequence(store *s, struct err *e)
{
    sqlite3_stmt *q;
    int rc =
        store_prepare(s, "UPDATE meta SET value = value + 1 WHERE key = 'sequence'", &q, e);
    return rc ? rc : store_step(s, q, e);
}

static int collection_id(store *s, const char *name, int64_t *id, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(s, "INSERT OR IGNORE INTO collections (name) VALUES (?)", &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
    rc = store_step(s, q, e);
    if (!rc)
        rc = store_prepare(s, "SELECT id FROM collections WHERE name = ?", &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(q) != SQLITE_ROW)
        rc = store_fail(s, e);
    else
        *id = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return rc;
}

static int delete_document(store *s, const char *collection, const char *path, bool *removed,
                           struct err *e)
{
    sqlite3_stmt *q;
    // No trigger does this: with an untrusted schema none may touch a virtual table.
    int rc = store_prepare(s,
                           "DELETE FROM words WHERE rowid IN (SELECT p.id FROM passages p"
                           " JOIN documents d ON d.id = p.document WHERE d.path = ? AND"
                           " d.collection = (SELECT id FROM collections WHERE name = ?))",
                           &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, collection, -1, SQLITE_STATIC);
    rc = store_step(s, q, e);
    if (rc)
        return rc;
    rc = store_prepare(s,
                       "DELETE FROM documents WHERE path = ? AND collection ="
                       " (SELECT id FROM collections WHERE name = ?)",
                       &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, collection, -1, SQLITE_STATIC);
    rc = store_step(s, q, e);
    *removed = !rc && sqlite3_changes(s->db) > 0;
    if (rc || !*removed)
        return rc;
    rc = store_prepare(s,
                       "INSERT INTO meta VALUES ('removals', 1)"
                       " ON CONFLICT (key) DO UPDATE SET value = value + 1",
                       &q, e);
    return rc ? rc : store_step(s, q, e);
}

static int put_passage(store *s, int64_t document, size_t ord, const struct store_passage *p,
                       struct err *e)
{
    sqlite3_stmt *q;
    struct buf section = BUF_INIT;
    int rc = 0;
    for (size_t i = 0; p->section && p->section[i] && !rc; i++)
        rc = buf_addf(&section, "%s%s", i ? "\x1f" : "", p->section[i]);
    rc = rc ? err_nomem(e)
            : store_prepare(s,
                            "INSERT INTO passages (document, ord, section, page, line_first,"
                            " line_last, text, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
                            " askd_sum(?1, ?2, ?3, ?4, ?5, ?6, ?7))",
                            &q, e);
    if (!rc) {
        sqlite3_bind_int64(q, 1, document);
        sqlite3_bind_int64(q, 2, (int64_t)ord);
        sqlite3_bind_text(q, 3, section.data, (int)section.len, SQLITE_STATIC);
        sqlite3_bind_int(q, 4, p->page);
        sqlite3_bind_int(q, 5, p->line_first);
        sqlite3_bind_int(q, 6, p->line_last);
        sqlite3_bind_text(q, 7, p->text, -1, SQLITE_STATIC);
        rc = store_step(s, q, e);
    }
    buf_free(&section);
    if (rc)
        return rc;
    int64_t id = sqlite3_last_insert_rowid(s->db);
    rc = store_prepare(s, "INSERT INTO words (rowid, w) VALUES (?, ?)", &q, e);
    if (rc)
        return rc;
    sqlite3_bind_int64(q, 1, id);
    sqlite3_bind_text(q, 2, p->words, -1, SQLITE_STATIC);
    return store_step(s, q, e);
}

static int put(store *s, const void *arg, struct err *e)
{
    const struct store_document *d = arg;
    sqlite3_stmt *q;
    int64_t collection = 0;
    bool replaced;
    int rc = collection_id(s, d->collection, &collection, e);
    if (!rc)
        rc = delete_document(s, d->collection, d->path, &replaced, e);
    if (!rc)
        rc = store_prepare(
            s,
            "INSERT INTO documents (collection, path, title, type, modified, size,"
            " hash, text_hash, permissions, added, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
            " ?7, ?8, ?9, unixepoch(),"
            " askd_sum(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, unixepoch(), ?9))",
            &q, e);
    if (rc)
        return rc;
    sqlite3_bind_int64(q, 1, collection);
    sqlite3_bind_text(q, 2, d->path, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, d->title, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 4, d->type, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 5, d->modified);
    sqlite3_bind_int64(q, 6, d->size);
    sqlite3_bind_text(q, 7, d->hash, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 8, d->text_hash, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 9, d->permissions ? d->permissions : PERMISSIONS_UNKNOWN, -1,
                      SQLITE_STATIC);
    rc = store_step(s, q, e);
    int64_t document = sqlite3_last_insert_rowid(s->db);
    for (size_t i = 0; i < d->n_passages && !rc; i++)
        rc = put_passage(s, document, i, &d->passages[i], e);
    return rc ? rc : next_sequence(s, e);
}

int store_put(store *s, const struct store_document *d, struct err *e)
{
    return store_atomically(s, put, d, e);
}

struct removal {
    const char *collection, *path;
    bool *removed;
};

static int remove_one(store *s, const void *arg, struct err *e)
{
    const struct removal *r = arg;
    int rc = delete_document(s, r->collection, r->path, r->removed, e);
    return rc || !*r->removed ? rc : next_sequence(s, e);
}

int store_remove(store *s, const char *collection, const char *path, bool *removed,
                 struct err *e)
{
    const struct removal r = {collection, path, removed};
    return store_atomically(s, remove_one, &r, e);
}

int store_touch(store *s, const char *collection, const char *path, int64_t modified,
                struct err *e)
{
    sqlite3_stmt *q;
    int rc =
        store_prepare(s,
                      "UPDATE documents SET modified = ?1, added = unixepoch(), sum ="
                      " askd_sum(collection, path, title, type, ?1, size, hash, text_hash,"
                      " unixepoch(), permissions)"
                      " WHERE path = ?2 AND " SUM_DOCUMENT(
                          "") " = sum"
                              " AND collection = (SELECT id FROM collections WHERE name = ?3)",
                      &q, e);
    if (rc)
        return rc;
    sqlite3_bind_int64(q, 1, modified);
    sqlite3_bind_text(q, 2, path, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, collection, -1, SQLITE_STATIC);
    return store_step(s, q, e);
}

int store_put_permissions(store *s, const char *collection, const char *path,
                          const char *permissions, struct err *e)
{
    sqlite3_stmt *q;
    // A damaged row stays damaged.
    int rc = store_prepare(
        s,
        "UPDATE documents SET permissions = ?1, sum = askd_sum(" SUMMED_3(
            "") ", ?1)"
                " WHERE path = ?2 AND " SUM_DOCUMENT(
                    "") " = sum"
                        " AND collection = (SELECT id FROM collections WHERE name = ?3)",
        &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, permissions, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, path, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, collection, -1, SQLITE_STATIC);
    return store_step(s, q, e);
}

// The innermost heading above a passage; without any, the title.
static const char *heading(const char *title, const char *section)
{
    const char *last = strrchr(section, SECTION_SEPARATOR);
    return last ? last + 1 : *section ? section : title;
}

static void in_cjk(sqlite3_context *ctx, int n, sqlite3_value **args)
{
    const char *text = (const char *)sqlite3_value_text(args[0]);
    (void)n;
    if (!text && sqlite3_value_type(args[0]) != SQLITE_NULL)
        sqlite3_result_error_nomem(ctx);
    else
        sqlite3_result_int(ctx, text && utf8_in_cjk(text));
}

int store_add_script(sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "askd_in_cjk", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                      NULL, in_cjk, NULL, NULL, NULL);
}

// Of passages p: ?1 is the fingerprint, ?2 who it is for.
#define PENDING                                                                    \
    "NOT EXISTS (SELECT 1 FROM vectors v WHERE v.passage = p.id AND v.fingerprint" \
    " = ?1) AND (?2 = 0 OR NOT askd_in_cjk(p.text))"

static void bind_pending(sqlite3_stmt *q, const char *fingerprint, enum store_for who)
{
    sqlite3_bind_text(q, 1, fingerprint, -1, SQLITE_STATIC);
    sqlite3_bind_int(q, 2, who == STORE_FOR_NO_CJK);
}

int store_count_pending(store *s, const char *fingerprint, enum store_for who, uint64_t *n,
                        struct err *e)
{
    sqlite3_stmt *q;
    int64_t v = 0;
    int rc = store_prepare(s, "SELECT count(*) FROM passages p WHERE " PENDING, &q, e);
    *n = 0;
    if (rc)
        return rc;
    bind_pending(q, fingerprint, who);
    rc = store_number(s, q, &v, e);
    *n = (uint64_t)v;
    return rc;
}

int store_pending(store *s, const char *fingerprint, enum store_for who, size_t max, arena *a,
                  struct store_pending **out, size_t *n, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(s,
                           "SELECT p.id, d.title, p.section, p.text FROM passages p"
                           " JOIN documents d ON d.id = p.document WHERE " PENDING
                           " ORDER BY p.id LIMIT ?3",
                           &q, e);
    *n = 0;
    *out = arena_alloc(a, (max + 1) * sizeof **out);
    if (rc || !*out)
        return rc ? rc : err_nomem(e);
    bind_pending(q, fingerprint, who);
    sqlite3_bind_int64(q, 3, (int64_t)max);
    int step = SQLITE_DONE;
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        bool ok = true;
        const char *above = heading(store_text(q, 1, &ok), store_text(q, 2, &ok));
        const struct store_pending p = {.id = sqlite3_column_int64(q, 0),
                                        .heading = arena_strdup(a, above),
                                        .text = store_text_dup(q, 3, a, &ok)};
        if (!p.heading || !ok)
            rc = err_nomem(e);
        else
            (*out)[(*n)++] = p;
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    return rc;
}

struct vectors {
    const char *fingerprint;
    const int64_t *ids;
    size_t n, dims;
    const uint16_t *f16;
};

static int put_vectors(store *s, const void *arg, struct err *e)
{
    const struct vectors *v = arg;
    sqlite3_stmt *q;
    // A passage deleted meanwhile is passed over.
    int rc = store_prepare(s,
                           "INSERT OR REPLACE INTO vectors (passage, fingerprint, f16, sum)"
                           " SELECT id, ?1, ?2, askd_sum(id, ?1, ?2) FROM passages"
                           " WHERE id = ?3",
                           &q, e);
    for (size_t i = 0; i < v->n && !rc; i++) {
        sqlite3_bind_text(q, 1, v->fingerprint, -1, SQLITE_STATIC);
        sqlite3_bind_blob(q, 2, v->f16 + i * v->dims, (int)(v->dims * 2), SQLITE_STATIC);
        sqlite3_bind_int64(q, 3, v->ids[i]);
        rc = store_step(s, q, e);
    }
    return rc ? rc : next_sequence(s, e);
}

int store_put_vectors(store *s, const char *fingerprint, const int64_t *ids, size_t n,
                      size_t dims, const uint16_t *f16, struct err *e)
{
    const struct vectors v = {fingerprint, ids, n, dims, f16};
    return store_atomically(s, put_vectors, &v, e);
}

int store_complete(store *s, const char *fingerprint, enum store_for who, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(s,
                           "INSERT OR IGNORE INTO meta SELECT 'complete ' || ?1, 1"
                           " WHERE EXISTS (SELECT 1 FROM passages) AND NOT EXISTS"
                           " (SELECT 1 FROM passages p WHERE " PENDING ")",
                           &q, e);
    if (rc)
        return rc;
    bind_pending(q, fingerprint, who);
    return store_step(s, q, e);
}

static int new_epoch(store *s, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(s,
                           "INSERT INTO meta VALUES ('epoch', random())"
                           " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                           &q, e);
    return rc ? rc : store_step(s, q, e);
}

struct dropping {
    const char *fingerprint;
    size_t *n;
};

static int drop_damaged(store *s, const void *arg, struct err *e)
{
    const struct dropping *d = arg;
    sqlite3_stmt *q;
    int rc = store_prepare(
        s, "DELETE FROM vectors WHERE fingerprint = ? AND sum <> " SUM_VECTOR(""), &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, d->fingerprint, -1, SQLITE_STATIC);
    rc = store_step(s, q, e);
    *d->n = rc ? 0 : (size_t)sqlite3_changes(s->db);
    if (rc || !*d->n)
        return rc;
    // Their passages are behind what readers have taken in.
    rc = new_epoch(s, e);
    return rc ? rc : next_sequence(s, e);
}

int store_drop_damaged_vectors(store *s, const char *fingerprint, size_t *n, struct err *e)
{
    const struct dropping d = {fingerprint, n};
    *n = 0;
    return store_atomically(s, drop_damaged, &d, e);
}

static int rebuild_words(store *s, const void *arg, struct err *e)
{
    (void)arg;
    return store_exec(s, "INSERT INTO words(words) VALUES ('rebuild')", e);
}

int store_rebuild_words(store *s, struct err *e)
{
    return store_atomically(s, rebuild_words, NULL, e);
}
