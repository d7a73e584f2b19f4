// SPDX-License-Identifier: MIT
// INI files (through inih) with line numbers: [section], key = value, # and ; comments.
#pragma once

#include "base/err.h"

// Called for each "key = value". `section` is "" before the first header. A continuation line
// (indented) calls again with the same key. Strings live until the return; non-zero stops.
typedef int ini_fn(void *ctx, const char *section, const char *key, const char *value,
                   int line);

// Parse text (NUL-terminated). 0; the callback's non-zero return; or -EINVAL with the first
// line that is neither, named "`name`:line".
int ini_parse_text(const char *name, const char *text, ini_fn *fn, void *ctx, struct err *e);
// The same from a file of at most 1 MiB. Also -ENOENT and the errors of file_read.
int ini_parse_path(const char *path, ini_fn *fn, void *ctx, struct err *e);
