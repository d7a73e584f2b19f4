// SPDX-License-Identifier: MIT
// Shared by the files of store/ only.
#pragma once

#include "store/store.h"

#include <sqlite3.h>

struct store {
    sqlite3 *db;
    char *path;
    int lock; // fd of the writer's lock, or -1
    bool in_transaction;
    struct statement {
        const char *sql; // the literal's address is the key
        sqlite3_stmt *stmt;
    } cache[32];
    size_t n_cache;
};

#define SECTION_SEPARATOR '\x1f'

// A prepared statement, kept for the next time; `sql` must be a literal.
int store_prepare(store *s, const char *sql, sqlite3_stmt **out, struct err *e);
// Step a statement that gives no rows, and reset it.
int store_step(store *s, sqlite3_stmt *stmt, struct err *e);
int store_exec(store *s, const char *sql, struct err *e);
// SQLite's last error as ours: names the file.
int store_fail(store *s, struct err *e);
