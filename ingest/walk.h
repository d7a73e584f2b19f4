// SPDX-License-Identifier: MIT
// Folders -> the files in them, in one fixed order.
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct walk_file {
    const char *path;        // absolute
    const char *permissions; // who may read it (base/permissions.h), as it was found
    int64_t size, modified;
};

struct walk {
    struct walk_file *files; // sorted by path, byte by byte; none twice
    size_t n, cap;
    const char **roots; // the paths asked for, resolved
    size_t n_roots;
    // Folders that could not be read, and why: nothing is known of what is below.
    struct walk_fault {
        const char *path;
        char why[ERR_MSG_MAX];
    } * faults;
    size_t n_faults, cap_faults;
    uint64_t excluded, links, special; // left out by rule; links; sockets and the like
    arena *a;
};

// Walk `paths`. A path named is taken whatever the rules say; below it rules hold, weakest
// first: built-in ones (.git, node_modules, ...), .gitignore and .askdignore of each folder
// (those above a path too, up to the repository's top), then `excludes`, relative to the path
// named. Links are not followed below a path. Fails only if memory runs out or an exclude is
// wrong; what cannot be read is in `faults`.
int walk_run(const char *const *paths, size_t n, const char *const *excludes, size_t n_excludes,
             arena *a, struct walk *out, struct err *e);
