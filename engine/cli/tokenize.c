// SPDX-License-Identifier: MIT
// askd-model tokenize: text to ids.
#include "engine/cli/cli.h"

#include "engine/tokenizer/tokenizer.h"

#include <stdio.h>
#include <string.h>

static int print_ids(const tokenizer *t, const char *s, size_t n, unsigned flags)
{
    struct tokens ids = TOKENS_INIT;
    if (tokenizer_encode(t, s, n, flags, &ids)) {
        tokens_free(&ids);
        return cli_fail(1, "out of memory");
    }
    putchar('[');
    for (size_t i = 0; i < ids.len; i++)
        printf("%s%d", i ? ", " : "", ids.ids[i]);
    puts("]");
    tokens_free(&ids);
    return 0;
}

static int run(int argc, char **argv)
{
    bool special = false;
    const struct cli_option options[] = {{"--special", CLI_FLAG, &special, 0, 0}, {0}};
    struct err e;
    gguf *g;
    tokenizer *t;
    int n = cli_options(options, argc, argv);
    if (n < 0)
        return 2;
    if (n < 1 || n > 2)
        return cli_usage(&command_tokenize);
    if (gguf_open(argv[1], &g, &e))
        return cli_fail(1, "%s", e.msg);
    int rc = tokenizer_open(g, &t, &e);
    gguf_close(g);
    if (rc)
        return cli_fail(1, "%s", e.msg);
    struct buf b = BUF_INIT;
    unsigned flags = special ? TOKENIZER_ADD_SPECIAL : 0;
    if (n == 2)
        rc = print_ids(t, argv[2], strlen(argv[2]), flags);
    else if ((rc = cli_read_input(&b)) == 0)
        rc = print_ids(t, b.data, b.len, flags);
    buf_free(&b);
    tokenizer_close(t);
    return rc;
}

const struct command command_tokenize = {"tokenize", "[--special] FILE.gguf [TEXT]",
                                         "print the token ids of TEXT, or of standard input, "
                                         "as JSON; --special adds the model's own",
                                         run};
