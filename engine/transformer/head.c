// SPDX-License-Identifier: MIT
// What comes out of a decoder: logits, or the likeliest token alone.
#include "engine/transformer/decoder.h"

#include "engine/tensor/search.h"

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

static void multiply(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct matrix *w = &p->t->head;
    size_t groups = matrix_groups(w), parts = parts_of(groups, n);
    (void)i;
    for (size_t k; (k = team_claim(p->t->team)) < parts;) {
        size_t first = groups * k / parts, last = groups * (k + 1) / parts;
        if (p->all)
            matrix_multiply(w, &p->narrow, p->n_outs, p->all, w->rows, first, last);
        else
            matrix_multiply_apart(w, &p->narrow, p->n_outs, p->out_logits, first, last);
    }
}

void decoder_logits(struct pass *p)
{
    team_run(p->t->team, final_norm, p);
    team_run(p->t->team, multiply, p);
}

static void coarse(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct matrix *w = &p->t->head;
    size_t groups = matrix_groups(w), parts = parts_of(groups, n);
    for (size_t k; (k = team_claim(p->t->team)) < parts;)
        matrix_coarse(w, &p->narrow, p->out_logits[0], groups * k / parts,
                      groups * (k + 1) / parts, &p->search[i]);
}

static void refine(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct matrix *w = &p->t->head;
    size_t groups = matrix_groups(w), parts = parts_of(groups, n);
    for (size_t k; (k = team_claim(p->t->team)) < parts;)
        matrix_refine(w, &p->narrow, p->out_logits[0], groups * k / parts,
                      groups * (k + 1) / parts, p->search, n, &p->search[i]);
}

int32_t decoder_best(struct pass *p)
{
    for (unsigned i = 0; i < team_size(p->t->team); i++)
        p->search[i] = MATRIX_SEARCH_INIT;
    team_run(p->t->team, final_norm, p);
    team_run(p->t->team, coarse, p);
    team_run(p->t->team, refine, p);
    return (int32_t)matrix_found(p->search, team_size(p->t->team));
}
