// SPDX-License-Identifier: MIT
// askd-model perplexity: how well a decoder foresees a text.
#include "engine/cli/cli.h"

#include <stdio.h>

static int run(int argc, char **argv)
{
    long threads = 0, window = 512;
    const struct cli_option options[] = {{"--threads", CLI_WHOLE, &threads, 1, 256},
                                         {"--window", CLI_WHOLE, &window, 8, 65536},
                                         {0}};
    struct buf text = BUF_INIT;
    struct cli_perplexity p;
    struct err e;
    int n = cli_options(options, argc, argv);
    if (n < 0)
        return 2;
    if (n != 2)
        return cli_usage(&command_perplexity);
    int rc = cli_read_file(argv[2], &text);
    if (!rc && cli_perplexity_of(argv[1], text.data, text.len, (unsigned)threads,
                                 (uint32_t)window, &p, &e))
        rc = cli_fail(1, "%s", e.msg);
    if (!rc)
        printf("{\"perplexity\": %.6g, \"standard_error\": %.3g, \"tokens\": %zu, "
               "\"scored\": %zu, \"window\": %u}\n",
               p.perplexity, p.error, p.tokens, p.scored, p.window);
    buf_free(&text);
    return rc;
}

const struct command command_perplexity = {
    "perplexity", "[--threads N] [--window N] FILE.gguf TEXT-FILE",
    "how well a decoder foresees a text: windows of N tokens (512), the second half of each "
    "scored",
    run};
