// SPDX-License-Identifier: MIT
#include "eval/client.h"

#include "ask/http.h"
#include "base/buf.h"

#include <errno.h>
#include <string.h>

#define REPLY_MAX (16u << 20)

static int keep(void *ctx, const char *data, size_t n)
{
    struct buf *b = ctx;
    return b->len + n > REPLY_MAX ? -EFBIG : buf_add(b, data, n);
}

int client_post(const char *socket, const char *path, const cJSON *body, cJSON **out,
                struct err *e)
{
    struct buf reply = BUF_INIT;
    char *text = cJSON_PrintUnformatted(body);
    struct http_exchange x = {.socket = socket,
                              .method = "POST",
                              .path = path,
                              .body = text,
                              .n = text ? strlen(text) : 0,
                              .on_body = keep,
                              .ctx = &reply};
    *out = NULL;
    int rc = text ? http_run(&x, e) : err_nomem(e);
    if (!rc && !(*out = cJSON_ParseWithLength(reply.data, reply.len)))
        rc = err_set(e, -EPROTO, "%s: the reply is no JSON", path);
    if (!rc && x.status != 200) {
        const cJSON *why = cJSON_GetObjectItem(cJSON_GetObjectItem(*out, "error"), "message");
        rc = err_set(e, -EIO, "%s: %d %.200s", path, x.status,
                     cJSON_IsString(why) ? why->valuestring : "");
        cJSON_Delete(*out);
        *out = NULL;
    } else if (rc && !e->code) {
        err_set(e, rc, "%s: the reply could not be read", path);
    }
    cJSON_free(text);
    buf_free(&reply);
    return rc;
}
