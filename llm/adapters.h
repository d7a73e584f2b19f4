// SPDX-License-Identifier: MIT
// Adapters by name, and the sets of them that requests compute with.
#pragma once

#include "llm/kv.h"
#include "llm/llm.h"

struct adapter {
    char *name;
    transformer_adapter *weights;
    char sha256[65]; // of its file
};

// Of one model; read-only once loaded.
struct adapters {
    struct adapter *list;
    uint32_t n;
};

// -EINVAL for a name that is empty, too long or there twice; errors of
// transformer_adapter_open. Free them also after a failure, before the transformer.
int llm__adapters_open(struct adapters *a, const struct llm_options *o, const transformer *t,
                       struct err *e);
void llm__adapters_free(struct adapters *a);

// NULL: there is none of that name.
const struct adapter *llm__adapters_find(const struct adapters *a, const char *name);

// In the order in which they were loaded, without those of scale 0: equal sets compute equal
// bytes, however they were named.
struct adapter_set {
    uint32_t n;
    const transformer_adapter *weights[TRANSFORMER_ADAPTERS_MAX];
    float scales[TRANSFORMER_ADAPTERS_MAX];
    struct kv_key key; // of the files, the scales and the asker; zeros for none
};

// -ENOENT for a name that was not loaded; -EINVAL for one that is there twice or a scale that
// is no number within LLM_SCALE_MAX; -E2BIG.
int llm__adapters_choose(const struct adapters *a, const struct llm_adapter *wanted, size_t n,
                         int64_t asker, struct adapter_set *out, struct err *e);
