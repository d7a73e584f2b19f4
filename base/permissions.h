// SPDX-License-Identifier: MIT
// Who may read a file, as stat(2) says it of the file and of all folders above it, in one short
// text that can be kept and judged later.
//
//   ""                       everybody
//   "1000:100:6 0:50:4"      whoever passes each of these: UID:GID:BITS, where BITS has 4 for
//                            the owner, 2 for the group, 1 for others. The kernel's order: who
//                            is the owner is nothing else, who is of the group is not "others".
//   "?"                      it cannot be told: nobody
//
// What lets everybody pass (a folder 0755) is left out; the rest stands once and sorted, so
// equal texts mean equal readers. A file or folder with an access control list (POSIX or NFSv4)
// gives "?", for its mode then says something else: the group's bits are the list's mask, and
// an entry may deny what others have. So does one that only some may read and whose owner or
// group this user namespace does not know (65534), for anyone unknown would be that.
// Source: path_resolution(7), acl(5), user_namespaces(7).
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PERMISSIONS_MAX 1024 // bytes, the NUL included
#define PERMISSIONS_UNKNOWN "?"

// The folder that was looked at last, so that its files need not look at it again. Begin with
// zeros.
struct permissions_folder {
    char path[PATH_MAX];
    char text[PERMISSIONS_MAX];
};

// Of a file by its absolute path without links; "?" also where it cannot be looked at. `last`
// may be NULL. Any thread.
void permissions_of(const char *path, struct permissions_folder *last,
                    char out[PERMISSIONS_MAX]);
// Whoever passes both.
void permissions_join(char text[PERMISSIONS_MAX], const char *other);
// May this user, who is in these groups, read it? A text that is none gives false.
bool permissions_allow(const char *text, uid_t uid, const gid_t *groups, size_t n);
