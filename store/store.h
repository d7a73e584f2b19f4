// SPDX-License-Identifier: MIT
// The truth: documents, passages, vectors and the full-text index, in one SQLite file
// (DATA/askd.db). Indexes elsewhere are rebuilt from it.
//
// One writer at a time (a lock on DATA/writer.lock); readers never wait for it (WAL). What a
// write function has returned 0 for is on disk (synchronous=FULL).
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/rights.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct store store;

#define STORE_SCHEMA 4

// Open for reading: one connection, one thread at a time. -ENOENT when there is no store yet;
// -EPROTO when it was written by a newer askd; -EBADMSG, here and below, when the file is
// damaged.
int store_open_reader(const char *data_dir, store **out, struct err *e);
// Open for writing, making folder and schema if absent. -EBUSY while another writer has it.
int store_open_writer(const char *data_dir, store **out, struct err *e);
void store_close(store *s); // NULL-safe
// Is the file that was opened still the one of that name, and of this schema (a writer may have
// lifted it meanwhile)? Else open again.
bool store_is_current(const store *s);

// ---- writing: one transaction a document ----

struct store_passage {
    const char *const *section; // headings, NULL-terminated, without the title
    int page, line_first, line_last;
    const char *text;  // shown, exactly
    const char *words; // for the full text: what text_words() made of header and text
};
struct store_document {
    const char *collection, *path, *title, *type;
    int64_t modified;        // seconds since 1970
    int64_t size;            // of the file
    char hash[33];           // of the file's bytes
    char text_hash[33];      // of its words; equal: the same text. "": none
    const char *permissions; // who may read the file (base/permissions.h); NULL: not known
    const struct store_passage *passages;
    size_t n_passages;
};
// Insert the document, or replace the one of the same collection and path, with all its
// passages.
int store_put(store *s, const struct store_document *d, struct err *e);
// Several documents in one commit: call begin, put.., commit. Nothing counts before the commit.
int store_begin(store *s, struct err *e);
int store_commit(store *s, struct err *e);
void store_rollback(store *s);
// Remove by collection and path; *removed tells whether it was there.
int store_remove(store *s, const char *collection, const char *path, bool *removed,
                 struct err *e);
// The file was written anew with the same content: note its time. No new sequence.
int store_touch(store *s, const char *collection, const char *path, int64_t modified,
                struct err *e);
// Other people may read the file now, whose content is the same: note who. No new sequence: a
// reader looks at permissions with every search.
int store_put_permissions(store *s, const char *collection, const char *path,
                          const char *permissions, struct err *e);
// A block of text that many documents below a folder have: `owner` (a path) keeps it.
struct store_repeat {
    const char *folder;
    uint64_t hash;
    const char *owner;
};
// Note more of them for a collection; their owners, where they are documents, count as changed.
int store_put_repeats(store *s, const char *collection, const struct store_repeat *list,
                      size_t n, struct err *e);
// Those whose owner is no document any more are forgotten; *n tells how many there were.
int store_drop_repeats(store *s, const char *collection, size_t *n, struct err *e);
// The owner has the block no more.
int store_remove_repeat(store *s, const char *collection, uint64_t hash, const char *owner,
                        struct err *e);
// Which passages an embedder is for: one that knows no Chinese has nothing to say of such
// texts.
enum store_for { STORE_FOR_ALL, STORE_FOR_NO_CJK };
// Of those, the passages without a vector of this fingerprint, by id.
struct store_pending {
    int64_t id;
    const char *heading; // the innermost one above it; without any, the document's title
    const char *text;
};
int store_pending(store *s, const char *fingerprint, enum store_for who, size_t max, arena *a,
                  struct store_pending **out, size_t *n, struct err *e);
// How many there are.
int store_count_pending(store *s, const char *fingerprint, enum store_for who, uint64_t *n,
                        struct err *e);
// Vectors (f16, `dims` each). Whoever puts them keeps to the order of the ids: readers take in
// what lies beyond the largest that they know.
int store_put_vectors(store *s, const char *fingerprint, const int64_t *ids, size_t n,
                      size_t dims, const uint16_t *f16, struct err *e);
// Note that every passage that is to have a vector of this fingerprint has one, if it is so.
// Once noted it stays: passages that come later wait for theirs.
int store_complete(store *s, const char *fingerprint, enum store_for who, struct err *e);
// Remove vectors whose bytes are not those that were put; *n tells how many.
int store_drop_damaged_vectors(store *s, const char *fingerprint, size_t *n, struct err *e);
// Make the index of the full text anew from its texts.
int store_rebuild_words(store *s, struct err *e);

// ---- reading ----

// What is known of a path: *found false if nothing.
int store_find(store *s, const char *collection, const char *path, char hash[33],
               int64_t *modified, int64_t *size, bool *found, struct err *e);
