// SPDX-License-Identifier: MIT
// The one source of the vector_*.c beside it, which are compiled with different flags:
// ISA(name) gives each its own names.
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

// The greater one; b where they are equal or a is no number. An instruction set may have it.
#ifndef MAXIMUM
INLINE lanes maximum(lanes a, lanes b)
{
    return choose(a > b, a, b);
}
#endif

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
#if LANES == 16
#define FOLD_8(a, type, f)                                               \
    f(((type##_8)__builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7)), \
      ((type##_8)__builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15)))
#else
#define FOLD_8(a, type, f) a
#endif
#if LANES >= 8
#define FOLD_4(a, type, f)                                   \
    f(((type##_4)__builtin_shufflevector(a, a, 0, 1, 2, 3)), \
      ((type##_4)__builtin_shufflevector(a, a, 4, 5, 6, 7)))
#else
#define FOLD_4(a, type, f) a
#endif
#define FOLD(x, type, f)                                     \
    __auto_type a8 = FOLD_8(x, type, f);                     \
    type##_4 a4 = FOLD_4(a8, type, f);                       \
    a4 = f(a4, __builtin_shufflevector(a4, a4, 2, 3, 2, 3)); \
    a4 = f(a4, __builtin_shufflevector(a4, a4, 1, 1, 1, 1)); \
    return a4[0]
#define PLUS(a, b) ((a) + (b))
#define GREATER(a, b)                                             \
    ((__typeof__(a))((((a) > (b)) & (__typeof__((a) > (b)))(a)) | \
                     (~((a) > (b)) & (__typeof__((a) > (b)))(b))))

// The sum of x[SIXTEEN], which is used up.
INLINE float sum_lanes(lanes *x)
{
    for (int n = SIXTEEN / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            x[i] += x[i + n];
    FOLD(x[0], lanes, PLUS);
}

// Unsigned, since numbers beyond all bounds give any integers, whose sum must be defined.
INLINE uint32_t sum_integers(lanes_u x)
{
    FOLD(x, lanes_u, PLUS);
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

// Registers of a query that are summed up at once: as many as can be kept.
INLINE int abreast(const int n)
{
    return n <= 4 ? SIXTEEN : (SIXTEEN + 1) / 2;
}

// Scores of blocks [first, last), [n][ATTENTION_CHUNK]. The sums are variables of their own, or
// they would live in memory.
INLINE void score(const struct attention *a, const int n, const uint16_t *k, uint32_t first,
                  uint32_t last, float *scores)
{
    const lanes scale = splat(a->scale);
    const float *q = a->q;
    const size_t stride = a->q_stride, d = a->d;
    const int m = abreast(n);
    for (uint32_t p = first * ATTENTION_BLOCK; p < last * ATTENTION_BLOCK;
         p += (uint32_t)m * LANES) {
        const uint16_t *keys = k + (p - p % ATTENTION_BLOCK) * d + p % ATTENTION_BLOCK;
        lanes s0[SIXTEEN] = {0}, s1[SIXTEEN] = {0}, s2[SIXTEEN] = {0}, s3[SIXTEEN] = {0},
              s4[SIXTEEN] = {0}, s5[SIXTEEN] = {0}, s6[SIXTEEN] = {0}, s7[SIXTEEN] = {0};
        for (size_t y = 0; y < d; y++, keys += ATTENTION_BLOCK)
            for (int g = 0; g < m; g++) {
                lanes key = widen(keys + g * LANES);
#define SCORE(i) s##i[g] = fma_lanes(key, splat(q[i * stride + y]), s##i[g])
                EACH(n, SCORE)
            }
        for (int g = 0; g < m; g++) {
#define KEEP(i) store(scores + i * ATTENTION_CHUNK + p + g * LANES, s##i[g] * scale)
            EACH(n, KEEP)
        }
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
    lanes most = splat(-INFINITY), sum[SIXTEEN] = {0};
    for (uint32_t p = first * ATTENTION_BLOCK; p < last * ATTENTION_BLOCK; p += LANES) {
        lanes v = load(x + p);
        most = choose(v > most, v, most);
    }
    float top = max_lanes(most);
    state[0] = top;
    lanes base = splat(top > -INFINITY ? top : 0);
    for (uint32_t p = first * ATTENTION_BLOCK; p < last * ATTENTION_BLOCK; p += 16)
        for (uint32_t i = 0; i < SIXTEEN; i++) {
            lanes e = exponential(load(x + p + i * LANES) - base);
            store(x + p + i * LANES, e);
            sum[i] += e;
        }
    state[1] = sum_lanes(sum);
}

// Weighted sums of the values at positions [from, to).
INLINE void gather(const struct attention *a, const int n, const uint16_t *v, uint32_t from,
                   uint32_t to, const float *weights, float *states)
{
    const size_t d = a->d, pitch = attention_state(d);
    const int m = abreast(n);
    size_t y = 0;
    for (; y + (size_t)m * LANES <= d; y += (size_t)m * LANES) {
        lanes s0[SIXTEEN] = {0}, s1[SIXTEEN] = {0}, s2[SIXTEEN] = {0}, s3[SIXTEEN] = {0},
              s4[SIXTEEN] = {0}, s5[SIXTEEN] = {0}, s6[SIXTEEN] = {0}, s7[SIXTEEN] = {0};
        for (size_t p = from; p < to; p++)
            for (int g = 0; g < m; g++) {
                lanes value = widen(v + p * d + y + g * LANES);
#define ADD(i) s##i[g] = fma_lanes(value, splat(weights[i * ATTENTION_CHUNK + p]), s##i[g])
                EACH(n, ADD)
            }
        for (int g = 0; g < m; g++) {
#define PUT(i) store(states + i * pitch + 16 + y + g * LANES, s##i[g])
            EACH(n, PUT)
        }
    }
    for (; y < d; y++) {
        uint16_t one[LANES] = {0};
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
        for (uint32_t p = first * ATTENTION_BLOCK; p < last * ATTENTION_BLOCK; p += LANES) {
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
        for (; y + LANES <= pitch; y += LANES)
            store(states + y, load(states + y) * a + load(next + y) * b);
        for (; y < pitch; y++)
            states[y] = states[y] * low[0] + next[y] * low[1];
    }
}

void ISA(halves)(const float *x, size_t n, uint16_t *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        narrow(out + i, load(x + i));
    if (i == n)
        return;
    lanes rest = {0};
    uint16_t half[LANES];
    for (size_t k = i; k < n; k++)
        rest[k - i] = x[k];
    narrow(half, rest);
    memcpy(out + i, half, (n - i) * sizeof *half);
}

// ---- norms ----

void ISA(rms_norm)(const float *x, const float *w, float eps, size_t n, float *out)
{
    lanes squares[SIXTEEN] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t k = 0; k < SIXTEEN; k++)
            squares[k] += load(x + i + k * LANES) * load(x + i + k * LANES);
    float sum = sum_lanes(squares);
    for (; i < n; i++)
        sum += x[i] * x[i];
    float scale = 1 / sqrtf(sum / (float)n + eps);
    for (i = 0; i + LANES <= n; i += LANES)
        store(out + i, load(x + i) * splat(scale) * load(w + i));
    for (; i < n; i++)
        out[i] = x[i] * scale * w[i];
}

// n is a multiple of 16.
void ISA(layer_norm)(float *x, const float *w, const float *b, float eps, size_t n)
{
    lanes sum[SIXTEEN] = {0}, squares[SIXTEEN] = {0};
    for (size_t i = 0; i < n; i += 16)
        for (size_t k = 0; k < SIXTEEN; k++)
            sum[k] += load(x + i + k * LANES);
    lanes mean = splat(sum_lanes(sum) / (float)n);
    for (size_t i = 0; i < n; i += 16)
        for (size_t k = 0; k < SIXTEEN; k++) {
            lanes off = load(x + i + k * LANES) - mean;
            squares[k] += off * off;
        }
    lanes scale = splat(1 / sqrtf(sum_lanes(squares) / (float)n + eps));
    for (size_t i = 0; i < n; i += LANES)
        store(x + i, (load(x + i) - mean) * scale * load(w + i) + load(b + i));
}

void ISA(greatest)(const float *x, size_t n, size_t *at)
{
    lanes most = splat(-INFINITY);
    lanes_i where = {0}, here = {0};
    for (int k = 0; k < LANES; k++)
        here[k] = k;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES, here += LANES) {
        lanes v = load(x + i);
        lanes_i more = v > most;
        most = choose(more, v, most);
        where = (more & here) | (~more & where);
    }
    float best = -INFINITY;
    *at = 0;
    for (int k = 0; k < LANES; k++)
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

// The normal distribution as a polynomial of x in [-4, 4], fitted so that no GELU is off by
// more than 1.4e-4: what follows rounds to 8 bits, and a quotient and an exponential cost
// thrice.
void ISA(gelu)(float *x, size_t n)
{
    const lanes most = splat(4);
    for (size_t i = 0; i < n; i += LANES) {
        lanes v = load(x + i), z = choose(v < most, v, most);
        z = choose(z > -most, z, -most);
        lanes t = z * z, p = splat(-4.5073617e-10f);
        p = fma_lanes(p, t, splat(5.1349261e-8f));
        p = fma_lanes(p, t, splat(-2.3314740e-6f));
        p = fma_lanes(p, t, splat(5.7689704e-5f));
        p = fma_lanes(p, t, splat(-8.8496512e-4f));
        p = fma_lanes(p, t, splat(9.0483353e-3f));
        p = fma_lanes(p, t, splat(-6.5080136e-2f));
        p = fma_lanes(p, t, splat(3.9819661e-1f));
        store(x + i, choose(v < -most, splat(0), v * fma_lanes(p, z, splat(0.5f))));
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
    for (size_t i = 0; i < n; i += LANES) {
        lanes v = load(x + i);
        lanes u = splat(2 * 0.79788456f) * v * (splat(1) + splat(0.044715f) * v * v);
        store(x + i, v * sigmoid(u) * load(y + i));
    }
}

void ISA(silu_times)(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        lanes v = load(x + i);
        store(x + i, v * sigmoid(v) * load(y + i));
    }
}

INLINE void store_bytes(int8_t *p, lanes_i x)
{
#if LANES == 4 // else GCC takes them one by one
    typedef int8_t all __attribute__((vector_size(16)));
    all b = __builtin_shufflevector((all)x, (all)x, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4,
                                    8, 12);
    memcpy(p, &b, 4);
#else
    *(lanes_b *)p = __builtin_convertvector(x, lanes_b);
#endif
}

void ISA(quantize)(const float *x, size_t blocks, int8_t *q, float *d, float *ds, int32_t *less)
{
    const lanes magic = splat(12582912.0f); // adding it rounds to the nearest, ties to even
    for (size_t b = 0; b < blocks; b++, x += 32, q += 32) {
        lanes v[32 / LANES], top = splat(0);
        for (int i = 0; i < 32 / LANES; i++) {
            v[i] = load(x + i * LANES);
            lanes size = (lanes)((lanes_i)v[i] & 0x7FFFFFFF);
            top = i ? choose(top > size, top, size) : size;
        }
        float most = max_lanes(top);
        d[b] = most / 127;
        lanes inverse = splat(most > 0 ? 127 / most : 0);
        lanes_u sums = {0};
        for (int i = 0; i < 32 / LANES; i++) {
            lanes_i n = __builtin_convertvector(v[i] * inverse + magic - magic, lanes_i);
            store_bytes(q + i * LANES, n);
            sums += (lanes_u)n;
        }
        uint32_t sum = sum_integers(sums);
        ds[b] = d[b] * (float)(int32_t)sum;
        less[b] = (int32_t)-sum;
    }
}

// As many columns as a vector has together, a span, share a scale; n is a multiple of 16 and at
// most 65536. Adding `magic` puts the rounded number into the low bits.
void ISA(quantize_span)(const float *x, size_t n, int8_t *q, float *d, int32_t *sum)
{
    const lanes magic = splat(12582912.0f);
    lanes most = {0};
#pragma GCC unroll 4
    for (size_t i = 0; i < n; i += LANES)
        most = maximum((lanes)((lanes_i)load(x + i) & 0x7FFFFFFF), most);
    float top = max_lanes(most);
    *d = top / 127;
    lanes inverse = splat(top > 0 ? 127 / top : 0);
    lanes_u all = {0};
#pragma GCC unroll 4
    for (size_t i = 0; i < n; i += LANES) {
        lanes_u v = (lanes_u)fma_lanes(load(x + i), inverse, magic) - (lanes_u)magic;
        store_bytes(q + i, (lanes_i)v);
        all += v;
    }
    *sum = (int32_t)sum_integers(all);
}
