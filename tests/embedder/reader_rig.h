// SPDX-License-Identifier: MIT
// A reader of random weights on a model that is here, and texts for it to read.
#pragma once

#include "base/arena.h"
#include "embedder/reader.h"
#include "tests/embedder/random_reader.h"

#include <limits.h>
#include <stdbool.h>

enum { TEXTS = 10, OUTPUTS = 3, MODELS = 2 };

struct rig {
    char model[PATH_MAX], adapter[64];
    struct team *team;
    embedder *m;
    reader *r;
};

// The tiny model: made, and removed.
int rig_setup(void **state);
int rig_teardown(void **state);
int make_tiny(const char *kind, const char *path);

extern const struct random_reader usual;
// On one of MODELS, the first of which is always here; false, saying so: it is absent.
bool open_rig(struct rig *r, size_t model, unsigned threads);
void close_rig(struct rig *r);
// Save a reader, of another base if told so, and open it.
int open_reader(struct rig *r, struct random_reader of, bool own_base, struct err *e);

extern const char question[];
struct texts {
    struct reader_text at[TEXTS];
    char *owned[2];
};
void make_texts(struct texts *t);
void drop_texts(struct texts *t);
char *repeated(const char *s, size_t times); // to be freed
// Read them; it must not fail.
void read_all(struct rig *r, const char *q, const struct reader_text *texts, size_t n, arena *a,
              struct reading *out);
