// SPDX-License-Identifier: MIT
// A panel of a thin matrix times up to six tokens. Follows vector_body.h in each file of an
// instruction set.
#include "engine/tensor/thin.h"

INLINE void thin_tokens(const float *w, size_t cols, const float *x, size_t x_stride,
                        const int n, float *y, size_t y_stride)
{
    lanes sums[THIN_TOGETHER][SIXTEEN];
#pragma GCC unroll 6
    for (int c = 0; c < n; c++)
#pragma GCC unroll 4
        for (int i = 0; i < SIXTEEN; i++)
            sums[c][i] = load(y + (size_t)c * y_stride + i * LANES);
    for (size_t k = 0; k < cols; k++, w += THIN_ROWS, x++) {
        lanes row[SIXTEEN];
#pragma GCC unroll 4
        for (int i = 0; i < SIXTEEN; i++)
            row[i] = load(w + i * LANES);
#pragma GCC unroll 6
        for (int c = 0; c < n; c++) {
            lanes one = splat(x[(size_t)c * x_stride]);
#pragma GCC unroll 4
            for (int i = 0; i < SIXTEEN; i++)
                sums[c][i] = fma_lanes(one, row[i], sums[c][i]);
        }
    }
#pragma GCC unroll 6
    for (int c = 0; c < n; c++)
#pragma GCC unroll 4
        for (int i = 0; i < SIXTEEN; i++)
            store(y + (size_t)c * y_stride + i * LANES, sums[c][i]);
}

void ISA(thin)(const float *w, size_t cols, const float *x, size_t x_stride, size_t n, float *y,
               size_t y_stride)
{
    switch (n) {
#define TOKENS(k)                                          \
    case k:                                                \
        thin_tokens(w, cols, x, x_stride, k, y, y_stride); \
        break;
        TOKENS(1)
        TOKENS(2)
        TOKENS(3)
        TOKENS(4)
        TOKENS(5)
        TOKENS(6)
#undef TOKENS
    }
}
