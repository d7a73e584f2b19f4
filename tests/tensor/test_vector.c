// SPDX-License-Identifier: MIT
// Attention and activations against double precision, and every instruction set against the
// best.
#include "engine/tensor/isa.h"
#include "engine/tensor/vector.h"

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

static void one(size_t d, unsigned n, const uint32_t *from, const uint32_t *to)
{
    enum { POSITIONS = 83, PITCH = 96 };
    float *q = malloc(4 * d * sizeof *q), *k = calloc(PITCH * d, sizeof *k),
          *v = malloc(POSITIONS * d * sizeof *v), *out = malloc(8 * d * sizeof *out),
          *row = malloc(d * sizeof *row), *rows = malloc(POSITIONS * d * sizeof *rows);
    float scores[4 * PITCH];
    for (size_t i = 0; i < 4 * d; i++)
        q[i] = 3 * random_float();
    for (size_t p = 0; p < POSITIONS; p++) {
        for (size_t y = 0; y < d; y++) {
            rows[p * d + y] = row[y] = random_float();
            v[p * d + y] = random_float();
        }
        attention_put_key(k, d, p, row);
    }
    struct attention a = {.q = q,
                          .q_stride = d,
                          .n = n,
                          .k = k,
                          .v = v,
                          .v_stride = d,
                          .d = d,
                          .scale = 1 / sqrtf((float)d),
                          .scores = scores,
                          .pitch = PITCH,
                          .out = out,
                          .out_stride = d};
    memcpy(a.from, from, sizeof a.from);
    memcpy(a.to, to, sizeof a.to);
    isa_chosen = isa_best;
    attention_run(&a);
    for (unsigned i = 0; i < n; i++)
        for (size_t y = 0; y < d; y++) {
            double sum = 0, total = 0;
            for (uint32_t p = from[i]; p < to[i]; p++) {
                double dot = 0;
                for (size_t z = 0; z < d; z++)
                    dot += (double)q[i * d + z] * (double)rows[p * d + z];
                double w = exp(dot / sqrt((double)d));
                total += w;
                sum += w * (double)v[p * d + y];
            }
            assert_true(fabs(sum / total - (double)out[i * d + y]) < 2e-6);
        }
    a.out = out + 4 * d;
    for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
        attention_run(&a);
        assert_memory_equal(out, out + 4 * d, n * d * sizeof *out);
        // Alone or with others: the same bytes.
        struct attention alone = a;
        alone.n = 1;
        attention_run(&alone);
        assert_memory_equal(out, out + 4 * d, d * sizeof *out);
    }
    isa_chosen = isa_best;
    free(q);
    free(k);
    free(v);
    free(out);
    free(row);
    free(rows);
}

static void test_attention(void **state)
{
    (void)state;
    const uint32_t zero[4] = {0}, causal[4] = {80, 81, 82, 83}, early[4] = {1, 2, 3, 4},
                   all[4] = {83, 83, 83, 83}, window[4] = {40, 41, 42, 43},
                   edge[4] = {16, 32, 48, 64};
    const size_t sizes[] = {8, 32, 40, 64, 256};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned n = 1; n <= 4; n++) {
            one(sizes[i], n, zero, causal);
            one(sizes[i], n, zero, early);
            one(sizes[i], n, zero, all);
            one(sizes[i], n, zero, edge);
            one(sizes[i], n, window, causal);
        }
}

static void test_activations(void **state)
{
    (void)state;
    enum { N = 4096 };
    static float x[N], y[N], best[3][N], low[N];
    for (int i = 0; i < N; i++) {
        x[i] = 12 * random_float();
        y[i] = random_float();
    }
    const float hard[] = {0, -0.0f, 88, -88, 200, -200, 1e-30f, -1e30f, 1e30f};
    memcpy(x, hard, sizeof hard);
    isa_chosen = isa_best;
    for (int i = 0; i < 3; i++)
        memcpy(best[i], x, sizeof x);
    vector_gelu(best[0], N);
    vector_gelu_tanh_times(best[1], y, N);
    vector_silu_times(best[2], y, N);
    for (int i = 0; i < N; i++) {
        double v = (double)x[i], t = (double)y[i];
        double gelu = 0.5 * v * (1 + erf(v * 0.70710678118654752));
        double gelu_tanh =
            0.5 * v * (1 + tanh(0.79788456080286536 * (v + 0.044715 * v * v * v))) * t;
        double silu = v < -700 ? 0 : v / (1 + exp(-v)) * t, size = 1e-6 * (1 + fabs(v));
        assert_true(fabs(gelu - (double)best[0][i]) <= size);
        assert_true(fabs(v) > 100 || fabs(gelu_tanh - (double)best[1][i]) <= size);
        assert_true(fabs(silu - (double)best[2][i]) <= size);
    }
    for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
        memcpy(low, x, sizeof x);
        vector_gelu(low, N);
        assert_memory_equal(low, best[0], sizeof low);
        memcpy(low, x, sizeof x);
        vector_gelu_tanh_times(low, y, N);
        assert_memory_equal(low, best[1], sizeof low);
        memcpy(low, x, sizeof x);
        vector_silu_times(low, y, N);
        assert_memory_equal(low, best[2], sizeof low);
    }
    isa_chosen = isa_best;
}

static void test_quantize(void **state)
{
    (void)state;
    enum { BLOCKS = 64, N = 32 * BLOCKS };
    static float x[N], d[BLOCKS], ds[BLOCKS], d2[BLOCKS], ds2[BLOCKS];
    static int8_t q[N], q2[N];
    static int32_t less[BLOCKS], less2[BLOCKS];
    for (int i = 64; i < N; i++)
        x[i] = random_float() * (float)(1 + i / 32);
    isa_chosen = isa_best;
    vector_quantize(x, BLOCKS, q, d, ds, less);
    for (int b = 0; b < BLOCKS; b++) {
        float most = 0;
        int sum = 0;
        for (int i = 0; i < 32; i++)
            most = fmaxf(most, fabsf(x[32 * b + i]));
        assert_true(d[b] == most / 127);
        for (int i = 0; i < 32; i++) {
            assert_int_equal(q[32 * b + i],
                             most > 0 ? lrintf(x[32 * b + i] * (127 / most)) : 0);
            sum += q[32 * b + i];
        }
        assert_true(ds[b] == d[b] * (float)sum);
        assert_int_equal(less[b], -sum);
    }
    for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
        vector_quantize(x, BLOCKS, q2, d2, ds2, less2);
        assert_memory_equal(q, q2, sizeof q);
        assert_memory_equal(d, d2, sizeof d);
        assert_memory_equal(ds, ds2, sizeof ds);
        assert_memory_equal(less, less2, sizeof less);
    }
    isa_chosen = isa_best;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_quantize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
