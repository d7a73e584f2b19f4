// SPDX-License-Identifier: MIT
// Which function answers which request. Loop thread.
#pragma once

#include "daemon/conversation.h"
#include "daemon/server.h"
#include "daemon/service.h"

// What a route takes. READ: the right on some collection; on which, the handler sees from
// access_rights.
enum route_right {
    ROUTE_OPEN,  // nothing: tells nothing either
    ROUTE_KNOWN, // any right on anything
    ROUTE_READ,
    ROUTE_SERVER, // admin on all collections
};

struct route {
    const char *method;
    const char *path; // exact, or a prefix when it ends in '/'
    enum route_right right;
    bool needs_service;
    void (*handle)(struct server *s, struct conn *c, struct request *r);
};

// The server's handle: finds the route, refuses what must not pass, answers 404 and 405.
void route_request(struct server *s, struct conn *c, struct request *r);

// All routes; *n: how many.
const struct route *route_table(size_t *n);
// Answer that the models could not be loaded; why, to whom it concerns.
void route_failed(struct server *s, struct conn *c);

// One file per group of routes.
void route_ask(struct server *s, struct conn *c, struct request *r);
void route_search(struct server *s, struct conn *c, struct request *r);
void route_collections(struct server *s, struct conn *c, struct request *r);
void route_document(struct server *s, struct conn *c, struct request *r);
void route_status(struct server *s, struct conn *c, struct request *r);
void route_healthz(struct server *s, struct conn *c, struct request *r);
void route_readyz(struct server *s, struct conn *c, struct request *r);
void route_metrics(struct server *s, struct conn *c, struct request *r);

// HTTP status and error type for a library's error code.
int error_status(int code, bool timed_out, const char **type);
