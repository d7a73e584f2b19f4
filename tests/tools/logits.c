// SPDX-License-Identifier: MIT
// logits MODEL.gguf < IDS: for whitespace-separated token ids, writes f32 logits [n,
// vocabulary] of all positions to standard output, and the speed of prefill and of 64 decode
// steps to standard error.
#include "engine/transformer/transformer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct err e;
    gguf *g;
    struct team *team;
    transformer *t;
    transformer_session *s;
    struct transformer_info info;
    int32_t ids[4096];
    uint32_t n = 0;
    if (argc < 2) {
        fputs("usage: logits MODEL.gguf [threads] < IDS\n", stderr);
        return 2;
    }
    while (n < 4096 && scanf("%d", &ids[n]) == 1)
        n++;
    if (gguf_open(argv[1], &g, &e) ||
        team_new(argc > 2 ? (unsigned)atoi(argv[2]) : 2, &team, &e) ||
        transformer_open(g, team, &t, &e) || transformer_session_new(t, n + 65, n, &s, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 2;
    }
    transformer_describe(t, &info);
    float *out = malloc((size_t)n * info.n_vocab * sizeof *out);
    team_take(team, TEAM_INTERACTIVE);
    double start = now();
    int rc = transformer_session_eval(s, ids, n, NULL, NULL, &e);
    double prefill = now() - start;
    start = now();
    for (int i = 0; i < 64 && !rc; i++)
        rc = transformer_session_eval(s, ids, 1, NULL, NULL, &e);
    double decode = now() - start;
    transformer_session_truncate(s, 0);
    if (!rc)
        rc = transformer_session_eval(s, ids, n, out, NULL, &e);
    team_give(team);
    if (rc || !out) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    fprintf(stderr,
            "prefill %.0f tokens/s, decode %.0f tokens/s, weights %zu MiB, session %zu MiB\n",
            n / prefill, 64 / decode, info.weight_bytes >> 20,
            transformer_session_bytes(s) >> 20);
    fwrite(out, sizeof *out, (size_t)n * info.n_vocab, stdout);
    free(out);
    transformer_session_free(s);
    transformer_close(t);
    team_free(team);
    gguf_close(g);
    return 0;
}
