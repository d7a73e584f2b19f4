// SPDX-License-Identifier: MIT
// In each format a block has one scale as a half, which is rounded before or after the numbers
// are, as the reference does; that decides the last bit.
#include "engine/cli/blocks.h"

#include "engine/tensor/formats.h"

#include <math.h>
#include <string.h>

static void put_half(uint8_t *out, float f)
{
    uint16_t h = float_to_half(f);
    memcpy(out, &h, sizeof h);
}

static float get_half(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return half_to_float(h);
}

static float inverse(float d)
{
    return d != 0 ? 1 / d : 0;
}

// The number that is furthest from zero, with its sign; the first of equals.
static float furthest(const float *x, int n)
{
    float far = 0, most = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > most) {
            most = fabsf(x[i]);
            far = x[i];
        }
    return far;
}

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

// To nearest, ties to even.
static int nearest(float f)
{
    return (int)lrintf(f);
}

static void pack_q8_0(const float *x, uint8_t *out)
{
    float d = fabsf(furthest(x, 32)) / 127, id = inverse(d);
    put_half(out, d);
    for (int i = 0; i < 32; i++)
        out[2 + i] = (uint8_t)(int8_t)roundf(x[i] * id);
}

// q in [0, 15]: low nibbles are the first sixteen numbers, high ones the rest.
static void pack_q4_0(const float *x, uint8_t *out)
{
    float d = furthest(x, 32) / -8, id = inverse(d);
    put_half(out, d);
    for (int i = 0; i < 16; i++) {
        int low = clamp((int)(x[i] * id + 8.5f), 0, 15);
        int high = clamp((int)(x[i + 16] * id + 8.5f), 0, 15);
        out[2 + i] = (uint8_t)(low | high << 4);
    }
}

static void pack_q4_1(const float *x, uint8_t *out)
{
    float min = x[0], max = x[0];
    for (int i = 1; i < 32; i++) {
        min = x[i] < min ? x[i] : min;
        max = x[i] > max ? x[i] : max;
    }
    float d = (max - min) / 15, id = inverse(d);
    put_half(out, d);
    put_half(out + 2, min);
    for (int i = 0; i < 16; i++) {
        int low = clamp((int)((x[i] - min) * id + 0.5f), 0, 15);
        int high = clamp((int)((x[i + 16] - min) * id + 0.5f), 0, 15);
        out[4 + i] = (uint8_t)(low | high << 4);
    }
}

// As Q4_0 with a fifth bit apart.
static void pack_q5_0(const float *x, uint8_t *out)
{
    float d = furthest(x, 32) / -16, id = inverse(d);
    uint32_t fifth = 0;
    put_half(out, d);
    for (int i = 0; i < 16; i++) {
        unsigned low = (unsigned)clamp((int)(x[i] * id + 16.5f), 0, 31);
        unsigned high = (unsigned)clamp((int)(x[i + 16] * id + 16.5f), 0, 31);
        out[6 + i] = (uint8_t)((low & 15) | (high & 15) << 4);
        fifth |= (low >> 4) << i | (high >> 4) << (i + 16);
    }
    memcpy(out + 2, &fifth, sizeof fifth);
}

// ---- superblocks of 256 ----

struct line { // x ~ scale * q - min, q in [0, 15]
    float scale, min;
};

// The line through 32 weighted numbers that errs least among 21 tries: each fixes the
// integers by a slightly other scale, from the best minimum so far, and solves for the best
// line given them.
static struct line fit_line(const float *x, const float *w)
{
    float min = x[0], max = x[0], sum_w = 0, sum_x = 0, best = 0;
    for (int i = 0; i < 32; i++) {
        min = x[i] < min ? x[i] : min;
        max = x[i] > max ? x[i] : max;
        sum_w += w[i];
        sum_x += w[i] * x[i];
    }
    min = min > 0 ? 0 : min;
    if (max <= min)
        return (struct line){0, -min};
    float inv = 15 / (max - min), scale = 1 / inv, low = min;
    for (int i = 0; i < 32; i++) {
        float off = scale * (float)clamp(nearest(inv * (x[i] - min)), 0, 15) + min - x[i];
        best += w[i] * off * off;
    }
    for (int step = 0; step <= 20; step++) {
        float q[32], sum_l = 0, sum_l2 = 0, sum_xl = 0, error = 0;
        inv = (-1.0f + 0.1f * (float)step + 15) / (max - low);
        for (int i = 0; i < 32; i++) {
            q[i] = (float)clamp(nearest(inv * (x[i] - low)), 0, 15);
            sum_l += w[i] * q[i];
            sum_l2 += w[i] * q[i] * q[i];
            sum_xl += w[i] * q[i] * x[i];
        }
        float det = sum_w * sum_l2 - sum_l * sum_l;
        if (!(det > 0))
            continue;
        float try = (sum_w * sum_xl - sum_x * sum_l) / det;
        float base = (sum_l2 * sum_x - sum_l * sum_xl) / det;
        if (base > 0) {
            base = 0;
            try = sum_xl / sum_l2;
        }
        for (int i = 0; i < 32; i++) {
            float off = try * q[i] + base - x[i];
            error += w[i] * off * off;
        }
        if (error < best) {
            best = error;
            scale = try;
            low = base;
        }
    }
    return (struct line){scale, -low};
}

