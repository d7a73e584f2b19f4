// SPDX-License-Identifier: MIT
#include "daemon/render.h"

#include "daemon/json.h"

#include <math.h>
#include <string.h>

static void put_text(cJSON *o, const char *name, const char *s)
{
    json_put(o, name, s ? cJSON_CreateString(s) : cJSON_CreateNull());
}

// Three digits behind the point: equal answers give equal bytes, and nobody reads more.
static void put_number(cJSON *o, const char *name, double v)
{
    json_put(o, name, cJSON_CreateNumber(round(v * 1000) / 1000));
}

cJSON *render_document(const struct retriever_document *d)
{
    cJSON *o = cJSON_CreateObject();
    put_number(o, "id", (double)d->id);
    put_text(o, "path", d->path);
    put_text(o, "title", d->title);
    put_text(o, "collection", d->collection);
    put_text(o, "type", d->type);
    put_text(o, "modified", d->modified);
    return o;
}

static void put_place(cJSON *o, const struct retriever_hit *h, int first, int last)
{
    cJSON *section = cJSON_CreateArray();
    for (size_t i = 0; h->section && h->section[i]; i++)
        json_append(section, cJSON_CreateString(h->section[i]));
    json_put(o, "section", section);
    json_put(o, "page", h->page > 0 ? cJSON_CreateNumber(h->page) : cJSON_CreateNull());
    const int lines[2] = {first, last};
    json_put(o, "lines", first > 0 ? cJSON_CreateIntArray(lines, 2) : cJSON_CreateNull());
}

cJSON *render_passage(const struct answer_passage *p, size_t rank)
{
    const struct retriever_hit *h = &p->hit;
    cJSON *o = cJSON_CreateObject();
    if (rank)
        put_number(o, "rank", (double)rank);
    put_number(o, "id", (double)h->id);
    if (rank) {
        put_number(o, "score", h->score);
        put_number(o, "lexical", h->lexical);
        put_number(o, "dense", h->dense);
        if (h->english != 0)
            put_number(o, "english", h->english);
        json_put(o, "document", render_document(h->document));
    }
    put_place(o, h, h->line_first, h->line_last);
    if (p->withheld)
        put_text(o, "withheld", p->withheld);
    if (p->flagged)
        put_text(o, "flagged", p->flagged);
    put_text(o, "text", h->text);
    return o;
}

cJSON *render_passages(const struct answer_passages *p)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < p->n; i++)
        json_append(list, render_passage(&p->passages[i], i + 1));
    return list;
}

cJSON *render_search(const struct answer_passages *p)
{
    const struct retriever_result *s = &p->search;
    cJSON *o = cJSON_CreateObject(), *t = cJSON_CreateObject(), *v = cJSON_CreateObject();
    put_number(o, "generation", (double)s->generation);
    json_put(o, "passages", render_passages(p));
    put_number(v, "total", (double)s->passages_total);
    put_number(v, "with_vectors", (double)s->passages_with_vectors);
    json_put(o, "searched", v);
    put_number(t, "embed", s->embed_ms);
    put_number(t, "lexical", s->lexical_ms);
    put_number(t, "vector", s->vector_ms);
    put_number(t, "total", s->total_ms);
    json_put(o, "timings_ms", t);
    return o;
}

cJSON *render_citation(const struct answer_citation *c)
{
    cJSON *o = cJSON_CreateObject();
    put_number(o, "n", c->n);
    put_number(o, "passage", (double)c->passage->hit.id);
    json_put(o, "document", render_document(c->passage->hit.document));
    put_place(o, &c->passage->hit, c->line_first, c->line_last);
    put_text(o, "quote", c->quote);
    if (c->span)
        put_text(o, "span", c->span);
    return o;
}

