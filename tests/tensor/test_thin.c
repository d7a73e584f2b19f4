// SPDX-License-Identifier: MIT
// Thin matrices against the chain that defines them, byte for byte: every instruction set, any
// number of tokens, rows and columns in parts.
#include "engine/tensor/isa.h"
#include "engine/tensor/thin.h"

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

enum { N = 15, MOST = 96 };

static float w[MOST * MOST], x[N * MOST], y[N * MOST], got[N * MOST];

// The definition.
static void chain(size_t rows, size_t cols, float scale)
{
    for (size_t c = 0; c < N; c++)
        for (size_t r = 0; r < rows; r++)
            for (size_t k = 0; k < cols; k++)
                y[c * MOST + r] =
                    fmaf(x[c * MOST + k], scale * w[r * cols + k], y[c * MOST + r]);
}

static void one(size_t rows, size_t cols)
{
    struct pool pool = POOL_INIT;
    struct thin m;
    struct err e;
    float before[N * MOST];
    size_t padded = thin_rows(rows), panels = padded / THIN_ROWS;
    for (size_t i = 0; i < rows * cols; i++)
        w[i] = random_float();
    for (size_t i = 0; i < N * MOST; i++) {
        x[i] = random_float();
        before[i] = random_float();
    }
    assert_int_equal(thin_new(w, rows, cols, 0.75f, &pool, &m, &e), 0);
    assert_true(m.rows == padded && m.cols == cols);
    memcpy(y, before, sizeof y);
    chain(rows, cols, 0.75f);
    for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
        for (size_t n = 1; n <= N; n++) { // what lies beyond n tokens stays
            memcpy(got, before, sizeof got);
            thin_multiply(&m, 0, panels, 0, cols, x, MOST, n, got, MOST);
            assert_memory_equal(got, y, n * MOST * sizeof *got);
            assert_memory_equal(got + n * MOST, before + n * MOST,
                                (N - n) * MOST * sizeof *got);
        }
        memcpy(got, before, sizeof got);
        for (size_t p = 0; p < panels; p++)
            for (size_t k = 0; k < cols; k += 7)
                thin_multiply(&m, p, p + 1, k, k + 7 < cols ? k + 7 : cols, x + k, MOST, N,
                              got + p * THIN_ROWS, MOST);
        assert_memory_equal(got, y, sizeof got);
    }
    isa_chosen = isa_best;
    pool_free(&pool);
}

static void test_chain(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{16, 96}, {96, 16}, {4, 64}, {64, 4},
                                      {17, 33}, {1, 1},   {32, 32}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        one(sizes[i][0], sizes[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chain)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
