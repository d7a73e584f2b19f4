// SPDX-License-Identifier: MIT
// Attention in integers. Follows vector_body.h in each file of an instruction set, which may
// define how many sums fit its registers, HEADS_WIDE times sixteen of each of HEADS_TALL
// queries, and with PAIRS its own `pairs`.

#ifndef HEADS_WIDE
#define HEADS_WIDE 1
#define HEADS_TALL 4
#endif
#define HEADS_VECTORS (HEADS_WIDE * SIXTEEN) // in which sixteen numbers stand, once or twice

typedef int16_t shorts __attribute__((vector_size(2 * LANES), aligned(2)));

INLINE lanes_i load_pairs(const int16_t *p)
{
    return *(const lanes_i *)(const void *)p;
}

INLINE lanes_i splat_pair(const int16_t *p)
{
    int32_t two;
    memcpy(&two, p, sizeof two);
    return two - (lanes_i){0};
}

#ifndef PAIRS
// Products of pairs of 16 bits, added into each lane.
INLINE lanes_i pairs(lanes_i sum, lanes_i a, lanes_i b)
{
    typedef uint32_t whole
        __attribute__((vector_size(4 * LANES))); // of no account where it wraps round
    return (lanes_i)((whole)sum + (whole)((a << 16 >> 16) * (b << 16 >> 16)) +
                     (whole)((a >> 16) * (b >> 16)));
}
#endif

// s[v][z] = the sum over `steps` of the pairs of a (sixteen of them at `step` apart, m times,
// `second` apart) times one pair of row z of b (n rows, `row` apart, pair after pair).
INLINE void products(lanes_i (*s)[HEADS_TALL], const int16_t *a, size_t step, size_t second,
                     const int16_t *b, size_t row, size_t steps, const int n, const int m)
{
    lanes_i sums[HEADS_VECTORS][HEADS_TALL];
#pragma GCC unroll 8
    for (int v = 0; v < m * SIXTEEN; v++)
#pragma GCC unroll 8
        for (int z = 0; z < n; z++)
            sums[v][z] = (lanes_i){0};
    for (; steps; steps--, a += step, b += 2) {
        lanes_i x[HEADS_VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < m * SIXTEEN; v++)
            x[v] = load_pairs(a + (size_t)(v / SIXTEEN) * second +
                              (size_t)(v % SIXTEEN) * 2 * LANES);
#pragma GCC unroll 8
        for (int z = 0; z < n; z++) {
            lanes_i y = splat_pair(b + (size_t)z * row);
#pragma GCC unroll 8
            for (int v = 0; v < m * SIXTEEN; v++)
                sums[v][z] = pairs(sums[v][z], x[v], y);
        }
    }
#pragma GCC unroll 8
    for (int v = 0; v < m * SIXTEEN; v++)
#pragma GCC unroll 8
        for (int z = 0; z < n; z++)
            s[v][z] = sums[v][z];
}

// 2^x to 3e-6 for x <= 0; what lies below -126 counts as -126.
INLINE lanes power(lanes x)
{
    const lanes low = splat(-126), magic = splat(12582912.0f);
    x = maximum(x, low);
    lanes whole = x + magic, r = x - (whole - magic);
    lanes p = splat(9.5828533e-3f);
    p = fma_lanes(p, r, splat(5.5906429e-2f));
    p = fma_lanes(p, r, splat(2.4024099e-1f));
    p = fma_lanes(p, r, splat(6.9312419e-1f));
    p = fma_lanes(p, r, splat(1));
    return (lanes)((lanes_i)p + ((lanes_i)whole << 23));
}

struct chunk {
    uint32_t first, last;                                  // blocks of it that are seen
    uint32_t from[HEADS_QUERIES], to[HEADS_QUERIES];       // positions in it
    float most_value;                                      // greatest scale of a value
    float top[HEADS_QUERIES], sum[HEADS_QUERIES];          // of each query
    _Alignas(64) int16_t q[HEADS_QUERIES][HEADS_DIM_MOST]; // queries, a known distance apart
    _Alignas(64) float scores[HEADS_QUERIES][HEADS_CHUNK];
    _Alignas(64) int16_t weights[HEADS_QUERIES][HEADS_CHUNK];
    _Alignas(64) float out[HEADS_QUERIES][HEADS_DIM_MOST];
};

