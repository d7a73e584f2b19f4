// SPDX-License-Identifier: MIT
// A disk for SQLite that can fail: a VFS over the real one. It notes every write, so that what
// a power cut at any moment could have left can be made afterwards; and it fails the Nth call.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Put it before SQLite's own, for the whole process. Nothing is really synced from then on.
int disk_install(void);

// ---- noting ----
void disk_note(bool on);     // begin (forgetting all before) or end
void disk_note_ack(int ack); // a mark among the writes
size_t disk_events(void);    // writes, truncations, syncs, removals, marks noted so far
// Make the files of folder `to` as a power cut after the first `n` events may have left those
// that were noted, and return the last mark before. What was synced is there; of what was not,
// each sector of 512 bytes is there or is not, in any order; files that were made or removed
// since the folder was synced are there or are not.
int disk_cut(size_t n, unsigned seed, const char *to);

// ---- failing ----
enum disk_failure { DISK_FULL, DISK_EIO };
// The call number `at` (from 1) fails, and with `on` all after it. DISK_FULL fails what needs
// room, DISK_EIO every kind of call. 0: none.
void disk_fail(enum disk_failure kind, unsigned at, bool on);
bool disk_has_failed(void); // since disk_fail
