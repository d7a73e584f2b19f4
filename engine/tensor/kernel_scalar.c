// SPDX-License-Identifier: MIT
// What the result is. The other kernels give the same bytes.
#include "engine/tensor/kernel.h"

#include "engine/tensor/formats.h"

#include <string.h>

static unsigned weight_at(const struct panel *w, size_t b, size_t step, size_t i)
{
    const uint8_t *q = w->q + b * panel_block_bytes(w->bits);
    if (w->bits == MATRIX_8)
        return q[step * 64 + i];
    size_t at = step % 4 * 64 + i;
    unsigned four = step < 4 ? q[at] & 15u : q[at] >> 4;
    if (w->bits == MATRIX_5)
        return four | (q[256 + step * 8 + i / 8] >> i % 8 & 1u) << 4;
    return four;
}

static float half_of(const uint8_t *s, size_t i)
{
    uint16_t h;
    memcpy(&h, s + 2 * i, 2);
    return half_to_float(h);
}

static void scales_at(const struct panel *w, size_t b, float *d, float *m)
{
    const uint8_t *s = w->s + panel_scale_at(w->scales, b);
    for (size_t r = 0; r < MATRIX_ROWS; r++) {
        m[r] = 0;
        switch (w->scales) {
        case MATRIX_D:
            d[r] = half_of(s, r);
            break;
        case MATRIX_D_M:
            d[r] = half_of(s, r);
            m[r] = half_of(s + 32, r);
            break;
        case MATRIX_K:
            d[r] = half_of(s, r) * (float)s[64 + b % 8 * 32 + r];
            m[r] = half_of(s + 32, r) * -(float)s[64 + b % 8 * 32 + 16 + r];
            break;
        default:
            memcpy(&d[r], s + 4 * r, 4);
            if (panel_has_min(w))
                memcpy(&m[r], s + 64 + 4 * r, 4);
        }
    }
}

void unpack_scalar(const struct panel *w, uint8_t *q, float *s)
{
    for (size_t b = 0; b < w->blocks; b++, q += 512) {
        float m[MATRIX_ROWS];
        for (size_t step = 0; step < 8; step++)
            for (size_t i = 0; i < 64; i++)
                q[step * 64 + i] = (uint8_t)weight_at(w, b, step, i);
        scales_at(w, b, s, m);
        s += MATRIX_ROWS;
        if (panel_has_min(w)) {
            memcpy(s, m, sizeof m);
            s += MATRIX_ROWS;
        }
    }
}

static void one_block(const struct panel *w, size_t b, const int8_t *x, int32_t *dot)
{
    for (size_t step = 0; step < 8; step++)
        for (size_t i = 0; i < 64; i++)
            dot[i / 4] += (int32_t)weight_at(w, b, step, i) * x[step * 4 + i % 4];
}

void panel_scalar(const struct panel *w, const struct activations *x, size_t cols, size_t n,
                  float *y, size_t stride, bool more)
{
    for (size_t c = 0; c < n; c++, y += stride) {
        float acc[MATRIX_ROWS] = {0}, d[MATRIX_ROWS], m[MATRIX_ROWS];
        if (more)
            memcpy(acc, y, sizeof acc);
        for (size_t b = 0; b < w->blocks; b++) {
            size_t at = c * (cols / MATRIX_BLOCK) + b;
            int32_t dot[MATRIX_ROWS] = {0};
            one_block(w, b, x->q + c * cols + b * MATRIX_BLOCK, dot);
            scales_at(w, b, d, m);
            for (int r = 0; r < MATRIX_ROWS; r++) {
                if (!panel_has_min(w))
                    dot[r] += x->less[at] * (1 << w->zero);
                acc[r] = acc[r] + (d[r] * x->d[at]) * (float)dot[r];
                if (panel_has_min(w))
                    acc[r] = acc[r] + m[r] * x->ds[at];
            }
        }
        memcpy(y, acc, sizeof acc);
    }
}
