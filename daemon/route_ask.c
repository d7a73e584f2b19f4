// SPDX-License-Identifier: MIT
// POST /v1/ask and POST /v1/search.
#include "daemon/json.h"
#include "daemon/parse.h"
#include "daemon/render.h"
#include "daemon/route.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)64 << 20)

enum form { FORM_OBJECT, FORM_LINES, FORM_EVENTS };

struct ask_task {
    struct task t; // first
    arena *a;
    struct question q;
    enum form form;
    bool begun;
    int64_t who;
    struct rights rights;
    char conversation[40];
    struct answer_result result;
    bool answered;
};

static enum form form_of(const struct request *r, const struct question *q)
{
    if (strstr(r->accept.data, "text/event-stream"))
        return FORM_EVENTS;
    if (strstr(r->accept.data, "application/x-ndjson") || q->stream)
        return FORM_LINES;
    return FORM_OBJECT;
}

// ---- worker thread ----

static void emit(struct ask_task *k, const char *event, cJSON *o)
{
    struct buf json = BUF_INIT, out = BUF_INIT;
    if (!k->begun) {
        k->begun = true;
        task_begin(&k->t, 200,
                   k->form == FORM_EVENTS ? "text/event-stream" : "application/x-ndjson");
    }
    int rc = json_print(o, &json);
    if (!rc && k->form == FORM_EVENTS)
        rc = buf_addf(&out, "event: %s\ndata: %s\n", event, json.data);
    else if (!rc)
        rc = buf_add(&out, json.data, json.len);
    if (rc)
        task_lose(&k->t);
    else
        task_chunk(&k->t, &out);
    buf_free(&json);
    buf_free(&out);
}

static cJSON *event_object(const char *name)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "event", name);
    return o;
}

static void on_stage(void *ctx, enum answer_stage s)
{
    struct ask_task *k = ctx;
    task_stage(&k->t, (enum metric_stage)(STAGE_ANSWER + (int)s));
}

static void on_passages(void *ctx, const struct answer_passages *p)
{
    struct ask_task *k = ctx;
    if (p->search.embed_ms > 0)
        metrics_stage(&k->t.server->metrics, STAGE_EMBED, p->search.embed_ms);
    if (k->form == FORM_OBJECT)
        return;
    cJSON *o = event_object("passages");
    json_put(o, "passages", render_passages(p));
    emit(k, "passages", o);
}

static int on_token(void *ctx, const char *text, size_t n)
{
    struct ask_task *k = ctx;
    if (k->form != FORM_OBJECT) {
        char *copy = strndup(text, n);
        if (!copy) {
            task_lose(&k->t);
            return 1;
        }
        cJSON *o = event_object("token");
        cJSON_AddStringToObject(o, "text", copy);
        free(copy);
        emit(k, "token", o);
    }
    return atomic_load(&k->t.cancel);
}

static void on_citation(void *ctx, const struct answer_citation *c)
{
    struct ask_task *k = ctx;
    if (k->form == FORM_OBJECT)
        return;
    cJSON *o = event_object("citation");
    json_put(o, "citation", render_citation(c));
    emit(k, "citation", o);
}

static void on_withheld(void *ctx, const char *category, const char *stage)
{
    struct ask_task *k = ctx;
    if (k->form == FORM_OBJECT)
        return;
    cJSON *o = event_object("withheld");
    cJSON_AddStringToObject(o, "category", category);
    cJSON_AddStringToObject(o, "stage", stage);
    emit(k, "withheld", o);
}

static void fail(struct ask_task *k, int code, const char *message)
{
    bool timed_out = atomic_load(&k->t.timed_out);
    struct metrics *m = &k->t.server->metrics;
    const char *type;
    int status = error_status(code, timed_out, &type);
    if (timed_out)
        message = "the question took longer than askd allows (request_timeout_s) or askd is "
                  "stopping; ask again";
    bool cancelled = code == -ECANCELED;
    task_note(&k->t, " outcome=%s", cancelled ? "cancelled" : "failed");
    if (k->t.question)
        atomic_fetch_add(&m->outcomes[cancelled ? OUTCOME_CANCELLED : OUTCOME_FAILED], 1);
    if (status == 500 && code != -ECANCELED)
        log_write(LOG_ERROR, "ask", "%s", message);
    // Of all that a request names, only collections can be absent by now.
    const char *field = code == -ENOENT && k->q.request.collections ? "collection" : NULL;
    if (!k->begun) {
        task_error(&k->t, status, type, field, message);
        return;
    }
    cJSON *o = event_object("error"), *inner = cJSON_AddObjectToObject(o, "error");
    cJSON_AddStringToObject(inner, "type", type);
    cJSON_AddStringToObject(inner, "message", message);
    emit(k, "error", o);
    task_end(&k->t);
}

static void count(struct ask_task *k, const struct answer_result *r)
{
    static const enum metric_outcome outcomes[] = {OUTCOME_ANSWERED, OUTCOME_NOT_FOUND,
                                                   OUTCOME_WITHHELD};
    static const char *const names[] = {"answered", "not_found", "withheld"};
    struct metrics *m = &k->t.server->metrics;
    double began = trace_now_ms() - r->total_ms - k->t.trace.started_ms;
    atomic_fetch_add(&m->outcomes[outcomes[r->status]], 1);
    atomic_fetch_add(&m->prompt_tokens, r->prompt_tokens);
    atomic_fetch_add(&m->cached_tokens, r->cached_tokens);
    atomic_fetch_add(&m->completion_tokens, r->completion_tokens);
    if (r->first_token_ms > 0)
        metrics_stage(m, STAGE_FIRST_TOKEN, began + r->first_token_ms);
    task_note(&k->t, " outcome=%s prompt_tokens=%u cached_tokens=%u completion_tokens=%u",
              names[r->status], r->prompt_tokens, r->cached_tokens, r->completion_tokens);
}