// Scores of queries [i, i + n) at `m` blocks from `b` on.
INLINE void heads_score(const struct heads *a, size_t base, struct chunk *c, size_t i,
                        const int n, uint32_t b, const int m)
{
    const size_t d = a->d;
    lanes_i s[HEADS_VECTORS][HEADS_TALL];
    products(s, a->k + (base + b * HEADS_BLOCK) * d, 2 * HEADS_BLOCK, HEADS_BLOCK * d, c->q[i],
             HEADS_DIM_MOST, d / 2, n, m);
    for (int v = 0; v < m * SIXTEEN; v++) {
        size_t at = (b + (uint32_t)(v / SIXTEEN)) * HEADS_BLOCK + (size_t)(v % SIXTEEN) * LANES;
        lanes kd = load(a->kd + base + at);
#pragma GCC unroll 8
        for (int z = 0; z < n; z++)
            store(c->scores[i + (size_t)z] + at, __builtin_convertvector(s[v][z], lanes) * kd *
                                                     splat(a->scale[i + (size_t)z]));
    }
}

// Scores of query i to weights 2^(score - top), zero outside the positions it sees; times the
// scales of values to integers.
INLINE void heads_weigh(const struct heads *a, size_t base, struct chunk *c, size_t i)
{
    float *x = c->scores[i];
    uint32_t start = c->first * HEADS_BLOCK, stop = c->last * HEADS_BLOCK;
    for (uint32_t p = start; p < c->from[i] && p < stop; p++)
        x[p] = -INFINITY;
    for (uint32_t p = c->to[i] > start ? c->to[i] : start; p < stop; p++)
        x[p] = -INFINITY;
    lanes most = splat(-INFINITY), sum[SIXTEEN] = {0};
    for (uint32_t p = start; p < stop; p += LANES) {
        most = maximum(load(x + p), most);
    }
    const lanes top = splat(max_lanes(most)), magic = splat(12582912.0f);
    const lanes range = splat(c->most_value > 0 ? HEADS_WEIGHT_MOST / c->most_value : 0);
    for (uint32_t p = start; p < stop; p += HEADS_BLOCK)
#pragma GCC unroll 4
        for (uint32_t g = 0; g < SIXTEEN; g++) {
            uint32_t at = p + g * LANES;
            lanes w = power(load(x + at) - top);
            sum[g] += w;
            lanes_i whole = (lanes_i)fma_lanes(w * range, load(a->vd + base + at), magic);
            *(shorts *)(c->weights[i] + at) = __builtin_convertvector(whole, shorts);
        }
    c->top[i] = top[0];
    c->sum[i] = sum_lanes(sum);
}

// Dimensions [y, y + 16 m) of the weighted sums of queries [i, i + n).
INLINE void heads_gather(const struct heads *a, size_t base, struct chunk *c, size_t i,
                         const int n, size_t y, const int m)
{
    const size_t width = heads_value_room(a->d);
    const lanes unit = splat(c->most_value / HEADS_WEIGHT_MOST);
    const uint32_t start = c->first * HEADS_BLOCK, stop = c->last * HEADS_BLOCK;
    for (uint32_t from = start, to; from < stop; from = to) {
        to = (from / 128 + 1) * 128; // no more fit 32 bits
        to = to < stop ? to : stop;
        lanes_i s[HEADS_VECTORS][HEADS_TALL];
        products(s, a->v + (base + from) * width + y * 2, 2 * width, 32, c->weights[i] + from,
                 HEADS_CHUNK, (to - from) / 2, n, m);
        for (int v = 0; v < m * SIXTEEN; v++) {
#pragma GCC unroll 8
            for (int z = 0; z < n; z++) {
                float *out = c->out[i + (size_t)z] + y + LANES * (size_t)v;
                lanes before = {0};
                if (from != start)
                    before = load(out);
                store(out, fma_lanes(__builtin_convertvector(s[v][z], lanes), unit, before));
            }
        }
    }
}

INLINE void heads_some(const struct heads *a, size_t base, struct chunk *c, size_t i,
                       const int n)
{
    uint32_t b = c->first;
    for (; HEADS_WIDE > 1 && b + 2 <= c->last; b += 2)
        heads_score(a, base, c, i, n, b, 2);
    for (; b < c->last; b++)
        heads_score(a, base, c, i, n, b, 1);
    for (int z = 0; z < n; z++)
        heads_weigh(a, base, c, i + (size_t)z);
    size_t y = 0, width = heads_value_room(a->d);
    for (; HEADS_WIDE > 1 && y + 32 <= width; y += 32)
        heads_gather(a, base, c, i, n, y, 2);
    for (; y < width; y += 16)
        heads_gather(a, base, c, i, n, y, 1);
}

