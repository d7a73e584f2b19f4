// SPDX-License-Identifier: MIT
// The commands of askd-ingest. Each returns the exit status: 0, 1 (some files failed; doctor:
// there are findings), 2, or
// 128 plus the signal that ended it early; the sentence of a failure is in *e.
#pragma once

#include "base/err.h"
#include "ingest/options.h"
#include "ingest/report.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stddef.h>

// Set by SIGINT and SIGTERM: finish what is in hand, acknowledge it, stop.
extern atomic_int ingest_signal;
extern atomic_bool ingest_cancelled; // the same, for what only knows yes and no

int ingest_add(const struct options *o, struct report *r, struct err *e);
int ingest_rebuild(const struct options *o, struct report *r, struct err *e);
int ingest_rm(const struct options *o, struct report *r, struct err *e);
int ingest_ls(const struct options *o, struct err *e);
int ingest_status(const struct options *o, struct err *e);
int ingest_doctor(const struct options *o, struct err *e);
int ingest_embed(const struct options *o, struct report *r, struct err *e);
int ingest_verify(const struct options *o, struct err *e); // 1: the store is damaged
int ingest_snapshot(const struct options *o, struct err *e);
int ingest_restore(const struct options *o, struct err *e);

// Fill in missing vectors of the open store. 0, -ECANCELED on a signal, or the failure. Without
// a model that was named explicitly, an absent one is only remarked.
int embed_pending(store *s, const struct options *o, struct report *r, struct err *e);
// The absolute path of one that may not exist any more, links in its folder resolved.
int ingest_resolve(const char *path, char out[], size_t cap, struct err *e);
