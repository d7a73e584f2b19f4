// SPDX-License-Identifier: MIT
// JSON that is whole or not at all. cJSON leaves out what it finds no memory for, and says so
// at each call that nobody looks at; here its allocator notes it, for each thread, and
// json_print looks once.
#pragma once

#include "base/buf.h"

#include <cJSON.h>
#include <stdbool.h>

// For the whole process, before cJSON is used and before threads are started.
void json_init(void);
// Has cJSON found no memory on this thread since this was asked last (or since json_print)?
bool json_failed(void);

// Add `v`, which is taken, to an object or a list. Either may be NULL.
void json_put(cJSON *o, const char *name, cJSON *v);
void json_append(cJSON *list, cJSON *v);
// Print the object, with a newline, and delete it. -ENOMEM, too, when `o` is NULL or anything
// has found no memory since the last time.
int json_print(cJSON *o, struct buf *out);
