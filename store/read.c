// SPDX-License-Identifier: MIT
#include "store/internal.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

const char *store_text(sqlite3_stmt *q, int column, bool *ok)
{
    bool none = sqlite3_column_type(q, column) == SQLITE_NULL;
    const char *t = none ? "" : (const char *)sqlite3_column_text(q, column);
    *ok &= t != NULL;
    return t ? t : "";
}

const char *store_text_dup(sqlite3_stmt *q, int column, arena *a, bool *ok)
{
    const char *t = store_text(q, column, ok);
    t = *ok ? arena_strdup(a, t) : NULL;
    *ok &= t != NULL;
    return t;
}

int store_find(store *s, const char *collection, const char *path, char hash[33],
               int64_t *modified, int64_t *size, bool *found, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(s,
                           "SELECT hash, modified, size FROM documents WHERE path = ? AND"
                           " collection = (SELECT id FROM collections WHERE name = ?)",
                           &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, collection, -1, SQLITE_STATIC);
    int step = sqlite3_step(q);
    *found = step == SQLITE_ROW;
    if (*found) {
        bool ok = true;
        const char *h = store_text(q, 0, &ok);
        size_t n = strnlen(h, 32);
        memcpy(hash, h, n);
        hash[n] = 0;
        *modified = sqlite3_column_int64(q, 1);
        *size = sqlite3_column_int64(q, 2);
        rc = ok ? 0 : err_nomem(e);
    } else if (step != SQLITE_DONE) {
        rc = store_fail(s, e);
    }
    sqlite3_reset(q);
    return rc;
}

void *store_grow(arena *a, void *old, size_t n, size_t size)
{
    bool full = n == 0 || (n >= 16 && !(n & (n - 1)));
    if (!full)
        return old;
    void *p = arena_alloc(a, (n ? n * 2 : 16) * size);
    if (p && n)
        memcpy(p, old, n * size);
    return p;
}

int store_paths(store *s, const char *collection, const char *below, arena *a,
                const char *const **out, size_t *n, struct err *e)
{
    sqlite3_stmt *q;
    const char **list = NULL;
    int rc =
        store_prepare(s,
                      "SELECT path FROM documents WHERE collection ="
                      " (SELECT id FROM collections WHERE name = ?1) AND"
                      " (?2 = '' OR path = ?2 OR substr(path, 1, length(?2) + 1) = ?2 || '/')"
                      " ORDER BY path",
                      &q, e);
    *n = 0;
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, collection, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, below, -1, SQLITE_STATIC);
    int step = SQLITE_DONE;
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        list = store_grow(a, list, *n, sizeof *list);
        bool ok = list;
        const char *p = store_text_dup(q, 0, a, &ok);
        if (ok)
            list[(*n)++] = p;
        else
            rc = err_nomem(e);
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    *out = list;
    return rc;
}

#define FILES(permissions)                                                     \
    "SELECT path, modified, size, added, hash, " permissions " FROM documents" \
    " WHERE collection = (SELECT id FROM collections WHERE name = ?1) AND"     \
    " (?2 = '' OR path = ?2 OR substr(path, 1, length(?2) + 1) = ?2 || '/')"   \
    " ORDER BY path"

int store_files(store *s, const char *collection, const char *below, arena *a,
                struct store_file **out, size_t *n, struct err *e)
{
    sqlite3_stmt *q;
    struct store_file *list = NULL;
    int rc = s->version < 4 ? store_prepare(s, FILES(NOBODY), &q, e)
                            : store_prepare(s, FILES("permissions"), &q, e);
    *n = 0;
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, collection, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, below, -1, SQLITE_STATIC);
    int step = SQLITE_DONE;
    const char *before = ""; // neighbours mostly have the same permissions
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        list = store_grow(a, list, *n, sizeof *list);
        bool ok = list;
        struct store_file f = {.path = store_text_dup(q, 0, a, &ok),
                               .permissions = before,
                               .modified = sqlite3_column_int64(q, 1),
                               .size = sqlite3_column_int64(q, 2),
                               .added = sqlite3_column_int64(q, 3)};
        const char *h = store_text(q, 4, &ok);
        memcpy(f.hash, h, strnlen(h, 32));
        if (strcmp(before, store_text(q, 5, &ok)) != 0)
            f.permissions = before = store_text_dup(q, 5, a, &ok);
        if (ok)
            list[(*n)++] = f;
        else
            rc = err_nomem(e);
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    *out = list;
    return rc;
}

