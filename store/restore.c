// SPDX-License-Identifier: MIT
// A snapshot takes the place of the store.
//
// 1. The snapshot is copied to DATA/restore.tmp, and the copy held against the manifest and
//    checked as store_verify does.
// 2. The copy gets a new epoch, and numbers beyond those that the old store has used: ids are
//    never used twice, and whoever keeps something of the old one begins anew.
// 3. SQLite's backup writes the copy's pages over the store in one transaction. Until it is
//    committed the old pages are in place; whoever reads sees the one or the other.
//
// A store that SQLite cannot write to (its first page is gone, say) is moved aside with its
// log, and step 3 makes a new file.
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

#define MANIFEST_MAX 4096
#define BUSY_MS 10000

struct places {
    char from[PATH_MAX], manifest[PATH_MAX], staged[PATH_MAX], db[PATH_MAX];
};

static int find_places(const char *data_dir, const char *dir, struct places *p, struct err *e)
{
    int rc = store_path(p->manifest, dir, "MANIFEST", e);
    if (!rc)
        rc = store_path(p->staged, data_dir, "restore.tmp", e);
    if (rc)
        return rc;
    // Shorter names in the same folders.
    store_path(p->from, dir, "askd.db", e);
    return store_path(p->db, data_dir, "askd.db", e);
}

// The hash that the manifest tells.
static int read_manifest(const char *path, char sha[65], struct err *e)
{
    struct buf b = BUF_INIT;
    int rc = file_read(path, MANIFEST_MAX, &b, e);
    const char *line = rc ? NULL : strstr(b.data, "\nsha256 ");
    if (!rc && (strncmp(b.data, MANIFEST_HEAD, strlen(MANIFEST_HEAD)) != 0 || !line ||
                strspn(line + 8, "0123456789abcdef") != 64))
        rc = err_set(e, -EBADMSG, "%s: not the manifest of a snapshot that this askd knows",
                     path);
    if (!rc)
        snprintf(sha, 65, "%.64s", line + 8);
    buf_free(&b);
    return rc;
}

static int copy_bytes(int from, int to)
{
    char bytes[1 << 16];
    ssize_t n;
    while ((n = read(from, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR))
        for (ssize_t done = 0, w; done<n; done += w> 0 ? w : 0)
            if ((w = write(to, bytes + done, (size_t)(n - done))) < 0 && errno != EINTR)
                return -errno;
    return n < 0 ? -errno : 0;
}

static int copy_file(const char *from, const char *to, struct err *e)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), rc = in < 0 ? -errno : 0;
    int out = rc ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (!rc && out < 0)
        rc = -errno;
    if (!rc)
        rc = copy_bytes(in, out);
    if (in >= 0)
        close(in);
    if (out >= 0 && close(out) && !rc)
        rc = -errno;
    return rc ? err_set(e, rc, "%s: cannot copy to %s: %s", from, to, strerror(-rc)) : 0;
}

static int first_fault(void *ctx, enum store_fault kind, const char *sentence)
{
    (void)kind;
    if (!*(char *)ctx)
        snprintf(ctx, ERR_MSG_MAX, "%s", sentence);
    return 0;
}

// What a run that was ended has left: a journal of its copy must not be played into this one.
static void remove_staged(const struct places *p)
{
    static const char *const ends[] = {"-journal", "-wal", "-shm", ""};
    char path[PATH_MAX + 8];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(path, sizeof path, "%s%s", p->staged, ends[i]);
        unlink(path);
    }
}

// Step 1.
static int stage(const struct places *p, struct store_health *out, struct err *e)
{
    char want[65], have[65], fault[ERR_MSG_MAX] = "";
    int rc = read_manifest(p->manifest, want, e);
    if (!rc)
        rc = copy_file(p->from, p->staged, e);
    if (!rc)
        rc = hash_sha256_file(p->staged, have, e);
    if (!rc && strcmp(want, have) != 0)
        rc = err_set(e, -EBADMSG,
                     "%s is not the file that its manifest names; take another snapshot",
                     p->from);
    if (!rc)
        rc = store_verify_file(p->staged, first_fault, fault, out, e);
    if (!rc && *fault)
        rc = err_set(e, -EBADMSG, "%s is damaged (%.150s); take another snapshot", p->from,
                     fault);
    return rc;
}

// The highest numbers that the store to be replaced has used; what is damaged gives none. Where
// the disk does not give them now they may be given twice: then there is no going on.
static int read_old(store *s, int64_t n[5], struct err *e)
{
    static const char *const sql[5] = {
        "SELECT seq FROM sqlite_sequence WHERE name = 'collections'",
        "SELECT seq FROM sqlite_sequence WHERE name = 'documents'",
        "SELECT seq FROM sqlite_sequence WHERE name = 'passages'",
        "SELECT value FROM meta WHERE key = 'sequence'",
        "SELECT value FROM meta WHERE key = 'removals'"};
    for (int i = 0; i < 5; i++) {
        sqlite3_stmt *q = NULL;
        n[i] = 0;
        int code = sqlite3_prepare_v2(s->db, sql[i], -1, &q, NULL);
        if (!code)
            code = sqlite3_step(q);
        if (code == SQLITE_ROW)
            n[i] = sqlite3_column_int64(q, 0);
        bool absent = code == SQLITE_ROW || code == SQLITE_DONE || code == SQLITE_ERROR ||
                      code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
        int rc = absent ? 0 : store_fail(s, e);
        sqlite3_finalize(q);
        if (rc)
            return rc;
        n[i] = n[i] < 0 || n[i] > INT32_MAX ? 0 : n[i]; // damaged
    }
    return 0;
}

