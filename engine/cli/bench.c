// SPDX-License-Identifier: MIT
// askd-model bench: the forward pass of a model, timed.
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

enum { PREFILL, LOGITS, BEST, KINDS, SESSIONS_MAX = 16 };

struct bench {
    struct cli_decoder r;
    transformer_session *more[SESSIONS_MAX - 1]; // beside r.s
    uint32_t sessions, prompt, decode;
};

static transformer_session *session_at(const struct bench *b, uint32_t i)
{
    return i ? b->more[i - 1] : b->r.s;
}

// Any tokens: the work is the same.
static const int32_t *tokens_of(const struct bench *b)
{
    static int32_t ids[TOKENS_MAX];
    for (uint32_t i = 0; i < TOKENS_MAX; i++)
        ids[i] = (int32_t)((i * 7919u + 13) % b->r.info.n_vocab);
    return ids;
}

static int prefill(struct bench *b, uint32_t session, const int32_t *ids, struct err *e)
{
    int rc = 0;
    transformer_session_truncate(session_at(b, session), 0);
    for (uint32_t at = 0; at < b->prompt && !rc; at += CLI_BATCH) {
        uint32_t n = b->prompt - at < CLI_BATCH ? b->prompt - at : CLI_BATCH;
        struct transformer_part p = {
            .session = session_at(b, session), .tokens = ids + at, .n = n};
        p.want = at + n == b->prompt ? TRANSFORMER_LOGITS : TRANSFORMER_NOTHING;
        rc = transformer_step(&p, 1, NULL, e);
    }
    return rc;
}

static int decode(struct bench *b, const int32_t *ids, enum transformer_want want,
                  struct err *e)
{
    struct transformer_part parts[SESSIONS_MAX];
    int rc = 0;
    for (uint32_t k = 0; k < b->sessions; k++)
        transformer_session_truncate(session_at(b, k), b->prompt);
    for (uint32_t i = 0; i < b->decode && !rc; i++) {
        for (uint32_t k = 0; k < b->sessions; k++)
            parts[k] = (struct transformer_part){.session = session_at(b, k),
                                                 .tokens = ids + b->prompt + i,
                                                 .n = 1,
                                                 .want = want};
        rc = transformer_step(parts, b->sessions, NULL, e);
    }
    return rc;
}

// Tokens a second of one prefill, and of decoding behind it with all logits or the best token
// alone, all sessions together.
static int once(struct bench *b, double speed[KINDS], struct err *e)
{
    const int32_t *ids = tokens_of(b);
    double began = now_s();
    int rc = prefill(b, 0, ids, e);
    speed[PREFILL] = b->prompt / (now_s() - began);
    for (uint32_t k = 1; k < b->sessions && !rc; k++)
        rc = prefill(b, k, ids, e);
    for (int kind = LOGITS; kind <= BEST && !rc; kind++) {
        began = now_s();
        rc = decode(b, ids, kind == BEST ? TRANSFORMER_BEST : TRANSFORMER_LOGITS, e);
        speed[kind] = (double)b->decode * b->sessions / (now_s() - began);
    }
    return rc;
}

// ---- bench of an encoder ----

enum { QUERY = 12, QUERIES = 10, TOGETHER = 16 };

static int encode(struct bench *b, uint32_t n, uint32_t tokens, struct err *e)
{
    uint32_t starts[TOGETHER + 1];
    float *out = malloc((size_t)n * b->r.info.n_embd * sizeof *out);
    for (uint32_t i = 0; i <= n; i++)
        starts[i] = i * tokens;
    int rc =
        out ? transformer_encode(b->r.t, tokens_of(b), starts, n, out, NULL, e) : err_nomem(e);
    free(out);
    return rc;
}

// Milliseconds of one short query, and passages of `prompt` tokens a second, `decode` of them.
static int once_encoded(struct bench *b, double *query, double *passages, struct err *e)
{
    double began = now_s();
    int rc = 0;
    for (int i = 0; i < QUERIES && !rc; i++)
        rc = encode(b, 1, QUERY, e);
    *query = (now_s() - began) * 1000 / QUERIES;
    began = now_s();
    for (uint32_t at = 0, n; at < b->decode && !rc; at += n) {
        n = b->decode - at < TOGETHER ? b->decode - at : TOGETHER;
        rc = encode(b, n, b->prompt, e);
    }
    *passages = b->decode / (now_s() - began);
    return rc;
}

