// SPDX-License-Identifier: MIT
// bench_turns MODEL [ROUNDS [THREADS]]: tokens a second of 1, 2, 4 and 8 requests at once, with
// and without guessed tokens, on prompts whose answers quote and on others, in turns, medians.
// Not a test.
#include "llm/llm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TOKENS = 48, MOST = 8, ROUNDS_MAX = 99 };

static llm *m;

static int ignore(void *ctx, const char *text, size_t n)
{
    (void)ctx, (void)text, (void)n;
    return 0;
}

static bool guesses, quotes;

static void *work(void *arg)
{
    struct err e;
    char text[600];
    snprintf(text, sizeof text,
             quotes
                 ? "Room %d: The nightly backup of the file server starts at half past two and "
                   "takes about forty minutes. While it runs, the share named Archive is "
                   "read-only. If it fails, the operator on call is told by text message.\n\n"
                   "Repeat the text above word for word."
                 : "Write a long story about the number %d.",
             *(int *)arg);
    struct llm_message msg = {"user", text};
    struct llm_request r = {.messages = &msg,
                            .n_messages = 1,
                            .max_tokens = TOKENS,
                            .no_drafts = !guesses,
                            .on_text = ignore};
    struct llm_result res = {0};
    if (llm_generate(m, &r, &res, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        exit(2);
    }
    *(int *)arg = (int)res.completion_tokens;
    return NULL;
}

static double speed(int n)
{
    struct timespec a, b;
    pthread_t t[MOST];
    int number[MOST], tokens = 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < n; i++) {
        number[i] = i;
        pthread_create(&t[i], NULL, work, &number[i]);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(t[i], NULL);
        tokens += number[i];
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    return tokens / ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return x[n / 2];
}

int main(int argc, char **argv)
{
    struct err e;
    struct team *team;
    static const int at_once[] = {1, 2, 4, 8};
    static double all[2][2][4][ROUNDS_MAX]; // quotes, guesses
    int rounds = argc > 2 ? atoi(argv[2]) : 7;
    if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_turns MODEL [ROUNDS [THREADS]]\n");
        return 2;
    }
    int rc = team_new(argc > 3 ? (unsigned)atoi(argv[3]) : 0, &team, &e);
    const struct llm_options o = {.team = rc ? NULL : team, .n_ctx = 512, .n_sessions = MOST};
    if (rc || llm_open(argv[1], &o, &m, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 2;
    }
    for (int i = -1; i < rounds; i++) // the first round warms: prompts are known from there on
        for (int k = 0; k < 16; k++) {
            quotes = k & 1;
            guesses = k & 2;
            double v = speed(at_once[i < 0 ? 3 : k / 4]);
            if (i >= 0)
                all[quotes][guesses][k / 4][i] = v;
        }
    puts("prompt,requests,plain_tokens_per_s,of_one,guesses_tokens_per_s,ratio");
    for (int q = 0; q < 2; q++)
        for (int k = 0; k < 4; k++) {
            double one = median(all[q][0][0], rounds), plain = median(all[q][0][k], rounds),
                   with = median(all[q][1][k], rounds);
            printf("%s,%d,%.1f,%.2f,%.1f,%.2f\n", q ? "quoting" : "other", at_once[k], plain,
                   plain / one, with, with / plain);
        }
    llm_close(m);
    team_free(team);
    return 0;
}
