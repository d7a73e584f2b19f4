// SPDX-License-Identifier: MIT
// The one source of vector_scalar.c, vector_avx2.c and vector_avx512.c, which are compiled with
// different flags: ISA(name) gives each its own names.
#include "engine/tensor/vector_kernels.h"
#include "engine/tensor/vector_lanes.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

INLINE lanes splat(float x)
{
    return x - (lanes){0};
}

INLINE lanes load(const float *p)
{
    return *(const lanes *)p;
}

INLINE void store(float *p, lanes x)
{
    *(lanes *)p = x;
}

INLINE lanes choose(lanes_i mask, lanes yes, lanes no)
{
    return (lanes)((mask & (lanes_i)yes) | (~mask & (lanes_i)no));
}

// e^x to 2 ulp for x <= 88; 0 below -87. Range reduction and a polynomial of degree 6 (Cephes).
INLINE lanes exponential(lanes x)
{
    const lanes low = splat(-87.0f), magic = splat(12582912.0f);
    lanes_i under = x < low;
    x = choose(under, low, x);
    lanes n = fma_lanes(x, splat(1.44269504f), magic) - magic;
    lanes r = fma_lanes(n, splat(2.12194440e-4f), fma_lanes(n, splat(-0.693359375f), x));
    lanes p = splat(1.9875691500e-4f);
    p = fma_lanes(p, r, splat(1.3981999507e-3f));
    p = fma_lanes(p, r, splat(8.3334519073e-3f));
    p = fma_lanes(p, r, splat(4.1665795894e-2f));
    p = fma_lanes(p, r, splat(1.6666665459e-1f));
    p = fma_lanes(p, r, splat(5.0000001201e-1f));
    p = fma_lanes(p, r * r, r + splat(1.0f));
    lanes_i power = (__builtin_convertvector(n, lanes_i) + 127) << 23;
    return choose(under, splat(0), p * (lanes)power);
}

// Halves are joined until one number is left: one order everywhere.
#define FOLD(x, type, f)                                                       \
    type##_8 a8 = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7),       \
             b8 = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15); \
    a8 = f(a8, b8);                                                            \
    type##_4 a4 = __builtin_shufflevector(a8, a8, 0, 1, 2, 3),                 \
             b4 = __builtin_shufflevector(a8, a8, 4, 5, 6, 7);                 \
    a4 = f(a4, b4);                                                            \
    b4 = __builtin_shufflevector(a4, a4, 2, 3, 2, 3);                          \
    a4 = f(a4, b4);                                                            \
    b4 = __builtin_shufflevector(a4, a4, 1, 1, 1, 1);                          \
    a4 = f(a4, b4);                                                            \
    return a4[0]
#define PLUS(a, b) ((a) + (b))
#define GREATER(a, b)                                             \
    ((__typeof__(a))((((a) > (b)) & (__typeof__((a) > (b)))(a)) | \
                     (~((a) > (b)) & (__typeof__((a) > (b)))(b))))

INLINE float sum_lanes(lanes x)
{
    FOLD(x, lanes, PLUS);
}

INLINE int32_t sum_integers(lanes_i x)
{
    FOLD(x, lanes_i, PLUS);
}

INLINE float max_lanes(lanes x)
{
    FOLD(x, lanes, GREATER);
}

// ---- attention ----

#define EACH(n, f) \
    f(0);          \
    if (n > 1)     \
        f(1);      \
    if (n > 2)     \
        f(2);      \
    if (n > 3)     \
        f(3);      \
    if (n > 4)     \
        f(4);      \
    if (n > 5)     \
        f(5);      \
    if (n > 6)     \
        f(6);      \
    if (n > 7)     \
        f(7);

// Scores of blocks [first, last), [n][ATTENTION_CHUNK]. The sums are variables of their own: an
// array would live in memory.
INLINE void score(const struct attention *a, const int n, const uint16_t *k, uint32_t first,
                  uint32_t last, float *scores)
{
    const lanes scale = splat(a->scale);
    const float *q = a->q;
    const size_t stride = a->q_stride, d = a->d;
    for (uint32_t b = first; b < last; b++) {
        const uint16_t *keys = k + b * ATTENTION_BLOCK * d;
        lanes s0 = {0}, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
        for (size_t y = 0; y < d; y++) {
            lanes key = widen(keys + y * ATTENTION_BLOCK);
#define SCORE(i) s##i = fma_lanes(key, splat(q[i * stride + y]), s##i)
            EACH(n, SCORE)
        }
#define KEEP(i) store(scores + i * ATTENTION_CHUNK + b * ATTENTION_BLOCK, s##i * scale)
        EACH(n, KEEP)
    }
}

