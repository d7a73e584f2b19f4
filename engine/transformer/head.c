// SPDX-License-Identifier: MIT
// What comes out of a decoder: logits, and the likeliest token.
#include "engine/transformer/decoder.h"

static void final_norm(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    (void)i, (void)n;
    size_t first, last, d = p->t->n_embd;
    while (claim(p->t->team, p->n_outs, &first, &last)) {
        for (size_t k = first; k < last; k++)
            vector_rms_norm(p->x + p->outs[k] * d, p->t->final_norm, p->t->eps, d,
                            p->h + k * d);
        quantize_columns(&p->narrow, p->h, d, first, last);
    }
}

// The greatest of the logits that this part has just written.
static void find(const struct pass *p, size_t part, size_t first, size_t last)
{
    size_t rows = p->t->head.rows, from = first * MATRIX_ROWS, to = last * MATRIX_ROWS;
    to = to < rows ? to : rows;
    for (uint32_t k = 0; k < p->n_outs; k++) {
        size_t best = from + vector_greatest(p->out_logits[k] + from, to - from);
        p->found[part * p->n_outs + k] =
            (struct greatest){p->out_logits[k][best], (int32_t)best};
    }
}

static void multiply(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct matrix *w = &p->t->head;
    size_t groups = matrix_groups(w), parts = parts_of(groups, n);
    (void)i;
    for (size_t k; (k = team_claim(p->t->team)) < parts;) {
        size_t first = groups * k / parts, last = groups * (k + 1) / parts;
        matrix_multiply_apart(w, &p->narrow, p->n_outs, p->out_logits, first, last);
        if (p->find)
            find(p, k, first, last);
    }
}

void decoder_logits(struct pass *p)
{
    team_run(p->t->team, final_norm, p);
    team_run(p->t->team, multiply, p);
}

int32_t decoder_best(const struct pass *p, uint32_t k)
{
    size_t parts = parts_of(matrix_groups(&p->t->head), team_size(p->t->team));
    const struct greatest *best = &p->found[k];
    for (size_t i = 1; i < parts; i++)
        if (p->found[i * p->n_outs + k].logit > best->logit)
            best = &p->found[i * p->n_outs + k];
    return best->token;
}
