// SPDX-License-Identifier: MIT
// Adapters from GGUF files: general.type "adapter", adapter.type "lora", adapter.lora.alpha,
// for a tensor X of the model X.lora_a [rank, cols] and X.lora_b [rows, rank], and for encoders
// a head: reader.weight [n_out, n_embd], reader.bias [n_out].
#include "engine/transformer/internal.h"
#include "engine/transformer/lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 65 // of a tensor, with its NUL
#define HEAD "reader.weight"
#define HEAD_BIAS "reader.bias"

struct opening {
    const gguf *g;
    const transformer *t;
    transformer_adapter *a;
    struct err *e;
};

static int must_be(const struct opening *o, const char *key, const char *value)
{
    struct gguf_str s;
    int rc = gguf_get_str(o->g, key, &s, o->e);
    if (!rc && (s.n != strlen(value) || memcmp(s.s, value, s.n)))
        rc = err_set(o->e, -EINVAL, "%s: %s is '%.*s', not %s", gguf_path(o->g), key,
                     (int)(s.n < 40 ? s.n : 40), s.s, value);
    return rc;
}

static int floats_of(const struct opening *o, const struct gguf_tensor *x, uint64_t first,
                     uint64_t rows, float **out)
{
    const struct tensor_type *type = tensor_type_info(x->type);
    size_t n = (size_t)(rows * x->ne[0]);
    if (!type || x->ne[0] % type->block)
        return err_set(o->e, -EINVAL, "%s: tensor %s has a type that is not supported",
                       gguf_path(o->g), x->name);
    *out = malloc(n * sizeof **out);
    if (!*out)
        return err_nomem(o->e);
    tensor_unpack(type, (const char *)x->data + first * (x->ne[0] / type->block) * type->bytes,
                  n, *out);
    for (size_t i = 0; i < n; i++)
        if (!isfinite((*out)[i]))
            return err_set(o->e, -EINVAL, "%s: tensor %s holds what is no number",
                           gguf_path(o->g), x->name);
    return 0;
}

// The parts that a tensor of a layer holds, one after the other; 0: it cannot be adapted.
static size_t parts_in(const transformer *t, const char *name, uint64_t rows,
                       enum lora_part *parts, uint64_t *widths)
{
    static const struct {
        const char *name;
        size_t n;
        enum lora_part first;
    } known[] = {{"attn_q", 1, LORA_Q},      {"attn_k", 1, LORA_K},
                 {"attn_v", 1, LORA_V},      {"attn_qkv", 3, LORA_Q},
                 {"attn_output", 1, LORA_O}, {"ffn_gate", 1, LORA_GATE},
                 {"ffn_up", 1, LORA_UP},     {"ffn_down", 1, LORA_DOWN}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name))
            continue;
        uint64_t kv = (uint64_t)t->n_kv * t->head_dim;
        size_t n = known[i].n;
        enum lora_part first = known[i].first;
        if (first == LORA_UP && rows == 2 * (uint64_t)t->n_ff) { // phi3
            first = LORA_GATE;
            n = 2;
        }
        for (size_t k = 0; k < n; k++) {
            parts[k] = (enum lora_part)(first + k);
            widths[k] = n == 1 ? rows : n == 2 ? t->n_ff : k ? kv : rows - 2 * kv;
        }
        return n;
    }
    return 0;
}