// All paths of a collection below a folder ("" for all).
int store_paths(store *s, const char *collection, const char *below, arena *a,
                const char *const **out, size_t *n, struct err *e);

// What an ingest compares files with: all documents of a collection at or below a path ("" for
// all), by path.
struct store_file {
    const char *path, *permissions;
    int64_t modified, size, added; // `added`: when it was put
    char hash[33];
};
int store_files(store *s, const char *collection, const char *below, arena *a,
                struct store_file **out, size_t *n, struct err *e);

// All that store_put_repeats noted for a collection.
int store_repeats(store *s, const char *collection, arena *a, struct store_repeat **out,
                  size_t *n, struct err *e);
// The path of another document of the collection with this text that the same people may read,
// first by path; NULL: none.
int store_same_text(store *s, const char *collection, const char *text_hash,
                    const char *permissions, const char *but_not, arena *a, const char **path,
                    struct err *e);

struct store_collection {
    int64_t id;
    const char *name;
    uint64_t documents, passages, with_vectors, bytes;
    int64_t updated;
};
// fingerprint "" counts vectors of any. What `rights` (NULL: everything) do not give is neither
// listed nor counted.
int store_collections(store *s, const char *fingerprint, const struct rights *rights, arena *a,
                      struct store_collection **out, size_t *n, struct err *e);
// Grows with every change of documents or vectors: equal means nothing changed.
int store_sequence(store *s, int64_t *out, struct err *e);
// Grows whenever passages are removed or replaced.
int store_removals(store *s, int64_t *out, struct err *e);
// Another number after what was read before may be different now (a snapshot was restored,
// vectors were made again, the file is another): whoever keeps any of it begins anew.
int store_epoch(store *s, int64_t *out, struct err *e);
// The embedders that have vectors here.
struct store_embedder {
    const char *fingerprint;
    uint64_t vectors;
    bool complete; // see store_is_complete
};
int store_embedders(store *s, arena *a, struct store_embedder **out, size_t *n, struct err *e);
// Has store_complete been noted for this fingerprint? Until then its vectors tell only some
// passages from others, and searching by them would hide the rest.
int store_is_complete(store *s, const char *fingerprint, bool *out, struct err *e);
// The ids of all passages, ascending.
int store_passage_ids(store *s, arena *a, int64_t **out, size_t *n, struct err *e);

// The documents that somebody may read, or some of them, with their passages and how many words
// these have: the others take no part in counts, in how rare a word is, in what is found.
struct store_scope {
    uint8_t *documents; // a bit each; freed by store_scope_free
    uint32_t n;         // bits
    uint64_t passages, words;
};
struct store_filter {
    const int64_t *collections; // ids; NULL: all
    size_t n_collections;
    const struct store_scope *scope; // what may be read; NULL: all
    const char *path_glob, *type;
    int64_t after; // seconds; 0: any
};
struct store_hit {
    int64_t id;
    double bm25; // larger is better
};
// The document and length of every passage, in memory: one for all readers of a store.
typedef struct store_sizes store_sizes;
int store_sizes_new(store_sizes **out, struct err *e);
void store_sizes_free(store_sizes *z); // NULL-safe
// Bring it up to date. Any thread; one does the work, the others wait for it.
int store_sizes_refresh(store_sizes *z, store *s, struct err *e);
uint64_t store_sizes_passages(store_sizes *z);

// Of these collections (NULL: of all) what the permissions of files leave, where `rights` say
// that these decide. Which collections may be read is the caller's to see to.
int store_scope_new(store *s, store_sizes *z, const int64_t *collections, size_t n,
                    const struct rights *rights, struct store_scope *out, struct err *e);
void store_scope_free(struct store_scope *c);
// Its passages, a bit each; *n bits, to be freed.
int store_scope_bits(store_sizes *z, const struct store_scope *c, uint8_t **bits, size_t *n,
                     struct err *e);
// Passages of the scope (NULL: of all) that hold each word.
int store_word_counts(store *s, store_sizes *z, const struct store_scope *scope,
                      const char *const *words, size_t n, uint64_t *counts, struct err *e);

struct store_word {
    const char *word; // one of text_words(), or several that stand one after the other
    uint64_t count;   // passages that hold it
    double weight;    // of its score; 0: all of it
};
// The k best passages that hold any of the words, by BM25, best first, equals by id.
int store_search_words(store *s, store_sizes *z, const struct store_word *words, size_t n_words,
                       const struct store_filter *f, size_t k, struct store_hit *out, size_t *n,
                       struct err *e);
// What a passage of average length that holds each of the words once would score; of the scope
// (NULL: of all).
double store_words_worth(store_sizes *z, const struct store_scope *scope,
                         const struct store_word *words, size_t n);
