// SPDX-License-Identifier: MIT
// Shared by the files of store/ only.
#pragma once

#include "store/store.h"

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

struct store {
    sqlite3 *db;
    char *path;
    dev_t device; // of the file that was opened
    ino_t inode;
    int lock;    // fd of the writer's lock, or -1
    int version; // of the schema
    bool in_transaction;
    struct statement {
        const char *sql; // the literal's address is the key
        sqlite3_stmt *stmt;
    } cache[64];
    size_t n_cache;
    struct scores *scores; // of the search that runs on this connection, see search.c
};

struct store_sizes {
    pthread_mutex_t refreshing;        // over sequence and removals
    int64_t sequence, removals, epoch; // of the store when this was read
    pthread_rwlock_t lock;             // over what follows
    uint32_t *documents;               // [n] by passage id; 0: there is no such passage
    uint16_t *lengths;                 // [n] words, 65535 at most
    size_t n, cap;
    uint32_t last_document;
    uint64_t passages, words; // in all
};

#define SECTION_SEPARATOR '\x1f'

// What a row's sum covers; `t` is "" or "TABLE.".
#define SUMMED_3(t)                                                                       \
    t "collection, " t "path, " t "title, " t "type, " t "modified, " t "size, " t "hash" \
      ", " t "text_hash, " t "added"
#define SUM_DOCUMENT(t) "askd_sum(" SUMMED_3(t) ", " t "permissions)"
#define SUM_DOCUMENT_3(t) "askd_sum(" SUMMED_3(t) ")" // of schema 3
#define SUM_PASSAGE(t)                                                               \
    "askd_sum(" t "document, " t "ord, " t "section, " t "page, " t "line_first, " t \
    "line_last, " t "text)"
#define SUM_VECTOR(t) "askd_sum(" t "passage, " t "fingerprint, " t "f16)"
#define SUM_REPEAT(t) "askd_sum(" t "collection, " t "folder, " t "hash, " t "owner)"

// A prepared statement, kept for the next time; `sql` must be a literal.
int store_prepare(store *s, const char *sql, sqlite3_stmt **out, struct err *e);
// Run `fn` in a transaction of its own, or in the one that is open, undone alone if it fails.
int store_atomically(store *s, int (*fn)(store *, const void *, struct err *), const void *arg,
                     struct err *e);
// Room for one more element of an arena array that grows by doubling; NULL without memory.
void *store_grow(arena *a, void *old, size_t n, size_t size);
// Step a statement that gives no rows, and reset it.
int store_step(store *s, sqlite3_stmt *stmt, struct err *e);
int store_exec(store *s, const char *sql, struct err *e);
// SQLite's last error as ours: names the file.
int store_fail(store *s, struct err *e);
// A text of the row at hand, until the next step: "" where a damaged row has none; and where
// memory does not reach, then *ok is false.
const char *store_text(sqlite3_stmt *q, int column, bool *ok);
// The same, copied; NULL, and *ok false, without memory.
const char *store_text_dup(sqlite3_stmt *q, int column, arena *a, bool *ok);
// The one number that a statement gives, and reset it.
int store_number(store *s, sqlite3_stmt *q, int64_t *out, struct err *e);
// SQL functions of ours, for this connection: askd_score, askd_sum, and of rights.c
// askd_by_files(RIGHTS, COLLECTION), askd_may_read(RIGHTS, PERMISSIONS).
int store_add_functions(store *s, struct err *e);
int store_add_sum(sqlite3 *db);    // SQLite's code
int store_add_rights(sqlite3 *db); // the same
int store_add_script(sqlite3 *db); // the same: of write.c, askd_in_cjk(TEXT)
// Bind RIGHTS for those two, the statement's `at`-th parameter; without, nothing may be read.
// SQLite's code.
int store_bind_rights(sqlite3_stmt *q, int at, const struct rights *rights);
// Documents d that the permissions of their files leave to RIGHTS, parameter `r`; `p` is
// "d.permissions", or NOBODY in a store of a schema before 4.
#define LEFT_BY_FILES(r, p)                                                               \
    " (d.collection NOT IN (SELECT id FROM collections WHERE askd_by_files(" r ", name))" \
    " OR askd_may_read(" r ", " p "))"
#define NOBODY "'?'"
// Lift the schema from one version (0: nothing is there) to another; SQLite's code.
int store_make_schema(sqlite3 *db, int from, int to);
// FOLDER/NAME; -ENAMETOOLONG where SQLite, which takes 512 bytes with a "-journal" at the end,
// would not open it.
#define STORE_PATH_MAX 503
int store_path(char path[PATH_MAX], const char *folder, const char *name, struct err *e);
// Is there a store of this path? -ENOENT: none yet.
int store_find_file(const char *path, struct err *e);
// A connection without settings, lock or look at the schema.
int store_open_file(const char *path, int flags, store **out, struct err *e);
// The one writer's lock, held until the descriptor is closed; also after a failure it may be.
int store_take_lock(const char *data_dir, int *fd, struct err *e);
// store_verify of one file, without a lock.
int store_verify_file(const char *path, store_fault_fn *fn, void *ctx, struct store_health *out,
                      struct err *e);
// Copy all pages of one open database over another, in one transaction.
int store_copy(sqlite3 *to, sqlite3 *from, const char *path, struct err *e);
#define MANIFEST_HEAD "askd snapshot 1\n"
// Keep what the sizes hold as it is.
void store_sizes_hold(store_sizes *z);
void store_sizes_release(store_sizes *z);
