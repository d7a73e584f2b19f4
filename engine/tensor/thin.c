// SPDX-License-Identifier: MIT
#include "engine/tensor/thin.h"

#include "engine/tensor/isa.h"
#include "engine/tensor/vector_kernels.h"

int thin_new(const float *w, size_t rows, size_t cols, float scale, struct pool *p,
             struct thin *out, struct err *e)
{
    *out = (struct thin){.rows = thin_rows(rows), .cols = cols};
    if (cols && out->rows > SIZE_MAX / sizeof *w / cols)
        return err_nomem(e);
    out->w = pool_take(p, out->rows * cols * sizeof *w);
    if (!out->w)
        return err_nomem(e);
    for (size_t r = 0; r < rows; r++) {
        float *to = out->w + r / THIN_ROWS * THIN_ROWS * cols + r % THIN_ROWS;
        for (size_t k = 0; k < cols; k++)
            to[k * THIN_ROWS] = scale * w[r * cols + k];
    }
    return 0;
}

void thin_multiply(const struct thin *w, size_t first, size_t last, size_t from, size_t to,
                   const float *x, size_t x_stride, size_t n, float *y, size_t y_stride)
{
    for (size_t panel = first; panel < last; panel++, y += THIN_ROWS) {
        const float *at = w->w + (panel * w->cols + from) * THIN_ROWS;
        for (size_t c = 0; c < n; c += THIN_TOGETHER) {
            size_t some = n - c < THIN_TOGETHER ? n - c : THIN_TOGETHER;
            ISA_CALL(thin, (at, to - from, x + c * x_stride, x_stride, some, y + c * y_stride,
                            y_stride));
        }
    }
}
