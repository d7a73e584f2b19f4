// SPDX-License-Identifier: MIT
// Products of dense matrices against double precision on the same 8-bit numbers' origin, and
// the same bytes from every instruction set, for any number of columns and in any parts.
#include "engine/tensor/dense.h"
#include "engine/tensor/isa.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t seed = 1;

static float random_float(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / (float)(1 << 23) - 1;
}

enum { ROWS = 96, N = 15 };

static const uint32_t apart[DENSE_APART] = {0,  3,  5,  17, 31, 32, 33, 40,
                                            41, 42, 43, 44, 60, 61, 62, 63};

struct rig {
    size_t cols;
    const uint32_t *apart;
    float *w, *x; // [ROWS][cols], [N][cols]
    struct dense m;
    struct dense_columns a;
    void *memory;
    struct pool pool;
};

static void quantize(struct rig *r)
{
    for (size_t c = 0; c < N; c++)
        dense_quantize(&r->a, c, r->x + c * r->cols);
}

static void set_up(struct rig *r, size_t cols, const uint32_t *which)
{
    struct err e;
    *r = (struct rig){.cols = cols, .apart = which, .pool = POOL_INIT};
    r->w = malloc(ROWS * cols * sizeof *r->w);
    r->x = malloc(N * cols * sizeof *r->x);
    for (size_t i = 0; i < ROWS * cols; i++)
        r->w[i] = random_float();
    for (size_t i = 0; i < N * cols; i++)
        r->x[i] = random_float();
    for (size_t c = 0; which && c < N; c++)
        for (size_t i = 0; i < DENSE_APART; i++)
            r->x[c * cols + which[i]] *= 50;
    assert_int_equal(dense_new(ROWS, cols, which, &r->pool, &r->m, &e), 0);
    assert_int_equal(dense_put(&r->m, 32, 0, r->w + 32 * cols, ROWS - 32, &e), 0);
    assert_int_equal(dense_put(&r->m, 0, 0, r->w, 32, &e), 0);
    r->memory = aligned_alloc(64, dense_columns_bytes(N, dense_width(cols, which)));
    dense_columns_place(&r->a, r->memory, N, cols, which);
    quantize(r);
}

static void tear_down(struct rig *r)
{
    pool_free(&r->pool);
    free(r->memory);
    free(r->w);
    free(r->x);
}

static void against_double(const struct rig *r, const float *y)
{
    for (size_t c = 0; c < N; c++)
        for (size_t i = 0; i < ROWS; i++) {
            double sum = 1, squares = 0;
            for (size_t k = 0; k < r->cols; k++) {
                double w = (double)r->w[i * r->cols + k], x = (double)r->x[c * r->cols + k];
                sum += w * x;
                squares += w * w * x * x;
            }
            // Rounding errors of both, independent: well within this where no great number
            // coarsens a span.
            assert_true(fabs(sum - (double)y[c * ROWS + i]) <=
                        0.02 * sqrt((double)r->cols) + 0.02 * sqrt(squares));
        }
}

static void start(float *y)
{
    for (size_t i = 0; i < (size_t)N * ROWS; i++)
        y[i] = 1;
}

static void one(size_t cols, const uint32_t *which)
{
    static float y[N * ROWS], again[N * ROWS];
    struct rig r;
    set_up(&r, cols, which);
    start(y);
    dense_multiply(&r.m, 0, dense_panels(&r.m), &r.a, N, y, ROWS);
    against_double(&r, y);
    for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++)
        for (size_t n = 1; n <= N; n++) {
            quantize(&r);
            start(again);
            dense_multiply(&r.m, 0, 1, &r.a, n, again, ROWS);
            dense_multiply(&r.m, 1, 3, &r.a, n, again + DENSE_ROWS, ROWS);
            assert_memory_equal(y, again, n * ROWS * sizeof *y);
        }
    isa_chosen = isa_best;
    tear_down(&r);
}

