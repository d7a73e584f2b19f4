// SPDX-License-Identifier: MIT
#include "eval/client.h"

#include "ask/http.h"
#include "base/buf.h"
#include "eval/json.h"

#include <errno.h>
#include <string.h>

#define REPLY_MAX (16u << 20)

static int keep(void *ctx, const char *data, size_t n)
{
    struct buf *b = ctx;
    return b->len + n > REPLY_MAX ? -EFBIG : buf_add(b, data, n);
}

static int exchange(const char *socket, const char *method, const char *path, const char *body,
                    cJSON **out, struct err *e)
{
    struct buf reply = BUF_INIT;
    struct http_exchange x = {.socket = socket,
                              .method = method,
                              .path = path,
                              .body = body,
                              .n = body ? strlen(body) : 0,
                              .on_body = keep,
                              .ctx = &reply};
    *out = NULL;
    int rc = http_run(&x, e);
    if (!rc && !(*out = cJSON_ParseWithLength(reply.data, reply.len)))
        rc = err_set(e, -EPROTO, "%s: the reply is no JSON", path);
    if (!rc && x.status != 200) {
        rc = err_set(e, x.status == 404 ? -ENOENT : -EIO, "%s: %d %.200s", path, x.status,
                     json_string(json_item(*out, "error"), "message"));
        cJSON_Delete(*out);
        *out = NULL;
    } else if (rc && !e->code) {
        err_set(e, rc, "%s: the reply could not be read", path);
    }
    buf_free(&reply);
    return rc;
}

int client_get(const char *socket, const char *path, cJSON **out, struct err *e)
{
    return exchange(socket, "GET", path, NULL, out, e);
}

int client_post(const char *socket, const char *path, const cJSON *body, cJSON **out,
                struct err *e)
{
    char *text = cJSON_PrintUnformatted(body);
    *out = NULL;
    int rc = text ? exchange(socket, "POST", path, text, out, e) : err_nomem(e);
    cJSON_free(text);
    return rc;
}
