// SPDX-License-Identifier: MIT
#include "tests/store/failing_sqlite.h"

#include "tests/tools/failing.h"

#include <sqlite3.h>
#include <stddef.h>

static sqlite3_mem_methods plain;

static void *sqlite_malloc(int n)
{
    return !failing.ours && failing_next() ? NULL : plain.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
    return !failing.ours && failing_next() ? NULL : plain.xRealloc(p, n);
}

void failing_sqlite(void)
{
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
    sqlite3_mem_methods with_faults = plain;
    with_faults.xMalloc = sqlite_malloc;
    with_faults.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &with_faults);
    // Its own pools would hide most calls.
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}