static int bind_pair(const struct opening *o, uint32_t layer, const char *part,
                     const struct gguf_tensor *base, const struct gguf_tensor *a,
                     const struct gguf_tensor *b)
{
    enum lora_part parts[3];
    uint64_t widths[3], first = 0, rank = a->ne[1];
    size_t n = parts_in(o->t, part, base->ne[1], parts, widths);
    if (!n)
        return err_set(o->e, -ENOTSUP, "%s: tensor %s adapts what cannot be adapted",
                       gguf_path(o->g), a->name);
    if (a->ne[0] != base->ne[0] || b->ne[1] != base->ne[1] || b->ne[0] != rank ||
        a->ne[2] != 1 || b->ne[2] != 1 || a->ne[3] != 1 || b->ne[3] != 1)
        return err_set(o->e, -EINVAL,
                       "%s: tensors %s and .lora_b are %llu x %llu and %llu x %llu, which does "
                       "not fit %llu x %llu",
                       gguf_path(o->g), a->name, (unsigned long long)a->ne[0],
                       (unsigned long long)a->ne[1], (unsigned long long)b->ne[0],
                       (unsigned long long)b->ne[1], (unsigned long long)base->ne[0],
                       (unsigned long long)base->ne[1]);
    if (rank > LORA_RANK_MAX)
        return err_set(o->e, -EINVAL, "%s: tensor %s has rank %llu; %d is the most",
                       gguf_path(o->g), a->name, (unsigned long long)rank, LORA_RANK_MAX);
    for (size_t k = 0; k < n; first += widths[k], k++) {
        struct lora_pair *p = &o->a->pairs[layer * LORA_PARTS + parts[k]];
        if (p->rank)
            return err_set(o->e, -EINVAL, "%s: tensor %s adapts what another does, too",
                           gguf_path(o->g), a->name);
        int rc = floats_of(o, a, 0, rank, &p->a);
        if (!rc)
            rc = floats_of(o, b, first, widths[k], &p->b);
        if (rc)
            return rc;
        p->rank = (uint32_t)rank;
        p->cols = (size_t)base->ne[0];
        p->rows = (size_t)widths[k];
    }
    return 0;
}

// An encoder multiplies by pairs in another layout, with the scale in b.
static int pack_pairs(const struct opening *o)
{
    transformer_adapter *a = o->a;
    size_t n = (size_t)o->t->n_layer * LORA_PARTS;
    int rc = 0;
    a->thin = calloc(n, sizeof *a->thin);
    if (!a->thin)
        return err_nomem(o->e);
    for (size_t i = 0; i < n && !rc; i++) {
        struct lora_pair *p = &a->pairs[i];
        if (!p->rank)
            continue;
        float scale = a->alpha != 0 ? a->alpha / (float)p->rank : 1;
        rc = thin_new(p->a, p->rank, p->cols, 1, &a->pool, &a->thin[i].a, o->e);
        if (!rc)
            rc = thin_new(p->b, p->rows, p->rank, scale, &a->pool, &a->thin[i].b, o->e);
        if (a->thin[i].a.rows > a->low)
            a->low = a->thin[i].a.rows;
        free(p->a);
        free(p->b);
        *p = (struct lora_pair){0};
    }
    return rc;
}

// The head: both of its tensors or neither.
static int bind_head(const struct opening *o)
{
    const struct gguf_tensor *w = gguf_tensor_find(o->g, HEAD),
                             *bias = gguf_tensor_find(o->g, HEAD_BIAS);
    if (!w && !bias)
        return 0;
    if (!w || !bias)
        return err_set(o->e, -EINVAL, "%s: tensor %s is missing", gguf_path(o->g),
                       w ? HEAD_BIAS : HEAD);
    if (w->ne[0] != o->t->n_embd || w->ne[1] > LORA_OUTPUTS_MAX || w->ne[2] != 1 ||
        w->ne[3] != 1)
        return err_set(o->e, -EINVAL, "%s: tensor " HEAD " is %llu x %llu, not %u x 1 to %d",
                       gguf_path(o->g), (unsigned long long)w->ne[0],
                       (unsigned long long)w->ne[1], o->t->n_embd, LORA_OUTPUTS_MAX);
    if (bias->ne[0] != w->ne[1] || bias->ne[1] != 1 || bias->ne[2] != 1 || bias->ne[3] != 1)
        return err_set(o->e, -EINVAL,
                       "%s: tensor " HEAD_BIAS " has not one number for each of "
                       "the %llu outputs of " HEAD,
                       gguf_path(o->g), (unsigned long long)w->ne[1]);
    int rc = floats_of(o, w, 0, w->ne[1], &o->a->head);
    if (!rc)
        rc = floats_of(o, bias, 0, 1, &o->a->head_bias);
    if (!rc)
        o->a->n_out = (uint32_t)w->ne[1];
    return rc;
}

