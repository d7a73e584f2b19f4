// SPDX-License-Identifier: MIT
// askd-model logits: what a decoder thinks comes behind each token, for anyone to compare.
#include "engine/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS_MAX = 65536, TOP_MAX = 1000 };

static int32_t ids[TOKENS_MAX], source[TOKENS_MAX];

// Ids between commas, spaces and brackets, added to out[TOKENS_MAX]; -1 after a complaint.
static int read_ids(const char *s, int32_t *out, uint32_t *n)
{
    while (*(s += strspn(s, ", []\t\r\n"))) {
        char *end;
        long v = *s >= '0' && *s <= '9' ? strtol(s, &end, 10) : -1;
        if (v < 0 || v > INT32_MAX || !strchr(", []\t\r\n", *end) || *n == TOKENS_MAX)
            return cli_fail(-1, "'%.20s' is no token id, or one of more than %d", s,
                            TOKENS_MAX);
        out[(*n)++] = (int32_t)v;
        s = end;
    }
    return 0;
}

// The highest `top` logits, the lower id first where they are equal.
static void print_top(const float *x, size_t n, size_t top)
{
    int32_t best[TOP_MAX] = {0};
    size_t k = 0;
    double all = cli_log_sum(x, n);
    for (size_t i = 0; i < n; i++) {
        if (k == top && x[i] <= x[best[k - 1]])
            continue;
        size_t at = k < top ? k++ : k - 1;
        while (at && x[i] > x[best[at - 1]]) {
            best[at] = best[at - 1];
            at--;
        }
        best[at] = (int32_t)i;
    }
    fputs("\"top\": [", stdout);
    for (size_t i = 0; i < k; i++)
        printf("%s{\"id\": %d, \"logit\": %.9g, \"logprob\": %.6g}", i ? ", " : "", best[i],
               (double)x[best[i]], (double)x[best[i]] - all);
    fputs("]", stdout);
}

static void print_all(const float *x, size_t n)
{
    fputs("\"logits\": [", stdout);
    for (size_t i = 0; i < n; i++)
        printf("%s%.9g", i ? ", " : "", (double)x[i]);
    fputs("]", stdout);
}

struct form {
    bool raw, all;
    long top;
};

static int write_rows(const float *x, size_t n_vocab, uint32_t at, uint32_t k,
                      const struct form *f)
{
    if (f->raw)
        return fwrite(x, n_vocab * sizeof *x, k, stdout) == k ? 0 : -EIO;
    for (uint32_t i = 0; i < k; i++) {
        printf("{\"position\": %u, \"id\": %d, ", at + i, ids[at + i]);
        if (f->all)
            print_all(x + i * n_vocab, n_vocab);
        else
            print_top(x + i * n_vocab, n_vocab, (size_t)f->top);
        puts("}");
    }
    return ferror(stdout) ? -EIO : 0;
}

static int feed(struct cli_decoder *d, uint32_t n, const struct form *f, struct err *e)
{
    float *out = malloc((size_t)CLI_BATCH * d->info.n_vocab * sizeof *out);
    int rc = out ? 0 : err_nomem(e);
    for (uint32_t at = 0; at < n && !rc; at += CLI_BATCH) {
        uint32_t k = n - at < CLI_BATCH ? n - at : CLI_BATCH;
        rc = transformer_session_eval(d->s, ids + at, k, out, NULL, e);
        if (!rc && write_rows(out, d->info.n_vocab, at, k, f))
            rc = err_set(e, -EIO, "the output could not be written");
    }
    free(out);
    return rc;
}

static int run(int argc, char **argv)
{
    long threads = 0;
    const char *list = NULL, *read = NULL;
    struct form f = {.top = 10};
    const struct cli_option options[] = {{"--threads", CLI_WHOLE, &threads, 1, 256},
                                         {"--ids", CLI_TEXT, &list, 0, 0},
                                         {"--top", CLI_WHOLE, &f.top, 1, TOP_MAX},
                                         {"--all", CLI_FLAG, &f.all, 0, 0},
                                         {"--raw", CLI_FLAG, &f.raw, 0, 0},
                                         {"--source", CLI_TEXT, &read, 0, 0},
                                         {0}};
    struct cli_decoder d;
    struct buf b = BUF_INIT;
    struct err e;
    uint32_t n = 0, n_source = 0;
    int rest = cli_options(options, argc, argv);
    if (rest < 0)
        return 2;
    if (rest != 1 || !list || (f.raw && f.all))
        return cli_usage(&command_logits);
    bool from_input = !strcmp(list, "-");
    int rc = from_input ? cli_read_input(&b) : 0;
    if (!rc && (read_ids(from_input ? b.data : list, ids, &n) || !n))
        rc = n ? 2 : cli_fail(2, "--ids holds no token id");
    buf_free(&b);
    if (!rc && read && read_ids(read, source, &n_source))
        rc = 2;
    if (rc)
        return rc;
    uint32_t context = n > n_source ? n : n_source;
    rc = cli_decoder_start(&d, argv[1], (unsigned)threads, context, &e);
    if (!rc && read)
        rc = transformer_session_read(d.s, source, n_source, NULL, &e);
    if (!rc)
        rc = feed(&d, n, &f, &e);
    cli_decoder_stop(&d);
    return rc ? cli_fail(1, "%s", e.msg) : 0;
}

const struct command command_logits = {
    "logits",
    "[--threads N] [--top N | --all | --raw] [--source ID,ID,...] FILE.gguf --ids ID,ID,...",
    "the logits behind each token: the highest N (10) or all as JSON lines, or raw f32 rows; "
    "--ids - reads the ids from standard input; --source is what the encoder of an "
    "encoder-decoder reads",
    run};
