// SPDX-License-Identifier: MIT
// askd-model bench: the forward pass of a decoder, timed.
#include "engine/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOKENS_MAX 65536
#define REPEATS_MAX 101

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static int feed(struct cli_decoder *d, const int32_t *ids, uint32_t n, struct err *e)
{
    int rc = 0;
    for (uint32_t at = 0; at < n && !rc; at += CLI_BATCH)
        rc = transformer_session_eval(d->s, ids + at, n - at < CLI_BATCH ? n - at : CLI_BATCH,
                                      NULL, NULL, e);
    return rc;
}

// Tokens a second of one prefill and of the decoding behind it.
static int once(struct cli_decoder *r, uint32_t prompt, uint32_t decode, double *p, double *d,
                struct err *e)
{
    static int32_t ids[TOKENS_MAX];
    for (uint32_t i = 0; i < prompt + decode; i++)
        ids[i] = (int32_t)((i * 7919u + 13) % r->info.n_vocab); // any: the work is the same
    transformer_session_truncate(r->s, 0);
    double began = now_s();
    int rc = feed(r, ids, prompt, e);
    double between = now_s();
    for (uint32_t i = 0; i < decode && !rc; i++)
        rc = transformer_session_eval(r->s, ids + prompt + i, 1, NULL, NULL, e);
    *p = prompt / (between - began);
    *d = decode / (now_s() - between);
    return rc;
}

static int bench(int argc, char **argv)
{
    long threads = 0, prompt = 512, decode = 128, repeat = 5;
    const struct cli_option options[] = {{"--threads", CLI_WHOLE, &threads, 1, 256},
                                         {"--prompt", CLI_WHOLE, &prompt, 1, TOKENS_MAX / 2},
                                         {"--decode", CLI_WHOLE, &decode, 1, TOKENS_MAX / 2},
                                         {"--repeat", CLI_WHOLE, &repeat, 1, REPEATS_MAX},
                                         {0}};
    double p[REPEATS_MAX], d[REPEATS_MAX];
    struct cli_decoder r;
    struct err e;
    int n = cli_options(options, argc, argv);
    if (n < 0)
        return 2;
    if (n != 1)
        return cli_usage(&command_bench);
    int rc = cli_decoder_start(&r, argv[1], (unsigned)threads, (uint32_t)(prompt + decode), &e);
    for (long i = 0; i < repeat && !rc; i++)
        rc = once(&r, (uint32_t)prompt, (uint32_t)decode, &p[i], &d[i], &e);
    if (!rc)
        printf("threads %u, medians of %ld\nprefill %ld tokens: %.1f tokens/s\n"
               "decode %ld tokens: %.1f tokens/s\n",
               team_size(r.team), repeat, prompt, median(p, (size_t)repeat), decode,
               median(d, (size_t)repeat));
    cli_decoder_stop(&r);
    return rc ? cli_fail(1, "%s", e.msg) : 0;
}

const struct command command_bench = {
    "bench", "[--threads N] [--prompt N] [--decode N] [--repeat N] FILE.gguf",
    "time the forward pass: tokens a second of prefill and decode", bench};
