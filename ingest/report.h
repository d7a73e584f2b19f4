// SPDX-License-Identifier: MIT
// What an ingest says: a progress line on a terminal, names of what failed, the summary.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum outcome {
    OUT_NEW,
    OUT_UPDATED,
    OUT_UNCHANGED,
    OUT_REMOVED,
    OUT_FAILED,
    OUT_SKIPPED,
    OUT_KINDS
};

enum skip { SKIP_BINARY, SKIP_EMPTY, SKIP_DUPLICATE, SKIP_POOR, SKIP_KINDS };

enum drop { DROP_REPEATED, DROP_POOR, DROP_KINDS };

struct report {
    uint64_t files[OUT_KINDS], skipped[SKIP_KINDS];
    uint64_t passages, bytes; // taken in
    uint64_t permissions;     // documents that other people may read now
    uint64_t unknown_readers; // files of which it cannot be told
    uint64_t dropped_blocks[DROP_KINDS], dropped_bytes[DROP_KINDS]; // of what was taken in
    double started;
    bool tty, verbose, shown;
    double last_shown;
    FILE *list; // of what was left out, or NULL
};

double report_now(void); // seconds, monotonic
int report_open(struct report *r, bool verbose, const char *list, struct err *e);
// -EIO if the list could not be written whole.
int report_close(struct report *r, struct err *e);
// A file failed: named on stderr and in the list.
// A sentence for stderr.
void report_warning(struct report *r, const char *what, const char *detail);
void report_failed(struct report *r, const char *path, const char *why);
// Something was left out on purpose: in the list, and on stderr when verbose.
void report_left_out(struct report *r, const char *path, const char *what, const char *detail);
// At most ten times a second on a terminal: "stage 120/400 30% 12.0/s, 20 s left".
void report_progress(struct report *r, const char *stage, uint64_t done, uint64_t total,
                     double since);
void report_clear(struct report *r); // wipe the progress line
// The summary on stdout.
void report_summary(const struct report *r, bool dry);
// Foreign text with control bytes as '?', for a terminal.
void report_text(FILE *f, const char *s);