// The positions from `base` on that each query sees; false: none of them sees any.
INLINE int heads_within(const struct heads *a, uint32_t base, struct chunk *c)
{
    uint32_t from = HEADS_CHUNK, to = 0;
    for (unsigned i = 0; i < a->n; i++) {
        uint32_t f = a->from[i] < base ? 0 : a->from[i] - base,
                 t = a->to[i] < base ? 0 : a->to[i] - base;
        c->from[i] = f < HEADS_CHUNK ? f : HEADS_CHUNK;
        c->to[i] = t < HEADS_CHUNK ? t : HEADS_CHUNK;
        if (c->from[i] < c->to[i]) {
            from = c->from[i] < from ? c->from[i] : from;
            to = c->to[i] > to ? c->to[i] : to;
        }
    }
    c->first = from / HEADS_BLOCK;
    c->last = (to + HEADS_BLOCK - 1) / HEADS_BLOCK;
    return from < to;
}

// The chunk's sums into those of the chunks before it, for a query that sees some of it.
INLINE void heads_merge(const struct chunk *c, size_t i, size_t width, float *top, float *sum,
                        float *out)
{
    float most = c->top[i] > *top ? c->top[i] : *top;
    lanes by = splat(0);
    by[0] = *top - most;
    by[1] = c->top[i] - most;
    by = power(by);
    lanes a = splat(by[0]), b = splat(by[1]);
    *sum = *sum * a[0] + c->sum[i] * b[0];
    *top = most;
    for (size_t y = 0; y < width; y += LANES)
        store(out + y, fma_lanes(load(out + y), a, load(c->out[i] + y) * b));
}

void ISA(heads_attend)(const struct heads *a, float *out, size_t stride)
{
    struct chunk c;
    float top[HEADS_QUERIES], sum[HEADS_QUERIES] = {0};
    _Alignas(64) float all[HEADS_QUERIES][HEADS_DIM_MOST];
    const size_t width = heads_value_room(a->d);
    uint32_t begin = UINT32_MAX, end = 0;
    for (unsigned i = 0; i < a->n; i++) {
        begin = a->from[i] < begin ? a->from[i] : begin;
        end = a->to[i] > end ? a->to[i] : end;
        top[i] = -3e38f;
        memset(all[i], 0, width * sizeof **all);
        memcpy(c.q[i], a->q + i * a->q_stride, a->d * sizeof *a->q);
    }
    for (uint32_t base = begin / HEADS_CHUNK * HEADS_CHUNK; base < end; base += HEADS_CHUNK) {
        if (!heads_within(a, base, &c))
            continue;
        // Of the whole chunk, whoever sees which part of it.
        lanes most = {0};
        for (size_t p = base; p < base + HEADS_CHUNK && p < a->room; p += LANES)
            most = maximum(load(a->vd + p), most);
        c.most_value = max_lanes(most);
        size_t i = 0;
        for (; i + HEADS_TALL <= a->n; i += HEADS_TALL)
            heads_some(a, base, &c, i, HEADS_TALL);
        for (; HEADS_TALL > 4 && i + 4 <= a->n; i += 4)
            heads_some(a, base, &c, i, 4);
        for (; i < a->n; i++)
            heads_some(a, base, &c, i, 1);
        for (i = 0; i < a->n; i++)
            if (c.from[i] < c.to[i])
                heads_merge(&c, i, width, &top[i], &sum[i], all[i]);
    }
    for (unsigned i = 0; i < a->n; i++, out += stride) {
        lanes share = splat(1 / sum[i]);
        for (size_t y = 0; y < width; y += LANES)
            store(all[i] + y, load(all[i] + y) * share);
        memcpy(out, all[i], a->d * sizeof *out);
    }
}

// Rounded numbers stand in the low bits once `magic` is added.
INLINE shorts heads_rounded(lanes x, lanes inverse)
{
    const lanes magic = splat(12582912.0f);
    return __builtin_convertvector((lanes_i)fma_lanes(x, inverse, magic), shorts);
}

void ISA(heads_round)(const float *x, size_t n, float most, int16_t *q, float *d)
{
    lanes greatest = {0}, rest = {0};
    size_t whole = n / LANES * LANES;
    memcpy(&rest, x + whole, (n - whole) * sizeof *x);
    for (size_t i = 0; i < whole; i += LANES) {
        greatest = maximum((lanes)((lanes_i)load(x + i) & 0x7FFFFFFF), greatest);
    }
    float top = max_lanes(maximum((lanes)((lanes_i)rest & 0x7FFFFFFF), greatest));
    lanes inverse = splat(top > 0 ? most / top : 0);
    *d = top / most;
    for (size_t i = 0; i < whole; i += LANES)
        *(shorts *)(q + i) = heads_rounded(load(x + i), inverse);
    shorts last = heads_rounded(rest, inverse);
    memcpy(q + whole, &last, (n - whole) * sizeof *q);
}
