// SPDX-License-Identifier: MIT
// askd-model embed: a vector for each line.
#include "engine/cli/cli.h"

#include "embedder/embedder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 32 }; // at once

static void print_vectors(const float *v, size_t n, size_t dims, size_t first)
{
    for (size_t i = 0; i < n; i++) {
        printf("{\"line\": %zu, \"embedding\": [", first + i + 1);
        for (size_t k = 0; k < dims; k++)
            printf("%s%.9g", k ? ", " : "", (double)v[i * dims + k]);
        puts("]}");
    }
}

static int embed_lines(embedder *m, enum embedder_kind kind, const struct buf *b, struct err *e)
{
    struct embedder_text texts[TEXTS];
    size_t dims = embedder_dims(m), line = 0;
    float *out = malloc(TEXTS * dims * sizeof *out);
    int rc = out ? 0 : err_nomem(e);
    for (const char *at = b->data, *end = b->data + b->len; at < end && !rc;) {
        size_t n = 0;
        for (; n < TEXTS && at < end; n++) {
            const char *stop = memchr(at, '\n', (size_t)(end - at));
            stop = stop ? stop : end;
            texts[n] = (struct embedder_text){at, (size_t)(stop - at)};
            at = stop + 1;
        }
        rc = embedder_embed(m, kind, TEAM_BATCH, texts, n, out, NULL, e);
        if (!rc)
            print_vectors(out, n, dims, line);
        line += n;
    }
    free(out);
    return rc;
}

static int run(int argc, char **argv)
{
    long threads = 0;
    bool query = false, passage = false;
    const struct cli_option options[] = {{"--threads", CLI_WHOLE, &threads, 1, 256},
                                         {"--query", CLI_FLAG, &query, 0, 0},
                                         {"--passage", CLI_FLAG, &passage, 0, 0},
                                         {0}};
    struct buf b = BUF_INIT;
    struct team *team = NULL;
    embedder *m = NULL;
    struct err e;
    int n = cli_options(options, argc, argv);
    if (n < 0)
        return 2;
    if (n != 1 || (query && passage))
        return cli_usage(&command_embed);
    int rc = team_new((unsigned)threads, &team, &e);
    if (!rc)
        rc = embedder_open(argv[1], team, &m, &e);
    int status = rc ? cli_fail(1, "%s", e.msg) : cli_read_input(&b);
    if (!status && embed_lines(m, query ? EMBEDDER_QUERY : EMBEDDER_PASSAGE, &b, &e))
        status = cli_fail(1, "%s", e.msg);
    embedder_close(m);
    team_free(team);
    buf_free(&b);
    return status;
}

const struct command command_embed = {
    "embed", "[--threads N] [--query | --passage] FILE.gguf",
    "a vector for each line of standard input, as JSON lines; --query as a question, else as a "
    "passage",
    run};
