// SPDX-License-Identifier: MIT
// Layouts as in ggml (ggml-common.h); the arithmetic is the reference's, in f32.
#include "engine/tensor/formats.h"

#include <string.h>

float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    uint32_t bits;
    float f;
    if (exponent == 0) {
        f = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &f, 4);
        bits |= sign;
    } else {
        bits = sign | (exponent == 31 ? 0xFFu << 23 : (exponent + 112) << 23) | mantissa << 13;
    }
    memcpy(&f, &bits, 4);
    return f;
}

uint16_t float_to_half(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    int32_t exponent = (int32_t)(bits >> 23 & 255) - 112;
    uint32_t mantissa = bits & 0x7FFFFF;
    if (exponent >= 31)
        return (uint16_t)(sign | 0x7C00 | (exponent == 143 && mantissa ? 0x200 : 0));
    if (exponent <= 0) {
        if (exponent < -10)
            return sign;
        mantissa |= 0x800000;
        uint32_t shift = (uint32_t)(14 - exponent), half = 1u << (shift - 1);
        uint32_t rest = mantissa & ((1u << shift) - 1), out = mantissa >> shift;
        out += rest > half || (rest == half && (out & 1));
        return (uint16_t)(sign | out);
    }
    uint32_t out = (uint32_t)exponent << 10 | mantissa >> 13, rest = mantissa & 0x1FFF;
    out += rest > 0x1000 || (rest == 0x1000 && (out & 1));
    return (uint16_t)(sign | out);
}

static float half_at(const void *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return half_to_float(h);
}

static void unpack_f32(const void *p, float *out)
{
    memcpy(out, p, 4);
}

static void unpack_f16(const void *p, float *out)
{
    *out = half_at(p);
}

static void unpack_bf16(const void *p, float *out)
{
    uint16_t h;
    memcpy(&h, p, 2);
    uint32_t bits = (uint32_t)h << 16;
    memcpy(out, &bits, 4);
}

static void unpack_q4_0(const void *p, float *out)
{
    const uint8_t *b = p;
    float d = half_at(b);
    for (int i = 0; i < 16; i++) {
        out[i] = (float)((b[2 + i] & 15) - 8) * d;
        out[i + 16] = (float)((b[2 + i] >> 4) - 8) * d;
    }
}

static void unpack_q4_1(const void *p, float *out)
{
    const uint8_t *b = p;
    float d = half_at(b), m = half_at(b + 2);
    for (int i = 0; i < 16; i++) {
        out[i] = (float)(b[4 + i] & 15) * d + m;
        out[i + 16] = (float)(b[4 + i] >> 4) * d + m;
    }
}

