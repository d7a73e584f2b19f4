// SPDX-License-Identifier: MIT
// Attention in integers against double precision, and the same bytes from every instruction set
// and whoever goes together.
#include "engine/tensor/heads.h"
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

enum { POSITIONS = 1100, QUERIES = HEADS_QUERIES };

struct rig {
    size_t d;
    float *q, *keys, *values; // [QUERIES][d], [POSITIONS][d]
    int16_t *rounded;
    float scale[QUERIES];
    float *kd, *vd;
    int16_t *k, *v;
};

static float *random_floats(size_t n, float size)
{
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = size * random_float();
    return x;
}

static void set_up(struct rig *r, size_t d)
{
    size_t room = heads_room(POSITIONS);
    *r = (struct rig){.d = d};
    r->q = random_floats(QUERIES * d, 3);
    r->keys = random_floats(POSITIONS * d, 2);
    r->values = random_floats(POSITIONS * d, 1);
    r->rounded = malloc((QUERIES + 1) * d * sizeof *r->rounded);
    r->kd = calloc(room, sizeof *r->kd);
    r->vd = calloc(room, sizeof *r->vd);
    r->k = malloc(room * d * sizeof *r->k);
    r->v = malloc(room * heads_value_room(d) * sizeof *r->v);
    memset(r->k, 0x55,
           room * d * sizeof *r->k); // what is beyond the positions is of no account
    memset(r->v, 0x55, room * heads_value_room(d) * sizeof *r->v);
    int16_t *row = r->rounded + QUERIES * d;
    for (size_t i = 0; i < QUERIES; i++)
        r->scale[i] = heads_round(r->q + i * d, d, heads_most(d), r->rounded + i * d) *
                      (1.44269504f / sqrtf((float)d));
    for (size_t p = 0; p < POSITIONS; p++) {
        float by = p % 7 ? 1 : 0.01f; // some tokens' values are small
        for (size_t y = 0; y < d; y++)
            r->values[p * d + y] *= by;
        r->kd[p] = heads_round(r->keys + p * d, d, heads_most(d), row);
        heads_put_key(r->k, d, p, row);
        r->vd[p] = heads_round(r->values + p * d, d, HEADS_VALUE_MOST, row);
        heads_put_value(r->v, d, p, row);
    }
}

static void tear_down(struct rig *r)
{
    free(r->q);
    free(r->keys);
    free(r->values);
    free(r->rounded);
    free(r->kd);
    free(r->vd);
    free(r->k);
    free(r->v);
}

static void against_double(const struct rig *r, const struct heads *a, const float *out)
{
    for (unsigned i = 0; i < a->n; i++)
        for (size_t y = 0; y < r->d; y++) {
            double sum = 0, total = 0;
            for (uint32_t p = a->from[i]; p < a->to[i]; p++) {
                double dot = 0;
                for (size_t z = 0; z < r->d; z++)
                    dot += (double)r->q[i * r->d + z] * (double)r->keys[p * r->d + z];
                double w = exp(dot / sqrt((double)r->d));
                total += w;
                sum += w * (double)r->values[p * r->d + y];
            }
            assert_true(fabs(sum / total - (double)out[i * r->d + y]) < 3e-3);
        }
}

// Queries that see [from + i * step, to + i * step).
static void one(const struct rig *r, unsigned n, uint32_t from, uint32_t to, uint32_t step)
{
    size_t d = r->d;
    float *out = malloc(2 * QUERIES * d * sizeof *out), *again = out + QUERIES * d;
    struct heads a = {.q = r->rounded,
                      .scale = r->scale,
                      .q_stride = d,
                      .n = n,
                      .k = r->k,
                      .kd = r->kd,
                      .v = r->v,
                      .vd = r->vd,
                      .room = heads_room(POSITIONS),
                      .d = d};
    for (unsigned i = 0; i < n; i++) {
        a.from[i] = from + i * step;
        a.to[i] = to + i * step;
    }
    heads_attend(&a, out, d);
    against_double(r, &a, out);
    for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
        heads_attend(&a, again, d);
        assert_memory_equal(out, again, n * d * sizeof *out);
        for (unsigned i = 0; i < n; i++) { // alone or with others: the same bytes
            struct heads alone = a;
            alone.n = 1;
            alone.q += i * d;
            alone.scale += i;
            alone.from[0] = a.from[i];
            alone.to[0] = a.to[i];
            heads_attend(&alone, again, d);
            assert_memory_equal(out + i * d, again, d * sizeof *out);
        }
    }
    isa_chosen = isa_best;
    free(out);
}

