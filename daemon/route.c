// SPDX-License-Identifier: MIT
#include "daemon/route.h"

#include <string.h>

// One row a route; a row without its right does not compile.
//   method, path, right, needs the service, handler
#define ROUTES(R)                                              \
    R("POST", "/v1/ask", READ, true, route_ask)                \
    R("POST", "/v1/search", READ, true, route_search)          \
    R("GET", "/v1/collections", READ, true, route_collections) \
    R("GET", "/v1/documents/", READ, true, route_document)     \
    R("GET", "/v1/status", KNOWN, false, route_status)         \
    R("GET", "/healthz", OPEN, false, route_healthz)           \
    R("GET", "/readyz", OPEN, false, route_readyz)             \
    R("GET", "/metrics", SERVER, false, route_metrics)
#define ROW(method, path, right, service, handle) \
    {method, path, ROUTE_##right, service, handle},
static const struct route routes[] = {ROUTES(ROW)};
#define N_ROUTES (sizeof routes / sizeof *routes)

const struct route *route_table(size_t *n)
{
    *n = N_ROUTES;
    return routes;
}

static bool matches(const struct route *route, const char *path)
{
    size_t n = strlen(route->path);
    return route->path[n - 1] == '/' ? !strncmp(path, route->path, n)
                                     : !strcmp(path, route->path);
}

// ---- who may ----

// Is `host` the name (n bytes), with or without a port?
static bool is_name(const char *host, const char *name, size_t n)
{
    if (!n || strncasecmp(host, name, n) != 0 || (host[n] && host[n] != ':'))
        return false;
    return !host[n] || !host[n + 1 + strspn(host + n + 1, "0123456789")];
}

// A foreign name that leads here (DNS rebinding) would let a web page speak to us.
static bool our_name(const struct config *c, const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_name(host, names[i], strlen(names[i])))
            return true;
    const char *colon = strrchr(c->listen, ':');
    if (colon && is_name(host, c->listen, (size_t)(colon - c->listen)))
        return true;
    for (const char *p = c->hosts + strspn(c->hosts, " ,"); *p; p += strspn(p, " ,")) {
        size_t n = strcspn(p, " ,");
        if (is_name(host, p, n))
            return true;
        p += n;
    }
    return false;
}

// Over TCP a web page could speak to us: only our own names, no foreign origin, JSON bodies
// only.
static bool refuse_browser(struct server *s, struct conn *c, const struct request *r)
{
    static const char json[] = "application/json";
    if (!our_name(s->config, r->host.data) || r->origin.len) {
        reply_error(c, 403, "not_permitted", NULL,
                    "over TCP askd answers to its own names only (hosts in askd.conf), and to "
                    "no web page");
        return true;
    }
    size_t n = sizeof json - 1;
    const char *type = r->content_type.data;
    if (!strcmp(r->method, "POST") &&
        (strncasecmp(type, json, n) != 0 || !strchr("; \t", type[n]))) {
        reply_error(c, 415, "invalid_request", NULL,
                    "over TCP a body must come with Content-Type: application/json");
        return true;
    }
    return false;
}

// Over TCP a token says who it is; a wrong one is not the same as none.
static bool refuse_token(struct server *s, struct conn *c, struct request *r)
{
    const char *token = r->authorization.data;
    if (!r->authorization.len)
        return false;
    if (!strncasecmp(token, "Bearer ", 7) &&
        access_bearer(s->config->access, token + 7 + strspn(token + 7, " "), &r->who))
        return false;
    reply_error(c, 401, "not_permitted", NULL,
                "this token is none of askd's: it has \"Authorization: Bearer TOKEN\", as askd "
                "--make-token printed it");
    return true;
}

static bool has_right(const struct server *s, const struct route *route,
                      const struct principal *who)
{
    const struct access *t = s->config->access;
    switch (route->right) {
    case ROUTE_OPEN:
        return true;
    case ROUTE_KNOWN:
        return access_somewhere(t, who, ACCESS_READ) ||
               access_somewhere(t, who, ACCESS_WRITE) || access_somewhere(t, who, ACCESS_ADMIN);
    case ROUTE_READ:
        return access_somewhere(t, who, ACCESS_READ);
    case ROUTE_SERVER:
        return access_everywhere(t, who, ACCESS_ADMIN);
    }
    return false;
}

static bool refuse_principal(struct server *s, struct conn *c, const struct request *r,
                             const struct route *route)
{
    if (has_right(s, route, &r->who))
        return false;
    if (!r->who.known)
        reply_error(c, 401, "not_permitted", NULL,
                    "over TCP this takes a token (Authorization: Bearer TOKEN)");
    else
        reply_error(c, 403, "not_permitted", NULL,
                    "you have no right to this here: [access] in askd.conf gives it");
    return true;
}

void route_failed(struct server *s, struct conn *c)
{
    if (access_everywhere(s->config->access, &conn_request(c)->who, ACCESS_ADMIN))
        reply_error(c, 500, "internal", NULL, "askd could not load: %s",
                    s->service->failure.msg);
    else
        reply_error(c, 500, "internal", NULL, "askd could not load; its log says why");
}

static bool refuse_loading(struct server *s, struct conn *c)
{
    int state = atomic_load(&s->service->state), done, total;
    const char *stage;
    if (state == SERVICE_READY)
        return false;
    if (state == SERVICE_FAILED) {
        route_failed(s, c);
        return true;
    }
    service_progress(s->service, &stage, &done, &total);
    s->metrics.refused[REFUSED_LOADING]++;
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
    r->trace.route = "other"; // never what was sent: it may be anything
    if (r->tcp && (refuse_browser(s, c, r) || refuse_token(s, c, r)))
        return;
    trace_user(&r->trace, &r->who);
    if (r->who.token && !conn_take_place(c, access_number(&r->who, "")))
        return;
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (!matches(&routes[i], r->path.data))
            continue;
        if (strcmp(routes[i].method, r->method)) {
            other = &routes[i];
            continue;
        }
        r->trace.route = routes[i].path;
        if (!refuse_principal(s, c, r, &routes[i]) &&
            (!routes[i].needs_service || !refuse_loading(s, c)))
            routes[i].handle(s, c, r);
        return;
    }
    if (other)
        refuse_method(c, r, other);
    else
        reply_error(c, 404, "not_found", NULL,
                    "there is nothing at %.100s (see askd(8) for the paths)", r->path.data);
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
