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

enum { POSITIONS = 300, QUERIES = ATTENTION_QUERIES };

// Binary16 has eleven bits: numbers that it holds exactly.
static float random_half(void)
{
    return (float)(int)(random_float() * 1024) / 1024;
}

static void against_double(const struct attention *a, const float *keys, const float *values,
                           const float *out)
{
    for (unsigned i = 0; i < a->n; i++)
        for (size_t y = 0; y < a->d; y++) {
            double sum = 0, total = 0;
            for (uint32_t p = a->from[i]; p < a->to[i]; p++) {
                double dot = 0;
                for (size_t z = 0; z < a->d; z++)
                    dot += (double)a->q[i * a->d + z] * (double)keys[p * a->d + z];
                double w = exp(dot * (double)a->scale);
                total += w;
                sum += w * (double)values[p * a->d + y];
            }
            assert_true(fabs(sum / total - (double)out[i * a->d + y]) < 2e-6);
        }
}

static void one(size_t d, unsigned n, uint32_t from, uint32_t to, uint32_t step)
{
    float *q = malloc(QUERIES * d * sizeof *q), *out = malloc(2 * QUERIES * d * sizeof *out),
          *keys = malloc(POSITIONS * d * sizeof *keys),
          *values = malloc(POSITIONS * d * sizeof *values),
          *states = malloc(2 * QUERIES * attention_state(d) * sizeof *states);
    uint16_t *k = calloc(attention_room(POSITIONS) * d, sizeof *k),
             *v = malloc(POSITIONS * d * sizeof *v);
    for (size_t i = 0; i < QUERIES * d; i++)
        q[i] = 3 * random_float();
    for (size_t i = 0; i < POSITIONS * d; i++) {
        keys[i] = random_half();
        values[i] = random_half();
    }
    for (size_t p = 0; p < POSITIONS; p++)
        attention_put(k, v, d, p, keys + p * d, values + p * d);
    struct attention a = {
        .q = q, .q_stride = d, .n = n, .k = k, .v = v, .d = d, .scale = 1 / sqrtf((float)d)};
    for (unsigned i = 0; i < n; i++) {
        a.from[i] = from ? from + i * step : 0;
        a.to[i] = to + i * step;
    }
    isa_chosen = isa_best;
    attention_run(&a, states, out, d);
    against_double(&a, keys, values, out);
    float *again = out + QUERIES * d;
    for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
        attention_run(&a, states, again, d);
        assert_memory_equal(out, again, n * d * sizeof *out);
        for (unsigned i = 0; i < n; i++) { // alone or with others: the same bytes
            struct attention alone = a;
            alone.n = 1;
            alone.q += i * d;
            alone.from[0] = a.from[i];
            alone.to[0] = a.to[i];
            attention_run(&alone, states, again, d);
            assert_memory_equal(out + i * d, again, d * sizeof *out);
        }
    }
    isa_chosen = isa_best;
    free(q);
    free(k);
    free(v);
    free(out);
    free(keys);
    free(values);
    free(states);
}

static void test_attention(void **state)
{
    (void)state;
    const size_t sizes[] = {8, 32, 40, 64, 256};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned n = 1; n <= QUERIES; n++) {
            one(sizes[i], n, 0, 1, 1);
            one(sizes[i], n, 0, 83, 0);
            one(sizes[i], n, 0, 16, 16);
            one(sizes[i], n, 0, 125, 1); // over the edge of a chunk
            one(sizes[i], n, 0, 290, 1);
            one(sizes[i], n, 40, 83, 1);
            one(sizes[i], n, 124, 290, 1); // a window that leaves a chunk
        }
}

static void test_norms(void **state)
{
    (void)state;
    enum { N = 400 };
    float x[N], w[N], b[N], out[N], again[N];
    for (int i = 0; i < N; i++) {
        x[i] = 3 * random_float() + 1;
        w[i] = random_float();
        b[i] = random_float();
    }
    for (size_t n = N - 16; n <= N; n += 4) {
        double sum = 0, squares = 0, var = 0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)x[i] / (double)n;
            squares += (double)x[i] * (double)x[i] / (double)n;
        }
        for (size_t i = 0; i < n; i++)
            var += pow((double)x[i] - sum, 2) / (double)n;
        for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
            vector_rms_norm(x, w, 1e-5f, n, again);
            if (isa_chosen == ISA_SCALAR)
                memcpy(out, again, sizeof out);
            assert_memory_equal(out, again, n * sizeof *out);
            for (size_t i = 0; i < n; i++)
                assert_true(fabs((double)out[i] -
                                 (double)x[i] / sqrt(squares + 1e-5) * (double)w[i]) < 1e-6);
        }
        for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best && n % 16 == 0; isa_chosen++) {
            memcpy(again, x, sizeof x);
            vector_layer_norm(again, w, b, 1e-5f, n);
            if (isa_chosen == ISA_SCALAR)
                memcpy(out, again, sizeof out);
            assert_memory_equal(out, again, n * sizeof *out);
            for (size_t i = 0; i < n; i++)
                assert_true(fabs((double)out[i] -
                                 ((double)x[i] - sum) / sqrt(var + 1e-5) * (double)w[i] -
                                 (double)b[i]) < 2e-6);
        }
    }
    isa_chosen = isa_best;
}

static void test_greatest(void **state)
{
    (void)state;
    float x[100];
    for (int turn = 0; turn < 2000; turn++) {
        size_t n = 1 + (size_t)turn % 100, best = 0;
        for (size_t i = 0; i < n; i++)
            x[i] = turn % 7 ? (float)(int)(random_float() * 20) : -INFINITY; // equals are many
        for (size_t i = 1; i < n; i++)
            best = x[i] > x[best] ? i : best;
        for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++)
            assert_int_equal(vector_greatest(x, n), best);
        isa_chosen = isa_best;
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
        assert_true(fabs(gelu - (double)best[0][i]) <= 1.4e-4 + size);
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
        cmocka_unit_test(test_attention), cmocka_unit_test(test_norms),
        cmocka_unit_test(test_greatest),  cmocka_unit_test(test_activations),
        cmocka_unit_test(test_quantize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
