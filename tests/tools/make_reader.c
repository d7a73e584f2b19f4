// SPDX-License-Identifier: MIT
// make_reader MODEL.gguf OUT.gguf [RANK [OUTPUTS [SEED]]]: a reader of random weights for an
// embedder (BERT, XLM-R): RANK 16, OUTPUTS 2.
#include "embedder/embedder.h"
#include "tests/embedder/random_reader.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct err e;
    struct team *team = NULL;
    embedder *m = NULL;
    if (argc < 3 || argc > 6) {
        fprintf(stderr, "usage: make_reader MODEL.gguf OUT.gguf [RANK [OUTPUTS [SEED]]]\n");
        return 2;
    }
    struct random_reader r = {.model = argv[1],
                              .rank = argc > 3 ? (uint32_t)atoi(argv[3]) : 16,
                              .outputs = argc > 4 ? (uint32_t)atoi(argv[4]) : 2,
                              .seed = argc > 5 ? (uint64_t)atoi(argv[5]) : 1};
    int rc = team_new(1, &team, &e);
    if (!rc)
        rc = embedder_open(argv[1], team, &m, &e);
    if (!rc) {
        r.base = embedder_fingerprint(m);
        rc = random_reader_save(&r, argv[2], &e);
    }
    if (rc)
        fprintf(stderr, "make_reader: %s\n", e.msg);
    embedder_close(m);
    team_free(team);
    return rc ? 2 : 0;
}