#define COLLECTIONS(seen)                                                                   \
    "SELECT c.id, c.name, (SELECT count(*) FROM documents d WHERE d.collection = c.id" seen \
    " ), (SELECT count(*) FROM documents d JOIN passages p ON p.document = d.id"            \
    "  WHERE d.collection = c.id" seen                                                      \
    " ), (SELECT count(*) FROM documents d JOIN passages p ON p.document = d.id"            \
    "  JOIN vectors v ON v.passage = p.id WHERE d.collection = c.id"                        \
    "  AND (?1 = '' OR v.fingerprint = ?1)" seen                                            \
    " ), (SELECT coalesce(sum(d.size), 0) FROM documents d WHERE d.collection = c.id" seen  \
    " ), (SELECT coalesce(max(d.added), 0) FROM documents d WHERE d.collection = c.id" seen \
    " ) FROM collections c ORDER BY c.name"

int store_collections(store *s, const char *fingerprint, const struct rights *rights, arena *a,
                      struct store_collection **out, size_t *n, struct err *e)
{
    sqlite3_stmt *q;
    struct store_collection *list = NULL;
    bool by_files = rights && rights->by_files;
    int rc =
        !by_files ? store_prepare(s, COLLECTIONS(""), &q, e)
        : s->version < 4
            ? store_prepare(s, COLLECTIONS(" AND" LEFT_BY_FILES("?2", NOBODY)), &q, e)
            : store_prepare(s, COLLECTIONS(" AND" LEFT_BY_FILES("?2", "d.permissions")), &q, e);
    *n = 0;
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, fingerprint, -1, SQLITE_STATIC);
    if (by_files && store_bind_rights(q, 2, rights))
        rc = store_fail(s, e);
    int step = SQLITE_DONE;
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        list = store_grow(a, list, *n, sizeof *list);
        bool ok = list;
        const struct store_collection c = {.id = sqlite3_column_int64(q, 0),
                                           .name = store_text_dup(q, 1, a, &ok),
                                           .documents = (uint64_t)sqlite3_column_int64(q, 2),
                                           .passages = (uint64_t)sqlite3_column_int64(q, 3),
                                           .with_vectors = (uint64_t)sqlite3_column_int64(q, 4),
                                           .bytes = (uint64_t)sqlite3_column_int64(q, 5),
                                           .updated = sqlite3_column_int64(q, 6)};
        if (!ok)
            rc = err_nomem(e);
        else if (rights_collection(rights, c.name))
            list[(*n)++] = c;
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    *out = list;
    return rc;
}

