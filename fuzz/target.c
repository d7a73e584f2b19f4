// SPDX-License-Identifier: MIT
#include "fuzz/target.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

const char *fuzz_file(const uint8_t *data, size_t size)
{
    static char path[40];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        fuzz_broken("the input can be written", __FILE__, __LINE__);
    return path;
}

static char folder[] = "/tmp/askd-fuzz-XXXXXX";

static void remove_folder(void)
{
    char command[60];
    snprintf(command, sizeof command, "rm -r %s", folder);
    if (system(command))
        fprintf(stderr, "%s stays\n", folder);
}

const char *fuzz_folder(void)
{
    static bool made;
    if (!made && (!mkdtemp(folder) || atexit(remove_folder)))
        fuzz_broken("a folder can be made", __FILE__, __LINE__);
    made = true;
    return folder;
}

void fuzz_broken(const char *promise, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, promise);
    abort();
}
