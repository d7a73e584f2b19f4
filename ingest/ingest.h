// SPDX-License-Identifier: MIT
// Files into the store: words first, one transaction a document; vectors after.
#pragma once

#include "base/err.h"
#include "ingest/doc.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ingest_options {
    const char *data, *collection;
    const char *model;          // of the embedder
    unsigned threads;           // 0: all, at most 8
    const char *const *exclude; // NULL-terminated patterns, or NULL
    bool force;                 // read again what has not changed
    bool dry_run;               // tell, change nothing
    bool verbose;               // tell each document
};

struct ingest_counts {
    uint64_t taken, unchanged, removed, failed, ignored, empty;
    uint64_t passages, bytes, text_bytes;
};

// Set by a signal handler: stop at the next document or batch, everything done so far kept.
extern atomic_bool ingest_stop;

// ---- load.c ----

// Read and parse one file into blocks: type by name and content, text as UTF-8. `hash` gets 32
// hexadecimal digits of the bytes. When they equal `known`, *out is NULL and nothing is parsed.
int load_document(const char *path, const char *known, struct doc **out, char hash[33],
                  struct err *e);

// ---- add.c ----

// Take the files at and below the paths: new and changed ones are put, those gone from below a
// folder are removed, unchanged ones skipped. Failures of single files are told on stderr and
// counted; a negative return means that the store failed and the run ended.
int ingest_add(store *s, const struct ingest_options *o, char *const *paths, size_t n,
               struct ingest_counts *c, struct err *e);

// ---- embed.c ----

// Make the vectors that are missing. *done counts them. Shows progress on a terminal.
int ingest_embed(store *s, const struct ingest_options *o, uint64_t *done, struct err *e);

// ---- progress.c ----

// One line on stderr that is written over, when stderr is a terminal; at most ten a second.
void progress(const char *what, uint64_t done, uint64_t total);
void progress_end(void); // clear the line, before anything else is written
