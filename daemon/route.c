// SPDX-License-Identifier: MIT
#include "daemon/route.h"

#include <string.h>

static const struct route routes[] = {
    {"POST", "/v1/ask", true, route_ask},
    {"POST", "/v1/search", true, route_search},
    {"GET", "/v1/collections", true, route_collections},
    {"GET", "/v1/documents/", true, route_document},
    {"GET", "/v1/status", false, route_status},
    {"GET", "/healthz", false, route_healthz},
    {"GET", "/readyz", false, route_readyz},
    {"GET", "/metrics", false, route_metrics},
};

static bool matches(const struct route *route, const char *path)
{
    size_t n = strlen(route->path);
    return route->path[n - 1] == '/' ? !strncmp(path, route->path, n)
                                     : !strcmp(path, route->path);
}

// Over TCP a web page could speak to us: only our own names, no foreign origin, JSON bodies
// only.
static bool refuse_browser(struct conn *c, const struct request *r)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    bool ok = false;
    for (size_t i = 0; i < 3 && !ok; i++) {
        size_t n = strlen(names[i]);
        ok = !strncasecmp(r->host.data, names[i], n) &&
             (!r->host.data[n] || r->host.data[n] == ':');
    }
    if (!ok || r->origin.len) {
        reply_error(c, 403, "not_permitted", NULL,
                    "over TCP askd answers to localhost only, and to no web page");
        return true;
    }
    if (!strcmp(r->method, "POST") &&
        strncasecmp(r->content_type.data, "application/json", 16)) {
        reply_error(c, 415, "invalid_request", NULL,
                    "over TCP a body must come with Content-Type: application/json");
        return true;
    }
    return false;
}

static bool refuse_loading(struct server *s, struct conn *c)
{
    int state = atomic_load(&s->service->state), done, total;
    const char *stage;
    if (state == SERVICE_READY)
        return false;
    if (state == SERVICE_FAILED) {
        reply_error(c, 500, "internal", NULL, "askd could not load: %s",
                    s->service->failure.msg);
        return true;
    }
    service_progress(s->service, &stage, &done, &total);
    reply_error(c, 503, "loading", NULL, "loading: %s (%d of %d)", stage, done, total);
    return true;
}

static void refuse_method(struct conn *c, const struct request *r, const struct route *route)
{
    char message[ERR_MSG_MAX], allow[64];
    struct buf b = BUF_INIT;
    snprintf(message, sizeof message, "%s takes %s, not %s", route->path, route->method,
             r->method);
    snprintf(allow, sizeof allow, "Allow: %s\r\n", route->method);
    if (error_json(&b, "invalid_request", NULL, message))
        conn_close(c);
    else
        reply(c, 405, "application/json", allow, b.data, b.len);
    buf_free(&b);
}

void route_request(struct server *s, struct conn *c, struct request *r)
{
    const struct route *other = NULL;
    if (r->tcp && refuse_browser(c, r))
        return;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!matches(&routes[i], r->path.data))
            continue;
        if (strcmp(routes[i].method, r->method)) {
            other = &routes[i];
            continue;
        }
        if (!routes[i].needs_service || !refuse_loading(s, c))
            routes[i].handle(s, c, r);
        return;
    }
    if (other)
        refuse_method(c, r, other);
    else
        reply_error(c, 404, "not_found", NULL,
                    "there is nothing at %.100s (see askd(8) for the paths)", r->path.data);
}

int json_print(cJSON *o, struct buf *out)
{
    char *s = o ? cJSON_PrintUnformatted(o) : NULL;
    int rc = s ? buf_addf(out, "%s\n", s) : -ENOMEM;
    cJSON_free(s);
    cJSON_Delete(o);
    return rc;
}

int error_status(int code, bool timed_out, const char **type)
{
    if (timed_out) {
        *type = "busy";
        return 503;
    }
    switch (code) {
    case -EINVAL:
        *type = "invalid_request";
        return 400;
    case -ENOENT:
        *type = "not_found";
        return 404;
    case -EPERM:
        *type = "not_permitted";
        return 403;
    case -E2BIG:
        *type = "too_large";
        return 413;
    default:
        *type = "internal";
        return 500;
    }
}
