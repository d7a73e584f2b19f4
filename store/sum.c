// SPDX-License-Identifier: MIT
// Each row that holds content carries a sum over itself, put there by the statement that writes
// it and compared by the one that reads it. SQLite's own checks see a broken tree, not a
// changed letter.
//
// The sum is XXH3 (64 bits) over the columns, one after the other, each behind its type and
// with the sum so far as seed; integers are little-endian.
#include "store/internal.h"

#include "base/hash.h"

static uint64_t add_value(uint64_t h, sqlite3_value *v)
{
    int type = sqlite3_value_type(v);
    uint8_t number[8];
    h += (uint64_t)type;
    if (type == SQLITE_INTEGER) {
        uint64_t x = (uint64_t)sqlite3_value_int64(v);
        for (int i = 0; i < 8; i++)
            number[i] = (uint8_t)(x >> 8 * i);
        return hash64_of(number, sizeof number, h);
    }
    const void *p = sqlite3_value_blob(v);
    return hash64_of(p ? p : "", p ? (size_t)sqlite3_value_bytes(v) : 0, h);
}

static void sum(sqlite3_context *ctx, int n, sqlite3_value **args)
{
    uint64_t h = 0;
    for (int i = 0; i < n; i++)
        h = add_value(h, args[i]);
    sqlite3_result_int64(ctx, (sqlite3_int64)h);
}

int store_add_sum(sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "askd_sum", -1,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                      NULL, sum, NULL, NULL, NULL);
}
