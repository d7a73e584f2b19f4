// SPDX-License-Identifier: MIT
#include "eval/endpoint.h"

#include "base/buf.h"
#include "eval/json.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MAX (4u << 20)
#define CONNECT_SECONDS 20L

static bool is_local(const char *host)
{
    return host &&
           (!strcmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "[::1]"));
}

int endpoint_check(const struct endpoint *p, struct err *e)
{
    char *scheme = NULL, *host = NULL, *user = NULL, *password = NULL;
    CURLU *u = curl_url();
    int rc = u ? 0 : err_nomem(e);
    if (!rc && curl_url_set(u, CURLUPART_URL, p->url, CURLU_NON_SUPPORT_SCHEME))
        rc = err_set(e, -EINVAL, "--endpoint %.80s: no address like https://host/v1", p->url);
    if (!rc) {
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
        curl_url_get(u, CURLUPART_HOST, &host, 0);
        curl_url_get(u, CURLUPART_USER, &user, 0);
        curl_url_get(u, CURLUPART_PASSWORD, &password, 0);
    }
    if (!rc && (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)))
        rc = err_set(e, -EINVAL, "--endpoint %.80s: neither http nor https", p->url);
    else if (!rc && (user || password))
        rc = err_set(e, -EINVAL,
                     "--endpoint has a user or password in it: put a key into $" ENDPOINT_KEY);
    else if (!rc && p->key && *p->key && !strcmp(scheme, "http") && !is_local(host))
        rc =
            err_set(e, -EPERM,
                    "--endpoint %.80s: $" ENDPOINT_KEY " would go there unencrypted; use https",
                    p->url);
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(password);
    curl_url_cleanup(u);
    return rc;
}

static size_t keep(char *data, size_t size, size_t n, void *ctx)
{
    struct buf *b = ctx;
    return b->len + size * n > REPLY_MAX || buf_add(b, data, size * n) ? 0 : size * n;
}

static void add_message(cJSON *list, const char *role, const char *content)
{
    cJSON *m = cJSON_CreateObject();
    cJSON_AddStringToObject(m, "role", role);
    cJSON_AddStringToObject(m, "content", content);
    cJSON_AddItemToArray(list, m);
}

static char *request_body(const struct endpoint *p, const char *system, const char *user)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "model", p->model);
    cJSON_AddNumberToObject(o, "temperature", 0);
    cJSON *messages = cJSON_AddArrayToObject(o, "messages");
    add_message(messages, "system", system);
    add_message(messages, "user", user);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    return text;
}

// What curl could not do, as ours; it knows nothing of the key.
static int transport(const struct endpoint *p, CURLcode code, const char *detail, struct err *e)
{
    int rc = code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT
             : code == CURLE_COULDNT_CONNECT  ? -ECONNREFUSED
             : code == CURLE_WRITE_ERROR      ? -EFBIG
                                              : -EIO;
    return rc == -EFBIG
               ? err_set(e, rc, "%.80s: a reply of more than %u bytes", p->url, REPLY_MAX)
               : err_set(e, rc, "%.80s: %s", p->url,
                         *detail ? detail : curl_easy_strerror(code));
}

static int read_reply(const struct endpoint *p, long status, const struct buf *reply,
                      char **text, struct err *e)
{
    cJSON *o = cJSON_ParseWithLength(reply->data, reply->len);
    int rc = 0;
    if (status != 200) {
        rc = status == 429 || status >= 500 ? -EAGAIN : -EIO;
        err_set(e, rc, "%.80s: %ld %.120s", p->url, status,
                json_string(json_item(o, "error"), "message"));
    } else {
        const cJSON *first = cJSON_GetArrayItem(json_item(o, "choices"), 0);
        const cJSON *content = json_item(json_item(first, "message"), "content");
        if (!cJSON_IsString(content))
            rc = err_set(e, -EPROTO, "%.80s: a reply without choices[0].message.content",
                         p->url);
        else if (!(*text = strdup(content->valuestring)))
            rc = err_nomem(e);
    }
    cJSON_Delete(o);
    return rc;
}

static int send_request(const struct endpoint *p, const char *url, const char *body,
                        struct curl_slist *headers, char **text, struct err *e)
{
    struct buf reply = BUF_INIT;
    char detail[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURL *c = curl_easy_init();
    if (!c)
        return err_nomem(e);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L); // what was named and nowhere else
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, p->timeout);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &reply);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
    CURLcode code = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    int rc = code ? transport(p, code, detail, e) : read_reply(p, status, &reply, text, e);
    curl_easy_cleanup(c);
    buf_free(&reply);
    return rc;
}

int endpoint_ask(const struct endpoint *p, const char *system, const char *user, char **text,
                 struct err *e)
{
    struct buf url = BUF_INIT, key = BUF_INIT;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json"),
                      *more;
    char *body = request_body(p, system, user);
    size_t n = strlen(p->url);
    while (n && p->url[n - 1] == '/')
        n--;
    *text = NULL;
    int rc = headers && body && !buf_addf(&url, "%.*s/chat/completions", (int)n, p->url)
                 ? 0
                 : err_nomem(e);
    if (!rc && p->key && *p->key) {
        more = buf_addf(&key, "Authorization: Bearer %s", p->key)
                   ? NULL
                   : curl_slist_append(headers, key.data);
        rc = more ? 0 : err_nomem(e);
    }
    if (!rc)
        rc = send_request(p, url.data, body, headers, text, e);
    curl_slist_free_all(headers);
    cJSON_free(body);
    buf_free(&url);
    buf_free(&key);
    return rc;
}
