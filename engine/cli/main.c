// SPDX-License-Identifier: MIT
// askd-model: looks into model files, converts and tries them.
#include "engine/cli/cli.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_inspect,  &command_tokenize,   &command_logits,   &command_embed, &command_read,
    &command_generate, &command_perplexity, &command_quantize, &command_bench, &command_import,
};
static const size_t n_commands = sizeof commands / sizeof *commands;

// Words of `s` from column `at` on, in lines of 80 columns that begin with `indent` spaces.
static void wrap(FILE *f, const char *s, int at, int indent)
{
    while (*(s += strspn(s, " "))) {
        int n = (int)strcspn(s, " ");
        bool first = at == indent;
        if (!first && at + 1 + n > 80) {
            fprintf(f, "\n%*s", indent, "");
            at = indent;
            first = true;
        }
        fprintf(f, "%s%.*s", first ? "" : " ", n, s);
        at += n + !first;
        s += n;
    }
    fputc('\n', f);
}

static void help(FILE *f)
{
    fputs("usage: askd-model COMMAND ...\n\n", f);
    for (size_t i = 0; i < n_commands; i++) {
        fprintf(f, "  %s", commands[i]->name);
        wrap(f, commands[i]->usage, 2 + (int)strlen(commands[i]->name), 6);
        fputs("      ", f);
        wrap(f, commands[i]->help, 6, 6);
    }
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
