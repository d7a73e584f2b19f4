// SPDX-License-Identifier: MIT
// askd-model bench: the forward pass of a model, timed.
#include "engine/cli/cli.h"

#include "engine/cli/bench_peer.h"

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
    uint32_t sessions, prompt, decode, depth, repeats;
    bool csv;
    transformer_adapter *reader; // of an encoder, or NULL
    struct bench_peer peer;      // where there is one to compare with
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

// Tokens [from, to) of the timeline.
static int feed(struct bench *b, uint32_t session, const int32_t *ids, uint32_t from,
                uint32_t to, struct err *e)
{
    int rc = 0;
    transformer_session_truncate(session_at(b, session), from);
    for (uint32_t at = from; at < to && !rc; at += CLI_BATCH) {
        uint32_t n = to - at < CLI_BATCH ? to - at : CLI_BATCH;
        struct transformer_part p = {
            .session = session_at(b, session), .tokens = ids + at, .n = n};
        p.want = at + n == to ? TRANSFORMER_LOGITS : TRANSFORMER_NOTHING;
        rc = transformer_step(&p, 1, e);
    }
    return rc;
}

static int decode(struct bench *b, const int32_t *ids, enum transformer_want want,
                  struct err *e)
{
    struct transformer_part parts[SESSIONS_MAX];
    int rc = 0;
    for (uint32_t k = 0; k < b->sessions; k++)
        transformer_session_truncate(session_at(b, k), b->depth);
    for (uint32_t i = 0; i < b->decode && !rc; i++) {
        for (uint32_t k = 0; k < b->sessions; k++)
            parts[k] = (struct transformer_part){.session = session_at(b, k),
                                                 .tokens = ids + b->depth + i,
                                                 .n = 1,
                                                 .want = want};
        rc = transformer_step(parts, b->sessions, e);
    }
    return rc;
}

// Tokens a second of one prefill, and of decoding behind `depth` tokens with all logits or the
// best token alone, all sessions together.
static int once_decoded(struct bench *b, double *speed, struct err *e)
{
    const int32_t *ids = tokens_of(b);
    double began = now_s();
    int rc = feed(b, 0, ids, 0, b->prompt, e);
    speed[PREFILL] = b->prompt / (now_s() - began);
    for (uint32_t k = 0; k < b->sessions && !rc; k++) {
        uint32_t len = transformer_session_len(session_at(b, k));
        if (len < b->depth)
            rc = feed(b, k, ids, len, b->depth, e);
    }
    for (int kind = LOGITS; kind <= BEST && !rc; kind++) {
        began = now_s();
        rc = decode(b, ids, kind == BEST ? TRANSFORMER_BEST : TRANSFORMER_LOGITS, e);
        speed[kind] = (double)b->decode * b->sessions / (now_s() - began);
    }
    return rc;
}

// ---- bench of an encoder ----

enum { QUERY = 12, QUERIES = 10, TOGETHER = 16 };

static int encode(struct bench *b, uint32_t n, uint32_t tokens, bool read, struct err *e)
{
    uint32_t starts[TOGETHER + 1];
    size_t wide = read ? (size_t)n * tokens * transformer_adapter_outputs(b->reader)
                       : (size_t)n * b->r.info.n_embd;
    float *out = malloc(wide * sizeof *out);
    for (uint32_t i = 0; i <= n; i++)
        starts[i] = i * tokens;
    int rc = !out   ? err_nomem(e)
             : read ? transformer_encode_tokens(b->r.t, b->reader, tokens_of(b), starts, n, out,
                                                NULL, e)
                    : transformer_encode(b->r.t, tokens_of(b), starts, n, out, NULL, e);
    free(out);
    return rc;
}

static int passages(struct bench *b, bool read, double *speed, struct err *e)
{
    double began = now_s();
    int rc = 0;
    for (uint32_t at = 0, n; at < b->decode && !rc; at += n) {
        n = b->decode - at < TOGETHER ? b->decode - at : TOGETHER;
        rc = encode(b, n, b->prompt, read, e);
    }
    *speed = b->decode / (now_s() - began);
    return rc;
}

