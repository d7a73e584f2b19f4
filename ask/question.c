// SPDX-License-Identifier: MIT
#include "ask/question.h"

#include "ask/http.h"
#include "ask/interrupt.h"
#include "ask/print.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES ((size_t)64 << 20) // one event, or the one object

struct exchange {
    struct http_exchange http; // first: its status is looked at while the body arrives
    const struct options *o;
    bool search;
    struct buf kept; // one line, or the whole body
    struct printer p;
    struct terminal_filter json;
    cJSON *done;  // the answer's object
    cJSON *error; // the error object
    bool output_failed;
};

void asker_complain(const char *sentence)
{
    struct buf b = BUF_INIT;
    if (!terminal_clean_text(sentence, true, &b))
        fprintf(stderr, "ask: %s\n", b.data);
    buf_free(&b);
}

static const char *text_of(const cJSON *o, const char *name)
{
    const cJSON *v = cJSON_GetObjectItem(o, name);
    return cJSON_IsString(v) ? v->valuestring : "";
}

// ---- the reply ----

static int take_event(struct exchange *x, const char *line, size_t n)
{
    cJSON *o = cJSON_ParseWithLength(line, n);
    const char *event = text_of(o, "event");
    if (!o)
        return -EPROTO;
    if (!strcmp(event, "token") && x->o->output == OUTPUT_TEXT) {
        print_token(&x->p, text_of(o, "text"));
    } else if (!strcmp(event, "done")) {
        cJSON_Delete(x->done);
        x->done = o;
        return 0;
    } else if (!strcmp(event, "error")) {
        cJSON_Delete(x->error);
        x->error = cJSON_DetachItemFromObject(o, "error");
    }
    cJSON_Delete(o);
    return 0;
}

static int take_lines(struct exchange *x)
{
    size_t from = 0;
    int rc = 0;
    for (char *end; !rc && (end = memchr(x->kept.data + from, '\n', x->kept.len - from));) {
        size_t n = (size_t)(end - (x->kept.data + from));
        if (n)
            rc = take_event(x, x->kept.data + from, n);
        from += n + 1;
    }
    if (from) {
        memmove(x->kept.data, x->kept.data + from, x->kept.len - from);
        buf_truncate(&x->kept, x->kept.len - from);
    }
    return rc;
}

static void pass_json(struct exchange *x, const char *data, size_t n)
{
    struct buf b = BUF_INIT;
    if (!terminal_clean_json(&x->json, data, n, &b))
        fwrite(b.data, 1, b.len, stdout);
    fflush(stdout);
    buf_free(&b);
}

static int on_body(void *ctx, const char *data, size_t n)
{
    struct exchange *x = ctx;
    if (x->o->output != OUTPUT_TEXT && x->http.status == 200)
        pass_json(x, data, n);
    if (x->kept.len + n > LINE_MAX_BYTES)
        return -EMSGSIZE;
    if (buf_add(&x->kept, data, n))
        return -ENOMEM;
    bool lines = x->http.status == 200 && !x->search && x->o->output != OUTPUT_JSON;
    int rc = lines ? take_lines(x) : 0;
    x->output_failed = ferror(stdout);
    return rc ? rc : x->output_failed ? -EIO : 0;
}

// ---- the request ----

static void add_filter(cJSON *body, const struct options *o)
{
    if (!o->path && !o->after && !o->type)
        return;
    cJSON *f = cJSON_AddObjectToObject(body, "filter");
    if (o->path)
        cJSON_AddStringToObject(f, "path", o->path);
    if (o->after)
        cJSON_AddStringToObject(f, "after", o->after);
    if (o->type)
        cJSON_AddStringToObject(f, "type", o->type);
}

