// SPDX-License-Identifier: MIT
// A decoder ready to run; and the likelihood that it gives a text.
#include "engine/cli/cli.h"

#include "engine/tokenizer/tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cli_decoder_stop(struct cli_decoder *d)
{
    if (d->taken)
        team_give(d->team);
    transformer_session_free(d->s);
    transformer_close(d->t);
    team_free(d->team);
    gguf_close(d->g);
}

int cli_model_start(struct cli_decoder *d, const char *path, unsigned threads, uint32_t n_ctx,
                    struct err *e)
{
    *d = (struct cli_decoder){0};
    int rc = gguf_open(path, &d->g, e);
    if (!rc)
        rc = team_new(threads, &d->team, e);
    if (!rc)
        rc = transformer_open(d->g, d->team, &d->t, e);
    if (!rc) {
        transformer_describe(d->t, &d->info);
        if (d->info.causal)
            rc = transformer_session_new(d->t, n_ctx, n_ctx < CLI_BATCH ? n_ctx : CLI_BATCH,
                                         &d->s, e);
    }
    if (!rc)
        team_take(d->team, TEAM_INTERACTIVE, NULL, NULL);
    d->taken = !rc;
    return rc;
}

int cli_decoder_start(struct cli_decoder *d, const char *path, unsigned threads, uint32_t n_ctx,
                      struct err *e)
{
    int rc = cli_model_start(d, path, threads, n_ctx, e);
    return rc || d->info.causal ? rc
                                : err_set(e, -EINVAL, "%s is an encoder (%s): it has no logits",
                                          path, d->info.architecture);
}

// ---- perplexity ----

struct sum {
    double nll, squares;
    size_t n;
};

double cli_log_sum(const float *x, size_t n)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, (double)x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - top);
    return top + log(fmax(sum, 1)); // the highest adds 1
}

// Tokens [0, half) are context only; each behind them is scored by what stands before it.
static int score_window(struct cli_decoder *d, const int32_t *ids, uint32_t n, float *logits,
                        struct sum *sum, struct err *e)
{
    uint32_t half = n / 2 ? n / 2 : 1;
    transformer_session_truncate(d->s, 0);
    for (uint32_t at = 0; at + 1 < n;) {
        uint32_t most = n - 1 - at, k = most < CLI_BATCH ? most : CLI_BATCH;
        bool wanted = at + k >= half; // the logits behind token i tell of token i + 1
        int rc = transformer_session_eval(d->s, ids + at, k, wanted ? logits : NULL, NULL, e);
        if (rc)
            return rc;
        for (uint32_t i = 0; wanted && i < k; i++) {
            if (at + i + 1 < half)
                continue;
            const float *row = logits + (size_t)i * d->info.n_vocab;
            double v = cli_log_sum(row, d->info.n_vocab) - (double)row[ids[at + i + 1]];
            sum->nll += v;
            sum->squares += v * v;
            sum->n++;
        }
        at += k;
    }
    return 0;
}

static int score_all(struct cli_decoder *d, struct tokens *t, int32_t bos,
                     struct cli_perplexity *out, struct err *e)
{
    struct sum sum = {0};
    float *logits = malloc((size_t)CLI_BATCH * d->info.n_vocab * sizeof *logits);
    int rc = logits ? 0 : err_nomem(e);
    for (size_t at = 0; at + out->window <= t->len && !rc; at += out->window) {
        if (bos >= 0)
            t->ids[at] = bos; // each window begins as a text does
        rc = score_window(d, t->ids + at, out->window, logits, &sum, e);
    }
    free(logits);
    if (rc)
        return rc;
    double mean = sum.nll / (double)sum.n;
    out->scored = sum.n;
    out->perplexity = exp(mean);
    out->error = out->perplexity *
                 sqrt(fmax(sum.squares / (double)sum.n - mean * mean, 0) / (double)sum.n);
    return 0;
}

int cli_perplexity_of(const char *path, const char *text, size_t n, unsigned threads,
                      uint32_t window, struct cli_perplexity *out, struct err *e)
{
    struct cli_decoder d = {0};
    struct tokens ids = TOKENS_INIT;
    tokenizer *t = NULL;
    gguf *g;
    int rc = gguf_open(path, &g, e);
    if (rc)
        return rc;
    rc = tokenizer_open(g, &t, e);
    gguf_close(g);
    if (!rc && tokenizer_encode(t, text, n, TOKENIZER_ADD_SPECIAL, &ids))
        rc = err_nomem(e);
    if (!rc && ids.len < 8)
        rc = err_set(e, -EINVAL, "the text has %zu tokens: a perplexity needs at least 8",
                     ids.len);
    *out = (struct cli_perplexity){.tokens = ids.len,
                                   .window = ids.len < window ? (uint32_t)ids.len : window};
    if (!rc)
        rc = cli_decoder_start(&d, path, threads, out->window, e);
    if (!rc && d.info.n_vocab < tokenizer_size(t))
        rc = err_set(e, -EINVAL, "%s: the tokenizer knows more tokens than the model", path);
    bool adds_bos = !rc && ids.ids[0] == tokenizer_bos(t);
    if (!rc)
        rc = score_all(&d, &ids, adds_bos ? tokenizer_bos(t) : -1, out, e);
    cli_decoder_stop(&d);
    tokenizer_close(t);
    tokens_free(&ids);
    return rc;
}