// Scores of blocks [first, last) to weights e^(x - max), zero outside positions [from, to).
INLINE void weigh(float *x, uint32_t from, uint32_t to, uint32_t first, uint32_t last,
                  float *state)
{
    for (uint32_t p = first * ATTENTION_BLOCK; p < from && p < last * ATTENTION_BLOCK; p++)
        x[p] = -INFINITY;
    for (uint32_t p = to > first * ATTENTION_BLOCK ? to : first * ATTENTION_BLOCK;
         p < last * ATTENTION_BLOCK; p++)
        x[p] = -INFINITY;
    lanes most = splat(-INFINITY), sum = {0};
    for (uint32_t b = first; b < last; b++) {
        lanes v = load(x + b * ATTENTION_BLOCK);
        most = choose(v > most, v, most);
    }
    float top = max_lanes(most);
    state[0] = top;
    lanes base = splat(top > -INFINITY ? top : 0);
    for (uint32_t b = first; b < last; b++) {
        lanes e = exponential(load(x + b * ATTENTION_BLOCK) - base);
        store(x + b * ATTENTION_BLOCK, e);
        sum += e;
    }
    state[1] = sum_lanes(sum);
}

// Weighted sums of the values at positions [from, to).
INLINE void gather(const struct attention *a, const int n, const uint16_t *v, uint32_t from,
                   uint32_t to, const float *weights, float *states)
{
    const size_t d = a->d, pitch = attention_state(d);
    size_t y = 0;
    for (; y + 16 <= d; y += 16) {
        lanes s0 = {0}, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
        for (size_t p = from; p < to; p++) {
            lanes value = widen(v + p * d + y);
#define ADD(i) s##i = fma_lanes(value, splat(weights[i * ATTENTION_CHUNK + p]), s##i)
            EACH(n, ADD)
        }
#define PUT(i) store(states + i * pitch + 16 + y, s##i)
        EACH(n, PUT)
    }
    for (; y < d; y++) {
        uint16_t one[16] = {0};
        for (int i = 0; i < n; i++) {
            lanes sum = {0};
            for (size_t p = from; p < to; p++) {
                one[0] = v[p * d + y];
                sum = fma_lanes(widen(one), splat(weights[i * ATTENTION_CHUNK + p]), sum);
            }
            states[(size_t)i * pitch + 16 + y] = sum[0];
        }
    }
}

INLINE uint32_t within(uint32_t position, uint32_t base)
{
    return position < base                     ? 0
           : position - base < ATTENTION_CHUNK ? position - base
                                               : ATTENTION_CHUNK;
}

INLINE void attend(const struct attention *a, const int n, uint32_t chunk, float *states)
{
    alignas(64) float scores[ATTENTION_QUERIES * ATTENTION_CHUNK];
    uint32_t base = chunk * ATTENTION_CHUNK, from = ATTENTION_CHUNK, to = 0;
    for (int i = 0; i < n; i++) {
        uint32_t f = within(a->from[i], base), t = within(a->to[i], base);
        from = f < from ? f : from;
        to = t > to ? t : to;
    }
    uint32_t first = from / ATTENTION_BLOCK,
             last = (to + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK;
    score(a, n, a->k + (size_t)base * a->d, first, last, scores);
    for (int i = 0; i < n && a->bias[i]; i++)
        for (uint32_t p = first * ATTENTION_BLOCK; p < last * ATTENTION_BLOCK; p += 16) {
            float *at = scores + i * ATTENTION_CHUNK + p;
            store(at, load(at) + load(a->bias[i] + base + p));
        }
    for (int i = 0; i < n; i++)
        weigh(scores + i * ATTENTION_CHUNK, within(a->from[i], base), within(a->to[i], base),
              first, last, states + (size_t)i * attention_state(a->d));
    gather(a, n, a->v + (size_t)base * a->d, from, to, scores, states);
}

void ISA(attention_chunk)(const struct attention *a, uint32_t chunk, float *states)
{
    switch (a->n) {
#define CASE(n)                      \
    case n:                          \
        attend(a, n, chunk, states); \
        return;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
    default:
        attend(a, 8, chunk, states);
    }
}

void ISA(attention_merge)(float *states, const float *next, unsigned n, size_t d)
{
    size_t pitch = attention_state(d);
    for (unsigned i = 0; i < n; i++, states += pitch, next += pitch) {
        if (next[1] == 0)
            continue; // it sees nothing there
        if (states[1] == 0) {
            memcpy(states, next, pitch * sizeof *states);
            continue;
        }
        float top = next[0] > states[0] ? next[0] : states[0];
        lanes low = splat(0);
        low[0] = states[0] - top;
        low[1] = next[0] - top;
        low = exponential(low);
        lanes a = splat(low[0]), b = splat(low[1]);
        states[0] = top;
        states[1] = states[1] * low[0] + next[1] * low[1];
        size_t y = 16;
        for (; y + 16 <= pitch; y += 16)
            store(states + y, load(states + y) * a + load(next + y) * b);
        for (; y < pitch; y++)
            states[y] = states[y] * low[0] + next[y] * low[1];
    }
}

void ISA(halves)(const float *x, size_t n, uint16_t *out)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        narrow(out + i, load(x + i));
    if (i == n)
        return;
    lanes rest = {0};
    uint16_t half[16];
    for (size_t k = i; k < n; k++)
        rest[k - i] = x[k];
    narrow(half, rest);
    memcpy(out + i, half, (n - i) * sizeof *half);
}