// Does the passage pass the filter?
int store_passes(store *s, int64_t passage, const struct store_filter *f, bool *out,
                 struct err *e);
// Vectors of a fingerprint of passages with an id above `after`, with the passages' texts, by
// id, without damaged ones; the callback's non-zero return stops and is returned.
typedef int store_vector_fn(void *ctx, int64_t passage, int64_t collection, const char *text,
                            const uint16_t *f16, size_t dims);
int store_vectors(store *s, const char *fingerprint, int64_t after, store_vector_fn *fn,
                  void *ctx, struct err *e);

struct store_row {
    int64_t id, document;
    const char *collection, *path, *title, *type, *permissions;
    int64_t modified;
    unsigned n_passages; // of the document
    const char *const *section;
    int page, line_first, line_last;
    const char *text;
};
// One passage with its document; -ENOENT. -EBADMSG: the row is not what was put, and nothing of
// it is given.
int store_passage(store *s, int64_t id, arena *a, struct store_row *out, struct err *e);
// All passages of a document, in order; -ENOENT, or -EBADMSG for any of them.
int store_document_rows(store *s, int64_t document, arena *a, struct store_row **out, size_t *n,
                        struct err *e);

// ---- scan.c: everything once, for looking it over ----

// What is read from here until the store is closed is of one moment.
int store_hold(store *s, struct err *e);

struct store_scan_row {
    int64_t document, passage; // passage 0: the document has none
    const char *collection, *path, *title, *type;
    int64_t modified, size;
    const char *heading; // the innermost; "": none
    int page, line_first, line_last;
    const char *text; // NUL-terminated; "" without a passage
    bool has_vector;  // of any embedder
};
// Every passage, by collection, path and place in the document; what the row points to lives
// until the callback returns. Its non-zero return stops and is returned. `collection` NULL:
// all.
typedef int store_scan_fn(void *ctx, const struct store_scan_row *row);
int store_scan(store *s, const char *collection, store_scan_fn *fn, void *ctx, struct err *e);

// ---- verify.c: is all of it what was put? ----

enum store_fault {
    STORE_FAULT_FILE,     // the file cannot be read as a store
    STORE_FAULT_TREE,     // SQLite's integrity check, foreign keys, the schema
    STORE_FAULT_DOCUMENT, // rows that are not what was put
    STORE_FAULT_PASSAGE,
    STORE_FAULT_VECTOR,
    STORE_FAULT_REPEAT,
    STORE_FAULT_WORDS, // the index of the full text
    STORE_FAULTS
};
struct store_health {
    int schema;
    int64_t sequence;
    uint64_t documents, passages, vectors, embedders; // vectors of how many embedders
    uint64_t faults[STORE_FAULTS];
    bool unsummed; // of a schema before 3: there is nothing to compare rows with yet
};
// Look at everything. Each fault goes to `fn` with a sentence (at most 100 of a kind) and is
// counted. 0 also when there are faults; -ENOENT, -EPROTO (see store_open_reader); -EBUSY while
// a writer has the store: what is checked would change meanwhile. -ECANCELED: `fn` said so.
typedef int store_fault_fn(void *ctx, enum store_fault kind, const char *sentence);
int store_verify(const char *data_dir, store_fault_fn *fn, void *ctx, struct store_health *out,
                 struct err *e);

// The same at a glance, beside writers and readers: the schema, what there is to count, the
// rows of documents; the trees where the file has at most STORE_GLANCE_MAX bytes. The sentences
// name paths, never text. 0 also when there are faults.
#define STORE_GLANCE_MAX ((int64_t)256 << 20)
int store_glance(const char *data_dir, store_fault_fn *fn, void *ctx, struct store_health *out,
                 struct err *e);

// ---- snapshot.c, restore.c ----

// Copy the store, while others read and write it, to the folder `dir`, which must not exist:
// askd.db, in one file, and MANIFEST with its SHA-256. The folder gets its name when all of it
// is on disk and store_verify has found no fault in it (else -EBADMSG).
int store_snapshot(const char *data_dir, const char *dir, struct store_health *out,
                   struct err *e);
// Put what store_snapshot made in the place of the store, in one transaction: whoever reads
// sees the old or the new, running daemons the new with their next question. -EBADMSG when the
// snapshot is not what its manifest says, or has faults: then nothing is changed. *aside (at
// least PATH_MAX bytes) is where a store that could not be read was moved to; "": nowhere.
int store_restore(const char *data_dir, const char *dir, char *aside, struct store_health *out,
                  struct err *e);

// ---- text_words.c: what the full-text index is given, and what a question asks of it ----

// Append the words of text for indexing: folded; CJK as characters and pairs; identifiers,
// paths and flags also whole. Each word is letters and digits of FTS5's `ascii` tokenizer after
// encoding.
struct buf;
int text_words(struct buf *out, const char *text, size_t n);
