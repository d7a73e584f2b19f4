// SPDX-License-Identifier: MIT
// The one source of vector_scalar.c, vector_avx2.c and vector_avx512.c, which are compiled with
// different flags: ISA(name) gives each its own names.
#include "engine/tensor/vector_kernels.h"

#include <math.h>
#include <string.h>

typedef float lanes __attribute__((vector_size(64), aligned(4)));
typedef int32_t lanes_i __attribute__((vector_size(64), aligned(4)));

#define INLINE static inline __attribute__((always_inline))

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
    lanes n = x * splat(1.44269504f) + magic - magic;
    lanes r = x - n * splat(0.693359375f) - n * splat(-2.12194440e-4f);
    lanes p = splat(1.9875691500e-4f);
    p = p * r + splat(1.3981999507e-3f);
    p = p * r + splat(8.3334519073e-3f);
    p = p * r + splat(4.1665795894e-2f);
    p = p * r + splat(1.6666665459e-1f);
    p = p * r + splat(5.0000001201e-1f);
    p = p * r * r + r + splat(1.0f);
    lanes_i power = (__builtin_convertvector(n, lanes_i) + 127) << 23;
    return choose(under, splat(0), p * (lanes)power);
}

INLINE float sum_lanes(lanes x)
{
    float s = 0;
    for (int i = 0; i < 16; i++)
        s += x[i];
    return s;
}

INLINE float max_lanes(lanes x)
{
    float m = x[0];
    for (int i = 1; i < 16; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

// The sums are four variables, not an array: an array would live in memory.
INLINE void score(const struct attention *a, unsigned n, uint32_t first, uint32_t last)
{
    const lanes scale = splat(a->scale);
    const float *q0 = a->q, *q1 = n > 1 ? q0 + a->q_stride : q0,
                *q2 = n > 2 ? q1 + a->q_stride : q0, *q3 = n > 3 ? q2 + a->q_stride : q0;
    for (uint32_t b = first; b < last; b++) {
        const float *k = a->k + (size_t)b * ATTENTION_BLOCK * a->d;
        float *to = a->scores + (size_t)b * ATTENTION_BLOCK;
        lanes s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        for (size_t y = 0; y < a->d; y++) {
            lanes key = load(k + y * ATTENTION_BLOCK);
            s0 += key * splat(q0[y]);
            if (n > 1)
                s1 += key * splat(q1[y]);
            if (n > 2)
                s2 += key * splat(q2[y]);
            if (n > 3)
                s3 += key * splat(q3[y]);
        }
        store(to, s0 * scale);
        if (n > 1)
            store(to + a->pitch, s1 * scale);
        if (n > 2)
            store(to + 2 * a->pitch, s2 * scale);
        if (n > 3)
            store(to + 3 * a->pitch, s3 * scale);
    }
}

// Scores to weights e^(x - max), zero outside [from, to); returns their sum.
INLINE float weigh(float *x, uint32_t from, uint32_t to, uint32_t first, uint32_t last)
{
    for (uint32_t p = first * ATTENTION_BLOCK; p < from; p++)
        x[p] = -INFINITY;
    for (uint32_t p = to; p < last * ATTENTION_BLOCK; p++)
        x[p] = -INFINITY;
    lanes most = splat(-INFINITY), sum = {0};
    for (uint32_t b = first; b < last; b++) {
        lanes v = load(x + b * ATTENTION_BLOCK);
        most = choose(v > most, v, most);
    }
    lanes top = splat(max_lanes(most));
    for (uint32_t b = first; b < last; b++) {
        lanes e = exponential(load(x + b * ATTENTION_BLOCK) - top);
        store(x + b * ATTENTION_BLOCK, e);
        sum += e;
    }
    return sum_lanes(sum);
}

INLINE void gather(const struct attention *a, unsigned n, uint32_t from, uint32_t to,
                   const float *total)
{
    const float *w0 = a->scores, *w1 = w0 + a->pitch, *w2 = w1 + a->pitch, *w3 = w2 + a->pitch;
    size_t y = 0;
    for (; y + 16 <= a->d; y += 16) {
        lanes s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        for (size_t p = from; p < to; p++) {
            lanes v = load(a->v + p * a->v_stride + y);
            s0 += v * splat(w0[p]);
            if (n > 1)
                s1 += v * splat(w1[p]);
            if (n > 2)
                s2 += v * splat(w2[p]);
            if (n > 3)
                s3 += v * splat(w3[p]);
        }
        store(a->out + y, s0 / splat(total[0]));
        if (n > 1)
            store(a->out + a->out_stride + y, s1 / splat(total[1]));
        if (n > 2)
            store(a->out + 2 * a->out_stride + y, s2 / splat(total[2]));
        if (n > 3)
            store(a->out + 3 * a->out_stride + y, s3 / splat(total[3]));
    }
    for (; y < a->d; y++)
        for (unsigned i = 0; i < n; i++) {
            float sum = 0;
            for (size_t p = from; p < to; p++)
                sum += a->v[p * a->v_stride + y] * a->scores[i * a->pitch + p];
            a->out[i * a->out_stride + y] = sum / total[i];
        }
}

INLINE void attend(const struct attention *a, unsigned n)
{
    uint32_t from = a->from[0], to = a->to[0];
    float total[ATTENTION_QUERIES];
    for (unsigned i = 1; i < n; i++) {
        from = a->from[i] < from ? a->from[i] : from;
        to = a->to[i] > to ? a->to[i] : to;
    }
    uint32_t first = from / ATTENTION_BLOCK,
             last = (to + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK;
    score(a, n, first, last);
    for (unsigned i = 0; i < n; i++)
        total[i] = weigh(a->scores + i * a->pitch, a->from[i], a->to[i], first, last);
    gather(a, n, from, to, total);
}

void ISA(attention)(const struct attention *a)
{
    switch (a->n) {
    case 1:
        attend(a, 1);
        break;
    case 2:
        attend(a, 2);
        break;
    case 3:
        attend(a, 3);
        break;
    default:
        attend(a, 4);
        break;
    }
}

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
        int32_t sum = 0;
        for (int i = 0; i < 16; i++)
            sum += both[i];
        ds[b] = d[b] * (float)sum;
        less[b] = -sum;
    }
}
