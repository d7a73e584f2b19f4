// SPDX-License-Identifier: MIT
// A folder of the test's own, documents put there, words looked for.
#pragma once

#include "store/store.h"

extern char dir[];
int texts_setup(void **state);
int texts_teardown(void **state);

// A document of two passages, the first with this text.
void put_in(store *s, const char *collection, const char *path, const char *text);
void put(store *s, const char *path, const char *text); // in "default"
// SQL on the file of a folder, as a program that is not this one, or a failing disk, changes
// it; askd_sum is there.
void change(const char *folder, const char *sql);
// The same for a table whose columns may be NULL meanwhile.
void change_nullable(const char *folder, const char *table, const char *sql);
// Make of a store that nobody has open one of an older schema, from 1, with the same content.
void make_older(const char *folder, int schema);
// How many passages hold the word.
size_t find(store *s, const char *word, struct store_filter f);
