// SPDX-License-Identifier: MIT
// Quantised blocks are llama.cpp's (tests/golden/quantize), and what they lose is bounded.
#include "base/file.h"
#include "engine/cli/blocks.h"
#include "engine/tensor/formats.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 7, NUMBERS = ROWS * 256 };
static const char *const names[] = {"q4_0", "q4_1", "q5_0", "q8_0", "q4_k", "q6_k"};

// As make_golden.py has them.
static void make_numbers(float *x)
{
    uint32_t state = 1;
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < 256; i++) {
            state = state * 1664525u + 1013904223u;
            float v = (float)((int32_t)(state >> 16) - 32768) / 1024;
            if (row == 1)
                v /= 65536;
            else if (row == 2)
                v = fabsf(v) + 1;
            else if (row == 3 && i % 37 == 5)
                v *= 64;
            else if (row == 4)
                v = -0.75f;
            else if (row == 5)
                v = 0;
            else if (row == 6)
                v *= (float)((i / 32) * (i / 32)) / 16;
            *x++ = v;
        }
}

static void test_same_blocks(void **state)
{
    (void)state;
    static float x[NUMBERS];
    static uint8_t out[NUMBERS * 2];
    char path[PATH_MAX], *line, *at;
    struct buf b = BUF_INIT;
    struct err e;
    make_numbers(x);
    snprintf(path, sizeof path, "%s/tests/golden/quantize/blocks.txt", getenv("ASKD_SRCDIR"));
    assert_int_equal(file_read(path, 1 << 20, &b, &e), 0);
    at = b.data;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        line = strsep(&at, "\n");
        assert_non_null(line);
        char *hex = strchr(line, ' ');
        assert_non_null(hex);
        *hex++ = 0;
        assert_string_equal(line, names[k]);
        const struct block_type *t = block_type_named(names[k]);
        block_pack(t, x, NUMBERS, out);
        size_t n = NUMBERS / t->block * t->bytes, differ = 0;
        assert_int_equal(strlen(hex), 2 * n);
        for (size_t i = 0; i < n; i++) {
            unsigned want;
            assert_int_equal(sscanf(hex + 2 * i, "%2x", &want), 1);
            differ += want != out[i];
        }
        if (differ)
            fail_msg("%s: %zu of %zu bytes differ", names[k], differ, n);
    }
    buf_free(&b);
}

// The largest error of a block is at most this share of its largest number (Q4_1, Q4_K: of its
// span).
static void test_error_bounds(void **state)
{
    (void)state;
    static const double bound[] = {1.0 / 7.9, 1.0 / 29, 1.0 / 15.9,
                                   1.0 / 225, 1.0 / 14, 1.0 / 30};
    static float x[NUMBERS], y[NUMBERS];
    static uint8_t out[NUMBERS * 2];
    make_numbers(x);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const struct block_type *t = block_type_named(names[k]);
        const struct tensor_type *info = tensor_type_info(t->type);
        assert_true(info && info->block == t->block && info->bytes == t->bytes);
        block_pack(t, x, NUMBERS, out);
        tensor_unpack(info, out, NUMBERS, y);
        for (size_t i = 0; i < NUMBERS; i += t->block) {
            double most = 0, low = 0, high = 0, off = 0;
            for (size_t j = i; j < i + t->block; j++) {
                most = fmax(most, fabs((double)x[j]));
                low = fmin(low, (double)x[j]);
                high = fmax(high, (double)x[j]);
                off = fmax(off, fabs((double)x[j] - (double)y[j]));
            }
            double of = k == 1 || k == 4 ? high - low : most;
            // Tiny numbers meet the end of the half's range: a scale is off by up to 2^-25.
            if (off > bound[k] * of + 128 * 0x1p-25)
                fail_msg("%s, block %zu: off by %g of %g", names[k], i / t->block, off, of);
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_null(block_type_named("q5_1"));
    assert_null(block_type_of(0));
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        assert_ptr_equal(block_type_of(block_type_named(names[k])->type),
                         block_type_named(names[k]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_blocks),
        cmocka_unit_test(test_error_bounds),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
