// SPDX-License-Identifier: MIT
// askd-model tokenize: text to ids and back.
#include "engine/cli/cli.h"

#include "base/buf.h"
#include "engine/gguf/gguf.h"
#include "engine/tokenizer/tokenizer.h"

#include <stdio.h>
#include <string.h>

enum { INPUT_MAX = 64 << 20 };

static int read_input(struct buf *b)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0)
        if (b->len + n > INPUT_MAX || buf_add(b, chunk, n))
            return cli_fail(1, "standard input is more than %d bytes: split it", INPUT_MAX);
    return ferror(stdin) ? cli_fail(1, "standard input could not be read") : 0;
}

static int tokenize(const tokenizer *t, const char *s, size_t n, unsigned flags)
{
    struct tokens ids = TOKENS_INIT;
    if (tokenizer_encode(t, s, n, flags, &ids)) {
        tokens_free(&ids);
        return cli_fail(1, "out of memory");
    }
    for (size_t i = 0; i < ids.len; i++)
        printf("%s%d", i ? " " : "", ids.ids[i]);
    putchar('\n');
    fprintf(stderr, "%zu bytes, %zu tokens\n", n, ids.len);
    tokens_free(&ids);
    return 0;
}

static int run(int argc, char **argv)
{
    unsigned flags = 0;
    struct err e;
    gguf *g;
    tokenizer *t;
    int at = 1;
    if (argc > 1 && strcmp(argv[1], "--special") == 0) {
        flags = TOKENIZER_ADD_SPECIAL;
        at++;
    }
    if (argc - at < 1 || argc - at > 2)
        return cli_usage(&command_tokenize);
    if (gguf_open(argv[at], &g, &e))
        return cli_fail(1, "%s", e.msg);
    int rc = tokenizer_open(g, &t, &e);
    gguf_close(g);
    if (rc)
        return cli_fail(1, "%s", e.msg);
    struct buf b = BUF_INIT;
    if (argc - at == 2)
        rc = tokenize(t, argv[at + 1], strlen(argv[at + 1]), flags);
    else if ((rc = read_input(&b)) == 0)
        rc = tokenize(t, b.data, b.len, flags);
    buf_free(&b);
    tokenizer_close(t);
    return rc;
}

const struct command command_tokenize = {
    "tokenize", "[--special] FILE.gguf [TEXT]",
    "print the token ids of TEXT, or of standard input; --special adds the model's own", run};
