// SPDX-License-Identifier: MIT
// bench_draft MODEL [ROUNDS [THREADS [DRAFT-MODEL]]]: decoding with and without guessed tokens,
// in turns, on a prompt whose answer quotes and on one whose answer does not. Not a test.
#include "base/buf.h"
#include "llm/llm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char passage[] =
    "The nightly backup of the file server starts at half past two and takes about forty "
    "minutes. While it runs, the share named Archive is read-only. If the backup fails, the "
    "operator on call is told by text message and runs the command restore-check on the host "
    "Castor before eight in the morning. Tapes are changed on Mondays and Thursdays; full ones "
    "are kept in the fireproof cabinet of room 214 for ninety days.";

static int add(void *ctx, const char *text, size_t n)
{
    return buf_add(ctx, text, n);
}

static double run(llm *m, const char *prompt, bool drafts, struct buf *out,
                  struct llm_result *res)
{
    struct err e;
    struct llm_message msg = {"user", prompt};
    struct llm_request r = {.messages = &msg,
                            .n_messages = 1,
                            .max_tokens = 96,
                            .no_drafts = !drafts,
                            .on_text = add,
                            .ctx = out};
    buf_clear(out);
    if (llm_generate(m, &r, res, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        exit(2);
    }
    return res->completion_tokens * 1e3 / res->decode_ms;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    enum { ROUNDS_MAX = 99 };
    struct err e;
    struct team *team;
    llm *m;
    int rounds = argc > 2 ? atoi(argv[2]) : 7;
    struct llm_options o = {.n_ctx = 1024};
    if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_draft MODEL [ROUNDS [THREADS [DRAFT-MODEL]]]\n");
        return 2;
    }
    int rc = team_new(argc > 3 ? (unsigned)atoi(argv[3]) : 0, &team, &e);
    o.team = rc ? NULL : team;
    o.draft_path = argc > 4 ? argv[4] : NULL;
    if (rc || llm_open(argv[1], &o, &m, &e)) {
        fprintf(stderr, "%s\n", e.msg);
        return 2;
    }
    struct buf text[2] = {BUF_INIT, BUF_INIT}, prompt = BUF_INIT;
    puts("prompt,plain_tokens_per_s,drafts_tokens_per_s,ratio,drafted,accepted,tokens");
    for (int kind = 0; kind < 2; kind++) {
        double speed[2][ROUNDS_MAX];
        struct llm_result res;
        buf_clear(&prompt);
        if (buf_addf(&prompt, "%s\n\n%s", passage,
                     kind ? "Write a poem about the sea and the mountains."
                          : "Repeat the text above word for word."))
            return 2;
        run(m, prompt.data, true, &text[0], &res); // warm
        for (int i = 0; i < rounds; i++)
            for (int d = 0; d < 2; d++)
                speed[d][i] = run(m, prompt.data, d, &text[d], &res);
        if (strcmp(text[0].data, text[1].data)) {
            fprintf(stderr, "the texts differ\n");
            return 1;
        }
        for (int d = 0; d < 2; d++)
            qsort(speed[d], (size_t)rounds, sizeof(double), ascending);
        double a = speed[0][rounds / 2], b = speed[1][rounds / 2];
        printf("%s,%.1f,%.1f,%.2f,%u,%u,%u\n", kind ? "other" : "quoting", a, b, b / a,
               res.drafted_tokens, res.accepted_tokens, res.completion_tokens);
    }
    buf_free(&text[0]);
    buf_free(&text[1]);
    buf_free(&prompt);
    llm_close(m);
    team_free(team);
    return 0;
}
