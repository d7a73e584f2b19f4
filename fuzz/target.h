// SPDX-License-Identifier: MIT
// What the fuzz targets share: each defines LLVMFuzzerTestOneInput, and libFuzzer or replay.c
// calls it.
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Put the bytes where the readers of files can open them; the path, the same for all calls of
// one process. The readers map files, so the bytes go through memory and no disk.
const char *fuzz_file(const uint8_t *data, size_t size);

// A folder of this process alone, removed at its end; the same for all calls.
const char *fuzz_folder(void);

// Abort with the place where a promise was broken, in optimised builds too.
#define FUZZ_CHECK(x) ((x) ? (void)0 : fuzz_broken(#x, __FILE__, __LINE__))
void fuzz_broken(const char *promise, const char *file, int line) __attribute__((noreturn));
