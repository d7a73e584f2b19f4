// SPDX-License-Identifier: MIT
#include "engine/tensor/matrix.h"

#include "engine/tensor/isa.h"
#include "engine/tensor/kernel.h"
#include "engine/tensor/vector.h"

#include <stdalign.h>
#include <string.h>

// ---- activations ----

static size_t round_up(size_t n)
{
    return (n + 63) / 64 * 64;
}

size_t activations_bytes(size_t n, size_t cols)
{
    return round_up(n * cols) + 3 * round_up(n * (cols / MATRIX_BLOCK) * sizeof(float));
}

void activations_place(struct activations *a, void *memory, size_t n, size_t cols)
{
    char *p = memory;
    size_t numbers = round_up(n * (cols / MATRIX_BLOCK) * sizeof(float));
    a->q = (int8_t *)p;
    a->d = (float *)(p + round_up(n * cols));
    a->ds = (float *)(p + round_up(n * cols) + numbers);
    a->less = (int32_t *)(p + round_up(n * cols) + 2 * numbers);
}

void activations_quantize(struct activations *a, const float *x, size_t first, size_t last)
{
    vector_quantize(x + first * MATRIX_BLOCK, last - first, a->q + first * MATRIX_BLOCK,
                    a->d + first, a->ds + first, a->less + first);
}

struct activations activations_from(const struct activations *a, size_t c, size_t cols)
{
    size_t b = c * (cols / MATRIX_BLOCK);
    return (struct activations){a->q + c * cols, a->d + b, a->ds + b, a->less + b};
}

// ---- multiplication ----

// Columns that share one widening of a group; together they fit a core's caches.
#define TILE 128
// Blocks of a group that are widened at once: a multiple of 8, for MATRIX_K.
#define WIDEN 32

static struct panel panel_of(const struct matrix *w, size_t group)
{
    static const unsigned zeros[] = {3, 4, 7};
    size_t blocks = w->cols / MATRIX_BLOCK, bytes = panel_block_bytes(w->bits);
    return (struct panel){.bits = w->bits,
                          .scales = (int)w->scales,
                          .zero = w->scales == MATRIX_D ? zeros[w->bits] : 32,
                          .q = w->q + group * blocks * bytes,
                          .s = w->s + group * panel_scale_at((int)w->scales, blocks),
                          .blocks = blocks};
}

// More than MATRIX_COLUMNS columns: unpack the group once, piece by piece, for all of them.
static void widened(const struct panel *p, const struct activations *a, size_t cols, size_t n,
                    float *y, size_t stride, bool more)
{
    alignas(64) uint8_t q[WIDEN * 512];
    alignas(64) float s[WIDEN * 2 * MATRIX_ROWS];
    for (size_t b = 0; b < p->blocks; b += WIDEN) {
        struct panel part = *p, wide = {.bits = MATRIX_8,
                                        .scales = panel_has_min(p) ? PANEL_F_M : PANEL_F,
                                        .zero = p->zero,
                                        .q = q,
                                        .s = (const uint8_t *)s};
        part.q += b * panel_block_bytes(p->bits);
        part.s += panel_scale_at(p->scales, b);
        part.blocks = wide.blocks = p->blocks - b < WIDEN ? p->blocks - b : WIDEN;
        ISA_CALL(unpack, (&part, q, s));
        for (size_t c = 0; c < n; c += MATRIX_COLUMNS) {
            struct activations x = activations_from(a, c, cols);
            x.q += b * MATRIX_BLOCK;
            x.d += b;
            x.ds += b;
            x.less += b;
            ISA_CALL(panel, (&wide, &x, cols, n - c < MATRIX_COLUMNS ? n - c : MATRIX_COLUMNS,
                             y + c * stride, stride, more || b > 0));
        }
    }
}

// With `more`, the sums go on from what is in y.
static void multiply_group(const struct matrix *w, size_t group, const struct activations *a,
                           size_t n, float *y, size_t stride, bool more)
{
    struct panel p = panel_of(w, group);
    if (n > MATRIX_COLUMNS)
        widened(&p, a, w->cols, n, y, stride, more);
    else
        ISA_CALL(panel, (&p, a, w->cols, n, y, stride, more));
}

void matrix_multiply(const struct matrix *w, const float *bias, const struct activations *a,
                     size_t n, float *y, size_t stride, size_t first, size_t last)
{
    for (size_t c = 0; c < n; c += TILE) {
        size_t now = n - c < TILE ? n - c : TILE;
        struct activations x = activations_from(a, c, w->cols);
        for (size_t g = first; g < last; g++) {
            size_t rows = w->rows - g * MATRIX_ROWS;
            float edge[TILE * MATRIX_ROWS], *to = y + c * stride + g * MATRIX_ROWS;
            bool whole = rows >= MATRIX_ROWS;
            rows = whole ? MATRIX_ROWS : rows;
            float *out = whole ? to : edge;
            size_t apart = whole ? stride : MATRIX_ROWS;
            for (size_t k = 0; bias && k < now; k++)
                memcpy(out + k * apart, bias + g * MATRIX_ROWS, rows * sizeof *out);
            multiply_group(w, g, &x, now, out, apart, bias != NULL);
            for (size_t k = 0; !whole && k < now; k++)
                memcpy(to + k * stride, edge + k * MATRIX_ROWS, rows * sizeof *to);
        }
    }
}

void matrix_multiply_apart(const struct matrix *w, const struct activations *a, size_t n,
                           float *const *y, size_t first, size_t last)
{
    for (size_t c = 0; c < n; c += TILE) {
        size_t now = n - c < TILE ? n - c : TILE;
        struct activations x = activations_from(a, c, w->cols);
        for (size_t g = first; g < last; g++) {
            size_t rows = w->rows - g * MATRIX_ROWS;
            float some[TILE * MATRIX_ROWS];
            multiply_group(w, g, &x, now, some, MATRIX_ROWS, false);
            for (size_t k = 0; k < now; k++)
                memcpy(y[c + k] + g * MATRIX_ROWS, some + k * MATRIX_ROWS,
                       (rows < MATRIX_ROWS ? rows : MATRIX_ROWS) * sizeof *some);
        }
    }
}
