// SPDX-License-Identifier: MIT
#include "engine/tensor/search.h"

#include "engine/tensor/isa.h"
#include "engine/tensor/kernel.h"

#include <math.h>

// An upper bound of the norm of column 0.
static float norm_above(const struct activations *a, size_t cols)
{
    double sum = 0;
    for (size_t b = 0; b < cols / MATRIX_BLOCK; b++) {
        int32_t squares = 0;
        for (size_t i = 0; i < MATRIX_BLOCK; i++)
            squares += a->q[b * MATRIX_BLOCK + i] * a->q[b * MATRIX_BLOCK + i];
        sum += (double)a->d[b] * (double)a->d[b] * squares;
    }
    return (float)(sqrt(sum) * (1 + 1e-6));
}

static size_t rows_of(const struct matrix *w, size_t group)
{
    size_t rows = w->rows - group * MATRIX_ROWS;
    return rows < MATRIX_ROWS ? rows : MATRIX_ROWS;
}

void matrix_coarse(const struct matrix *w, const struct activations *a, float *coarse,
                   size_t first, size_t last, struct matrix_search *mine)
{
    for (size_t g = first; g < last; g++) {
        struct panel p = matrix__panel(w, g);
        float y[MATRIX_ROWS];
        ISA_CALL(coarse, (&p, a, y));
        for (size_t r = 0; r < rows_of(w, g); r++) {
            coarse[g * MATRIX_ROWS + r] = y[r];
            if (y[r] > mine->coarse) {
                mine->coarse = y[r];
                mine->coarse_row = g * MATRIX_ROWS + r;
            }
        }
    }
}

static void exact(const struct matrix *w, const struct activations *a, size_t group, float *y)
{
    struct panel p = matrix__panel(w, group);
    ISA_CALL(panel, (&p, a, w->cols, 1, y, MATRIX_ROWS, false));
}

void matrix_refine(const struct matrix *w, const struct activations *a, const float *coarse,
                   size_t first, size_t last, const struct matrix_search *all, unsigned n,
                   struct matrix_search *mine)
{
    float y[MATRIX_ROWS], norm = norm_above(a, w->cols);
    unsigned top = 0;
    for (unsigned i = 1; i < n; i++)
        top = all[i].coarse > all[top].coarse ? i : top;
    // Each thread has this one product, and so a bar to hold the others against.
    exact(w, a, all[top].coarse_row / MATRIX_ROWS, y);
    float bar = y[all[top].coarse_row % MATRIX_ROWS];
    for (size_t g = first; g < last; g++) {
        const float *c = coarse + g * MATRIX_ROWS, *e = w->error + g * MATRIX_ROWS;
        bool may = false;
        for (size_t r = 0; r < rows_of(w, g); r++)
            may = may || !(c[r] + e[r] * norm < bar); // what is no number is looked at, too
        if (!may)
            continue;
        mine->exact_groups++;
        exact(w, a, g, y);
        for (size_t r = 0; r < rows_of(w, g); r++)
            if (y[r] > mine->best) {
                mine->best = y[r];
                mine->row = g * MATRIX_ROWS + r;
                bar = y[r] > bar ? y[r] : bar;
            }
    }
}

size_t matrix_found(const struct matrix_search *all, unsigned n)
{
    unsigned top = 0;
    for (unsigned i = 1; i < n; i++)
        if (all[i].best > all[top].best ||
            (all[i].best == all[top].best && all[i].row < all[top].row))
            top = i;
    return all[top].row;
}

size_t matrix_argmax(const float *y, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = y[i] > y[best] ? i : best;
    return best;
}
