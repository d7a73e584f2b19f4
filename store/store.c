// SPDX-License-Identifier: MIT
// Opening, the schema, and the one writer's lock.
#include "store/internal.h"

#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define BUSY_MS 10000

static const char schema[] =
    "CREATE TABLE collections (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL "
    "UNIQUE);"
    "CREATE TABLE documents (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " collection INTEGER NOT NULL REFERENCES collections(id),"
    " path TEXT NOT NULL, title TEXT NOT NULL, type TEXT NOT NULL, modified INTEGER NOT NULL,"
    " size INTEGER NOT NULL, hash TEXT NOT NULL, added INTEGER NOT NULL,"
    " UNIQUE (collection, path));"
    "CREATE TABLE passages (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,"
    " ord INTEGER NOT NULL, section TEXT NOT NULL, page INTEGER NOT NULL,"
    " line_first INTEGER NOT NULL, line_last INTEGER NOT NULL, text TEXT NOT NULL,"
    " UNIQUE (document, ord));"
    "CREATE TABLE vectors (passage INTEGER NOT NULL REFERENCES passages(id) ON DELETE CASCADE,"
    " fingerprint TEXT NOT NULL, f16 BLOB NOT NULL, PRIMARY KEY (passage, fingerprint)) "
    "WITHOUT ROWID;"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('sequence', 0);"
    "CREATE VIRTUAL TABLE words USING fts5(w, tokenize = \"porter unicode61 remove_diacritics "
    "2\");"
    "PRAGMA user_version = 1;";

// From version 1 to 2: what makes two documents the same text, and what is repeated.
static const char to_2[] =
    "ALTER TABLE documents ADD COLUMN text_hash TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX documents_text ON documents (collection, text_hash);"
    "CREATE TABLE repeats (collection INTEGER NOT NULL REFERENCES collections(id),"
    " folder TEXT NOT NULL, hash INTEGER NOT NULL, owner TEXT NOT NULL,"
    " PRIMARY KEY (collection, hash, folder)) WITHOUT ROWID;"
    "PRAGMA user_version = 2;";

int store_fail(store *s, struct err *e)
{
    int code = sqlite3_errcode(s->db), rc = -EIO;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        rc = -EBUSY;
    else if (code == SQLITE_NOMEM)
        rc = -ENOMEM;
    else if (code == SQLITE_FULL)
        rc = -ENOSPC;
    return err_set(e, rc, "%s: %s", s->path, sqlite3_errmsg(s->db));
}

int store_exec(store *s, const char *sql, struct err *e)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) ? store_fail(s, e) : 0;
}

int store_prepare(store *s, const char *sql, sqlite3_stmt **out, struct err *e)
{
    for (size_t i = 0; i < s->n_cache; i++)
        if (s->cache[i].sql == sql) {
            *out = s->cache[i].stmt;
            sqlite3_reset(*out);
            sqlite3_clear_bindings(*out);
            return 0;
        }
    if (s->n_cache == sizeof s->cache / sizeof *s->cache)
        return err_set(e, -ENOSPC, "%s: too many kinds of statements", s->path);
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL))
        return store_fail(s, e);
    s->cache[s->n_cache].sql = sql;
    s->cache[s->n_cache++].stmt = *out;
    return 0;
}

int store_step(store *s, sqlite3_stmt *stmt, struct err *e)
{
    int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : store_fail(s, e);
    sqlite3_reset(stmt);
    return rc;
}

static int check_schema(store *s, bool writer, struct err *e)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &stmt, NULL))
        return store_fail(s, e);
    int version = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : -1;
    sqlite3_finalize(stmt);
    // A reader needs nothing that version 1 does not have.
    if (version == STORE_SCHEMA || (version == 1 && !writer))
        return 0;
    if (version < 0)
        return store_fail(s, e);
    if (version > STORE_SCHEMA)
        return err_set(e, -EPROTO, "%s: written by a newer askd (schema %d, this one knows %d)",
                       s->path, version, STORE_SCHEMA);
    if (!writer)
        return err_set(e, -ENOENT, "%s: no documents yet; askd-ingest add PATH makes the store",
                       s->path);
    int rc = store_exec(s, "BEGIN IMMEDIATE", e);
    if (!rc && !version)
        rc = store_exec(s, schema, e);
    if (!rc)
        rc = store_exec(s, to_2, e);
    return rc ? rc : store_exec(s, "COMMIT", e);
}

static int take_lock(store *s, const char *data_dir, struct err *e)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/writer.lock", data_dir);
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (s->lock < 0)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    if (flock(s->lock, LOCK_EX | LOCK_NB))
        return err_set(e, -EBUSY, "another askd-ingest is writing to %s; wait for it",
                       data_dir);
    return 0;
}

static int open_store(const char *data_dir, bool writer, store **out, struct err *e)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/askd.db", data_dir) >= sizeof path)
        return err_set(e, -ENAMETOOLONG, "the data folder's path is too long");
    store *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(path))) {
        free(s);
        return err_nomem(e);
    }
    s->lock = -1;
    int rc = 0;
    if (writer && !(rc = file_mkdirs(data_dir, 0750, e)))
        rc = take_lock(s, data_dir, e);
    if (!writer && access(path, F_OK))
        rc = err_set(e, -ENOENT, "%s: no documents yet; askd-ingest add PATH makes the store",
                     path);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | (writer ? SQLITE_OPEN_CREATE : 0);
    if (!rc && sqlite3_open_v2(path, &s->db, flags, NULL))
        rc = s->db ? store_fail(s, e) : err_nomem(e);
    if (!rc) {
        sqlite3_busy_timeout(s->db, BUSY_MS);
        // The file may be foreign: nothing in it may run code of ours or grow without bound.
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        rc = store_exec(s,
                        writer ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                 "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF"
                               : "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF",
                        e);
    }
    if (!rc)
        rc = store_add_functions(s, e);
    if (!rc)
        rc = check_schema(s, writer, e);
    if (rc) {
        store_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

int store_open_reader(const char *data_dir, store **out, struct err *e)
{
    return open_store(data_dir, false, out, e);
}

int store_open_writer(const char *data_dir, store **out, struct err *e)
{
    return open_store(data_dir, true, out, e);
}

void store_close(store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_cache; i++)
        sqlite3_finalize(s->cache[i].stmt);
    sqlite3_close(s->db);
    if (s->lock >= 0)
        close(s->lock);
    free(s->path);
    free(s);
}
