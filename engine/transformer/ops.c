// SPDX-License-Identifier: MIT
#include "engine/transformer/internal.h"

// Columns whose activations stay in a core's cache while it goes through the rows.
#define COLUMNS 128

void products_apply(struct team *team, const struct product *all, size_t k,
                    const struct activations *a, size_t n)
{
    size_t groups = 0, tiles = (n + COLUMNS - 1) / COLUMNS;
    for (size_t i = 0; i < k; i++)
        groups += matrix_groups(&all[i].l->w);
    size_t parts = parts_of(groups, team_size(team));
    for (size_t j; (j = team_claim(team)) < parts * tiles;) {
        size_t c = j / parts * COLUMNS, now = n - c < COLUMNS ? n - c : COLUMNS;
        size_t first = groups * (j % parts) / parts, last = groups * (j % parts + 1) / parts;
        for (size_t i = 0, at = 0; i < k; i++) {
            const struct linear *l = all[i].l;
            size_t here = matrix_groups(&l->w), from = first > at ? first - at : 0,
                   to = last > at ? last - at : 0;
            struct activations x = activations_from(a, c, l->w.cols);
            to = to < here ? to : here;
            if (from < to)
                matrix_multiply(&l->w, l->bias, &x, now, all[i].y + c * all[i].stride,
                                all[i].stride, from, to);
            at += here;
        }
    }
}

void quantize_columns(struct activations *a, const float *x, size_t cols, size_t first,
                      size_t last)
{
    activations_quantize(a, x, first * cols / MATRIX_BLOCK, last * cols / MATRIX_BLOCK);
}

void embedding_row(const struct transformer *t, int32_t token, float *out)
{
    const struct tensor_type *k = t->embedding_type;
    const char *p =
        (const char *)t->embedding->data + (size_t)token * (t->n_embd / k->block) * k->bytes;
    tensor_unpack(k, p, t->n_embd, out);
}
