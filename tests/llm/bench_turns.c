// SPDX-License-Identifier: MIT
// bench_turns MODEL [ROUNDS [THREADS]]: tokens a second of 1, 2, 4 and 8 requests at once, in
// turns, medians. Not a test.
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

static void *work(void *arg)
{
    struct err e;
    char text[64];
    snprintf(text, sizeof text, "Write a long story about the number %d.", *(int *)arg);
    struct llm_message msg = {"user", text};
    struct llm_request r = {.messages = &msg,
                            .n_messages = 1,
                            .max_tokens = TOKENS,
                            .no_drafts = true,
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

int main(int argc, char **argv)
{
    struct err e;
    struct team *team;
    static const int at_once[] = {1, 2, 4, 8};
    double all[4][ROUNDS_MAX];
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
    speed(MOST); // warm: prompts are known from here on
    for (int i = 0; i < rounds; i++)
        for (int k = 0; k < 4; k++)
            all[k][i] = speed(at_once[k]);
    puts("requests,tokens_per_s,ratio");
    for (int k = 0; k < 4; k++) {
        qsort(all[k], (size_t)rounds, sizeof(double), ascending);
        printf("%d,%.1f,%.2f\n", at_once[k], all[k][rounds / 2],
               all[k][rounds / 2] / all[0][rounds / 2]);
    }
    llm_close(m);
    team_free(team);
    return 0;
}