// Milliseconds of one short query, and passages of `prompt` tokens a second, `decode` of them,
// to vectors and, where there is a reader, to its logits.
static int once_encoded(struct bench *b, double *speed, struct err *e)
{
    double began = now_s();
    int rc = 0;
    for (int i = 0; i < QUERIES && !rc; i++)
        rc = encode(b, 1, QUERY, false, e);
    speed[0] = (now_s() - began) * 1000 / QUERIES;
    if (!rc)
        rc = passages(b, false, &speed[1], e);
    if (!rc && b->reader)
        rc = passages(b, true, &speed[2], e);
    return rc;
}

// ---- rounds ----

// What a round gives: how it is called, of how many tokens, in which unit.
struct kind {
    const char *name, *unit;
    uint32_t tokens;
};

static size_t kinds_of(const struct bench *b, struct kind out[KINDS])
{
    if (!b->r.info.causal) {
        out[0] = (struct kind){"query", "ms", QUERY};
        out[1] = (struct kind){"passages", "passages/s", b->prompt};
        out[2] = (struct kind){"read", "passages/s", b->prompt};
        return b->reader ? 3 : 2;
    }
    out[PREFILL] = (struct kind){"prefill", "tokens/s", b->prompt};
    out[LOGITS] = (struct kind){"decode", "tokens/s", b->decode};
    out[BEST] = (struct kind){"greedy", "tokens/s", b->decode};
    return KINDS;
}

static int once(struct bench *b, double *speed, struct err *e)
{
    return (b->r.info.causal ? once_decoded : once_encoded)(b, speed, e);
}

// A round for each line of standard input, told at once: how others let us work in turns.
static int answer_rounds(struct bench *b, struct err *e)
{
    struct kind kinds[KINDS];
    double speed[KINDS];
    char line[16];
    int rc = 0;
    size_t n = kinds_of(b, kinds);
    while (!rc && fgets(line, sizeof line, stdin)) {
        rc = once(b, speed, e);
        for (size_t k = 0; !rc && k < n; k++)
            printf("%.2f%c", speed[k], k + 1 < n ? ',' : '\n');
        fflush(stdout);
    }
    return rc;
}

struct result {
    double ours[REPEATS_MAX], theirs[REPEATS_MAX], ratios[REPEATS_MAX];
};

static void print_result(const struct bench *b, const struct kind *k, struct result *r)
{
    size_t n = b->repeats;
    bool compared = b->peer.out && r->theirs[0] > 0;
    double ours = median(r->ours, n), theirs = compared ? median(r->theirs, n) : 0,
           ratio = compared ? median(r->ratios, n) : 0;
    if (b->csv) {
        printf("%s,%u,%u,%u,%u,%s,%.2f", k->name, k->tokens, b->depth, b->sessions,
               team_size(b->r.team), k->unit, ours);
        if (compared)
            printf(",%.2f,%.3f\n", theirs, ratio);
        else
            printf("%s\n", b->peer.out ? ",," : "");
        return;
    }
    printf("%s %u tokens: %.2f %s", k->name, k->tokens, ours, k->unit);
    if (compared)
        printf("; compared %.2f, ratio %.2f", theirs, ratio);
    printf("\n");
}

// Medians of rounds; with a peer, in turns with it.
static int rounds(struct bench *b, struct err *e)
{
    static struct result all[KINDS];
    struct kind kinds[KINDS];
    int rc = 0;
    size_t n = kinds_of(b, kinds);
    if (b->csv)
        printf("what,tokens,depth,sessions,threads,unit,median%s\n",
               b->peer.out ? ",compared,ratio" : "");
    else
        printf("threads %u, sessions %u, depth %u, medians of %u\n", team_size(b->r.team),
               b->sessions, b->depth, b->repeats);
    for (uint32_t i = 0; i < b->repeats && !rc; i++) {
        double ours[KINDS], theirs[KINDS] = {0};
        rc = once(b, ours, e);
        if (!rc && b->peer.out)
            rc = bench_peer_round(&b->peer, theirs, n, e);
        for (size_t k = 0; k < n && !rc; k++) {
            all[k].ours[i] = ours[k];
            all[k].theirs[i] = theirs[k];
            all[k].ratios[i] = theirs[k] > 0 ? ours[k] / theirs[k] : 0;
        }
    }
    for (size_t k = 0; k < n && !rc; k++)
        print_result(b, &kinds[k], &all[k]);
    return rc;
}