static void run_ask(struct task *t)
{
    struct ask_task *k = (struct ask_task *)t;
    struct service *v = t->server->service;
    struct err e = {0};
    const struct answer_sink sink = {on_stage,    on_passages, on_token,
                                     on_citation, on_withheld, k};
    k->q.request.cancel = &t->cancel;
    int rc = answer_run(v->answerer, &k->q.request, &sink, k->a, &k->result, &e);
    if (rc) {
        fail(k, rc, e.msg);
        return;
    }
    k->answered = true;
    count(k, &k->result);
    bool hashed = atomic_load(&v->hashed);
    const struct render_context c = {k->q.request.collections,
                                     hashed ? v->llm_sha256 : "",
                                     hashed ? v->embedder_sha256 : "",
                                     hashed ? v->english_sha256 : "",
                                     k->conversation,
                                     v->llm,
                                     k->q.request.adapters,
                                     k->q.request.n_adapters,
                                     k->q.request.logprobs};
    cJSON *o = render_answer(&k->result, &c);
    if (k->form != FORM_OBJECT) {
        cJSON *event = event_object("done"); // its name goes first, as in every event
        cJSON *name = cJSON_DetachItemFromObject(event, "event");
        if (!cJSON_InsertItemInArray(o, 0, name))
            cJSON_Delete(name); // there was no memory for one of them
        cJSON_Delete(event);
        emit(k, "done", o);
        task_end(t);
        return;
    }
    struct buf body = BUF_INIT;
    if (json_print(o, &body))
        task_error(t, 500, "internal", NULL, "out of memory");
    else
        task_reply(t, 200, &body);
    buf_free(&body);
}

static void run_search(struct task *t)
{
    struct ask_task *k = (struct ask_task *)t;
    struct answer_passages p;
    struct err e = {0};
    const char *withheld = NULL;
    struct buf body = BUF_INIT;
    k->q.request.cancel = &t->cancel;
    int rc =
        answer_search(t->server->service->answerer, &k->q.request, k->a, &p, &withheld, &e);
    if (!rc) {
        if (p.search.embed_ms > 0)
            metrics_stage(&t->server->metrics, STAGE_EMBED, p.search.embed_ms);
        rc = json_print(render_search(&p), &body);
    }
    if (rc)
        fail(k, rc, e.msg);
    else
        task_reply(t, 200, &body);
    buf_free(&body);
}

// ---- loop thread ----

static void destroy(struct task *t)
{
    struct ask_task *k = (struct ask_task *)t;
    if (k->answered && *k->conversation)
        conversations_add(t->server->conversations, k->conversation, k->who,
                          k->q.request.question, k->result.text);
    arena_free(k->a);
    free(k);
}

// An unknown or foreign conversation is refused alike; none named begins one.
static int join_conversation(struct server *s, struct ask_task *k)
{
    struct answer_turn *turns;
    size_t n = 0;
    if (!k->q.conversation)
        return conversations_begin(s->conversations, k->who, k->conversation);
    int rc = conversations_get(s->conversations, k->q.conversation, k->who, k->a, &turns, &n);
    if (rc)
        return rc;
    snprintf(k->conversation, sizeof k->conversation, "%s", k->q.conversation);
    if (!k->q.request.n_history) {
        k->q.request.history = turns;
        k->q.request.n_history = n;
    }
    return 0;
}

static void start(struct server *s, struct conn *c, struct request *r, bool search)
{
    struct ask_task *k = calloc(1, sizeof *k);
    struct err e = {0};
    const char *field = NULL;
    if (k)
        k->a = arena_new(ARENA_MAX);
    if (!k || !k->a) {
        free(k);
        reply_no_memory(c);
        return;
    }
    k->t.run = search ? run_search : run_ask;
    k->t.destroy = destroy;
    k->t.server = s;
    k->t.question = !search;
    k->who = access_number(&r->who, s->config->acl);
    int rc =
        question_parse(r->body.data, r->body.len, search, s->config, k->a, &k->q, &field, &e);
    if (rc) {
        if (rc == -ENOMEM)
            reply_no_memory(c);
        else
            reply_error(c, 400, "invalid_request", field, "%s", e.msg);
        destroy(&k->t);
        return;
    }
    k->q.request.asker = k->who;
    rc = access_rights(s->config->access, s->config->acl, &r->who, ACCESS_READ, k->a,
                       &k->rights);
    k->q.request.rights = &k->rights;
    if (rc) {
        reply_no_memory(c);
        destroy(&k->t);
        return;
    }
    k->form = search ? FORM_OBJECT : form_of(r, &k->q);
    rc = search ? 0 : join_conversation(s, k);
    if (rc) {
        if (rc == -ENOENT)
            reply_error(
                c, 404, "not_found", "conversation",
                "there is no such conversation of yours (they are kept in memory only)");
        else if (rc == -ENOMEM)
            reply_no_memory(c);
        else
            reply_error(c, 500, "internal", NULL,
                        "no new conversation: the system gives no random bytes");
        destroy(&k->t);
        return;
    }
    task_start(&k->t, s, c, search ? s->search_pool : s->ask_pool);
}

void route_ask(struct server *s, struct conn *c, struct request *r)
{
    start(s, c, r, false);
}

void route_search(struct server *s, struct conn *c, struct request *r)
{
    start(s, c, r, true);
}
