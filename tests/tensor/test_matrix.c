// SPDX-License-Identifier: MIT
// Every format is multiplied as it unpacks; every kernel, column count and thread count gives
// the same bytes.
#include "engine/tensor/formats.h"
#include "engine/tensor/isa.h"
#include "engine/tensor/matrix.h"
#include "engine/tensor/team.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t seed = 1;

static uint32_t next(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

// Random bytes whose scales are sane numbers.
static uint8_t *random_rows(uint32_t type, size_t rows, size_t cols)
{
    const struct tensor_type *t = tensor_type_info(type);
    size_t blocks = rows * cols / t->block;
    uint8_t *p = malloc(blocks * t->bytes);
    for (size_t i = 0; i < blocks; i++) {
        uint8_t *b = p + i * t->bytes;
        for (size_t k = 0; k < t->bytes; k++)
            b[k] = (uint8_t)next();
        uint16_t d = float_to_half(0.01f + (float)(next() % 100) / 5000),
                 m = float_to_half(-0.05f);
        float f = (float)(next() % 2000) / 1000 - 1;
        uint16_t h = float_to_half(f);
        uint32_t bits;
        memcpy(&bits, &f, 4);
        if (type == 0)
            memcpy(b, &f, 4);
        else if (type == 1)
            memcpy(b, &h, 2);
        else if (type == 30)
            memcpy(b, (uint8_t *)&bits + 2, 2);
        else if (type == 14)
            memcpy(b + 208, &d, 2);
        else
            memcpy(b, &d, 2);
        if (type == 3 || type == 7 || type == 12 || type == 13)
            memcpy(b + 2, &m, 2);
    }
    return p;
}

enum { ROWS = 37, COLS = 512, N = 27 };

struct job {
    const float *bias;
    struct team *team;
    const struct matrix *w;
    const struct activations *a;
    size_t n;
    float *y;
    size_t stride;
};

static void run(struct job *j)
{
    matrix_multiply(j->w, j->bias, j->a, j->n, j->y, j->stride, 0, matrix_groups(j->w));
}

static void run_claimed(void *arg, unsigned i, unsigned n)
{
    struct job *j = arg;
    (void)i, (void)n;
    for (size_t g; (g = team_claim(j->team)) < matrix_groups(j->w);)
        matrix_multiply(j->w, j->bias, j->a, j->n, j->y, j->stride, g, g + 1);
}

static void one_type(uint32_t type)
{
    struct err e;
    struct matrix w;
    struct activations a;
    uint8_t *rows = random_rows(type, ROWS, COLS);
    float *x = malloc(N * COLS * sizeof *x), *flat = malloc(ROWS * COLS * sizeof *flat);
    struct pool pool = POOL_INIT;
    float bias[ROWS];
    float y[N * ROWS], again[N * ROWS];
    for (size_t r = 0; r < ROWS; r++)
        bias[r] = (float)(next() % 2000) / 1000 - 1;
    for (size_t i = 0; i < N * COLS; i++)
        x[i] = (float)(next() % 2000) / 1000 - 1;
    tensor_unpack(tensor_type_info(type), rows, ROWS * COLS, flat);
    assert_int_equal(matrix_new(type, rows, ROWS, COLS, &pool, &w, &e), 0);
    void *memory = aligned_alloc(64, activations_bytes(N, COLS));
    activations_place(&a, memory, N, COLS);
    activations_quantize(&a, x, 0, N * COLS / 32);
    struct job j = {bias, NULL, &w, &a, N, y, ROWS};
    run(&j);
    for (size_t c = 0; c < N; c++)
        for (size_t r = 0; r < ROWS; r++) {
            double sum = (double)bias[r], size = 0;
            for (size_t k = 0; k < COLS; k++) {
                double xq = (double)a.q[c * COLS + k] * (double)a.d[(c * COLS + k) / 32];
                sum += (double)flat[r * COLS + k] * xq;
                size += fabs((double)flat[r * COLS + k] * xq);
            }
            // Exact formats differ by f32 rounding only; F32, F16, BF16, Q6_K were quantised to
            // 8 bits.
            bool exact = type != 0 && type != 1 && type != 30 && type != 14;
            assert_true(fabs(sum - (double)y[c * ROWS + r]) <=
                        size * (exact ? 1e-5 : 5e-3) + 1e-4);
        }
    for (unsigned threads = 2; threads <= 4; threads++) {
        assert_int_equal(team_new(threads, &j.team, &e), 0);
        memset(again, 0, sizeof again);
        j.y = again;
        team_run(j.team, run_claimed, &j);
        assert_memory_equal(y, again, sizeof y);
        team_free(j.team);
    }
    for (size_t some = 1; some <= 9; some++) { // fewer columns at a time
        memset(again, 0, sizeof again);
        for (size_t c = 0; c < N; c += some) {
            struct activations from = activations_from(&a, c, COLS);
            struct job k = {
                bias, NULL, &w, &from, N - c < some ? N - c : some, again + c * ROWS, ROWS};
            run(&k);
        }
        assert_memory_equal(y, again, sizeof y);
    }
    for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) { // the same bytes
        for (j.n = 1; j.n <= N; j.n++) {
            memset(again, 0, sizeof again);
            run(&j);
            assert_memory_equal(y, again, j.n * ROWS * sizeof *y);
        }
        j.n = N;
    }
    isa_chosen = isa_best;
    pool_free(&pool);
    free(memory);
    free(rows);
    free(x);
    free(flat);
}

static void test_types(void **state)
{
    (void)state;
    print_message("# kernels: %s\n", isa_name());
    const uint32_t types[] = {0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 30};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        one_type(types[i]);
}

static void test_refused(void **state)
{
    (void)state;
    struct err e;
    struct matrix w;
    struct pool pool = POOL_INIT;
    float x[64] = {0};
    assert_int_equal(matrix_new(0, x, 1, 33, &pool, &w, &e), -EINVAL);
    assert_int_equal(matrix_new(99, x, 1, 32, &pool, &w, &e), -EINVAL);
    x[40] = INFINITY;
    assert_int_equal(matrix_new(0, x, 2, 32, &pool, &w, &e), -EINVAL);
    pool_free(&pool);
    assert_null(tensor_type_info(4));
    assert_null(tensor_type_info(1000));
}

static void test_halves(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = half_to_float((uint16_t)h);
        if (isfinite(f))
            assert_int_equal(float_to_half(f), h);
    }
    assert_int_equal(float_to_half(1e9f), 0x7C00);
    assert_int_equal(float_to_half(65519.0f), 0x7BFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