static int measure(struct bench *b, struct err *e)
{
    uint32_t n_ctx = (b->prompt > b->depth ? b->prompt : b->depth) + b->decode;
    int rc = 0;
    for (uint32_t k = 1; b->r.info.causal && k < b->sessions && !rc; k++)
        rc = transformer_session_new(b->r.t, n_ctx, n_ctx < CLI_BATCH ? n_ctx : CLI_BATCH,
                                     &b->more[k - 1], e);
    if (!rc)
        rc = (b->repeats ? rounds : answer_rounds)(b, e);
    for (uint32_t k = 0; k + 1 < b->sessions; k++)
        transformer_session_free(b->more[k]);
    return rc;
}

static int open_reader(struct bench *b, const char *path, struct err *e)
{
    gguf *g = NULL;
    int rc = gguf_open(path, &g, e);
    if (!rc)
        rc = transformer_adapter_open(g, b->r.t, &b->reader, e);
    gguf_close(g);
    if (!rc && !transformer_adapter_outputs(b->reader))
        rc = err_set(e, -EINVAL, "%s has no head: it is no reader", path);
    return rc;
}

static int start_peer(struct bench *b, const char *program, const char *model, struct err *e)
{
    const uint32_t numbers[] = {team_size(b->r.team), b->prompt, b->decode, b->depth,
                                b->sessions};
    return bench_peer_start(&b->peer, program, numbers, model, e);
}

static int bench(int argc, char **argv)
{
    static struct bench b;
    long threads = 0, prompt = 512, decoded = 128, depth = -1, sessions = 1, repeat = 5;
    const char *compare = NULL, *reader = NULL;
    const struct cli_option options[] = {{"--threads", CLI_WHOLE, &threads, 1, 256},
                                         {"--prompt", CLI_WHOLE, &prompt, 1, TOKENS_MAX / 2},
                                         {"--decode", CLI_WHOLE, &decoded, 1, TOKENS_MAX / 2},
                                         {"--depth", CLI_WHOLE, &depth, 0, TOKENS_MAX / 2},
                                         {"--sessions", CLI_WHOLE, &sessions, 1, SESSIONS_MAX},
                                         {"--repeat", CLI_WHOLE, &repeat, 0, REPEATS_MAX},
                                         {"--csv", CLI_FLAG, &b.csv, 0, 0},
                                         {"--compare", CLI_TEXT, &compare, 0, 0},
                                         {"--reader", CLI_TEXT, &reader, 0, 0},
                                         {0}};
    struct err e;
    int n = cli_options(options, argc, argv);
    if (n < 0)
        return 2;
    if (n != 1 || (compare && !repeat))
        return cli_usage(&command_bench);
    b.prompt = (uint32_t)prompt;
    b.decode = (uint32_t)decoded;
    b.depth = (uint32_t)(depth < 0 ? prompt : depth);
    b.sessions = (uint32_t)sessions;
    b.repeats = (uint32_t)repeat;
    uint32_t n_ctx = (b.prompt > b.depth ? b.prompt : b.depth) + b.decode;
    int rc = cli_model_start(&b.r, argv[1], (unsigned)threads, n_ctx, &e);
    if (!rc && reader)
        rc = open_reader(&b, reader, &e);
    if (!rc && compare)
        rc = start_peer(&b, compare, argv[1], &e);
    if (!rc)
        rc = measure(&b, &e);
    bench_peer_stop(&b.peer);
    transformer_adapter_close(b.reader);
    cli_decoder_stop(&b.r);
    return rc ? cli_fail(1, "%s", e.msg) : 0;
}

const struct command command_bench = {
    "bench",
    "[--threads N] [--prompt N] [--decode N] [--depth N] [--sessions N] [--repeat N] [--csv] "
    "[--reader READER.gguf] [--compare PROGRAM] FILE.gguf",
    "time the forward pass: tokens a second of prefill, of decoding with all logits, and "
    "greedily; of an encoder a query, passages, and with --reader passages that are read; "
    "--compare lets another program work in turns",
    bench};
