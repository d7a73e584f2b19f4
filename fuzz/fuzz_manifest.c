// SPDX-License-Identifier: MIT
// A snapshot whose manifest is any bytes: refused by a sentence and nothing is changed, or it
// is the one that was taken.
#include "fuzz/target.h"

#include "base/file.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char data_dir[64], snapshot[64], manifest[80];

static void make(void)
{
    struct err e;
    struct store_health health;
    store *s;
    const char *dir = fuzz_folder();
    snprintf(data_dir, sizeof data_dir, "%s/data", dir);
    snprintf(snapshot, sizeof snapshot, "%s/snapshot", dir);
    snprintf(manifest, sizeof manifest, "%s/MANIFEST", snapshot);
    FUZZ_CHECK(!store_open_writer(data_dir, &s, &e));
    store_close(s);
    FUZZ_CHECK(!store_snapshot(data_dir, snapshot, &health, &e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_health health;
    struct err e = {0};
    char aside[PATH_MAX] = "";
    store *s;
    if (!*manifest)
        make();
    FILE *f = fopen(manifest, "wb");
    FUZZ_CHECK(f && fwrite(data, 1, size, f) == size && !fclose(f));
    int rc = store_restore(data_dir, snapshot, aside, &health, &e);
    FUZZ_CHECK(!rc || (rc < 0 && *e.msg));
    FUZZ_CHECK(!*aside);
    FUZZ_CHECK(!store_open_reader(data_dir, &s, &e));
    store_close(s);
    return 0;
}