static int encoder_rounds(struct bench *b, uint32_t repeats, struct err *e)
{
    double query[REPEATS_MAX], passages[REPEATS_MAX];
    char line[16];
    int rc = 0;
    for (uint32_t i = 0; !rc && (repeats ? i < repeats : !!fgets(line, sizeof line, stdin));
         i++) {
        size_t at = repeats ? i : 0;
        rc = once_encoded(b, &query[at], &passages[at], e);
        if (!rc && (!repeats || i + 1 == repeats))
            printf("query of %d tokens: %.2f ms\npassages of %u tokens: %.1f passages/s\n",
                   QUERY, median(query, at + 1), b->prompt, median(passages, at + 1));
        fflush(stdout);
    }
    return rc;
}

static void print_speeds(const struct bench *b, double all[KINDS][REPEATS_MAX], size_t n)
{
    static const char *const names[] = {"prefill", "decode", "greedy"};
    for (int k = 0; k < KINDS; k++)
        printf("%s %u tokens: %.1f tokens/s\n", names[k], k ? b->decode : b->prompt,
               median(all[k], n));
    fflush(stdout);
}

// Rounds and their medians; with none, a round for each line of standard input, told at once.
static int rounds(struct bench *b, uint32_t repeats, struct err *e)
{
    double all[KINDS][REPEATS_MAX], speed[KINDS];
    char line[16];
    int rc = 0;
    if (repeats)
        printf("threads %u, sessions %u, medians of %u\n", team_size(b->r.team), b->sessions,
               repeats);
    for (uint32_t i = 0; !rc && (repeats ? i < repeats : !!fgets(line, sizeof line, stdin));
         i++) {
        size_t at = repeats ? i : 0;
        rc = once(b, speed, e);
        for (int k = 0; k < KINDS; k++)
            all[k][at] = speed[k];
        if (!rc && (!repeats || i + 1 == repeats))
            print_speeds(b, all, at + 1);
    }
    return rc;
}

static int measure(struct bench *b, uint32_t repeats, struct err *e)
{
    uint32_t n_ctx = b->prompt + b->decode;
    int rc = 0;
    for (uint32_t k = 1; k < b->sessions && !rc; k++)
        rc = transformer_session_new(b->r.t, n_ctx, n_ctx < CLI_BATCH ? n_ctx : CLI_BATCH,
                                     &b->more[k - 1], e);
    if (!rc)
        rc = rounds(b, repeats, e);
    for (uint32_t k = 0; k + 1 < b->sessions; k++)
        transformer_session_free(b->more[k]);
    return rc;
}

static int bench(int argc, char **argv)
{
    static struct bench b;
    long threads = 0, prompt = 512, decoded = 128, sessions = 1, repeat = 5;
    const struct cli_option options[] = {{"--threads", CLI_WHOLE, &threads, 1, 256},
                                         {"--prompt", CLI_WHOLE, &prompt, 1, TOKENS_MAX / 2},
                                         {"--decode", CLI_WHOLE, &decoded, 1, TOKENS_MAX / 2},
                                         {"--sessions", CLI_WHOLE, &sessions, 1, SESSIONS_MAX},
                                         {"--repeat", CLI_WHOLE, &repeat, 0, REPEATS_MAX},
                                         {0}};
    struct err e;
    int n = cli_options(options, argc, argv);
    if (n < 0)
        return 2;
    if (n != 1)
        return cli_usage(&command_bench);
    b.prompt = (uint32_t)prompt;
    b.decode = (uint32_t)decoded;
    b.sessions = (uint32_t)sessions;
    int rc = cli_model_start(&b.r, argv[1], (unsigned)threads, b.prompt + b.decode, &e);
    if (!rc)
        rc = (b.r.info.causal ? measure : encoder_rounds)(&b, (uint32_t)repeat, &e);
    cli_decoder_stop(&b.r);
    return rc ? cli_fail(1, "%s", e.msg) : 0;
}

const struct command command_bench = {
    "bench", "[--threads N] [--prompt N] [--decode N] [--sessions N] [--repeat N] FILE.gguf",
    "time the forward pass: tokens a second of prefill, of decoding with all logits, and "
    "greedily",
    bench};
