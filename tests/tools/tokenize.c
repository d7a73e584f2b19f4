// SPDX-License-Identifier: MIT
// tokenize MODEL.gguf [special]: for each line of standard input, with \xNN escapes, the token
// ids.
#include "engine/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t unescape(char *s)
{
    size_t n = 0;
    for (char *p = s; *p; p++) {
        unsigned v;
        if (p[0] == '\\' && p[1] == 'x' && sscanf(p + 2, "%2x", &v) == 1) {
            s[n++] = (char)v;
            p += 3;
        } else {
            s[n++] = *p;
        }
    }
    return n;
}

int main(int argc, char **argv)
{
    struct err e;
    gguf *g;
    tokenizer *t;
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    if (argc < 2 || gguf_open(argv[1], &g, &e) || tokenizer_open(g, &t, &e)) {
        fprintf(stderr, "%s\n", argc < 2 ? "usage: tokenize MODEL.gguf [special]" : e.msg);
        return 2;
    }
    gguf_close(g);
    while ((len = getline(&line, &cap, stdin)) > 0) {
        line[strcspn(line, "\n")] = 0;
        struct tokens out = TOKENS_INIT;
        if (tokenizer_encode(t, line, unescape(line), argc > 2 ? TOKENIZER_ADD_SPECIAL : 0,
                             &out))
            return 1;
        for (size_t i = 0; i < out.len; i++)
            printf("%s%d", i ? " " : "", out.ids[i]);
        puts("");
        tokens_free(&out);
    }
    free(line);
    tokenizer_close(t);
    return 0;
}
