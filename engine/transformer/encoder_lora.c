// SPDX-License-Identifier: MIT
// An adapter in an encoder's pass: y = W x + s B (A x), the second part in f32. Where a tile
// is about to round x to 8 bits, A x is taken from it; where W x has come out, B is added. The
// head stands behind the last layer.
#include "engine/transformer/encoder.h"
#include "engine/transformer/floats.h"
#include "engine/transformer/lora.h"

#include <string.h>

static const struct lora_thin *thin_of(const struct pass *p, uint32_t layer,
                                       enum lora_part part)
{
    return &p->adapter->thin[layer * LORA_PARTS + part];
}

static float *low_of(const struct pass *p, const struct bench *b, enum lora_part part)
{
    return b->low + part * p->tile * p->adapter->low;
}

void encoder_lower(const struct pass *p, const struct bench *b, uint32_t layer,
                   enum lora_part part, const float *x, size_t stride, size_t n, size_t from,
                   size_t to)
{
    if (!p->adapter)
        return;
    const struct thin *a = &thin_of(p, layer, part)->a;
    float *low = low_of(p, b, part);
    for (size_t c = 0; c < n && !from; c++)
        memset(low + c * p->adapter->low, 0, a->rows * sizeof *low);
    thin_multiply(a, 0, a->rows / THIN_ROWS, from, to, x, stride, n, low, p->adapter->low);
}

void encoder_raise(const struct pass *p, const struct bench *b, uint32_t layer,
                   enum lora_part part, size_t n, size_t first, size_t last, float *y,
                   size_t stride)
{
    if (!p->adapter)
        return;
    const struct thin *w = &thin_of(p, layer, part)->b;
    if (w->cols)
        thin_multiply(w, first / THIN_ROWS, last / THIN_ROWS, 0, w->cols, low_of(p, b, part),
                      p->adapter->low, n, y, stride);
}

void encoder_head(const struct pass *p, size_t first, size_t n)
{
    const transformer_adapter *a = p->adapter;
    size_t d = p->t->n_embd;
    for (size_t c = first; c < first + n; c++)
        for (uint32_t i = 0; i < a->n_out; i++)
            p->out[c * a->n_out + i] =
                floats_dot(a->head + i * d, p->x + c * d, d) + a->head_bias[i];
}
