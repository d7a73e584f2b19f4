// SPDX-License-Identifier: MIT
// Text -> unit vector, by a local encoder model.
#pragma once

#include "base/err.h"
#include "engine/tensor/team.h"

#include <stdatomic.h>
#include <stddef.h>

typedef struct embedder embedder;

enum embedder_kind { EMBEDDER_QUERY, EMBEDDER_PASSAGE };

struct embedder_text {
    const char *s;
    size_t n;
};

// Load a GGUF encoder. Query and passage prefixes come from the file's metadata
// (askd.embedder.query_prefix / passage_prefix) or, absent those, are recognised by name.
// The team must outlive the embedder.
int embedder_open(const char *path, struct team *team, embedder **out, struct err *e);
void embedder_close(embedder *m);
size_t embedder_dims(const embedder *m);
// Tokens that a text may have, prefix and specials taken off.
size_t embedder_max_tokens(const embedder *m);
// "name:32 hex digits" over weights and prefixes: vectors are comparable only if it is equal.
const char *embedder_fingerprint(const embedder *m);
// Tokens of the text alone. Any thread.
size_t embedder_count_tokens(const embedder *m, const char *s, size_t n);
// out is [count, dims] f32, each of unit length; text beyond embedder_max_tokens is not read.
// Takes the team in turns of class `c`; any thread. -ECANCELED once *cancel is set.
int embedder_embed(embedder *m, enum embedder_kind kind, enum team_class c,
                   const struct embedder_text *texts, size_t count, float *out,
                   const atomic_bool *cancel, struct err *e);
// The vector [dims] of one query, which somebody waits for: computed by the calling thread
// alone, which neither waits for the team nor takes it. The bytes are those of embedder_embed.
int embedder_query(embedder *m, const char *query, size_t n, float *out,
                   const atomic_bool *cancel, struct err *e);