static void add_conversation(cJSON *body, const struct session *s, bool history)
{
    if (!history && *s->conversation) {
        cJSON_AddStringToObject(body, "conversation", s->conversation);
        return;
    }
    cJSON *list = cJSON_AddArrayToObject(body, "history");
    for (size_t i = 0; i < s->n; i++) {
        cJSON *m = cJSON_CreateObject();
        cJSON_AddStringToObject(m, "role", s->turns[i].user ? "user" : "assistant");
        cJSON_AddStringToObject(m, "content", s->turns[i].text);
        cJSON_AddItemToArray(list, m);
    }
}

static char *body_of(const struct asker *a, const char *question, bool search, bool history)
{
    const struct options *o = a->options;
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "question", question);
    if (o->n_collections)
        cJSON_AddItemToObject(body, "collection",
                              cJSON_CreateStringArray((const char *const *)o->collections,
                                                      (int)o->n_collections));
    if (o->k)
        cJSON_AddNumberToObject(body, "k", o->k);
    add_filter(body, o);
    if (o->mode && !search)
        cJSON_AddStringToObject(body, "mode", o->mode);
    if (a->follow && a->session.n && !search)
        add_conversation(body, &a->session, history);
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    return text;
}

// One exchange with the daemon. What cannot be understood is -EPROTO.
static int exchange(struct asker *a, struct exchange *x, const char *question, bool history,
                    struct err *e)
{
    char *body = body_of(a, question, x->search, history);
    if (!body)
        return err_nomem(e);
    bool lines = !x->search && a->options->output != OUTPUT_JSON;
    x->http = (struct http_exchange){.socket = a->daemon.socket,
                                     .method = "POST",
                                     .path = x->search ? "/v1/search" : "/v1/ask",
                                     .accept = lines ? "application/x-ndjson" : NULL,
                                     .body = body,
                                     .n = strlen(body),
                                     .on_body = on_body,
                                     .ctx = x};
    buf_clear(&x->kept);
    cJSON_Delete(x->error);
    x->error = NULL;
    *e = (struct err){0};
    int rc = http_run(&x->http, e);
    cJSON_free(body);
    if (!rc && (x->http.status != 200 || !lines)) {
        cJSON *o = cJSON_ParseWithLength(x->kept.data, x->kept.len);
        if (x->http.status == 200)
            x->done = o;
        else
            x->error = cJSON_DetachItemFromObject(o, "error");
        if (x->http.status != 200)
            cJSON_Delete(o);
    }
    if (!rc && !x->done && !x->error)
        rc = -EPROTO;
    if (rc && x->output_failed)
        return err_set(e, rc, "cannot write to stdout: %s", strerror(EIO));
    return rc && !*e->msg ? err_set(e, rc, "askd's reply cannot be understood") : rc;
}

// ---- the way there ----

static int give_up(int rc, const struct err *e)
{
    if (rc == -EINTR)
        return EXIT_INTERRUPTED;
    asker_complain(e->msg);
    return rc == -ENOENT || rc == -ECONNREFUSED || rc == -EACCES || rc == -ETIMEDOUT ||
                   rc == -ECHILD
               ? EXIT_UNREACHABLE
               : EXIT_USAGE_OR_FAILURE;
}

static int start_daemon(struct asker *a, struct err *e)
{
    if (a->options->no_start)
        return err_set(e, -ECONNREFUSED,
                       "no askd answers on %s; start it, or leave --no-start away",
                       a->daemon.socket);
    int rc = daemon_start(&a->daemon, e);
    if (rc)
        return rc;
    fprintf(stderr, "ask: no askd answers on %s: started one\n", a->daemon.socket);
    return daemon_wait(&a->daemon, a->options->wait_s, e);
}

static bool refused(const struct exchange *x, int status, const char *name, const char *value)
{
    return x->http.status == status && !strcmp(text_of(x->error, name), value);
}

