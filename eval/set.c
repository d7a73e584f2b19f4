// SPDX-License-Identifier: MIT
#include "eval/set.h"

#include "base/buf.h"
#include "base/file.h"
#include "eval/json.h"

#include <errno.h>
#include <string.h>

#define SET_MAX (256u << 20)

// A string member; `fallback` where it is absent or null.
static int text(const cJSON *o, const char *name, const char *fallback, arena *a,
                const char **out)
{
    const cJSON *x = json_item(o, name);
    if (x && !cJSON_IsNull(x) && !cJSON_IsString(x))
        return -EINVAL;
    *out = arena_strdup(a, cJSON_IsString(x) ? x->valuestring : fallback);
    return *out ? 0 : -ENOMEM;
}

static int read_answers(const cJSON *list, struct question *q, arena *a)
{
    const cJSON *x;
    q->answers = arena_alloc(a, ((size_t)cJSON_GetArraySize(list) + 1) * sizeof *q->answers);
    if (!q->answers)
        return -ENOMEM;
    cJSON_ArrayForEach(x, list)
    {
        if (!cJSON_IsString(x))
            return -EINVAL;
        if (!(q->answers[q->n_answers++] = arena_strdup(a, x->valuestring)))
            return -ENOMEM;
    }
    return 0;
}

static int read_evidence(const cJSON *list, struct question *q, arena *a)
{
    const cJSON *x;
    q->evidence = arena_alloc(a, ((size_t)cJSON_GetArraySize(list) + 1) * sizeof *q->evidence);
    if (!q->evidence)
        return -ENOMEM;
    cJSON_ArrayForEach(x, list)
    {
        struct evidence *v = &q->evidence[q->n_evidence++];
        int rc = cJSON_IsObject(x) ? text(x, "file", "", a, &v->file) : -EINVAL;
        if (!rc)
            rc = text(x, "quote", "", a, &v->quote);
        if (rc)
            return rc;
    }
    return 0;
}

static int read_history(const cJSON *list, struct question *q, arena *a)
{
    const cJSON *x;
    q->history = arena_alloc(a, ((size_t)cJSON_GetArraySize(list) + 1) * sizeof *q->history);
    if (!q->history)
        return -ENOMEM;
    cJSON_ArrayForEach(x, list)
    {
        struct turn *t = &q->history[q->n_history++];
        int rc = cJSON_IsObject(x) ? text(x, "role", "", a, &t->role) : -EINVAL;
        if (!rc)
            rc = text(x, "content", "", a, &t->content);
        if (!rc && strcmp(t->role, "user") != 0 && strcmp(t->role, "assistant") != 0)
            rc = -EINVAL;
        if (rc)
            return rc;
    }
    return 0;
}

static int read_question(const cJSON *o, arena *a, struct set *s, struct err *e)
{
    struct question *q = &s->q[s->n];
    const char *before, *number;
    *q = (struct question){.index = s->n, .answerable = true, .checked = true};
    if (!cJSON_IsObject(o))
        return err_set(e, -EINVAL, "not a JSON object");
    if (!cJSON_IsString(json_item(o, "question")))
        return err_set(e, -EINVAL, "\"question\" is missing or no string");
    number = arena_printf(a, "%zu", s->n + 1);
    int rc = text(o, "question", "", a, &q->text);
    if (!rc)
        rc = text(o, "id", number ? number : "", a, &q->id);
    if (!rc)
        rc = text(o, "lang", "", a, &q->lang);
    if (!rc)
        rc = text(o, "kind", "", a, &q->kind);
    if (!rc)
        rc = text(o, "follow_up_of", "", a, &before);
    if (!rc)
        rc = read_answers(json_item(o, "answers"), q, a);
    if (!rc)
        rc = read_evidence(json_item(o, "evidence"), q, a);
    if (!rc)
        rc = read_history(json_item(o, "history"), q, a);
    const cJSON *answerable = json_item(o, "answerable");
    if (answerable)
        q->answerable = cJSON_IsTrue(answerable);
    const cJSON *checked = json_item(o, "checked");
    if (checked)
        q->checked = cJSON_IsTrue(checked);
    if (rc)
        return rc == -ENOMEM ? err_nomem(e)
                             : err_set(e, rc,
                                       "a field has the wrong type: texts are strings, "
                                       "\"answers\" a list of them, \"evidence\" a list of "
                                       "{\"file\", \"quote\"}, \"history\" one of {\"role\", "
                                       "\"content\"} where the role is user or assistant");
    for (size_t i = 0; i < s->n && *before; i++)
        if (!strcmp(s->q[i].id, before))
            q->before = &s->q[i];
    if (*before && !q->before)
        return err_set(e, -EINVAL,
                       "\"follow_up_of\" names \"%.60s\", which does not stand above", before);
    s->n++;
    s->unchecked += !q->checked;
    return 0;
}

int set_read(const char *path, arena *a, struct set *out, struct err *e)
{
    struct buf b = BUF_INIT;
    size_t lines = 1;
    *out = (struct set){0};
    int rc = file_read(path, SET_MAX, &b, e);
    for (size_t i = 0; i < b.len; i++)
        lines += b.data[i] == '\n';
    if (!rc && !(out->q = arena_alloc(a, lines * sizeof *out->q)))
        rc = err_nomem(e);
    size_t pos = 0;
    for (size_t line = 1; !rc && pos < b.len; line++) {
        const char *s = b.data + pos;
        size_t n = strcspn(s, "\n");
        pos += n + 1;
        if (strspn(s, " \t\r") >= n)
            continue;
        cJSON *o = cJSON_ParseWithLength(s, n);
        rc = o ? read_question(o, a, out, e) : err_set(e, -EINVAL, "not JSON");
        cJSON_Delete(o);
        if (rc == -EINVAL)
            err_prefix(e, "%s:%zu", path, line);
    }
    buf_free(&b);
    if (!rc && !out->n)
        rc = err_set(e, -EINVAL, "%s: no question in it", path);
    return rc;
}
