// SPDX-License-Identifier: MIT
// Folders -> files, with the rules of .gitignore and .askdignore (gitignore(5)).
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walk_file {
    char *path; // absolute
    int64_t size, modified;
};
struct walk_list {
    struct walk_file *files; // sorted by path
    size_t n, cap;
    size_t ignored; // files that a rule or the list of known binary types left out
};

// A file or a folder could not be read: told, and the walk goes on.
typedef void walk_trouble(void *ctx, const char *path, const char *why);

// Append the regular files at or below `path`. Links inside a folder are not followed; the
// path itself may be one. `excludes` is a NULL-terminated list of patterns with the power of a
// .gitignore at the top, or NULL. A file named directly is always taken. -ENOENT, -EACCES when
// the path itself cannot be read.
int walk(const char *path, const char *const *excludes, struct walk_list *out,
         walk_trouble *trouble, void *ctx, struct err *e);
void walk_sort(struct walk_list *l); // and drop duplicates
void walk_free(struct walk_list *l);

// ---- ignore.c ----

struct ignore; // the rules of one folder, and of those above

// Rules from text in `folder` (absolute); `above` may be NULL and must outlive the result.
int ignore_new(const struct ignore *above, const char *folder, struct ignore **out);
int ignore_add(struct ignore *g, const char *text, size_t n);
void ignore_free(struct ignore *g); // not those above
// Is the path (absolute, below the folder) left out? The last rule that matches decides; the
// deepest folder's rules come last.
bool ignore_match(const struct ignore *g, const char *path, bool folder);