// Ask; where nobody listens, start; where it loads, wait; where the conversation is forgotten,
// tell it. Each at most once.
static int ask_until_answered(struct asker *a, struct exchange *x, const char *question,
                              struct err *e)
{
    bool started = false, waited = false, history = false;
    for (;;) {
        int rc = exchange(a, x, question, history, e);
        if ((rc == -ENOENT || rc == -ECONNREFUSED) && !started) {
            started = true;
            rc = start_daemon(a, e);
        } else if (!rc && !waited && a->options->wait_s && refused(x, 503, "type", "loading")) {
            waited = true;
            rc = daemon_wait(&a->daemon, a->options->wait_s, e);
        } else if (!rc && !history && refused(x, 404, "field", "conversation")) {
            history = true;
        } else {
            return rc;
        }
        if (rc)
            return rc;
    }
}

// ---- the result ----

static int report_error(struct exchange *x)
{
    const char *message = text_of(x->error, "message"), *type = text_of(x->error, "type");
    asker_complain(*message ? message : "askd refused the question without a reason");
    if (x->o->output != OUTPUT_TEXT && x->http.status != 200) {
        struct buf b = BUF_INIT;
        if (!terminal_clean_json(&x->json, x->kept.data, x->kept.len, &b))
            fwrite(b.data, 1, b.len, stdout);
        buf_free(&b);
    }
    if (x->search && x->http.status == 403)
        return EXIT_WITHHELD;
    return !strcmp(type, "loading") ? EXIT_UNREACHABLE : EXIT_USAGE_OR_FAILURE;
}

static void report_withheld(const cJSON *done)
{
    const cJSON *w = cJSON_GetObjectItem(done, "withheld");
    char sentence[256];
    if (!strcmp(text_of(w, "stage"), "question"))
        snprintf(sentence, sizeof sentence,
                 "withheld: the question falls under the rule category '%.60s'",
                 text_of(w, "category"));
    else
        snprintf(sentence, sizeof sentence,
                 "withheld: from here the answer falls under the rule category '%.60s'",
                 text_of(w, "category"));
    asker_complain(sentence);
}

static int report_answer(struct asker *a, struct exchange *x, const char *question)
{
    const char *status = text_of(x->done, "status"), *answer = text_of(x->done, "answer");
    const char *id = text_of(x->done, "conversation");
    if (x->o->output == OUTPUT_TEXT) {
        if (!x->p.begun)
            print_token(&x->p, answer);
        print_end(&x->p);
        print_sources(&x->p, x->done);
        if (!strcmp(status, "withheld"))
            report_withheld(x->done);
    }
    if (!a->follow)
        session_clear(&a->session);
    if (strlen(id) < sizeof a->session.conversation)
        strcpy(a->session.conversation, id);
    if (session_add(&a->session, question, answer))
        asker_complain("out of memory: the conversation is not remembered");
    return !strcmp(status, "answered")    ? EXIT_ANSWERED
           : !strcmp(status, "not_found") ? EXIT_NOT_FOUND
           : !strcmp(status, "withheld")  ? EXIT_WITHHELD
                                          : EXIT_USAGE_OR_FAILURE;
}

static int report_search(struct exchange *x)
{
    bool any = cJSON_GetArraySize(cJSON_GetObjectItem(x->done, "passages")) > 0;
    if (x->o->output == OUTPUT_TEXT && any)
        print_search(&x->p, x->done);
    else if (x->o->output == OUTPUT_TEXT)
        asker_complain("no passage matches");
    return any ? EXIT_ANSWERED : EXIT_NOT_FOUND;
}

int asker_ask(struct asker *a, const char *question, bool search)
{
    struct exchange x = {.o = a->options, .search = search, .kept = BUF_INIT};
    struct err e = {0};
    printer_init(&x.p, stdout);
    int rc = ask_until_answered(a, &x, question, &e);
    int status;
    if (rc || x.error)
        print_end(&x.p);
    if (rc)
        status = give_up(rc, &e);
    else if (x.error)
        status = report_error(&x);
    else
        status = search ? report_search(&x) : report_answer(a, &x, question);
    cJSON_Delete(x.done);
    cJSON_Delete(x.error);
    buf_free(&x.kept);
    return status;
}
