// SPDX-License-Identifier: MIT
#include "doctor/doctor.h"

#include "ask/terminal.h"
#include "base/buf.h"

#include <cJSON.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const levels[] = {"fine", "note", "warning", "fault"};

void examination_add(struct examination *x, enum level level, const char *check,
                     const char *next, const char *fmt, ...)
{
    struct finding f = {.level = level, .check = check};
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&f.what, fmt, ap) < 0)
        f.what = NULL;
    va_end(ap);
    f.next = strdup(next ? next : "");
    if (x->n == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 32;
        struct finding *grown = reallocarray(x->list, cap, sizeof *grown);
        if (grown) {
            x->list = grown;
            x->cap = cap;
        }
    }
    if (f.what && f.next && x->n < x->cap) {
        x->list[x->n++] = f;
        return;
    }
    free(f.what);
    free(f.next);
    x->no_memory = true;
}

enum level examination_worst(const struct examination *x)
{
    enum level worst = x->no_memory ? LEVEL_FAULT : LEVEL_FINE;
    for (size_t i = 0; i < x->n; i++)
        worst = x->list[i].level > worst ? x->list[i].level : worst;
    return worst;
}

void examination_free(struct examination *x)
{
    for (size_t i = 0; i < x->n; i++) {
        free(x->list[i].what);
        free(x->list[i].next);
    }
    free(x->list);
    if (x->service.config)
        service_stop(&x->service);
    config_free(&x->config);
    *x = (struct examination){0};
}

int examination_print(const struct examination *x, FILE *out)
{
    int rc = 0;
    for (size_t i = 0; i < x->n && !rc; i++) {
        const struct finding *f = &x->list[i];
        struct buf what = BUF_INIT, next = BUF_INIT;
        rc = terminal_clean_text(f->what, true, &what);
        if (!rc)
            rc = terminal_clean_text(f->next, true, &next);
        if (!rc)
            fprintf(out, "%-8s %-8s %s\n", levels[f->level], f->check, what.data);
        if (!rc && next.len)
            fprintf(out, "%-8s %-8s -> %s\n", "", "", next.data);
        buf_free(&what);
        buf_free(&next);
    }
    return rc;
}

int examination_json(const struct examination *x, FILE *out)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "version", PACKAGE_VERSION);
    cJSON_AddStringToObject(o, "worst", levels[examination_worst(x)]);
    cJSON *list = cJSON_AddArrayToObject(o, "findings");
    bool ok = list != NULL;
    for (size_t i = 0; i < x->n; i++) {
        const struct finding *f = &x->list[i];
        cJSON *one = cJSON_CreateObject();
        ok &= cJSON_AddStringToObject(one, "check", f->check) &&
              cJSON_AddStringToObject(one, "level", levels[f->level]) &&
              cJSON_AddStringToObject(one, "what", f->what) &&
              cJSON_AddStringToObject(one, "next", f->next);
        cJSON_AddItemToArray(list, one);
    }
    char *text = ok ? cJSON_Print(o) : NULL;
    if (text)
        fprintf(out, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(o);
    return text ? 0 : -ENOMEM;
}