static void test_products(void **state)
{
    (void)state;
    const size_t widths[] = {32, 64, 128, 160, 384, 416, 1536};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        one(widths[i], NULL);
        if (widths[i] >= 64)
            one(widths[i], apart);
    }
}

// The greatest numbers there are: nothing saturates or overflows.
static void test_extremes(void **state)
{
    (void)state;
    enum { COLS = 256 };
    struct rig r;
    set_up(&r, COLS, NULL);
    memset(r.m.q, 255, ROWS * COLS);
    for (size_t i = 0; i < (size_t)ROWS * dense_spans(COLS); i++)
        r.m.d[i] = 1;
    for (size_t i = 0; i < (size_t)N * COLS; i++)
        r.x[i] = i / COLS % 2 ? -127 : 127;
    for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
        static float y[N * ROWS];
        quantize(&r);
        memset(y, 0, sizeof y);
        dense_multiply(&r.m, 0, dense_panels(&r.m), &r.a, N, y, ROWS);
        for (size_t c = 0; c < N; c++)
            assert_true(fabsf(fabsf(y[c * ROWS]) - 127.0f * 127 * COLS) < 1);
    }
    isa_chosen = isa_best;
    tear_down(&r);
}

// Numbers that stand out would cost the others three bits; apart they do not.
static void test_apart(void **state)
{
    (void)state;
    double off[2] = {0};
    for (int k = 0; k < 2; k++) {
        static float y[N * ROWS];
        struct rig r;
        seed = 7;
        set_up(&r, 384, apart); // activations that stand out
        if (k) {
            const float *w = r.w;
            struct rig plain;
            set_up(&plain, 384, NULL);
            memcpy(plain.x, r.x, N * r.cols * sizeof *r.x);
            memcpy(plain.w, w, ROWS * r.cols * sizeof *w);
            struct err e;
            assert_int_equal(dense_put(&plain.m, 0, 0, plain.w, ROWS, &e), 0);
            tear_down(&r);
            r = plain;
            quantize(&r);
        }
        memset(y, 0, sizeof y);
        dense_multiply(&r.m, 0, dense_panels(&r.m), &r.a, N, y, ROWS);
        for (size_t c = 0; c < N; c++)
            for (size_t i = 0; i < ROWS; i++) {
                double sum = 0;
                for (size_t j = 0; j < r.cols; j++)
                    sum += (double)r.w[i * r.cols + j] * (double)r.x[c * r.cols + j];
                off[k] += (sum - (double)y[c * ROWS + i]) * (sum - (double)y[c * ROWS + i]);
            }
        tear_down(&r);
    }
    print_message("# root mean square off: %.4f apart, %.4f not\n", sqrt(off[0] / (N * ROWS)),
                  sqrt(off[1] / (N * ROWS)));
    assert_true(off[1] > 1.5 * off[0]);
}

static void test_refused(void **state)
{
    (void)state;
    struct err e;
    struct dense m;
    struct pool pool = POOL_INIT;
    float x[64] = {0};
    assert_int_equal(dense_new(33, 32, NULL, &pool, &m, &e), -EINVAL);
    assert_int_equal(dense_new(32, 33, NULL, &pool, &m, &e), -EINVAL);
    assert_int_equal(dense_new(32, 32, NULL, &pool, &m, &e), 0);
    assert_int_equal(dense_put(&m, 0, 99, x, 1, &e), -EINVAL);
    assert_int_equal(dense_put(&m, 31, 0, x, 2, &e), -EINVAL);
    assert_int_equal(dense_put(&m, 0, 12, x, 1, &e), -EINVAL); // blocks of 256
    x[40] = NAN;
    assert_int_equal(dense_put(&m, 0, 0, x, 2, &e), -EINVAL);
    x[40] = INFINITY;
    assert_int_equal(dense_put(&m, 0, 0, x, 2, &e), -EINVAL);
    pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_apart),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