// The fifth bits of 32 values.
static uint32_t high_bits(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static void unpack_q5_0(const void *p, float *out)
{
    const uint8_t *b = p;
    float d = half_at(b);
    uint32_t high = high_bits(b + 2);
    for (int i = 0; i < 16; i++) {
        out[i] = (float)((int)((b[6 + i] & 15u) | (high >> i & 1) << 4) - 16) * d;
        out[i + 16] = (float)((int)(b[6 + i] >> 4u | (high >> (i + 16) & 1) << 4) - 16) * d;
    }
}

static void unpack_q5_1(const void *p, float *out)
{
    const uint8_t *b = p;
    float d = half_at(b), m = half_at(b + 2);
    uint32_t high = high_bits(b + 4);
    for (int i = 0; i < 16; i++) {
        out[i] = (float)((b[8 + i] & 15u) | (high >> i & 1) << 4) * d + m;
        out[i + 16] = (float)(b[8 + i] >> 4u | (high >> (i + 16) & 1) << 4) * d + m;
    }
}

static void unpack_q8_0(const void *p, float *out)
{
    const int8_t *b = p;
    float d = half_at(b);
    for (int i = 0; i < 32; i++)
        out[i] = (float)b[2 + i] * d;
}

// Six-bit scale and minimum of sub-block j of a K-quant.
static void scale_min(const uint8_t *s, int j, unsigned *scale, unsigned *min)
{
    if (j < 4) {
        *scale = s[j] & 63u;
        *min = s[j + 4] & 63u;
    } else {
        *scale = (s[j + 4] & 15u) | (unsigned)(s[j - 4] >> 6) << 4;
        *min = (unsigned)(s[j + 4] >> 4) | (unsigned)(s[j] >> 6) << 4;
    }
}

static void unpack_q4_k(const void *p, float *out)
{
    const uint8_t *b = p, *q = b + 16;
    float d = half_at(b), dmin = half_at(b + 2);
    for (int j = 0; j < 8; j += 2, q += 32) {
        unsigned s0, m0, s1, m1;
        scale_min(b + 4, j, &s0, &m0);
        scale_min(b + 4, j + 1, &s1, &m1);
        for (int i = 0; i < 32; i++) {
            out[j * 32 + i] = d * (float)s0 * (float)(q[i] & 15) - dmin * (float)m0;
            out[j * 32 + 32 + i] = d * (float)s1 * (float)(q[i] >> 4) - dmin * (float)m1;
        }
    }
}

static void unpack_q5_k(const void *p, float *out)
{
    const uint8_t *b = p, *high = b + 16, *q = b + 48;
    float d = half_at(b), dmin = half_at(b + 2);
    for (int j = 0; j < 8; j += 2, q += 32) {
        unsigned s0, m0, s1, m1;
        scale_min(b + 4, j, &s0, &m0);
        scale_min(b + 4, j + 1, &s1, &m1);
        for (int i = 0; i < 32; i++) {
            unsigned low = (q[i] & 15u) + (high[i] >> j & 1u) * 16;
            unsigned top = (q[i] >> 4u) + (high[i] >> (j + 1) & 1u) * 16;
            out[j * 32 + i] = d * (float)s0 * (float)low - dmin * (float)m0;
            out[j * 32 + 32 + i] = d * (float)s1 * (float)top - dmin * (float)m1;
        }
    }
}

static void unpack_q6_k(const void *p, float *out)
{
    const uint8_t *b = p, *ql = b, *qh = b + 128;
    const int8_t *scales = (const int8_t *)(b + 192);
    float d = half_at(b + 208);
    for (int n = 0; n < 256; n += 128, ql += 64, qh += 32, scales += 8, out += 128)
        for (int i = 0; i < 32; i++) {
            const int at = i / 16;
            int q1 = (int)((ql[i] & 15u) | (qh[i] & 3u) << 4) - 32;
            int q2 = (int)((ql[i + 32] & 15u) | (qh[i] >> 2 & 3u) << 4) - 32;
            int q3 = (int)((unsigned)(ql[i] >> 4) | (qh[i] >> 4 & 3u) << 4) - 32;
            int q4 = (int)((unsigned)(ql[i + 32] >> 4) | (unsigned)(qh[i] >> 6) << 4) - 32;
            out[i] = d * (float)scales[at] * (float)q1;
            out[i + 32] = d * (float)scales[at + 2] * (float)q2;
            out[i + 64] = d * (float)scales[at + 4] * (float)q3;
            out[i + 96] = d * (float)scales[at + 6] * (float)q4;
        }
}

const struct tensor_type *tensor_type_info(uint32_t type)
{
    static const struct tensor_type all[31] = {
        [0] = {"F32", 1, 4, unpack_f32},        [1] = {"F16", 1, 2, unpack_f16},
        [2] = {"Q4_0", 32, 18, unpack_q4_0},    [3] = {"Q4_1", 32, 20, unpack_q4_1},
        [6] = {"Q5_0", 32, 22, unpack_q5_0},    [7] = {"Q5_1", 32, 24, unpack_q5_1},
        [8] = {"Q8_0", 32, 34, unpack_q8_0},    [12] = {"Q4_K", 256, 144, unpack_q4_k},
        [13] = {"Q5_K", 256, 176, unpack_q5_k}, [14] = {"Q6_K", 256, 210, unpack_q6_k},
        [30] = {"BF16", 1, 2, unpack_bf16},
    };
    return type < 31 && all[type].name ? &all[type] : NULL;
}

void tensor_unpack(const struct tensor_type *t, const void *data, size_t n, float *out)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i += t->block, p += t->bytes)
        t->unpack(p, out + i);
}
