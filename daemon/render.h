// SPDX-License-Identifier: MIT
// Results as the JSON of the protocol. Any thread. NULL when memory runs out.
#pragma once

#include "answer/answer.h"

#include <cJSON.h>

cJSON *render_document(const struct retriever_document *d);
cJSON *render_passage(const struct answer_passage *p, size_t rank);
cJSON *render_passages(const struct answer_passages *p);
cJSON *render_search(const struct answer_passages *p);
cJSON *render_citation(const struct answer_citation *c);
// The object of /v1/ask and of the "done" event; sha256 and conversation may be "" or NULL.
struct render_context {
    const char *const *collections;
    const char *llm_sha256, *embedder_sha256, *english_sha256, *conversation;
    const llm *llm; // of the adapters; NULL: none is loaded
    const struct llm_adapter *adapters;
    size_t n_adapters;
    bool logprobs; // tell what the model wrote itself
};
cJSON *render_answer(const struct answer_result *r, const struct render_context *c);