int store_number(store *s, sqlite3_stmt *q, int64_t *out, struct err *e)
{
    int rc = 0, step = sqlite3_step(q);
    if (step == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else if (step == SQLITE_DONE)
        rc = err_set(e, -EBADMSG,
                     "%s is damaged (a counter is missing); askd-ingest verify says where and "
                     "what to do",
                     s->path);
    else
        rc = store_fail(s, e);
    sqlite3_reset(q);
    return rc;
}

int store_sequence(store *s, int64_t *out, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(s, "SELECT value FROM meta WHERE key = 'sequence'", &q, e);
    return rc ? rc : store_number(s, q, out, e);
}

int store_removals(store *s, int64_t *out, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(
        s, "SELECT coalesce((SELECT value FROM meta WHERE key = 'removals'), 0)", &q, e);
    return rc ? rc : store_number(s, q, out, e);
}

int store_epoch(store *s, int64_t *out, struct err *e)
{
    sqlite3_stmt *q;
    int rc = store_prepare(
        s, "SELECT coalesce((SELECT value FROM meta WHERE key = 'epoch'), 0)", &q, e);
    if (!rc)
        rc = store_number(s, q, out, e);
    // Another file is another store, whatever it says.
    const uint64_t file[2] = {(uint64_t)s->device, (uint64_t)s->inode};
    *out = (int64_t)hash64_of(file, sizeof file, (uint64_t)*out);
    return rc;
}

int store_is_complete(store *s, const char *fingerprint, bool *out, struct err *e)
{
    sqlite3_stmt *q;
    int64_t n = 0;
    *out = true;
    if (s->version < 3) // was not noted
        return 0;
    int rc = store_prepare(s, "SELECT count(*) FROM meta WHERE key = 'complete ' || ?", &q, e);
    if (rc)
        return rc;
    sqlite3_bind_text(q, 1, fingerprint, -1, SQLITE_STATIC);
    rc = store_number(s, q, &n, e);
    *out = n > 0;
    return rc;
}

int store_embedders(store *s, arena *a, struct store_embedder **out, size_t *n, struct err *e)
{
    sqlite3_stmt *q;
    struct store_embedder *list = NULL;
    int step = SQLITE_DONE, rc = store_prepare(s,
                                               "SELECT fingerprint, count(*) FROM vectors"
                                               " GROUP BY fingerprint ORDER BY fingerprint",
                                               &q, e);
    *n = 0;
    *out = NULL;
    if (rc)
        return rc;
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        list = store_grow(a, list, *n, sizeof *list);
        bool ok = list;
        const struct store_embedder m = {.fingerprint = store_text_dup(q, 0, a, &ok),
                                         .vectors = (uint64_t)sqlite3_column_int64(q, 1)};
        if (ok)
            list[(*n)++] = m;
        else
            rc = err_nomem(e);
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    for (size_t i = 0; i < *n && !rc; i++)
        rc = store_is_complete(s, list[i].fingerprint, &list[i].complete, e);
    *out = list;
    return rc;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int store_passage_ids(store *s, arena *a, int64_t **out, size_t *n, struct err *e)
{
    sqlite3_stmt *q;
    int64_t *list = NULL;
    // Unordered, so that the small index by document is read and not the texts.
    int rc = store_prepare(s, "SELECT id FROM passages", &q, e);
    *n = 0;
    if (rc)
        return rc;
    int step;
    while ((step = sqlite3_step(q)) == SQLITE_ROW &&
           (list = store_grow(a, list, *n, sizeof *list)))
        list[(*n)++] = sqlite3_column_int64(q, 0);
    if (step == SQLITE_ROW)
        rc = err_nomem(e);
    else if (step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    if (*n)
        qsort(list, *n, sizeof *list, ascending);
    *out = list;
    return rc;
}

#define VECTORS                                                                  \
    "SELECT v.passage, d.collection, v.f16, p.text FROM vectors v"               \
    " JOIN passages p ON p.id = v.passage JOIN documents d ON d.id = p.document" \
    " WHERE v.fingerprint = ? AND v.passage > ?"
#define VECTORS_ORDER " ORDER BY v.passage"

int store_vectors(store *s, const char *fingerprint, int64_t after, store_vector_fn *fn,
                  void *ctx, struct err *e)
{
    sqlite3_stmt *q;
    int rc =
        s->version < 3
            ? store_prepare(s, VECTORS VECTORS_ORDER, &q, e)
            : store_prepare(s, VECTORS " AND v.sum = " SUM_VECTOR("v.") VECTORS_ORDER, &q, e);
    if (rc)
        return rc;
    sqlite3_bind_int64(q, 2, after);
    sqlite3_bind_text(q, 1, fingerprint, -1, SQLITE_STATIC);
    int step = SQLITE_DONE;
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        bool ok = true;
        const char *text = store_text(q, 3, &ok);
        rc = ok ? fn(ctx, sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), text,
                     sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2) / 2)
                : err_nomem(e);
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    return rc;
}

// Columns 13 and 14: are passage and document what was put?
#define ROW(passage, document, permissions)                                          \
    "SELECT p.id, d.id, c.name, d.path, d.title, d.type, d.modified,"                \
    " (SELECT count(*) FROM passages x WHERE x.document = d.id), p.section, p.page," \
    " p.line_first, p.line_last, p.text, " passage ", " document ", " permissions    \
    " FROM passages p JOIN documents d ON d.id = p.document"                         \
    " JOIN collections c ON c.id = d.collection "
#define PASSAGE_AS_PUT "p.sum = " SUM_PASSAGE("p.")
#define ROW_2(where) ROW("1", "1", NOBODY) where // schemas 1 and 2
#define ROW_3(where) ROW(PASSAGE_AS_PUT, "d.sum = " SUM_DOCUMENT_3("d."), NOBODY) where
#define ROW_4(where) ROW(PASSAGE_AS_PUT, "d.sum = " SUM_DOCUMENT("d."), "d.permissions") where
#define ONE "WHERE p.id = ?"
#define WHOLE "WHERE d.id = ? ORDER BY p.ord"

static const char *const *split_section(const char *s, arena *a, bool *ok)
{
    size_t n = *s ? 1 : 0;
    for (const char *p = s; *p; p++)
        n += *p == SECTION_SEPARATOR;
    const char **out = arena_alloc(a, (n + 1) * sizeof *out);
    *ok &= out != NULL;
    for (size_t i = 0; out && i < n; i++) {
        size_t len = strcspn(s, "\x1f");
        out[i] = arena_strndup(a, s, len);
        *ok &= out[i] != NULL;
        s += len + (s[len] != 0);
    }
    return out;
}

static int read_row(const store *s, sqlite3_stmt *q, arena *a, struct store_row *r,
                    struct err *e)
{
    bool ok = true;
    if (!sqlite3_column_int(q, 13) || !sqlite3_column_int(q, 14))
        return err_set(
            e, -EBADMSG,
            "%s: %s %lld of document %lld is damaged and not shown; askd-ingest "
            "verify says what to do",
            s->path, sqlite3_column_int(q, 13) ? "the description of passage" : "passage",
            (long long)sqlite3_column_int64(q, 0), (long long)sqlite3_column_int64(q, 1));
    *r = (struct store_row){.id = sqlite3_column_int64(q, 0),
                            .document = sqlite3_column_int64(q, 1),
                            .collection = store_text_dup(q, 2, a, &ok),
                            .path = store_text_dup(q, 3, a, &ok),
                            .title = store_text_dup(q, 4, a, &ok),
                            .type = store_text_dup(q, 5, a, &ok),
                            .permissions = store_text_dup(q, 15, a, &ok),
                            .modified = sqlite3_column_int64(q, 6),
                            .n_passages = (unsigned)sqlite3_column_int(q, 7),
                            .page = sqlite3_column_int(q, 9),
                            .line_first = sqlite3_column_int(q, 10),
                            .line_last = sqlite3_column_int(q, 11)};
    r->section = split_section(store_text(q, 8, &ok), a, &ok);
    r->text = store_text_dup(q, 12, a, &ok);
    return ok ? 0 : err_nomem(e);
}

int store_passage(store *s, int64_t id, arena *a, struct store_row *out, struct err *e)
{
    sqlite3_stmt *q;
    int rc = s->version < 3   ? store_prepare(s, ROW_2(ONE), &q, e)
             : s->version < 4 ? store_prepare(s, ROW_3(ONE), &q, e)
                              : store_prepare(s, ROW_4(ONE), &q, e);
    if (rc)
        return rc;
    sqlite3_bind_int64(q, 1, id);
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW)
        rc = read_row(s, q, a, out, e);
    else
        rc = step == SQLITE_DONE
                 ? err_set(e, -ENOENT, "there is no passage %lld", (long long)id)
                 : store_fail(s, e);
    sqlite3_reset(q);
    return rc;
}

int store_document_rows(store *s, int64_t document, arena *a, struct store_row **out, size_t *n,
                        struct err *e)
{
    sqlite3_stmt *q;
    struct store_row *list = NULL;
    int rc = s->version < 3   ? store_prepare(s, ROW_2(WHOLE), &q, e)
             : s->version < 4 ? store_prepare(s, ROW_3(WHOLE), &q, e)
                              : store_prepare(s, ROW_4(WHOLE), &q, e);
    *n = 0;
    if (rc)
        return rc;
    sqlite3_bind_int64(q, 1, document);
    int step = SQLITE_DONE;
    while (!rc && (step = sqlite3_step(q)) == SQLITE_ROW) {
        list = store_grow(a, list, *n, sizeof *list);
        rc = list ? read_row(s, q, a, &list[*n], e) : err_nomem(e);
        *n += !rc;
    }
    if (!rc && step != SQLITE_DONE)
        rc = store_fail(s, e);
    sqlite3_reset(q);
    if (!rc && !*n)
        rc = err_set(e, -ENOENT, "there is no document %lld", (long long)document);
    *out = list;
    return rc;
}
