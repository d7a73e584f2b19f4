// SPDX-License-Identifier: MIT
// Opening, the schema, and the one writer's lock.
//
// Readers may have the file open while it is moved aside and another takes its place (see
// restore.c). A connection that closes on a file without a name must not take the new one's log
// for its own, so readers leave the log (askd.db-wal) alone when they close.
#include "store/internal.h"

#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 10000
#define CHECKPOINT_MS 1000

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

// From version 2 to 3: sums of the rows (sum.c), and which embedder's vectors are complete.
#define ADD_SUM(table, sum)                                            \
    "ALTER TABLE " table " ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;" \
    "UPDATE " table " SET sum = " sum ";"
static const char to_3[] =
    "INSERT INTO meta SELECT 'complete ' || fingerprint, 1 FROM vectors GROUP BY fingerprint"
    " HAVING count(*) = (SELECT count(*) FROM passages);" ADD_SUM("documents",
                                                                  SUM_DOCUMENT_3(""))
        ADD_SUM("passages", SUM_PASSAGE("")) ADD_SUM("vectors", SUM_VECTOR(""))
            ADD_SUM("repeats", SUM_REPEAT("")) "PRAGMA user_version = 3;";

// From version 3 to 4: who may read the file. Nobody knows of what is there already; a row that
// is damaged stays so.
static const char to_4[] =
    "ALTER TABLE documents ADD COLUMN permissions TEXT NOT NULL DEFAULT " NOBODY ";"
    "UPDATE documents SET sum = " SUM_DOCUMENT("") " WHERE sum = " SUM_DOCUMENT_3(
        "") ";"
            "PRAGMA user_version = 4;";

static const char *const steps[STORE_SCHEMA] = {schema, to_2, to_3, to_4};

// The system's error behind an I/O error. That of a commit is known to the log's file alone.
static int system_errno(sqlite3 *db)
{
    int no = sqlite3_system_errno(db);
    sqlite3_file *log = NULL;
    if (!no && !sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) &&
        log->pMethods)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &no);
    return no;
}

// SQLite calls it an I/O error where it grows a file for mapping (askd.db-shm), and where it is
// a quota or a bound of the process that leaves no room.
static bool is_no_room(sqlite3 *db)
{
    if (sqlite3_errcode(db) != SQLITE_IOERR)
        return false;
    int no = system_errno(db);
    return sqlite3_extended_errcode(db) == SQLITE_IOERR_SHMSIZE || no == ENOSPC ||
           no == EDQUOT || no == EFBIG;
}

int store_fail(store *s, struct err *e)
{
    int code = sqlite3_errcode(s->db), rc = -EIO;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        rc = -EBUSY;
    else if (code == SQLITE_NOMEM)
        rc = -ENOMEM;
    else if (code == SQLITE_FULL || is_no_room(s->db))
        return err_set(e, -ENOSPC, "%s: no room left on the disk; make some and try again",
                       s->path);
    else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return err_set(e, -EBADMSG,
                       "%s is damaged (%s); askd-ingest verify says where and what to do",
                       s->path, sqlite3_errmsg(s->db));
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

int store_make_schema(sqlite3 *db, int from, int to)
{
    int rc = SQLITE_OK;
    for (int i = from; i < to && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(db, steps[i], NULL, NULL, NULL);
    return rc;
}

static int pragma(store *s, const char *sql, int64_t *out, struct err *e)
{
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL))
        return store_fail(s, e);
    int rc = store_number(s, q, out, e);
    sqlite3_finalize(q);
    return rc;
}

static int check_schema(store *s, bool writer, struct err *e)
{
    int64_t version = 0, objects = 0;
    int rc = pragma(s, "PRAGMA user_version", &version, e);
    if (!rc)
        rc = pragma(s, "SELECT count(*) FROM sqlite_schema", &objects, e);
    if (rc)
        return rc;
    if (version > STORE_SCHEMA)
        return err_set(e, -EPROTO,
                       "%s: written by a newer askd (schema %lld, this one knows %d); use that",
                       s->path, (long long)version, STORE_SCHEMA);
    if (version < 0 || !version != !objects)
        return err_set(e, -EBADMSG,
                       "%s is damaged or no store of askd (schema %lld, %lld objects); "
                       "askd-ingest restore DIR takes back a snapshot",
                       s->path, (long long)version, (long long)objects);
    if (!writer && !version)
        return err_set(e, -ENOENT, "%s: no documents yet; askd-ingest add PATH makes the store",
                       s->path);
    // A reader takes an older one as it is.
    s->version = (int)version;
    if (version == STORE_SCHEMA || !writer)
        return 0;
    rc = store_exec(s, "BEGIN IMMEDIATE", e);
    if (!rc && store_make_schema(s->db, (int)version, STORE_SCHEMA))
        rc = store_fail(s, e);
    if (!rc)
        rc = store_exec(s, "COMMIT", e);
    s->version = STORE_SCHEMA;
    return rc;
}

