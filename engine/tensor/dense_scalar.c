// SPDX-License-Identifier: MIT
// What the result is. The other kernels give the same bytes.
#include "engine/tensor/dense_kernel.h"

#include <math.h>

void dense_scalar(const struct dense_part *p, size_t n, float *y, size_t stride)
{
    for (size_t c = 0; c < n; c++)
        for (size_t k = 0, s = 0; k < p->width; k += DENSE_SPAN, s++) {
            size_t stop = p->width - k < DENSE_SPAN ? p->width : k + DENSE_SPAN;
            int32_t sum[DENSE_ROWS];
            for (size_t r = 0; r < DENSE_ROWS; r++)
                sum[r] = p->less[c * p->spans + s];
            for (size_t i = k; i < stop; i++)
                for (size_t r = 0; r < DENSE_ROWS; r++)
                    sum[r] +=
                        p->q[i / 4 * 4 * DENSE_ROWS + r * 4 + i % 4] * p->x[c * p->pitch + i];
            for (size_t r = 0; r < DENSE_ROWS; r++) {
                float *to = y + c * stride + r;
                *to = fmaf((float)sum[r], p->d[s * DENSE_ROWS + r] * p->xd[c * p->spans + s],
                           *to);
            }
        }
}
