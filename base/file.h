// SPDX-License-Identifier: MIT
// Files: bounded reads, read-only maps, and writes that are either whole or absent.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <limits.h>
#include <stddef.h>

// Append the whole regular file to `out`. -EFBIG beyond `max` bytes; -EINVAL for what is
// not a regular file. The sentence names the path.
int file_read(const char *path, size_t max, struct buf *out, struct err *e);

// A read-only map of a whole regular file; an empty file gives data NULL, size 0.
struct file_map {
    const unsigned char *data;
    size_t size;
};
int file_map_open(const char *path, struct file_map *m, struct err *e);
void file_map_close(struct file_map *m);

// Write `n` bytes to PATH.tmp, fsync, rename to PATH, fsync the folder: after a crash the
// path holds the old bytes or the new ones, never a mixture.
int file_write_atomic(const char *path, const void *p, size_t n, struct err *e);

// The same for several stretches, one behind the other.
struct file_part {
    const void *p;
    size_t n;
};
int file_write_parts_atomic(const char *path, const struct file_part *parts, size_t n,
                            struct err *e);

// As file_write_atomic, for nobody else to read: mode 0600.
int file_write_private(const char *path, const void *p, size_t n, struct err *e);

// The folder that a path lies in: "." where it names none, "/" at the top.
void file_parent(const char *path, char out[PATH_MAX]);
// Bring a file's bytes, or the names in a folder, to disk.
int file_sync(const char *path, struct err *e);

// Create the folder and its missing parents with `mode` (existing ones are left alone). New
// ones are on disk on return.
int file_mkdirs(const char *path, unsigned mode, struct err *e);
