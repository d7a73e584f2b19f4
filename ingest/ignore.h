// SPDX-License-Identifier: MIT
// Rules of .gitignore: gitignore(5), and .askdignore of the same form.
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

// Does pattern match path? `*`, `?` and `[...]` do not match '/'; `**` between slashes matches
// any folders. Time is O(pattern × path) at most.
bool ignore_glob(const char *pattern, const char *path);

// The rules that hold in one folder: its own, then those of the folder above, and so on.
struct ignore_rules {
    const struct ignore_rules *above;
    struct ignore_rule *rules; // the last that matches decides
    size_t n, cap;
    size_t base; // bytes of the folder's path below the top, "" or "a/b/"
};

// Add one line of an ignore file (or a pattern of ours) to `r`. 0 or -ENOMEM.
int ignore_add(struct ignore_rules *r, arena *a, const char *line, size_t n);
// Add a file's lines; an absent file adds none. Beyond 1 MiB: -EFBIG.
int ignore_add_file(struct ignore_rules *r, arena *a, const char *path, struct err *e);

// Is `path` (below the top that `base` counts from) left out? That a folder above it is left
// out is for the caller to have seen. -1: no rule speaks of it; else 0 or 1.
int ignore_match(const struct ignore_rules *r, const char *path, bool folder);