// A tensor of the file: .lora_a is bound together with its .lora_b.
static int bind_tensor(const struct opening *o, const struct gguf_tensor *x)
{
    char base_name[NAME_BYTES], other[NAME_BYTES], part[32];
    size_t n = strlen(x->name);
    uint32_t layer;
    int used = 0;
    if (!o->t->causal && (!strcmp(x->name, HEAD) || !strcmp(x->name, HEAD_BIAS)))
        return 0;
    bool a = n > 7 && !strcmp(x->name + n - 7, ".lora_a"),
         b = n > 7 && !strcmp(x->name + n - 7, ".lora_b");
    if ((!a && !b) || n >= sizeof base_name)
        return err_set(o->e, -EINVAL, "%s: tensor %s is neither .lora_a nor .lora_b",
                       gguf_path(o->g), x->name);
    snprintf(base_name, sizeof base_name, "%.*s", (int)(n - 7), x->name);
    snprintf(other, sizeof other, "%s.lora_%c", base_name, a ? 'b' : 'a');
    const struct gguf_tensor *base = gguf_tensor_find(o->t->g, base_name),
                             *pair = gguf_tensor_find(o->g, other);
    if (!pair)
        return err_set(o->e, -EINVAL, "%s: tensor %s is missing", gguf_path(o->g), other);
    if (!base)
        return err_set(o->e, -EINVAL, "%s: tensor %s adapts one that the model has not",
                       gguf_path(o->g), x->name);
    if (b)
        return 0;
    if (sscanf(base_name, "blk.%u.%31[a-z_].weight%n", &layer, part, &used) != 2 ||
        base_name[used] || !used || layer >= o->t->n_layer)
        return err_set(o->e, -ENOTSUP, "%s: tensor %s adapts what cannot be adapted",
                       gguf_path(o->g), x->name);
    return bind_pair(o, layer, part, base, x, pair);
}

int transformer_adapter_open(const gguf *g, const transformer *t, transformer_adapter **out,
                             struct err *e)
{
    struct opening o = {.g = g, .t = t, .e = e};
    int rc = must_be(&o, "general.type", "adapter");
    if (!rc)
        rc = must_be(&o, "adapter.type", "lora");
    if (!rc)
        rc = must_be(&o, "general.architecture", t->architecture);
    if (rc)
        return rc;
    o.a = calloc(1, sizeof *o.a);
    if (!o.a)
        return err_nomem(e);
    o.a->t = t;
    o.a->pairs = calloc((size_t)t->n_layer * LORA_PARTS, sizeof *o.a->pairs);
    if (!o.a->pairs)
        rc = err_nomem(e);
    if (!rc && (rc = gguf_get_f32(g, "adapter.lora.alpha", &o.a->alpha, e)) == -ENOENT)
        rc = 0;
    if (!rc && !isfinite(o.a->alpha))
        rc = err_set(e, -EINVAL, "%s: adapter.lora.alpha is no number", gguf_path(g));
    if (!rc && !gguf_tensor_count(g))
        rc = err_set(e, -EINVAL, "%s: it adapts nothing", gguf_path(g));
    for (size_t i = 0; i < gguf_tensor_count(g) && !rc; i++)
        rc = bind_tensor(&o, gguf_tensor_at(g, i));
    if (!rc && !t->causal)
        rc = pack_pairs(&o);
    if (!rc && !t->causal)
        rc = bind_head(&o);
    if (rc) {
        transformer_adapter_close(o.a);
        return rc;
    }
    *out = o.a;
    return 0;
}

void transformer_adapter_close(transformer_adapter *a)
{
    if (!a)
        return;
    for (size_t i = 0; a->pairs && i < (size_t)a->t->n_layer * LORA_PARTS; i++) {
        free(a->pairs[i].a);
        free(a->pairs[i].b);
    }
    free(a->pairs);
    free(a->thin);
    pool_free(&a->pool);
    free(a->head);
    free(a->head_bias);
    free(a);
}

uint32_t transformer_adapter_outputs(const transformer_adapter *a)
{
    return a->n_out;
}
