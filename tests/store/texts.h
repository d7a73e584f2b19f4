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
// How many passages hold the word.
size_t find(store *s, const char *word, struct store_filter f);
