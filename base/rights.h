// SPDX-License-Identifier: MIT
// What somebody may read: some collections, and of some of these only what the permissions of
// the source files let him read.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rights {
    const char *const *collections; // names, NULL-terminated; NULL: all
    bool by_files;                  // the permissions of files decide as well,
    const char *const *files_of;    // in these collections; NULL: in all
    bool user;                      // of this machine, with uid and groups; else no file's
    uid_t uid;
    const gid_t *groups;
    size_t n_groups;
};

// Each with NULL for whoever may read everything. Any thread.
// May this collection be read, at least in part?
bool rights_collection(const struct rights *r, const char *name);
// Do the permissions of files decide in it?
bool rights_by_files(const struct rights *r, const char *collection);
// What these permissions (base/permissions.h) say, wherever they decide.
bool rights_file(const struct rights *r, const char *permissions);
// May a document of the collection with these permissions be read?
bool rights_document(const struct rights *r, const char *collection, const char *permissions);
// Is anything kept from whoever has these?
bool rights_limited(const struct rights *r);
