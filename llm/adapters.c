// SPDX-License-Identifier: MIT
#include "llm/adapters.h"

#include "base/hash.h"
#include "engine/gguf/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(LLM_REQUEST_ADAPTERS_MAX <= TRANSFORMER_ADAPTERS_MAX, "a session has fewer");

const struct adapter *llm__adapters_find(const struct adapters *a, const char *name)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (!strcmp(a->list[i].name, name))
            return &a->list[i];
    return NULL;
}

static int open_one(struct adapters *a, const struct llm_adapter_file *f, const transformer *t,
                    struct err *e)
{
    struct adapter *one = &a->list[a->n];
    gguf *g;
    size_t n = strlen(f->name);
    if (!n || n > LLM_ADAPTER_NAME_MAX)
        return err_set(e, -EINVAL, "%s: an adapter's name has 1 to %d bytes", f->path,
                       LLM_ADAPTER_NAME_MAX);
    if (llm__adapters_find(a, f->name))
        return err_set(e, -EINVAL, "two adapters are named '%s'", f->name);
    if (!(one->name = strdup(f->name)))
        return err_nomem(e);
    a->n++;
    int rc = gguf_open(f->path, &g, e);
    if (rc)
        return rc;
    rc = transformer_adapter_open(g, t, &one->weights, e);
    gguf_close(g);
    return rc ? rc : hash_sha256_file(f->path, one->sha256, e);
}

int llm__adapters_open(struct adapters *a, const struct llm_options *o, const transformer *t,
                       struct err *e)
{
    *a = (struct adapters){0};
    if (!o->n_adapters)
        return 0;
    if (o->n_adapters > LLM_ADAPTERS_MAX)
        return err_set(e, -E2BIG, "%zu adapters are named: at most %d", o->n_adapters,
                       LLM_ADAPTERS_MAX);
    if (!(a->list = calloc(o->n_adapters, sizeof *a->list)))
        return err_nomem(e);
    int rc = 0;
    for (size_t i = 0; i < o->n_adapters && !rc; i++)
        rc = open_one(a, &o->adapters[i], t, e);
    return rc;
}

void llm__adapters_free(struct adapters *a)
{
    for (uint32_t i = 0; i < a->n; i++) {
        transformer_adapter_close(a->list[i].weights);
        free(a->list[i].name);
    }
    free(a->list);
    *a = (struct adapters){0};
}

// The scale that is wanted of adapter i, or 0.
static float scale_of(const struct adapters *a, uint32_t i, const struct llm_adapter *wanted,
                      size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (!strcmp(a->list[i].name, wanted[k].name))
            return wanted[k].scale;
    return 0;
}

static int check(const struct adapters *a, const struct llm_adapter *wanted, size_t n,
                 struct err *e)
{
    if (n > LLM_REQUEST_ADAPTERS_MAX)
        return err_set(e, -E2BIG, "%zu adapters are asked for: at most %d", n,
                       LLM_REQUEST_ADAPTERS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!llm__adapters_find(a, wanted[i].name))
            return err_set(e, -ENOENT, "there is no adapter '%.80s'", wanted[i].name);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(wanted[i].name, wanted[k].name))
                return err_set(e, -EINVAL, "adapter '%.80s' is asked for twice",
                               wanted[i].name);
        if (!(fabsf(wanted[i].scale) <= LLM_SCALE_MAX))
            return err_set(e, -EINVAL, "the scale of adapter '%.80s' is not from -%d to %d",
                           wanted[i].name, LLM_SCALE_MAX, LLM_SCALE_MAX);
    }
    return 0;
}

int llm__adapters_choose(const struct adapters *a, const struct llm_adapter *wanted, size_t n,
                         int64_t asker, struct adapter_set *out, struct err *e)
{
    char text[LLM_REQUEST_ADAPTERS_MAX * 100 + 32] = "", hex[65];
    size_t len = 0;
    *out = (struct adapter_set){0};
    int rc = check(a, wanted, n, e);
    for (uint32_t i = 0; i < a->n && !rc; i++) {
        float scale = scale_of(a, i, wanted, n);
        if (fpclassify(scale) == FP_ZERO)
            continue;
        out->weights[out->n] = a->list[i].weights;
        out->scales[out->n++] = scale;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s %a\n", a->list[i].sha256,
                                (double)scale);
    }
    if (rc || (!out->n && !asker))
        return rc;
    if (asker)
        len +=
            (size_t)snprintf(text + len, sizeof text - len, "asker %lld\n", (long long)asker);
    hash_sha256(text, len, hex);
    memcpy(out->key.hex, hex, sizeof out->key.hex);
    return 0;
}
