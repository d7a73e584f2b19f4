// SPDX-License-Identifier: MIT
// Documents are read in processes of their own, which may do next to nothing: a document that
// crashes, hangs or takes over what reads it costs itself.
//
// Each thread that reads has a keeper: this program once more, started by its own name,
// EXTRACTOR_NAME. It has one thread, sees nothing of what this process holds, gives up files
// and memory, and forks a child for every few documents; the child gives up system calls and
// processor time before it sees the first byte. The keeper itself reads no document: it waits
// for the child, ends it when it takes too long, and says how it ended.
#pragma once

#include "ingest/extract.h"

#include <stddef.h>
#include <stdint.h>

#define EXTRACTOR_NAME "askd-extractor"

typedef struct extractors extractors;

// For `n` threads; the first keeper is started. -ENOEXEC when this program cannot be started
// again, -EPERM when the kernel could confine it and refuses.
int extractors_new(unsigned n, extractors **out, struct err *e);
// NULL-safe. No thread reads any more.
void extractors_free(extractors *x);
// What the kernel lacks, as CONFINE_NO_... of base/confine.h.
int extractors_missing(const extractors *x);

// As extract_bytes (extract.h), there; `bytes` is left as it is. Also -EILSEQ when a signal
// ended it, -ETIME and -ENOMEM beyond the limits, -EBADMSG when what it made is no doc. At most
// `n` threads at a time; more wait.
int extractors_read(extractors *x, enum format f, const struct buf *bytes, struct doc *d,
                    struct err *e);

// The limits of one child.
struct extractor_limits {
    int64_t memory; // bytes of addresses
    int cpu_s;      // seconds of processor time,
    int wall_s;     // and of the clock
};
extern const struct extractor_limits extractor_limits; // askd-ingest's: 2 GiB, 60 s, 120 s

// main() of a program that was started as EXTRACTOR_NAME: `extract` is called for each
// document.
typedef int extract_fn(enum format f, struct buf *bytes, struct doc *d, struct err *e);
int extractor_main(extract_fn *extract, const struct extractor_limits *l);
