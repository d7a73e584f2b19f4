// SPDX-License-Identifier: MIT
// What there is: collections, one document, status, health, metrics.
#include "daemon/json.h"
#include "daemon/render.h"
#include "daemon/route.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_MAX ((size_t)256 << 20)

struct info_task {
    struct task t; // first
    arena *a;
    int64_t document; // or 0: collections
    struct rights rights;
};

// ---- worker thread: the store is read off the loop ----

static cJSON *collections_json(struct retriever_collection *list, size_t n)
{
    cJSON *o = cJSON_CreateObject(), *all = cJSON_AddArrayToObject(o, "collections");
    for (size_t i = 0; i < n; i++) {
        cJSON *c = cJSON_CreateObject();
        cJSON_AddStringToObject(c, "name", list[i].name);
        cJSON_AddNumberToObject(c, "documents", (double)list[i].documents);
        cJSON_AddNumberToObject(c, "passages", (double)list[i].passages);
        cJSON_AddNumberToObject(c, "with_vectors", (double)list[i].with_vectors);
        cJSON_AddNumberToObject(c, "bytes", (double)list[i].bytes);
        cJSON_AddStringToObject(c, "updated", list[i].updated ? list[i].updated : "");
        json_append(all, c);
    }
    return o;
}

static int document_json(struct info_task *k, cJSON **out, struct err *e)
{
    struct service *v = k->t.server->service;
    const struct retriever_document *d;
    struct retriever_hit *hits;
    struct answer_passage *passages;
    size_t n;
    int rc =
        retriever_get_document(v->retriever, k->document, &k->rights, k->a, &d, &hits, &n, e);
    if (!rc)
        rc = answer_guard_hits(v->answerer, hits, n, k->a, &passages, e);
    if (rc)
        return rc;
    cJSON *o = render_document(d), *list = cJSON_AddArrayToObject(o, "passages");
    for (size_t i = 0; i < n; i++)
        json_append(list, render_passage(&passages[i], 0));
    *out = o;
    return 0;
}

static void run(struct task *t)
{
    struct info_task *k = (struct info_task *)t;
    struct retriever_collection *list;
    struct err e = {0};
    struct buf body = BUF_INIT;
    size_t n;
    cJSON *o = NULL;
    int rc = 0;
    if (k->document) {
        rc = document_json(k, &o, &e);
    } else {
        rc = retriever_collections(t->server->service->retriever, &k->rights, k->a, &list, &n,
                                   &e);
        if (!rc)
            o = collections_json(list, n);
    }
    if (!rc && (rc = json_print(o, &body)))
        err_nomem(&e);
    if (rc) {
        const char *type;
        int status = error_status(rc, false, &type);
        task_error(t, status, type, NULL, e.msg);
    } else {
        task_reply(t, 200, &body);
    }
    buf_free(&body);
}

// ---- loop thread ----

static void destroy(struct task *t)
{
    struct info_task *k = (struct info_task *)t;
    arena_free(k->a);
    free(k);
}

static void start(struct server *s, struct conn *c, const struct request *r, int64_t document)
{
    struct info_task *k = calloc(1, sizeof *k);
    if (k)
        k->a = arena_new(ARENA_MAX);
    if (!k || !k->a ||
        access_rights(s->config->access, s->config->acl, &r->who, ACCESS_READ, k->a,
                      &k->rights)) {
        if (k)
            arena_free(k->a);
        free(k);
        reply_no_memory(c);
        return;
    }
    k->t.run = run;
    k->t.destroy = destroy;
    k->document = document;
    task_start(&k->t, s, c, s->search_pool);
}

void route_collections(struct server *s, struct conn *c, struct request *r)
{
    start(s, c, r, 0);
}

void route_document(struct server *s, struct conn *c, struct request *r)
{
    const char *id = r->path.data + strlen("/v1/documents/");
    char *end;
    errno = 0;
    long long n = strtoll(id, &end, 10);
    if (errno || end == id || *end || n < 1)
        reply_error(c, 400, "invalid_request", NULL,
                    "'%.40s' is no document id: a whole number", id);
    else
        start(s, c, r, n);
}

static void reply_object(struct conn *c, int status, cJSON *o)
{
    struct buf b = BUF_INIT;
    if (json_print(o, &b))
        reply_no_memory(c);
    else
        reply(c, status, "application/json", status == 503 ? "Retry-After: 1\r\n" : NULL,
              b.data, b.len);
    buf_free(&b);
}

static void add_loading(cJSON *o, const struct service *v)
{
    const char *stage;
    int done, total;
    service_progress(v, &stage, &done, &total);
    cJSON *l = cJSON_AddObjectToObject(o, "loading");
    cJSON_AddStringToObject(l, "stage", stage);
    cJSON_AddNumberToObject(l, "done", done);
    cJSON_AddNumberToObject(l, "total", total);
}

static void add_adapters(cJSON *o, const struct config *c)
{
    char name[CONFIG_NAME_MAX + 1], path[PATH_MAX];
    cJSON *list = cJSON_AddArrayToObject(o, "adapters");
    for (size_t at = 0; config_adapter(c, &at, name, path);)
        json_append(list, cJSON_CreateString(name));
}

