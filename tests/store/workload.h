// SPDX-License-Identifier: MIT
// A fixed series of changes to a store, and what must be found there after each: what the tests
// of faults run and then check. The changes are deterministic, so "acknowledged up to N" says
// exactly what has to be there.
#pragma once

#include "store/store.h"

#define WORK_DOCUMENTS 8
#define WORK_VERSIONS 4 // of a document, from 1
#define WORK_PASSAGES 3 // at most, of a version
#define WORK_STEPS 26
#define WORK_FINGERPRINT "test:1"
#define WORK_DIMS 16

// The text of a passage; a word of it stands in no other passage. Static buffers, overwritten
// by the next call.
const char *work_text(int document, int version, int passage);
const char *work_word(int document, int version, int passage);

// Do step `i` (from 1) on an open store. Steps are whole: done or not.
int work_step(store *s, int i, struct err *e);
// From step `from` on to the last, opening and closing as needed; after each the callback (may
// be NULL) is told. Returns the first failure.
typedef void work_ack_fn(void *ctx, int step);
int work_run(const char *data_dir, int from, work_ack_fn *ack, void *ctx, struct err *e);

// Look at all of the store. 0, and *state is the step after which a store looks so: `acked` or
// one later. Else a sentence. An absent or empty store is that of step 0.
int work_check(const char *data_dir, int acked, int *state, char why[ERR_MSG_MAX]);
// As a reader of a store that may be damaged: each text that is given is one that was put, each
// word search gives at most its passage. 0; 1 when an error was returned somewhere; -1 and a
// sentence when anything wrong was given.
int work_read(const char *data_dir, char why[ERR_MSG_MAX]);
