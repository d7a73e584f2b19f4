// SPDX-License-Identifier: MIT
// replay FILE-OR-FOLDER...: one target over inputs that are kept, without libFuzzer; TAP. Where
// an input ends the program, the test is cut short: its last line names the one before.
#include "base/buf.h"
#include "base/file.h"
#include "fuzz/target.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int n;

static int one(const char *path)
{
    struct buf b = BUF_INIT;
    struct err e;
    if (file_read(path, 16 << 20, &b, &e)) {
        printf("not ok %d - %s\n", ++n, e.msg);
        return 1;
    }
    // A copy of exactly its size: what reads beyond it is seen by the sanitizers.
    uint8_t *exact = malloc(b.len ? b.len : 1);
    if (!exact)
        return 1;
    memcpy(exact, b.data, b.len);
    LLVMFuzzerTestOneInput(exact, b.len);
    free(exact);
    buf_free(&b);
    printf("ok %d - %s\n", ++n, strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
    fflush(stdout);
    return 0;
}

static int folder(const char *path)
{
    struct dirent **names;
    char full[PATH_MAX];
    int rc = 0, count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(full, sizeof full, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            rc |= one(full);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return rc | (count <= 2);
}

int main(int argc, char **argv)
{
    struct stat st;
    int rc = argc < 2;
    for (int i = 1; i < argc; i++)
        rc |= !stat(argv[i], &st) && S_ISDIR(st.st_mode) ? folder(argv[i]) : one(argv[i]);
    printf("1..%d\n", n);
    return rc;
}
