// SPDX-License-Identifier: MIT
// askd-model: looks into model files, converts and tries them.
#include "engine/cli/cli.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_inspect,    &command_tokenize, &command_logits, &command_embed,  &command_generate,
    &command_perplexity, &command_quantize, &command_bench,  &command_import,
};
static const size_t n_commands = sizeof commands / sizeof *commands;

static void help(FILE *f)
{
    fputs("usage: askd-model COMMAND ...\n\n", f);
    for (size_t i = 0; i < n_commands; i++)
        fprintf(f, "  %s %s\n      %s\n", commands[i]->name, commands[i]->usage,
                commands[i]->help);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("askd-model " PACKAGE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < n_commands; i++) {
        if (strcmp(argv[1], commands[i]->name))
            continue;
        int rc = commands[i]->run(argc - 1, argv + 1);
        if (fflush(stdout) && !rc)
            rc = cli_fail(1, "the output could not be written");
        return rc;
    }
    return cli_fail(2, "no command named \"%s\" (askd-model --help lists them)", argv[1]);
}
