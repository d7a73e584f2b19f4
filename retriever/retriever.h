// SPDX-License-Identifier: MIT
// Question -> best passages: full text and vectors, fused. The narrow interface that a cluster
// back end can implement later.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/rights.h"
#include "embedder/embedder.h"
#include "embedder/reader.h"
#include "retriever/lexicon.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct retriever retriever;

// Open the data folder's store and current index generation. `m` may be NULL (words only), and
// so may `english`, a second embedder that questions and passages which are not in CJK script
// are compared by as well, and `read` (nothing is read). All must outlive the retriever. New
// generations and new
// documents are picked up by the next search without reopening. An empty or absent store is
// fine: nothing is found.
int retriever_open(const char *data_dir, embedder *m, embedder *english, reader *read,
                   retriever **out, struct err *e);
void retriever_close(retriever *r);
// Called, on any thread, with a sentence for each passage that was found and is not shown,
// because its row in the store is damaged. To be set before the first search.
typedef void retriever_damage_fn(void *ctx, const char *sentence);
void retriever_on_damage(retriever *r, retriever_damage_fn *fn, void *ctx);
// Questions are searched for by what their terms are called in the other language, too. It must
// outlive the retriever. To be called before the first search.
void retriever_use_lexicon(retriever *r, const lexicon *l);
// Does searching go by meaning too, as of the last search? Not without an embedder, and not
// before every passage has had a vector of this one: askd-ingest embed makes them. Any thread.
bool retriever_by_meaning(const retriever *r);

// How far changes of the store had been taken up by the last search. Any thread.
int64_t retriever_generation(retriever *r);

struct retriever_query {
    const char *question;           // standalone, UTF-8
    const char *const *collections; // names, NULL-terminated; NULL: all that may be read
    const struct rights *rights;    // of whoever asks; NULL: everything
    unsigned k;                     // passages wanted, 1-50
    const char *path_glob;          // NULL: any
    const char *after;              // documents modified at or after YYYY-MM-DD; NULL: any
    const char *type;               // "md", "html", "pdf", "text"; NULL: any
    const atomic_bool *cancel;
};

struct retriever_document {
    int64_t id;
    const char *path, *title, *collection;
    const char *type;
    const char *permissions; // of the file (base/permissions.h); to be looked at, not shown
    const char *modified;    // RFC 3339, UTC
    unsigned n_passages;
};

struct retriever_hit {
    int64_t id;     // passage
    double score;   // fused, and once it is read, with the reader's mixed in, 0..1
    double fused;   // of both legs, 0..1
    double read;    // how surely the reader finds an answer in it, 0..1; 0: not read
    double lexical; // of the words leg, normalised within the query; 0: not in it
    double dense;   // cosine, moved by `moved`; 0: not in the vector leg
    double english; // cosine by the second embedder; 0: there is none
    double moved;   // across scripts cosines are lower: what makes this one comparable
    bool foreign;   // in CJK script where the question is not, or the other way round
    const struct retriever_document *document;
    const char *const *section;    // path of headings, NULL-terminated, without the title
    int page;                      // 0: the format has none
    int line_first, line_last;     // 0: the format has none
    const char *text;              // exactly as stored, NUL-terminated UTF-8
    const struct reading *reading; // of `text`; NULL: not read
};

struct retriever_result {
    struct retriever_hit *hits; // best first
    size_t n;
    int64_t generation;
    uint64_t passages_total, passages_with_vectors; // in the collections asked
    double embed_ms, lexical_ms, vector_ms, total_ms;
};

// Search; everything in *out lives in `a`. Any thread, several at once. -ENOENT names a
// collection that does not exist, or not for whoever asks: what may not be read takes part in
// nothing, the counts included; -EINVAL a wrong filter; -ECANCELED.
int retriever_search(retriever *r, const struct retriever_query *q, arena *a,
                     struct retriever_result *out, struct err *e);

// Cosine of one question to n texts (sentences): out[n]. For choosing sentences; all 0
// without an embedder.
int retriever_similarity(retriever *r, const char *question, const struct embedder_text *texts,
                         size_t n, float *out, const atomic_bool *cancel, struct err *e);

// Let the reader look at n hits, the best ones first: fills in their reading and read and mixes
// the latter into their score. Nothing changes without a reader. What is filled in lives in
// `a`. Any thread; -ECANCELED.
int retriever_read(retriever *r, const char *question, struct retriever_hit *const *hits,
                   size_t n, arena *a, const atomic_bool *cancel, struct err *e);
// A hit that need not be read since another one surely holds the answer: as if read, and none
// found.
void retriever_leave_unread(struct retriever_hit *hit);
// How surely the reader finds an answer within bytes [from, to) of what it has read (its best
// span there against none), 0..1; 0 for NULL.
double retriever_surely(const struct reading *r, size_t from, size_t to);

struct retriever_collection {
    const char *name;
    uint64_t documents, passages, with_vectors, bytes;
    const char *updated; // RFC 3339, UTC
};
// Those that may be read, and of them what may be.
int retriever_collections(retriever *r, const struct rights *rights, arena *a,
                          struct retriever_collection **out, size_t *n, struct err *e);
// One document with its passages in order (hits without scores). -ENOENT, also when it may not
// be read.
int retriever_get_document(retriever *r, int64_t id, const struct rights *rights, arena *a,
                           const struct retriever_document **doc,
                           struct retriever_hit **passages, size_t *n, struct err *e);
// A term of a question and what it is called in the other language.
struct retriever_term {
    const struct lexicon_translation *translations;
    size_t n;
};
// The terms of a question that the lexicon knows, stop words left out; none without a lexicon.
// The list lives in `a`. Any thread; -ENOMEM.
int retriever_terms(retriever *r, const char *question, arena *a, struct retriever_term **out,
                    size_t *n, struct err *e);
// How often each word of the question stands in the passages: share of passages (0..1) that
// hold words[i], for weighing rare words; of those that may be read.
int retriever_word_share(retriever *r, const struct rights *rights, const char *const *words,
                         size_t n, double *out, struct err *e);
