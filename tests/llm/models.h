// SPDX-License-Identifier: MIT
// Models for tests: tiny ones made on the spot, real ones where they are.
#pragma once

#include "base/err.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const real_models[] = {"SmolLM2-135M-Instruct.Q4_1.gguf",
                                          "gemma-3-270m-q4_k_m.gguf"};

// The path of a real model; false where it is absent, which is said.
static inline bool real_model(size_t i, char path[PATH_MAX])
{
    const char *dir = getenv("ASKD_MODELS");
    snprintf(path, PATH_MAX, "%s%s/%s", dir ? dir : getenv("ASKD_SRCDIR"),
             dir ? "" : "/models/cache", real_models[i]);
    if (!access(path, R_OK))
        return true;
    printf("# skipped: %s is absent (scripts/fetch-models)\n", path);
    return false;
}

// A tiny model (llama, t5, or lora: an adapter for the first) at `path`, a template for
// mkstemp; the caller unlinks it.
static inline int tiny_file(const char *kind, char *path, unsigned width, unsigned layers,
                            unsigned seed)
{
    char command[PATH_MAX + 200];
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    snprintf(command, sizeof command, "%s/tests/tools/make_tiny_model %s %s %u %u %u",
             getenv("ASKD_BUILDDIR"), kind, path, width, layers, seed);
    return system(command) ? -1 : 0;
}

static inline int tiny_model(char *path, unsigned width, unsigned layers)
{
    return tiny_file("llama", path, width, layers, 1);
}
