// SPDX-License-Identifier: MIT
#include "engine/tensor/dense.h"

#include "engine/tensor/dense_kernel.h"
#include "engine/tensor/formats.h"
#include "engine/tensor/isa.h"
#include "engine/tensor/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- weights ----

int dense_new(size_t rows, size_t cols, const uint32_t *apart, struct pool *p,
              struct dense *out, struct err *e)
{
    size_t width = dense_width(cols, apart);
    *out = (struct dense){.rows = rows, .cols = cols, .apart = apart, .width = width};
    if (!rows || !cols || rows % DENSE_ROWS || cols % 32)
        return err_set(e, -EINVAL, "a matrix of %zu x %zu cannot be multiplied", rows, cols);
    size_t scales = rows * dense_spans(width) * sizeof *out->d;
    out->bytes = rows * width + scales;
    out->q = pool_take(p, rows * width);
    out->d = pool_take(p, scales);
    return out->q && out->d ? 0 : err_nomem(e);
}

// Numbers [k, k + n) of x, of which those apart are moved to rest[DENSE_APART] and are nought;
// behind them noughts up to DENSE_SPAN.
static void take_span(const uint32_t *apart, const float *x, size_t k, size_t n, float *span,
                      float *rest)
{
    memcpy(span, x + k, n * sizeof *span);
    memset(span + n, 0, (DENSE_SPAN - n) * sizeof *span);
    for (size_t i = 0; apart && i < DENSE_APART; i++)
        if (apart[i] >= k && apart[i] < k + n) {
            rest[i] = x[apart[i]];
            span[apart[i] - k] = 0;
        }
}

// x[n] as span s of row r.
static int put_span(struct dense *w, size_t r, size_t s, const float *x, size_t n)
{
    size_t panel = r / DENSE_ROWS, lane = r % DENSE_ROWS;
    float most = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return -EINVAL;
        most = fmaxf(most, fabsf(x[i]));
    }
    float d = most / 127;
    w->d[(panel * dense_spans(w->width) + s) * DENSE_ROWS + lane] = d;
    uint8_t *q = w->q + (panel * w->width + s * DENSE_SPAN) * DENSE_ROWS + lane * 4;
    for (size_t i = 0; i < n; i++) {
        long v = d > 0 ? lrintf(x[i] / d) : 0;
        v = v > 127 ? 127 : v < -127 ? -127 : v; // d may have been rounded to less
        q[i / 4 * 4 * DENSE_ROWS + i % 4] = (uint8_t)(128 + v);
    }
    return 0;
}

static int put_row(struct dense *w, size_t r, const float *x)
{
    float span[DENSE_SPAN], rest[DENSE_APART] = {0};
    int rc = 0;
    size_t s = 0;
    for (size_t k = 0, n; k < w->cols && !rc; k += DENSE_SPAN, s++) {
        n = w->cols - k < DENSE_SPAN ? w->cols - k : DENSE_SPAN;
        take_span(w->apart, x, k, n, span, rest);
        rc = put_span(w, r, s, span, w->apart ? DENSE_SPAN : n);
    }
    return rc || !w->apart ? rc : put_span(w, r, s, rest, DENSE_APART);
}

int dense_put(struct dense *w, size_t first, uint32_t type, const void *data, size_t n,
              struct err *e)
{
    const struct tensor_type *t = tensor_type_info(type);
    if (!t || w->cols % t->block || first > w->rows || n > w->rows - first)
        return err_set(e, -EINVAL, "rows of %zu numbers of type %s cannot be multiplied",
                       w->cols, t ? t->name : "?");
    float *x = malloc(w->cols * sizeof *x);
    if (!x)
        return err_nomem(e);
    int rc = 0;
    for (size_t r = 0; r < n && !rc; r++) {
        tensor_unpack(t, (const char *)data + r * (w->cols / t->block * t->bytes), w->cols, x);
        if (put_row(w, first + r, x))
            rc = err_set(e, -EINVAL, "row %zu holds what is no number", r);
    }
    free(x);
    return rc;
}

// ---- activations ----

static size_t round_up(size_t n)
{
    return (n + 63) / 64 * 64;
}

size_t dense_columns_bytes(size_t n, size_t width)
{
    return round_up(n * width) + 2 * round_up(n * dense_spans(width) * sizeof(float));
}

void dense_columns_place(struct dense_columns *a, void *memory, size_t n, size_t cols,
                         const uint32_t *apart)
{
    size_t width = dense_width(cols, apart);
    char *d = (char *)memory + round_up(n * width);
    *a = (struct dense_columns){
        .cols = cols,
        .width = width,
        .apart = apart,
        .q = memory,
        .d = (float *)(void *)d,
        .less = (int32_t *)(void *)(d + round_up(n * dense_spans(width) * sizeof(float)))};
}

// x[n] as span s of column c.
static void quantize(struct dense_columns *a, size_t c, size_t s, const float *x, size_t n)
{
    size_t at = c * dense_spans(a->width) + s;
    int32_t sum;
    vector_quantize_span(x, n, a->q + c * a->width + s * DENSE_SPAN, &a->d[at], &sum);
    // Of numbers beyond all bounds the sum is anything; their scale is no number either.
    a->less[at] = (int32_t)((uint32_t)sum * -128u);
}

void dense_quantize_span(struct dense_columns *a, size_t c, size_t at, const float *x)
{
    quantize(a, c, at / DENSE_SPAN, x, a->cols - at < DENSE_SPAN ? a->cols - at : DENSE_SPAN);
}

void dense_quantize(struct dense_columns *a, size_t c, const float *x)
{
    float span[DENSE_SPAN], rest[DENSE_APART] = {0};
    size_t s = 0;
    for (size_t k = 0; k < a->cols; k += DENSE_SPAN, s++) {
        if (!a->apart) {
            dense_quantize_span(a, c, k, x + k);
            continue;
        }
        take_span(a->apart, x, k, a->cols - k < DENSE_SPAN ? a->cols - k : DENSE_SPAN, span,
                  rest);
        quantize(a, c, s, span, DENSE_SPAN);
    }
    if (a->apart)
        quantize(a, c, s, rest, DENSE_APART);
}

// ---- multiplication ----

// Spans of a panel that are multiplied by all columns before the next: they stay in the first
// cache.
#define SPANS 3

void dense_multiply(const struct dense *w, size_t first, size_t last,
                    const struct dense_columns *a, size_t n, float *y, size_t stride)
{
    size_t spans = dense_spans(w->width);
    for (size_t panel = first; panel < last; panel++, y += DENSE_ROWS)
        for (size_t s = 0; s < spans; s += SPANS) {
            size_t k = s * DENSE_SPAN;
            struct dense_part p = {
                .q = w->q + panel * DENSE_ROWS * w->width + k * DENSE_ROWS,
                .d = w->d + (panel * spans + s) * DENSE_ROWS,
                .width = w->width - k < SPANS * DENSE_SPAN ? w->width - k : SPANS * DENSE_SPAN,
                .pitch = w->width,
                .spans = spans};
            for (size_t c = 0; c < n; c += DENSE_TOGETHER) {
                p.x = a->q + c * w->width + k;
                p.xd = a->d + c * spans + s;
                p.less = a->less + c * spans + s;
                ISA_CALL(dense, (&p, n - c < DENSE_TOGETHER ? n - c : DENSE_TOGETHER,
                                 y + c * stride, stride));
            }
        }
}