static cJSON *render_evidence(const struct answer_evidence *v)
{
    cJSON *o = cJSON_CreateObject();
    put_number(o, "coverage", v->coverage);
    put_number(o, "cosine", v->cosine);
    put_number(o, "english", v->english);
    put_number(o, "fused", v->fused);
    put_number(o, "sentence", v->sentence);
    put_number(o, "sentence_coverage", v->sentence_coverage);
    put_number(o, "read", v->read);
    return o;
}

static void put_written(cJSON *o, const struct answer_result *r)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < r->n_written; i++) {
        cJSON *one = cJSON_CreateObject();
        put_text(one, "text", r->written[i].text);
        put_number(one, "tokens", r->written[i].tokens);
        put_number(one, "logprob", r->written[i].logprob);
        json_append(list, one);
    }
    json_put(o, "written", list);
}

static void put_adapters(cJSON *o, const struct render_context *c)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < c->n_adapters; i++) {
        cJSON *one = cJSON_CreateObject();
        put_text(one, "name", c->adapters[i].name);
        put_number(one, "scale", (double)c->adapters[i].scale);
        put_text(one, "sha256",
                 c->llm ? llm_adapter_sha256(c->llm, c->adapters[i].name) : NULL);
        json_append(list, one);
    }
    json_put(o, "adapters", list);
}

static void put_receipt(cJSON *o, const struct answer_result *r, const struct render_context *c)
{
    cJSON *t = cJSON_CreateObject();
    bool ran = *r->prompt_sha256;
    put_text(t, "llm", ran && *c->llm_sha256 ? c->llm_sha256 : NULL);
    if (ran && c->n_adapters)
        put_adapters(t, c);
    put_text(t, "embedder", *c->embedder_sha256 ? c->embedder_sha256 : NULL);
    if (*c->english_sha256)
        put_text(t, "embedder_en", c->english_sha256);
    put_number(t, "generation", (double)r->passages.search.generation);
    put_text(t, "prompt", ran ? r->prompt_sha256 : NULL);
    json_put(o, "receipt", t);
}

cJSON *render_answer(const struct answer_result *r, const struct render_context *c)
{
    static const char *const statuses[] = {"answered", "not_found", "withheld"};
    cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray(), *x;
    put_text(o, "status", statuses[r->status]);
    put_text(o, "answer", r->text);
    for (size_t i = 0; i < r->n_citations; i++)
        json_append(list, render_citation(&r->citations[i]));
    json_put(o, "citations", list);
    json_put(o, "passages", render_passages(&r->passages));
    x = cJSON_AddObjectToObject(o, "searched");
    put_text(x, "question", r->passages.question);
    cJSON *names = cJSON_CreateArray();
    for (size_t i = 0; c->collections && c->collections[i]; i++)
        json_append(names, cJSON_CreateString(c->collections[i]));
    json_put(x, "collections", names);
    put_number(x, "passages", (double)r->passages.search.passages_total);
    put_number(x, "with_vectors", (double)r->passages.search.passages_with_vectors);
    if (r->withheld_category) {
        x = cJSON_AddObjectToObject(o, "withheld");
        put_text(x, "category", r->withheld_category);
        put_text(x, "stage", r->withheld_stage);
    } else {
        json_put(o, "withheld", cJSON_CreateNull());
    }
    put_number(o, "confidence", r->evidence.confidence);
    json_put(o, "evidence", render_evidence(&r->evidence));
    if (c->logprobs)
        put_written(o, r);
    put_text(o, "conversation", c->conversation);
    x = cJSON_AddObjectToObject(o, "usage");
    put_number(x, "prompt_tokens", r->prompt_tokens);
    put_number(x, "cached_tokens", r->cached_tokens);
    put_number(x, "completion_tokens", r->completion_tokens);
    x = cJSON_AddObjectToObject(o, "timings_ms");
    put_number(x, "passages", r->passages_ms);
    put_number(x, "read", r->read_ms);
    put_number(x, "first_token", r->first_token_ms);
    put_number(x, "total", r->total_ms);
    put_receipt(o, r, c);
    return o;
}
