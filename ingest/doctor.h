// SPDX-License-Identifier: MIT
// What makes a knowledge base give wrong answers. Shared by the files of `askd-ingest doctor`.
//
// The store is read twice, passage by passage; of its text nothing is kept but sketches of the
// documents (0.5 kB each) and, for sentences that stand somewhere with other values, hashes.
// The tables for sentences have a fixed size.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "ingest/options.h"
#include "ingest/sketch.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// By importance.
enum ailment {
    AIL_CONFLICT,  // passages that contradict each other
    AIL_VERSIONS,  // versions of one document
    AIL_GONE,      // its file is gone
    AIL_CHANGED,   // its file has another time or size
    AIL_TWINS,     // nearly the same text under other names
    AIL_UNREAD,    // a file beside the documents of which no text could be taken
    AIL_EMPTY,     // a document that says next to nothing
    AIL_NO_VECTOR, // passages that are found by their words only
    AIL_LONG,      // passages
    AIL_SHORT,
    AILMENTS
};

struct spot {
    const char *role; // "newest", "older", "says", "file" ...
    const char *path;
    int64_t modified;                // seconds; 0: not known
    int page, line_first, line_last; // 0: the format has none
    const char *text;                // what stands there, or a remark; NULL
};

struct finding {
    enum ailment kind;
    const char *what, *advice; // sentences
    struct spot *spots;
    size_t n_spots, cap_spots;
    uint64_t more; // spots of the same that are not listed
};

struct doctor_document {
    int64_t id;
    const char *collection, *path, *title, *type;
    int64_t modified, size;
    uint32_t passages, without_vector, pages;
    uint64_t bytes; // of its passages' text
    struct sketch sketch;
    size_t group;   // of versions: the index of its newest document; itself: none
    size_t finding; // of the newest: which finding tells of the group, from 1
};

struct doctor {
    store *s;
    const char *collection; // NULL: all
    arena *a;
    struct err *e;
    struct doctor_document *documents; // by collection, then path
    size_t n, cap;
    struct finding *findings;
    size_t n_findings, cap_findings;
    uint64_t more[AILMENTS]; // findings of a kind beyond those that are kept
    struct store_collection *collections;
    size_t n_collections;
};

// A new finding, at the end; NULL when memory runs out. It moves when the next one is added.
struct finding *doctor_finding(struct doctor *d, enum ailment kind, const char *what,
                               const char *advice);
// Copies of what the spot points to go into the arena. -ENOMEM.
int doctor_spot(struct doctor *d, struct finding *f, const struct spot *s);
// Room for one more element of an arena array that doubles; NULL when memory runs out.
void *doctor_grow(arena *a, void *old, size_t n, size_t *cap, size_t size);

// ---- doctor_versions.c ----
struct version_name {
    uint64_t key;    // of the path without what tells versions apart
    bool marked;     // "old", "copy", "backup" ... is part of the name
    uint64_t number; // version or date in the name, larger is later; 0: none
};
// What the path says about versions.
void version_name_of(const char *path, struct version_name *out);
// Group the documents that are versions of each other, and those of nearly the same text.
int doctor_versions(struct doctor *d);

// ---- doctor_conflicts.c ----
typedef struct conflicts conflicts;
int conflicts_new(conflicts **out, struct err *e);
void conflicts_free(conflicts *c); // NULL-safe
// The first reading: which sentences stand there with several values.
void conflicts_look(conflicts *c, const struct store_scan_row *row);
// The second: where these sentences stand; `document` is an index.
void conflicts_note(conflicts *c, const struct store_scan_row *row, size_t document);
// After doctor_versions: make findings, and put what differs between versions into theirs.
int conflicts_report(conflicts *c, struct doctor *d);

// ---- doctor_state.c ----
// A passage that is read: notes what is wrong with its length.
int doctor_length(struct doctor *d, const struct store_scan_row *row);
// Files that are gone, changed or hold no text, empty documents, missing vectors.
int doctor_state(struct doctor *d, size_t max_file);

// ---- doctor_print.c ----
void doctor_print(const struct doctor *d, FILE *f);
void doctor_print_json(const struct doctor *d, FILE *f);
