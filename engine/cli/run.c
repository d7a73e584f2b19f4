// SPDX-License-Identifier: MIT
// askd-model logits and bench: the forward pass of a decoder, to be compared and timed.
#include "engine/cli/cli.h"

#include "engine/gguf/gguf.h"
#include "engine/tensor/team.h"
#include "engine/transformer/transformer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 64 // tokens at once, as the daemon feeds them
#define TOKENS_MAX 65536
#define REPEATS_MAX 101

struct running {
    gguf *g;
    struct team *team;
    transformer *t;
    transformer_session *s;
    struct transformer_info info;
};

static void stop(struct running *r)
{
    if (r->s)
        team_give(r->team);
    transformer_session_free(r->s);
    transformer_close(r->t);
    team_free(r->team);
    gguf_close(r->g);
}

// A session of n_ctx tokens with the team taken.
static int start(struct running *r, const char *path, unsigned threads, uint32_t n_ctx,
                 struct err *e)
{
    *r = (struct running){0};
    int rc = gguf_open(path, &r->g, e);
    if (!rc)
        rc = team_new(threads, &r->team, e);
    if (!rc)
        rc = transformer_open(r->g, r->team, &r->t, e);
    if (!rc) {
        transformer_describe(r->t, &r->info);
        rc = transformer_session_new(r->t, n_ctx, n_ctx < BATCH ? n_ctx : BATCH, &r->s, e);
    }
    if (!rc)
        team_take(r->team, TEAM_INTERACTIVE);
    return rc;
}

// A whole number from low to high, or -1.
static long whole(const char *s, long low, long high)
{
    char *end;
    long v = strtol(s, &end, 10);
    return *s && !*end && v >= low && v <= high ? v : -1;
}

// The value of option `name` at argv[*at], which then moves on; -1: it is another argument,
// -2: its value is wrong.
static long option(int argc, char **argv, int *at, const char *name, long low, long high)
{
    if (*at >= argc || strcmp(argv[*at], name))
        return -1;
    long v = *at + 1 < argc ? whole(argv[*at + 1], low, high) : -1;
    *at += 2;
    if (v < 0)
        cli_fail(2, "%s takes a number from %ld to %ld", name, low, high);
    return v < 0 ? -2 : v;
}

// ---- logits ----

static int feed(struct running *r, const int32_t *ids, uint32_t n, float *logits, struct err *e)
{
    int rc = 0;
    for (uint32_t at = 0; at < n && !rc; at += BATCH) {
        uint32_t k = n - at < BATCH ? n - at : BATCH;
        rc = transformer_session_eval(r->s, ids + at, k, logits, NULL, e);
        if (!rc && logits && fwrite(logits, (size_t)r->info.n_vocab * 4, k, stdout) != k)
            rc = err_set(e, -EIO, "the output could not be written");
    }
    return rc;
}

static int logits(int argc, char **argv)
{
    static int32_t ids[TOKENS_MAX];
    struct running r;
    struct err e;
    uint32_t n = 0;
    int at = 1;
    long threads = option(argc, argv, &at, "--threads", 1, 256), id;
    if (threads == -2)
        return 2;
    if (argc - at < 2)
        return cli_usage(&command_logits);
    const char *path = argv[at++];
    for (; at < argc; at++) {
        if ((id = whole(argv[at], 0, INT32_MAX)) < 0 || n == TOKENS_MAX)
            return cli_fail(2, "'%.40s' is no token id, or one of more than %d", argv[at],
                            TOKENS_MAX);
        ids[n++] = (int32_t)id;
    }
    int rc = start(&r, path, threads < 0 ? 0 : (unsigned)threads, n, &e);
    float *out = rc ? NULL : malloc((size_t)BATCH * r.info.n_vocab * sizeof *out);
    if (!rc)
        rc = out ? feed(&r, ids, n, out, &e) : err_nomem(&e);
    free(out);
    stop(&r);
    return rc ? cli_fail(1, "%s", e.msg) : 0;
}

const struct command command_logits = {
    "logits", "[--threads N] FILE.gguf ID...",
    "write the logits behind each token, f32 rows of the vocabulary's width", logits};

// ---- bench ----

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

// Tokens a second of one prefill and of the decoding behind it.
static int once(struct running *r, uint32_t prompt, uint32_t decode, double *p, double *d,
                struct err *e)
{
    static int32_t ids[TOKENS_MAX];
    for (uint32_t i = 0; i < prompt + decode; i++)
        ids[i] = (int32_t)((i * 7919u + 13) % r->info.n_vocab); // any: the work is the same
    transformer_session_truncate(r->s, 0);
    double began = now_s();
    int rc = feed(r, ids, prompt, NULL, e);
    double between = now_s();
    for (uint32_t i = 0; i < decode && !rc; i++)
        rc = transformer_session_eval(r->s, ids + prompt + i, 1, NULL, NULL, e);
    *p = prompt / (between - began);
    *d = decode / (now_s() - between);
    return rc;
}

static int bench(int argc, char **argv)
{
    static const char *const names[] = {"--threads", "--prompt", "--decode", "--repeat"};
    static const long most[] = {256, TOKENS_MAX / 2, TOKENS_MAX / 2, REPEATS_MAX};
    long value[] = {0, 512, 128, 5};
    double p[REPEATS_MAX], d[REPEATS_MAX];
    struct running r;
    struct err e;
    int at = 1;
    for (size_t i = 0; i < 4; i++) {
        long v = option(argc, argv, &at, names[i], 1, most[i]);
        if (v == -2)
            return 2;
        value[i] = v < 0 ? value[i] : v;
        i = v < 0 ? i : (size_t)-1; // options come in any order
    }
    if (argc - at != 1)
        return cli_usage(&command_bench);
    uint32_t prompt = (uint32_t)value[1], decode = (uint32_t)value[2];
    int rc = start(&r, argv[at], (unsigned)value[0], prompt + decode, &e);
    for (long i = 0; i < value[3] && !rc; i++)
        rc = once(&r, prompt, decode, &p[i], &d[i], &e);
    if (!rc)
        printf("threads %u, medians of %ld\nprefill %u tokens: %.1f tokens/s\n"
               "decode %u tokens: %.1f tokens/s\n",
               team_size(r.team), value[3], prompt, median(p, (size_t)value[3]), decode,
               median(d, (size_t)value[3]));
    stop(&r);
    return rc ? cli_fail(1, "%s", e.msg) : 0;
}

const struct command command_bench = {
    "bench", "[--threads N] [--prompt N] [--decode N] [--repeat N] FILE.gguf",
    "time the forward pass: tokens a second of prefill and decode", bench};
