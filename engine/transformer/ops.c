// SPDX-License-Identifier: MIT
#include "engine/transformer/internal.h"

#include <math.h>

void linear_apply(const struct linear *l, const struct activations *a, size_t n, float *y,
                  size_t stride, unsigned i, unsigned n_threads)
{
    size_t first, last;
    share(matrix_groups(&l->w), i, n_threads, &first, &last);
    matrix_multiply(&l->w, a, n, y, stride, first, last);
    if (!l->bias)
        return;
    first *= MATRIX_ROWS;
    last = last * MATRIX_ROWS < l->w.rows ? last * MATRIX_ROWS : l->w.rows;
    for (size_t c = 0; c < n; c++)
        for (size_t r = first; r < last; r++)
            y[c * stride + r] += l->bias[r];
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

float dot(const float *a, const float *b, size_t n)
{
    float lane[16] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++)
            lane[k] += a[i + (size_t)k] * b[i + (size_t)k];
    for (int k = 0; k < 16; k++)
        sum += lane[k];
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

void rms_norm(const float *x, const float *w, float eps, size_t n, float *out)
{
    float scale = 1 / sqrtf(dot(x, x, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * scale * w[i];
}

void layer_norm(float *x, const float *w, const float *b, float eps, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    float mean = (float)(sum / (double)n);
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - (double)mean) * ((double)x[i] - (double)mean);
    float scale = (float)(1 / sqrt(squares / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - mean) * scale * w[i] + b[i];
}