int store_path(char path[PATH_MAX], const char *folder, const char *name, struct err *e)
{
    return snprintf(path, PATH_MAX, "%s/%s", folder, name) <= STORE_PATH_MAX
               ? 0
               : err_set(
                     e, -ENAMETOOLONG,
                     "%.100s...: the path is too long (%d bytes at most, with the names below)",
                     folder, STORE_PATH_MAX);
}

int store_take_lock(const char *data_dir, int *fd, struct err *e)
{
    char path[PATH_MAX];
    int rc = store_path(path, data_dir, "writer.lock", e);
    if (rc)
        return rc;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (*fd < 0)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    if (!flock(*fd, LOCK_EX | LOCK_NB))
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(e, -EBUSY, "another askd-ingest is writing to %s; wait for it",
                       data_dir);
    return err_set(e, -errno, "%s: cannot lock: %s", path, strerror(errno));
}

// Settings of the connection. The file may be foreign: nothing in it may run code of ours or
// grow without bound.
static int configure(store *s, bool writer, struct err *e)
{
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (!writer)
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int rc = store_exec(s,
                        writer ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                 "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF"
                               : "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF",
                        e);
    if (!rc && (store_add_sum(s->db) || store_add_rights(s->db) || store_add_script(s->db)))
        rc = store_fail(s, e);
    return rc ? rc : store_add_functions(s, e);
}

int store_open_file(const char *path, int flags, store **out, struct err *e)
{
    struct stat st;
    store *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(path))) {
        free(s);
        return err_nomem(e);
    }
    s->lock = -1;
    int rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_NOMUTEX | flags, NULL);
    if (rc)
        rc = s->db ? store_fail(s, e) : err_nomem(e);
    if (rc || stat(path, &st)) {
        if (!rc)
            rc = err_set(e, -errno, "%s: %s", path, strerror(errno));
        store_close(s);
        return rc;
    }
    s->device = st.st_dev;
    s->inode = st.st_ino;
    *out = s;
    return 0;
}

int store_find_file(const char *path, struct err *e)
{
    if (!access(path, F_OK))
        return 0;
    return errno == ENOENT
               ? err_set(e, -ENOENT,
                         "%s: no documents yet; askd-ingest add PATH makes the store", path)
               : err_set(e, -errno, "%s: %s", path, strerror(errno));
}

static int open_store(const char *data_dir, bool writer, store **out, struct err *e)
{
    char path[PATH_MAX];
    store *s = NULL;
    int lock = -1, rc = store_path(path, data_dir, "askd.db", e);
    if (!rc)
        rc = writer ? file_mkdirs(data_dir, 0750, e) : store_find_file(path, e);
    if (!rc && writer)
        rc = store_take_lock(data_dir, &lock, e);
    if (!rc)
        rc = store_open_file(path, SQLITE_OPEN_READWRITE | (writer ? SQLITE_OPEN_CREATE : 0),
                             &s, e);
    if (!rc)
        rc = configure(s, writer, e);
    if (!rc)
        rc = check_schema(s, writer, e);
    if (rc) {
        store_close(s);
        if (lock >= 0)
            close(lock);
        return rc;
    }
    s->lock = lock;
    *out = s;
    return 0;
}

bool store_is_current(const store *s)
{
    struct stat st;
    return s->version == STORE_SCHEMA && !stat(s->path, &st) && st.st_dev == s->device &&
           st.st_ino == s->inode;
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
    // Where a reader has the log open, closing does not move it into the file.
    if (s->lock >= 0) {
        sqlite3_busy_timeout(s->db, CHECKPOINT_MS);
        sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    sqlite3_close(s->db);
    if (s->lock >= 0)
        close(s->lock);
    free(s->path);
    free(s);
}