// What tells about the machine and about others.
static void add_inside(cJSON *o, const struct server *s, int state)
{
    cJSON_AddNumberToObject(o, "pid", getpid());
    cJSON_AddStringToObject(o, "data", s->config->data);
    cJSON_AddNumberToObject(o, "resident_kib", metrics_resident_bytes() / 1024);
    cJSON_AddNumberToObject(o, "connections", (double)s->n_conns);
    if (state == SERVICE_FAILED)
        cJSON_AddStringToObject(o, "error", s->service->failure.msg);
}

void route_status(struct server *s, struct conn *c, struct request *r)
{
    static const char *const states[] = {"loading", "ready", "failed"};
    struct service *v = s->service;
    int state = atomic_load(&v->state);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "version", PACKAGE_VERSION);
    cJSON_AddStringToObject(o, "state", states[state]);
    if (state == SERVICE_LOADING)
        add_loading(o, v);
    if (access_everywhere(s->config->access, &r->who, ACCESS_ADMIN))
        add_inside(o, s, state);
    if (state == SERVICE_READY) {
        if (v->llm) {
            struct llm_info info;
            llm_describe(v->llm, &info);
            cJSON *m = cJSON_AddObjectToObject(o, "llm");
            cJSON_AddStringToObject(m, "name", info.name);
            cJSON_AddStringToObject(m, "architecture", info.architecture);
            cJSON_AddStringToObject(m, "chat", info.chat);
            cJSON_AddNumberToObject(m, "parameters", (double)info.n_params);
            cJSON_AddNumberToObject(m, "context", info.n_ctx);
            add_adapters(m, s->config);
        }
        if (v->embedder)
            cJSON_AddStringToObject(o, "embedder", embedder_fingerprint(v->embedder));
        if (v->english)
            cJSON_AddStringToObject(o, "embedder_en", embedder_fingerprint(v->english));
        if (v->reader)
            cJSON_AddStringToObject(o, "reader", reader_fingerprint(v->reader));
        cJSON_AddStringToObject(
            o, "search", retriever_by_meaning(v->retriever) ? "words and meaning" : "words");
        cJSON_AddNumberToObject(o, "threads", team_size(v->team));
    }
    reply_object(c, 200, o);
}

void route_healthz(struct server *s, struct conn *c, struct request *r)
{
    (void)s;
    (void)r;
    reply(c, 200, "application/json", NULL, "{\"status\":\"ok\"}\n", 16);
}

void route_readyz(struct server *s, struct conn *c, struct request *r)
{
    int state = atomic_load(&s->service->state);
    (void)r;
    if (state == SERVICE_READY) {
        reply(c, 200, "application/json", NULL, "{\"status\":\"ready\"}\n", 19);
        return;
    }
    if (state == SERVICE_FAILED) {
        route_failed(s, c);
        return;
    }
    cJSON *o = cJSON_CreateObject();
    add_loading(o, s->service);
    reply_object(c, 503, o);
}

// What is so at this moment.
static int write_now(struct server *s, struct buf *out)
{
    struct service *v = s->service;
    bool ready = atomic_load(&v->state) == SERVICE_READY;
    size_t asks[2], searches[2];
    job_pool_load(s->ask_pool, &asks[0], &asks[1]);
    job_pool_load(s->search_pool, &searches[0], &searches[1]);
    int rc =
        metrics_figure(out, "gauge", "askd_ready", "Whether the models are loaded.", ready);
    if (!rc)
        rc = metrics_figure(out, "gauge", "askd_connections", "Open connections.",
                            (double)s->n_conns);
    if (!rc)
        rc = buf_addf(
            out,
            "# HELP askd_questions Questions by state.\n# TYPE askd_questions gauge\n"
            "askd_questions{state=\"waiting\"} %zu\naskd_questions{state=\"running\"} %zu\n"
            "# HELP askd_searches Searches by state.\n# TYPE askd_searches gauge\n"
            "askd_searches{state=\"waiting\"} %zu\naskd_searches{state=\"running\"} %zu\n",
            asks[0], asks[1], searches[0], searches[1]);
    if (!rc)
        rc = metrics_figure(out, "counter", "askd_damaged_passages_total",
                            "Passages found and not shown, because the store is damaged.",
                            (double)atomic_load(&v->damaged));
    if (!rc && ready)
        rc = metrics_figure(out, "gauge", "askd_index_generation",
                            "Changes of the store up to what is searched.",
                            (double)retriever_generation(v->retriever));
    return rc;
}

void route_metrics(struct server *s, struct conn *c, struct request *r)
{
    struct buf b = BUF_INIT;
    (void)r;
    int rc = write_now(s, &b);
    if (!rc)
        rc = metrics_write(&s->metrics, &b);
    if (!rc)
        rc = metrics_write_safety(s->service->safety, &b);
    if (!rc && atomic_load(&s->service->state) == SERVICE_READY && s->service->llm) {
        struct llm_stats stats;
        llm_stats(s->service->llm, &stats);
        rc = metrics_write_llm(&stats, &b);
    }
    if (!rc)
        rc = metrics_write_process(&b);
    if (rc)
        reply_no_memory(c);
    else
        reply(c, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, b.data, b.len);
    buf_free(&b);
}
