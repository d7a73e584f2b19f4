// SPDX-License-Identifier: MIT
// askd-model tokenize: text to ids.
#include "engine/cli/cli.h"

#include "engine/tokenizer/tokenizer.h"

#include <stdio.h>
#include <string.h>

// {"ids": [...], "offsets": [[start, end], ...]}
static int print_offsets(const tokenizer *t, const char *s, size_t n, unsigned flags)
{
    struct tokens ids = TOKENS_INIT;
    struct token_spans spans = TOKEN_SPANS_INIT;
    struct err e;
    int rc = tokenizer_encode_spans(t, s, n, flags, &ids, &spans, &e);
    if (!rc) {
        printf("{\"ids\": [");
        for (size_t i = 0; i < ids.len; i++)
            printf("%s%d", i ? ", " : "", ids.ids[i]);
        printf("], \"offsets\": [");
        for (size_t i = 0; i < spans.len; i++)
            printf("%s[%u, %u]", i ? ", " : "", spans.at[i].start, spans.at[i].end);
        puts("]}");
    }
    tokens_free(&ids);
    token_spans_free(&spans);
    return rc ? cli_fail(1, "%s", e.msg) : 0;
}

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
    bool special = false, offsets = false;
    const struct cli_option options[] = {
        {"--special", CLI_FLAG, &special, 0, 0}, {"--offsets", CLI_FLAG, &offsets, 0, 0}, {0}};
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
        rc = (offsets ? print_offsets : print_ids)(t, argv[2], strlen(argv[2]), flags);
    else if ((rc = cli_read_input(&b)) == 0)
        rc = (offsets ? print_offsets : print_ids)(t, b.data, b.len, flags);
    buf_free(&b);
    tokenizer_close(t);
    return rc;
}

const struct command command_tokenize = {"tokenize", "[--special] [--offsets] FILE.gguf [TEXT]",
                                         "print the token ids of TEXT, or of standard input, "
                                         "as JSON; --special adds the model's own, --offsets "
                                         "the bytes that each stands for",
                                         run};