static void test_attention(void **state)
{
    (void)state;
    const size_t sizes[] = {8, 32, 40, 64, 128};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct rig r;
        set_up(&r, sizes[i]);
        for (unsigned n = 1; n <= QUERIES; n++) {
            one(&r, n, 0, 1, 0);
            one(&r, n, 0, 83, 0);
            one(&r, n, 0, 300, 0);
            one(&r, n, 40, 83, 1);
        }
        one(&r, 3, 120, 129, 1);     // over the edge of what fits 32 bits
        one(&r, 8, 500, 505, 4);     // some see the next chunk, some do not
        one(&r, 5, 300, 900, 30);    // over the edge of a chunk
        one(&r, 8, 0, POSITIONS, 0); // several chunks
        one(&r, 8, 1000, 1090, 1);
        tear_down(&r);
    }
}

// The greatest integers there are: no sum leaves 32 bits.
static void test_extremes(void **state)
{
    (void)state;
    const size_t sizes[] = {32, 64, HEADS_DIM_MOST};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t d = sizes[i];
        struct rig r;
        set_up(&r, d);
        int16_t *row = r.rounded + QUERIES * d;
        for (size_t y = 0; y < d; y++)
            r.rounded[y] = row[y] = (int16_t)heads_most(d);
        for (size_t p = 0; p < 128; p++) {
            r.kd[p] = r.vd[p] = 1e-3f;
            heads_put_key(r.k, d, p, row);
        }
        for (size_t y = 0; y < d; y++)
            row[y] = HEADS_VALUE_MOST;
        for (size_t p = 0; p < 128; p++)
            heads_put_value(r.v, d, p, row);
        for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
            float out[HEADS_DIM_MOST];
            r.scale[0] = 1e-3f;
            struct heads a = {.q = r.rounded,
                              .scale = r.scale,
                              .q_stride = d,
                              .n = 1,
                              .k = r.k,
                              .kd = r.kd,
                              .v = r.v,
                              .vd = r.vd,
                              .room = 128,
                              .to = {128},
                              .d = d};
            heads_attend(&a, out, d);
            for (size_t y = 0; y < d; y++)
                assert_true(fabsf(out[y] - 0.511f) < 1e-4f);
        }
        isa_chosen = isa_best;
        tear_down(&r);
    }
}

static void test_round(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 50; n++) {
        float *x = random_floats(n, 5);
        int16_t q[50], again[50];
        float d = heads_round(x, n, 511, q);
        int most = 0;
        for (size_t i = 0; i < n; i++) {
            most = abs(q[i]) > most ? abs(q[i]) : most;
            assert_true(fabsf(x[i] - d * (float)q[i]) <= 0.5001f * d);
        }
        assert_int_equal(most, 511);
        for (isa_chosen = ISA_SCALAR; isa_chosen <= isa_best; isa_chosen++) {
            float same = heads_round(x, n, 511, again);
            assert_memory_equal(&d, &same, sizeof d);
            assert_memory_equal(q, again, n * sizeof *q);
        }
        isa_chosen = isa_best;
        free(x);
    }
    float none[3] = {0};
    int16_t q[3] = {1, 1, 1};
    assert_true(heads_round(none, 3, 511, q) == 0);
    assert_int_equal(q[0] | q[1] | q[2], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