// Six-bit scale and offset of block j among the twelve bytes.
static void put_scale_min(uint8_t *s, int j, uint8_t scale, uint8_t min)
{
    if (j < 4) {
        s[j] = scale;
        s[j + 4] = min;
        return;
    }
    s[j + 4] = (uint8_t)((scale & 15) | (min & 15) << 4);
    s[j - 4] |= (uint8_t)(scale >> 4 << 6);
    s[j] |= (uint8_t)(min >> 4 << 6);
}

static void pack_q4_k(const float *x, uint8_t *out)
{
    struct line lines[8];
    float most_scale = 0, most_min = 0;
    for (int j = 0; j < 8; j++) {
        float w[32], squares = 0;
        for (int i = 0; i < 32; i++)
            squares += x[32 * j + i] * x[32 * j + i];
        for (int i = 0; i < 32; i++)
            w[i] = sqrtf(squares / 32) + fabsf(x[32 * j + i]);
        lines[j] = fit_line(x + 32 * j, w);
        most_scale = fmaxf(most_scale, lines[j].scale);
        most_min = fmaxf(most_min, lines[j].min);
    }
    float to_scale = most_scale > 0 ? 63 / most_scale : 0;
    float to_min = most_min > 0 ? 63 / most_min : 0;
    memset(out, 0, 144);
    put_half(out, most_scale / 63);
    put_half(out + 2, most_min / 63);
    for (int j = 0; j < 8; j++) {
        int scale = clamp(nearest(to_scale * lines[j].scale), 0, 63);
        int min = clamp(nearest(to_min * lines[j].min), 0, 63);
        put_scale_min(out + 4, j, (uint8_t)scale, (uint8_t)min);
        float d = get_half(out) * (float)scale, m = get_half(out + 2) * (float)min;
        for (int i = 0; i < 32; i++) {
            float v = d != 0 ? (x[32 * j + i] + m) / d : 0;
            out[16 + j / 2 * 32 + i] |= (uint8_t)(clamp(nearest(v), 0, 15) << (j % 2 ? 4 : 0));
        }
    }
}

// The scale for sixteen numbers as out[] - 32, in [-32, 31], that errs least among nineteen
// tries, numbers weighted by their squares.
static float fit_scale(const float *x, int *out)
{
    float far = furthest(x, 16), scale = 0, best = 0;
    memset(out, 0, 16 * sizeof *out);
    if (fabsf(far) < 1e-15f)
        return 0;
    for (int k = 0; k < 19; k++) {
        int step = k == 0 ? 0 : k <= 9 ? k - 10 : k - 9; // the plain one, then -9 to 9
        float inv = -(32 + 0.1f * (float)step) / far, sum_lx = 0, sum_l2 = 0;
        int q[16];
        for (int i = 0; i < 16; i++) {
            q[i] = clamp(nearest(inv * x[i]), -32, 31);
            float w = x[i] * x[i];
            sum_lx += w * x[i] * (float)q[i];
            sum_l2 += w * (float)q[i] * (float)q[i];
        }
        if (sum_l2 > 0 && (k == 0 || sum_lx * sum_lx > best * sum_l2)) {
            scale = sum_lx / sum_l2;
            best = scale * sum_lx;
            for (int i = 0; i < 16; i++)
                out[i] = q[i] + 32;
        }
    }
    return scale;
}

static void pack_q6_k(const float *x, uint8_t *out)
{
    float scales[16];
    int q[256];
    memset(out, 0, 210);
    for (int j = 0; j < 16; j++)
        scales[j] = fit_scale(x + 16 * j, q + 16 * j);
    float far = furthest(scales, 16);
    if (fabsf(far) < 1e-15f)
        return;
    float inv = -128 / far;
    put_half(out + 208, 1 / inv);
    for (int j = 0; j < 16; j++) {
        int scale = clamp(nearest(inv * scales[j]), -128, 127);
        float d = get_half(out + 208) * (float)scale;
        out[192 + j] = (uint8_t)(int8_t)scale;
        for (int i = 0; i < 16 && d != 0; i++)
            q[16 * j + i] = clamp(nearest(x[16 * j + i] / d), -32, 31) + 32;
    }
    for (int h = 0; h < 2; h++)
        for (int i = 0; i < 32; i++) {
            const int *v = q + 128 * h + i;
            out[64 * h + i] = (uint8_t)((v[0] & 15) | (v[64] & 15) << 4);
            out[64 * h + 32 + i] = (uint8_t)((v[32] & 15) | (v[96] & 15) << 4);
            out[128 + 32 * h + i] =
                (uint8_t)(v[0] >> 4 | v[32] >> 4 << 2 | v[64] >> 4 << 4 | v[96] >> 4 << 6);
        }
}

static const struct block_type all[] = {
    {"q4_0", 2, 2, 32, 18, pack_q4_0, 2},     {"q4_1", 3, 3, 32, 20, pack_q4_1, 3},
    {"q5_0", 6, 8, 32, 22, pack_q5_0, 6},     {"q8_0", 8, 7, 32, 34, pack_q8_0, 8},
    {"q4_k", 12, 14, 256, 144, pack_q4_k, 6}, {"q6_k", 14, 18, 256, 210, pack_q6_k, 8},
};

const struct block_type *block_type_named(const char *name)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, name))
            return &all[i];
    return NULL;
}

const struct block_type *block_type_of(uint32_t type)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].type == type)
            return &all[i];
    return NULL;
}

void block_pack(const struct block_type *t, const float *x, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i += t->block, out += t->bytes)
        t->pack(x + i, out);
}
