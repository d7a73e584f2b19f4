// SPDX-License-Identifier: MIT
#include "tests/embedder/random_reader.h"

#include "engine/gguf/gguf_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { F32 = 0, OWNED_MAX = 1024 };

struct maker {
    gguf_writer *w;
    uint64_t random;
    void *owned[OWNED_MAX]; // borrowed by the writer until the save
    size_t n;
    bool failed;
};

// SplitMix64 (Steele, Lea, Flood 2014), from -1 to 1.
static float next(struct maker *m)
{
    uint64_t z = m->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (float)((z ^ (z >> 31)) >> 40) / (float)(1 << 23) - 1;
}

static void tensor(struct maker *m, const char *name, uint64_t cols, uint64_t rows, float size)
{
    uint64_t ne[2] = {cols, rows};
    float *x = m->n < OWNED_MAX ? malloc(cols * rows * sizeof *x) : NULL;
    if (!x) {
        m->failed = true;
        return;
    }
    m->owned[m->n++] = x;
    for (uint64_t i = 0; i < cols * rows; i++)
        x[i] = size * next(m);
    gguf_writer_tensor(m->w, name, F32, ne, 2, x);
}

static void add(struct maker *m, const struct random_reader *r, const struct gguf_tensor *x,
                uint32_t layer, const char *part)
{
    char name[80];
    snprintf(name, sizeof name, "blk.%u.%s.weight.lora_a", layer, part);
    tensor(m, name, x->ne[0], r->rank, 1 / sqrtf((float)x->ne[0]));
    snprintf(name, sizeof name, "blk.%u.%s.weight.lora_b", layer, part);
    tensor(m, name, r->rank, x->ne[1], 0.5f / sqrtf((float)r->rank));
}

int random_reader_save(const struct random_reader *r, const char *path, struct err *e)
{
    static const char *const parts[] = {"attn_q",      "attn_k", "attn_v",
                                        "attn_output", "ffn_up", "ffn_down"};
    struct maker m = {.w = gguf_writer_new(), .random = r->seed};
    uint32_t layers = 0, d = 0;
    gguf *g;
    int rc = gguf_open(r->model, &g, e);
    if (rc)
        return rc;
    rc = gguf_get_u32(g, "bert.block_count", &layers, e);
    if (!rc)
        rc = gguf_get_u32(g, "bert.embedding_length", &d, e);
    gguf_writer_str(m.w, "general.architecture", "bert");
    gguf_writer_str(m.w, "general.type", "adapter");
    gguf_writer_str(m.w, "adapter.type", "lora");
    gguf_writer_f32(m.w, "adapter.lora.alpha", 2.0f * (float)r->rank);
    if (r->base)
        gguf_writer_str(m.w, "askd.reader.base", r->base);
    for (uint32_t i = 0; i < layers && !rc; i++)
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            char name[80];
            snprintf(name, sizeof name, "blk.%u.%s.weight", i, parts[k]);
            const struct gguf_tensor *x = gguf_tensor_find(g, name);
            if (x)
                add(&m, r, x, i, parts[k]);
        }
    tensor(&m, "reader.weight", d, r->outputs, r->head != 0 ? r->head : 8 / sqrtf((float)d));
    float *bias = m.failed ? NULL : malloc(r->outputs * sizeof *bias);
    uint64_t n = r->outputs;
    for (uint32_t i = 0; bias && i < r->outputs; i++)
        bias[i] = next(&m);
    if (bias)
        gguf_writer_tensor(m.w, "reader.bias", F32, &n, 1, bias);
    if (!rc && !bias)
        rc = err_nomem(e);
    if (!rc)
        rc = gguf_writer_save(m.w, path, e);
    gguf_writer_free(m.w);
    gguf_close(g);
    free(bias);
    for (size_t i = 0; i < m.n; i++)
        free(m.owned[i]);
    return rc;
}