// ---- norms ----

void ISA(rms_norm)(const float *x, const float *w, float eps, size_t n, float *out)
{
    lanes squares = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        squares += load(x + i) * load(x + i);
    float sum = sum_lanes(squares);
    for (; i < n; i++)
        sum += x[i] * x[i];
    float scale = 1 / sqrtf(sum / (float)n + eps);
    for (i = 0; i + 16 <= n; i += 16)
        store(out + i, load(x + i) * splat(scale) * load(w + i));
    for (; i < n; i++)
        out[i] = x[i] * scale * w[i];
}

// n is a multiple of 16.
void ISA(layer_norm)(float *x, const float *w, const float *b, float eps, size_t n)
{
    lanes sum = {0}, squares = {0};
    for (size_t i = 0; i < n; i += 16)
        sum += load(x + i);
    lanes mean = splat(sum_lanes(sum) / (float)n);
    for (size_t i = 0; i < n; i += 16) {
        lanes off = load(x + i) - mean;
        squares += off * off;
    }
    lanes scale = splat(1 / sqrtf(sum_lanes(squares) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16)
        store(x + i, (load(x + i) - mean) * scale * load(w + i) + load(b + i));
}

void ISA(greatest)(const float *x, size_t n, size_t *at)
{
    lanes most = splat(-INFINITY);
    lanes_i where = {0}, here = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    size_t i = 0;
    for (; i + 16 <= n; i += 16, here += 16) {
        lanes v = load(x + i);
        lanes_i more = v > most;
        most = choose(more, v, most);
        where = (more & here) | (~more & where);
    }
    float best = -INFINITY;
    *at = 0;
    for (int k = 0; k < 16; k++)
        if (most[k] > best || (most[k] == best && (size_t)where[k] < *at)) {
            best = most[k];
            *at = (size_t)where[k];
        }
    for (; i < n; i++)
        if (x[i] > best) {
            best = x[i];
            *at = i;
        }
}

// ---- activations ----

// erf by formula 7.1.26 of Abramowitz and Stegun: error below 1.5e-7.
void ISA(gelu)(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        lanes v = load(x + i), z = v * splat(0.70710678f);
        lanes_i negative = z < splat(0);
        lanes a = choose(negative, -z, z), t = splat(1) / (splat(1) + splat(0.3275911f) * a);
        lanes p = splat(1.061405429f);
        p = p * t + splat(-1.453152027f);
        p = p * t + splat(1.421413741f);
        p = p * t + splat(-0.284496736f);
        p = p * t + splat(0.254829592f);
        lanes erf = splat(1) - p * t * exponential(-a * a);
        store(x + i, splat(0.5f) * v * (splat(1) + choose(negative, -erf, erf)));
    }
}

INLINE lanes sigmoid(lanes x)
{
    // Beyond 87 nothing changes, and e^x would overflow.
    lanes z = choose(x < splat(-87), splat(-87), x);
    return splat(1) / (splat(1) + exponential(-z));
}

void ISA(gelu_tanh_times)(float *x, const float *y, size_t n)
{
    // 0.5 x (1 + tanh(u)) = x sigmoid(2u)
    for (size_t i = 0; i < n; i += 16) {
        lanes v = load(x + i);
        lanes u = splat(2 * 0.79788456f) * v * (splat(1) + splat(0.044715f) * v * v);
        store(x + i, v * sigmoid(u) * load(y + i));
    }
}

void ISA(silu_times)(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        lanes v = load(x + i);
        store(x + i, v * sigmoid(v) * load(y + i));
    }
}

typedef int8_t bytes __attribute__((vector_size(16), aligned(1)));

void ISA(quantize)(const float *x, size_t blocks, int8_t *q, float *d, float *ds, int32_t *less)
{
    const lanes magic = splat(12582912.0f); // adding it rounds to the nearest, ties to even
    for (size_t b = 0; b < blocks; b++) {
        lanes low = load(x + 32 * b), high = load(x + 32 * b + 16);
        lanes a = (lanes)((lanes_i)low & 0x7FFFFFFF), c = (lanes)((lanes_i)high & 0x7FFFFFFF);
        float most = max_lanes(choose(a > c, a, c));
        d[b] = most / 127;
        lanes inverse = splat(most > 0 ? 127 / most : 0);
        lanes_i l = __builtin_convertvector(low * inverse + magic - magic, lanes_i),
                h = __builtin_convertvector(high * inverse + magic - magic, lanes_i);
        *(bytes *)(q + 32 * b) = __builtin_convertvector(l, bytes);
        *(bytes *)(q + 32 * b + 16) = __builtin_convertvector(h, bytes);
        lanes_i both = l + h;
        int32_t sum = sum_integers(both);
        ds[b] = d[b] * (float)sum;
        less[b] = -sum;
    }
}
