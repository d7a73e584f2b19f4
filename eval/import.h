// SPDX-License-Identifier: MIT
// Public sets of questions and passages to what askd reads: a folder DIR with docs/, to be
// taken in by askd-ingest, and set.jsonl, to be run by askd-eval.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/utf8.h"

#include <cJSON.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct import_counts {
    size_t documents, questions;
    size_t left_out; // questions without text, judgements or a clear yes or no
};

// `format` is squad (SQuAD 1.1 and 2.0, CMRC 2018, DRCD), clapnq, mtrag or beir (a folder).
// DIR must not hold a set yet. -EINVAL names what is wrong with the input.
int import_set(const char *format, const char *input, const char *dir,
               struct import_counts *out, struct err *e);

// ---- shared by import.c and import_formats.c ----

struct importer {
    const char *dir;
    FILE *set;
    arena *a;
    struct import_counts counts;
    struct err *e;
};

// Write a document; its path within DIR, in the arena, or NULL with a sentence.
const char *import_document(struct importer *im, const char *title, const char *text);
// Write a question, which is consumed; `id`, `question` and what else it has stand in it,
// its language is added.
int import_question(struct importer *im, cJSON *q);
// {"file", "quote"} at the end of q's evidence; `quote` may be NULL.
void import_evidence(cJSON *q, const char *file, const char *quote);
// Call line(im, object, ctx) for each JSON line of a file.
int import_lines(struct importer *im, const char *path,
                 int (*line)(struct importer *im, const cJSON *o, void *ctx), void *ctx);

typedef int import_format(struct importer *im, const char *input);
import_format import_squad, import_clapnq, import_mtrag, import_beir;
