// SPDX-License-Identifier: MIT
// askd-model quantize: the matrices of a model in fewer bits. Which tensor gets which type is
// llama.cpp's choice (llama-quantize) for the plain formats: norms, positions and everything
// that is no matrix stay; the head, or the embedding where it is the head as well, gets Q6_K,
// or Q8_0 beside Q8_0; rows that are no whole number of blocks get the fallback.
#include "engine/cli/cli.h"

#include "engine/cli/blocks.h"
#include "engine/gguf/gguf_writer.h"
#include "engine/gguf/layout.h"
#include "engine/tensor/formats.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { F32 = 0, F16 = 1, Q8_0 = 8, Q6_K = 14, BF16 = 30 };

struct quantize {
    gguf *g;
    gguf_writer *w;
    struct team *team;
    const struct block_type *wanted;
    bool pure;
    void **made; // [tensors] borrowed by the writer until the save
    size_t n_made;
    uint64_t bytes[2]; // before, after
};

static bool ends(const char *s, const char *tail)
{
    size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

// The type that a tensor shall have, or NULL where it stays as it is, with the reason.
static const struct block_type *choose(const struct quantize *q, const struct gguf_tensor *t,
                                       const char **why)
{
    bool readable = t->type == F32 || t->type == F16 || t->type == BF16 || t->type == Q8_0;
    bool head = !strcmp(t->name, "output.weight") || (!strcmp(t->name, "token_embd.weight") &&
                                                      !gguf_tensor_find(q->g, "output.weight"));
    *why = "";
    if (t->n_dims < 2 || !ends(t->name, ".weight") || ends(t->name, "_norm.weight") ||
        !strcmp(t->name, "position_embd.weight") || !strcmp(t->name, "token_types.weight") ||
        ends(t->name, "ffn_gate_inp.weight"))
        return NULL;
    *why = " (kept: it is quantised already)";
    if (!readable)
        return NULL;
    const struct block_type *to = q->wanted;
    if (head && !q->pure && to->type != Q8_0) {
        to = block_type_of(Q6_K);
        *why = " (the head)";
    }
    *why = head && !q->pure ? " (the head)" : "";
    if (t->ne[0] % to->block) {
        to = block_type_of(to->fallback);
        *why = " (its rows are no multiple of 256)";
    }
    if (t->ne[0] % to->block || to->type == t->type) {
        *why = to->type == t->type ? "" : " (kept: its rows are no multiple of 32)";
        return NULL;
    }
    return to;
}

// One tensor's rows, which the threads claim some at a time.
enum { ROWS_CLAIMED = 16 };
struct rows {
    struct team *team;
    const struct gguf_tensor *t;
    const struct tensor_type *from;
    const struct block_type *to;
    uint8_t *out;
    float *scratch; // [threads][ne[0]]
    uint64_t n;
    atomic_bool bad;
};

static void pack_row(struct rows *r, uint64_t row, float *x)
{
    size_t cols = (size_t)r->t->ne[0];
    size_t in = cols / r->from->block * r->from->bytes;
    size_t out = cols / r->to->block * r->to->bytes;
    float most = 0;
    bool nan = false;
    tensor_unpack(r->from, (const char *)r->t->data + row * in, cols, x);
    for (size_t k = 0; k < cols; k++) {
        most = fmaxf(most, fabsf(x[k]));
        nan = nan || isnan(x[k]);
    }
    if (nan || most > 65504) // the largest half
        atomic_store(&r->bad, true);
    else
        block_pack(r->to, x, cols, r->out + row * out);
}

static void pack_rows(void *arg, unsigned i, unsigned n_threads)
{
    struct rows *r = arg;
    float *x = r->scratch + i * (size_t)r->t->ne[0];
    uint64_t first;
    (void)n_threads;
    while ((first = (uint64_t)team_claim(r->team) * ROWS_CLAIMED) < r->n)
        for (uint64_t row = first; row < r->n && row < first + ROWS_CLAIMED; row++)
            pack_row(r, row, x);
}

static int pack_tensor(struct quantize *q, const struct gguf_tensor *t,
                       const struct block_type *to, struct err *e)
{
    struct rows r = {.team = q->team, .t = t, .from = tensor_type_info(t->type), .to = to};
    r.n = t->ne[1] * t->ne[2] * t->ne[3];
    r.out = calloc((size_t)(r.n * t->ne[0] / to->block), to->bytes);
    r.scratch = calloc(team_size(q->team) * (size_t)t->ne[0], sizeof *r.scratch);
    q->made[q->n_made++] = r.out;
    int rc = r.out && r.scratch ? 0 : err_nomem(e);
    if (!rc) {
        team_take(q->team, TEAM_BATCH, NULL, NULL);
        team_run(q->team, pack_rows, &r);
        team_give(q->team);
        if (r.bad)
            rc = err_set(e, -EINVAL,
                         "%s: tensor %s holds a number that is not finite, or beyond 65504: "
                         "it cannot be quantised",
                         gguf_path(q->g), t->name);
    }
    free(r.scratch);
    if (!rc)
        gguf_writer_tensor(q->w, t->name, to->type, t->ne, t->n_dims, r.out);
    return rc;
}

static int convert_tensors(struct quantize *q, struct err *e)
{
    size_t n = gguf_tensor_count(q->g), packed = 0;
    q->made = calloc(n + 1, sizeof *q->made);
    if (!q->made)
        return err_nomem(e);
    for (size_t i = 0; i < n; i++) {
        const struct gguf_tensor *t = gguf_tensor_at(q->g, i);
        const char *why;
        const struct block_type *to = choose(q, t, &why);
        const struct gguf_layout *from = gguf_layout(t->type),
                                 *into = gguf_layout(to ? to->type : t->type);
        printf("%s %s -> %s%s\n", t->name, from->name, into->name, why);
        int rc = 0;
        if (to)
            rc = pack_tensor(q, t, to, e);
        else
            gguf_writer_tensor(q->w, t->name, t->type, t->ne, t->n_dims, t->data);
        if (rc)
            return rc;
        packed += to != NULL;
        q->bytes[0] += t->bytes;
        q->bytes[1] += t->bytes / from->bytes * from->block / into->block * into->bytes;
    }
    return packed ? 0
                  : err_set(e, -EINVAL,
                            "%s: no tensor of it can become %s: F32, F16, BF16 and Q8_0 "
                            "matrices can",
                            gguf_path(q->g), q->wanted->name);
}

// All of the metadata but what describes the old tensors.
static void carry_metadata(const struct quantize *q)
{
    static const char *const ours[] = {"general.file_type", "general.quantization_version",
                                       "general.alignment"};
    for (size_t i = 0; i < gguf_kv_count(q->g); i++) {
        bool skip = false;
        for (size_t k = 0; k < 3; k++)
            skip = skip || !strcmp(gguf_kv_key(q->g, i), ours[k]);
        if (!skip)
            gguf_writer_copy(q->w, q->g, i);
    }
    gguf_writer_u32(q->w, "general.file_type", q->wanted->file_type);
    gguf_writer_u32(q->w, "general.quantization_version", 2);
}

static int quantize(struct quantize *q, const char *in, const char *out, unsigned threads,
                    struct err *e)
{
    int rc = gguf_open(in, &q->g, e);
    if (!rc)
        rc = team_new(threads, &q->team, e);
    q->w = rc ? NULL : gguf_writer_new();
    if (!rc && !q->w)
        rc = err_nomem(e);
    if (!rc) {
        carry_metadata(q);
        rc = convert_tensors(q, e);
    }
    if (!rc)
        rc = gguf_writer_save(q->w, out, e);
    gguf_writer_free(q->w);
    for (size_t i = 0; i < q->n_made; i++)
        free(q->made[i]);
    free(q->made);
    team_free(q->team);
    gguf_close(q->g);
    return rc;
}

static int compare(const char *in, const char *out, const struct buf *text, unsigned threads,
                   long window, struct err *e)
{
    struct cli_perplexity p[2];
    for (int i = 0; i < 2; i++) {
        int rc = cli_perplexity_of(i ? out : in, text->data, text->len, threads,
                                   (uint32_t)window, &p[i], e);
        if (rc)
            return rc;
    }
    printf("perplexity %.6g -> %.6g (+- %.3g; %zu of %zu tokens scored, windows of %u)\n",
           p[0].perplexity, p[1].perplexity, p[1].error, p[1].scored, p[1].tokens, p[1].window);
    return 0;
}

static int run(int argc, char **argv)
{
    long threads = 0, window = 512;
    const char *type = NULL, *text_file = NULL;
    struct quantize q = {0};
    const struct cli_option options[] = {
        {"--threads", CLI_WHOLE, &threads, 1, 256}, {"--type", CLI_TEXT, &type, 0, 0},
        {"--pure", CLI_FLAG, &q.pure, 0, 0},        {"--text", CLI_TEXT, &text_file, 0, 0},
        {"--window", CLI_WHOLE, &window, 8, 65536}, {0}};
    struct buf text = BUF_INIT;
    struct err e;
    int n = cli_options(options, argc, argv);
    if (n < 0)
        return 2;
    if (n != 2 || !type)
        return cli_usage(&command_quantize);
    q.wanted = block_type_named(type);
    if (!q.wanted)
        return cli_fail(2,
                        "no type named \"%.40s\" (q8_0, q5_0, q4_0, q4_1, q4_k and q6_k are "
                        "known)",
                        type);
    int rc = text_file ? cli_read_file(text_file, &text) : 0;
    if (!rc && quantize(&q, argv[1], argv[2], (unsigned)threads, &e))
        rc = cli_fail(1, "%s", e.msg);
    if (!rc)
        printf("%.1f MB -> %.1f MB\n", (double)q.bytes[0] / 1e6, (double)q.bytes[1] / 1e6);
    if (!rc && text_file && compare(argv[1], argv[2], &text, (unsigned)threads, window, &e))
        rc = cli_fail(1, "%s", e.msg);
    buf_free(&text);
    return rc;
}

const struct command command_quantize = {
    "quantize",
    "[--threads N] [--pure] [--text FILE [--window N]] IN.gguf OUT.gguf --type TYPE",
    "the matrices in fewer bits: q8_0, q5_0, q4_0, q4_1, q4_k or q6_k; --text prints the "
    "perplexity before and after, --pure gives the head no more bits than the rest",
    run};
