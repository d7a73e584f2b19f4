// SPDX-License-Identifier: MIT
// One file -> one document, ready for the store. Runs on any worker thread.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "ingest/clean.h"
#include "ingest/extractor.h"
#include "ingest/report.h"
#include "ingest/walk.h"
#include "store/store.h"

#include <stdbool.h>

struct taken {
    enum outcome outcome; // OUT_NEW stands for updated too; UNCHANGED, FAILED or SKIPPED
    enum skip skip;
    struct err err; // of FAILED, and why SKIPPED
    // Who could read the file before it was read and after: of NEW (in doc too) and UNCHANGED.
    char *permissions;
    struct store_document doc; // of NEW, in `a`
    struct left_out {
        uint64_t blocks, bytes;
        const char *note; // what and why, for the report; in `a`
    } left_out[DROP_KINDS];
    bool owner; // it keeps blocks for others
    // Hashes of blocks that the document is said to keep for others, and has no more; in `a`.
    uint64_t *lost;
    size_t n_lost;
    arena *a;
};

// Read, hash, decode, extract (in a process of `x`) and chunk `f`. With `known_hash` (or NULL)
// equal to the file's, the outcome is UNCHANGED and doc.hash is set. Never fails otherwise than
// in *out, which taken_free releases. `repeats` is what stands in many documents: left out of
// those that do not own it.
void take_file(extractors *x, const struct walk_file *f, const char *known_hash,
               const char *collection, size_t max_file, const struct repeats *repeats,
               struct taken *out);
void taken_free(struct taken *t);
