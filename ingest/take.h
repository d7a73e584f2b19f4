// SPDX-License-Identifier: MIT
// One file -> one document, ready for the store. Runs on any worker thread.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "ingest/report.h"
#include "ingest/walk.h"
#include "store/store.h"

#include <stdbool.h>

struct taken {
    enum outcome outcome; // OUT_NEW stands for updated too; UNCHANGED, FAILED or SKIPPED
    enum skip skip;
    struct err err;            // of FAILED, and why SKIPPED
    struct store_document doc; // of NEW, in `a`
    arena *a;
};

// Read, hash, decode, extract and chunk `f`. With `known_hash` (or NULL) equal to the file's,
// the outcome is UNCHANGED and doc.hash is set. Never fails otherwise than in *out, which
// taken_free releases.
void take_file(const struct walk_file *f, const char *known_hash, const char *collection,
               size_t max_file, struct taken *out);
void taken_free(struct taken *t);
