// SPDX-License-Identifier: MIT
// Rights in SQL: what somebody may not read is left out by the statement that reads, whatever
// was committed a moment before. Where none are bound nothing may be read.
#include "store/internal.h"

#define POINTER "askd rights"

int store_bind_rights(sqlite3_stmt *q, int at, const struct rights *rights)
{
    return sqlite3_bind_pointer(q, at, (void *)rights, POINTER, NULL);
}

static void by_files(sqlite3_context *ctx, int n, sqlite3_value **args)
{
    const struct rights *r = sqlite3_value_pointer(args[0], POINTER);
    const char *collection = (const char *)sqlite3_value_text(args[1]);
    (void)n;
    sqlite3_result_int(ctx, !r || !collection || rights_by_files(r, collection));
}

static void may_read(sqlite3_context *ctx, int n, sqlite3_value **args)
{
    const struct rights *r = sqlite3_value_pointer(args[0], POINTER);
    const char *permissions = (const char *)sqlite3_value_text(args[1]);
    (void)n;
    sqlite3_result_int(ctx, r && permissions && rights_file(r, permissions));
}

int store_add_rights(sqlite3 *db)
{
    int how = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    int rc = sqlite3_create_function_v2(db, "askd_by_files", 2, how, NULL, by_files, NULL, NULL,
                                        NULL);
    return rc ? rc
              : sqlite3_create_function_v2(db, "askd_may_read", 2, how, NULL, may_read, NULL,
                                           NULL, NULL);
}
