// SPDX-License-Identifier: MIT
// A copy of the store in a folder of its own:
//
//   DIR/askd.db   one file, without a log
//   DIR/MANIFEST  "askd snapshot 1", then lines of a name and a value: schema, sequence,
//                 documents, passages, vectors, bytes, sha256 (of askd.db)
//
// It is made as DIR.tmp, read back and checked there, and gets its name last.
#include "store/internal.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int store_copy(sqlite3 *to, sqlite3 *from, const char *path, struct err *e)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    int rc = b ? sqlite3_backup_step(b, -1) : sqlite3_errcode(to);
    int done = sqlite3_backup_finish(b);
    rc = rc == SQLITE_DONE || !rc ? done : rc;
    if (!rc)
        return 0;
    int code = rc == SQLITE_FULL                             ? -ENOSPC
               : rc == SQLITE_NOMEM                          ? -ENOMEM
               : rc == SQLITE_BUSY || rc == SQLITE_LOCKED    ? -EBUSY
               : rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? -EBADMSG
                                                             : -EIO;
    return err_set(e, code, "%s: cannot copy: %s", path, sqlite3_errstr(rc));
}

// The copy as one file that needs no log.
static int copy_out(store *s, const char *path, struct err *e)
{
    store *to = NULL;
    int rc = store_open_file(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &to, e);
    if (!rc)
        rc = store_copy(to->db, s->db, path, e);
    if (!rc)
        rc = store_exec(to, "PRAGMA journal_mode=DELETE", e);
    store_close(to);
    return rc ? rc : file_sync(path, e);
}

static int first_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)kind;
    if (!*(char *)ctx)
        snprintf(ctx, ERR_MSG_MAX, "%s", sentence);
    return 0;
}

static int write_manifest(const char *path, const char *db, const struct store_health *h,
                          struct err *e)
{
    char sha[65];
    struct stat st;
    struct buf b = BUF_INIT;
    int rc = hash_sha256_file(db, sha, e);
    if (!rc && stat(db, &st))
        rc = err_set(e, -errno, "%s: %s", db, strerror(errno));
    if (!rc && buf_addf(&b,
                        MANIFEST_HEAD "schema %d\nsequence %" PRId64 "\ndocuments %" PRIu64
                                      "\npassages %" PRIu64 "\nvectors %" PRIu64
                                      "\nbytes %lld\nsha256 %s\n",
                        h->schema, h->sequence, h->documents, h->passages, h->vectors,
                        (long long)st.st_size, sha))
        rc = err_nomem(e);
    if (!rc)
        rc = file_write_atomic(path, b.data, b.len, e);
    buf_free(&b);
    return rc;
}

// Copy, check, describe, in the folder `tmp`, which is there.
static int fill(store *s, const char *tmp, struct store_health *out, struct err *e)
{
    char manifest[PATH_MAX], db[PATH_MAX], fault[ERR_MSG_MAX] = "";
    int rc = store_path(manifest, tmp, "MANIFEST", e);
    if (rc)
        return rc;
    store_path(db, tmp, "askd.db", e); // a shorter name
    rc = copy_out(s, db, e);
    if (!rc)
        rc = store_verify_file(db, first_fault, fault, out, e);
    if (!rc && *fault)
        rc = err_set(e, -EBADMSG,
                     "%.60s: the copy is damaged (%.90s); no snapshot was made; askd-ingest "
                     "verify says whether the store is",
                     db, fault);
    return rc ? rc : write_manifest(manifest, db, out, e);
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"askd.db",     "askd.db-journal", "askd.db-wal",
                                        "askd.db-shm", "MANIFEST",        "MANIFEST.tmp"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!store_path(path, folder, names[i], NULL))
            unlink(path);
    rmdir(folder);
}

// The name itself last: rename does not replace a folder that holds anything.
static int give_name(const char *tmp, const char *dir, struct err *e)
{
    char parent[PATH_MAX];
    file_parent(dir, parent);
    int rc = file_sync(tmp, e);
    if (!rc && rename(tmp, dir))
        rc = err_set(e, -errno, "%s: cannot rename to %s: %s", tmp, dir, strerror(errno));
    else if (!rc && (rc = file_sync(parent, e)))
        remove_folder(dir); // nobody was told of it, and a power cut could take the name
    return rc;
}

int store_snapshot(const char *data_dir, const char *dir, struct store_health *out,
                   struct err *e)
{
    char name[STORE_PATH_MAX + 1], tmp[STORE_PATH_MAX + 5];
    struct stat st;
    store *s = NULL;
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (!n || n > STORE_PATH_MAX)
        return err_set(e, -ENAMETOOLONG, "%.100s: not a usable folder path", dir);
    snprintf(name, sizeof name, "%.*s", (int)n, dir);
    snprintf(tmp, sizeof tmp, "%s.tmp", name);
    if (!lstat(name, &st))
        return err_set(e, -EEXIST, "%s is there already; name a folder that is not", name);
    int rc = store_open_reader(data_dir, &s, e);
    if (rc)
        return rc;
    remove_folder(tmp); // of a run that was ended
    if (mkdir(tmp, 0750))
        rc = err_set(e, -errno, "%s: cannot create folder: %s", tmp, strerror(errno));
    else if ((rc = fill(s, tmp, out, e)) || (rc = give_name(tmp, name, e)))
        remove_folder(tmp);
    store_close(s);
    return rc;
}
