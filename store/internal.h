// SPDX-License-Identifier: MIT
// Shared by the files of store/ only.
#pragma once

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>

struct store {
    sqlite3 *db;
    char *path;
    int lock; // fd of the writer's lock, or -1
    bool in_transaction;
    struct statement {
        const char *sql; // the literal's address is the key
        sqlite3_stmt *stmt;
    } cache[40];
    size_t n_cache;
    struct scores *scores; // of the search that runs on this connection, see search.c
};

struct store_sizes {
    pthread_mutex_t refreshing; // over sequence and removals
    int64_t sequence, removals; // of the store when this was read
    pthread_rwlock_t lock;      // over what follows
    uint32_t *documents;        // [n] by passage id; 0: there is no such passage
    uint16_t *lengths;          // [n] words, 65535 at most
    size_t n, cap;
    uint32_t last_document;
    uint64_t passages, words; // in all
};

#define SECTION_SEPARATOR '\x1f'

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
// The one number that a statement gives, and reset it.
int store_number(store *s, sqlite3_stmt *q, int64_t *out, struct err *e);
// SQL functions of ours, for this connection.
int store_add_functions(store *s, struct err *e);
// Keep what the sizes hold as it is.
void store_sizes_hold(store_sizes *z);
void store_sizes_release(store_sizes *z);