// Step 2.
static int go_beyond(store *staged, const int64_t n[5], struct err *e)
{
    char *sql = sqlite3_mprintf(
        "BEGIN;"
        "UPDATE sqlite_sequence SET seq = max(seq, %lld) WHERE name = 'collections';"
        "UPDATE sqlite_sequence SET seq = max(seq, %lld) WHERE name = 'documents';"
        "UPDATE sqlite_sequence SET seq = max(seq, %lld) WHERE name = 'passages';"
        "UPDATE meta SET value = max(value, %lld) + 1 WHERE key = 'sequence';"
        "INSERT OR IGNORE INTO meta VALUES ('removals', 0);"
        "UPDATE meta SET value = max(value, %lld) + 1 WHERE key = 'removals';"
        "INSERT OR REPLACE INTO meta VALUES ('epoch', random());"
        "COMMIT",
        (long long)n[0], (long long)n[1], (long long)n[2], (long long)n[3], (long long)n[4]);
    int rc = sql ? store_exec(staged, sql, e) : err_nomem(e);
    sqlite3_free(sql);
    return rc;
}

// Step 3.
static int replace(const struct places *p, store *staged, struct err *e)
{
    store *s = NULL;
    int64_t old[5];
    int rc = store_open_file(p->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &s, e);
    if (!rc) {
        sqlite3_busy_timeout(s->db, BUSY_MS);
        rc = store_exec(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", e);
    }
    if (!rc)
        rc = read_old(s, old, e);
    if (!rc)
        rc = go_beyond(staged, old, e);
    if (!rc)
        rc = store_copy(s->db, staged->db, p->db, e);
    if (!rc)
        sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    store_close(s);
    return rc;
}

// The log first: without it the file is what it was at some earlier time, the other way round
// the log would belong to no file.
static int move_aside(const struct places *p, char *aside, struct err *e)
{
    static const char *const ends[] = {"-wal", "-shm", ""};
    char from[PATH_MAX + 8], to[PATH_MAX + 8];
    struct stat st;
    int k = 0;
    do
        snprintf(aside, PATH_MAX, "%.*s.damaged-%d", PATH_MAX - 32, p->db, ++k);
    while (!lstat(aside, &st));
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(from, sizeof from, "%s%s", p->db, ends[i]);
        snprintf(to, sizeof to, "%s%s", aside, ends[i]);
        if (rename(from, to) && errno != ENOENT) {
            *aside = 0;
            return err_set(e, -errno, "%s: cannot move aside: %s", from, strerror(errno));
        }
    }
    return 0;
}

// 0: the file begins as a database does, or there is none; -EBADMSG: it does not. A log without
// a file is of no use.
static int check_head(const char *path, struct err *e)
{
    char head[16] = "", log[PATH_MAX + 8];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? (errno == ENOENT ? 0 : -1) : read(fd, head, sizeof head);
    int rc = n < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (rc)
        return err_set(e, rc,
                       "%s: cannot read: %s; if that stays so, move it and its -wal aside and "
                       "restore again",
                       path, strerror(-rc));
    snprintf(log, sizeof log, "%s-wal", path);
    bool good = n == 0 ? access(log, F_OK) != 0 : !memcmp(head, "SQLite format 3", sizeof head);
    return good ? 0 : -EBADMSG;
}

static int take_place(const struct places *p, char *aside, struct err *e)
{
    store *staged = NULL;
    int rc = store_open_file(p->staged, SQLITE_OPEN_READWRITE, &staged, e);
    if (!rc)
        rc = check_head(p->db, e);
    if (!rc)
        rc = replace(p, staged, e);
    if (rc == -EBADMSG) { // what is there is no database any more
        *e = (struct err){0};
        rc = move_aside(p, aside, e);
        if (!rc)
            rc = replace(p, staged, e);
    }
    store_close(staged);
    return rc;
}

int store_restore(const char *data_dir, const char *dir, char *aside, struct store_health *out,
                  struct err *e)
{
    struct places p = {.from = ""};
    int lock = -1;
    *aside = 0;
    int rc = find_places(data_dir, dir, &p, e);
    if (!rc)
        rc = file_mkdirs(data_dir, 0750, e);
    if (!rc)
        rc = store_take_lock(data_dir, &lock, e);
    if (!rc) {
        remove_staged(&p);
        rc = stage(&p, out, e);
        if (!rc)
            rc = take_place(&p, aside, e);
        remove_staged(&p);
    }
    if (!rc)
        rc = file_sync(data_dir, e);
    if (lock >= 0)
        close(lock);
    if (rc && *aside) {
        struct err why = *e;
        err_set(e, rc, "%.150s; what was there is now %.90s", why.msg, aside);
    }
    return rc;
}
