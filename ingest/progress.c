// SPDX-License-Identifier: MIT
#include "ingest/ingest.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct timespec last;
static bool shown;

void progress(const char *what, uint64_t done, uint64_t total)
{
    struct timespec now;
    if (!isatty(STDERR_FILENO))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (done != total &&
        (now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000 < 100)
        return;
    last = now;
    fprintf(stderr, "\r\033[K%s %llu of %llu", what, (unsigned long long)done,
            (unsigned long long)total);
    shown = true;
}

void progress_end(void)
{
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
}
