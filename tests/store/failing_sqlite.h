// SPDX-License-Identifier: MIT
// SQLite's allocations count among those that fail (tests/tools/failing.h).
#pragma once

// Before anything else is asked of SQLite.
void failing_sqlite(void);
