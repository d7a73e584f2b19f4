// SPDX-License-Identifier: MIT
// Reading questions with choices: JSON lines, and the CSV files of MMLU (RFC 4180).
#include "eval/choice.h"

#include "base/buf.h"
#include "base/file.h"
#include "eval/json.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (256u << 20)
#define FIELDS_MAX (CHOICES_MAX + 2)

struct list {
    arena *a;
    struct choice_question *q;
    size_t n, room;
};

static int add(struct list *l, const struct choice_question *q)
{
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        struct choice_question *more = arena_alloc(l->a, room * sizeof *more);
        if (!more)
            return -ENOMEM;
        if (l->n)
            memcpy(more, l->q, l->n * sizeof *more);
        l->q = more;
        l->room = room;
    }
    l->q[l->n++] = *q;
    return 0;
}

// ---- JSON lines ----

static int read_object(const cJSON *o, struct list *l, struct err *e)
{
    const cJSON *answer = json_item(o, "answer"), *choices = json_item(o, "choices"), *x;
    struct choice_question q = {.n_choices = (size_t)cJSON_GetArraySize(choices)};
    double index = cJSON_IsNumber(answer)   ? answer->valuedouble
                   : cJSON_IsString(answer) ? *answer->valuestring - 'A'
                                            : -1;
    if (!cJSON_IsString(json_item(o, "question")))
        return err_set(e, -EINVAL, "\"question\" is missing or no string");
    if (!cJSON_IsArray(choices) || q.n_choices < 2 || q.n_choices > CHOICES_MAX)
        return err_set(e, -EINVAL, "\"choices\" is no list of 2 to %d", CHOICES_MAX);
    if (!(index >= 0 && index < (double)q.n_choices))
        return err_set(e, -EINVAL,
                       "\"answer\" is neither the index of a choice, from 0, nor its letter");
    q.answer = (size_t)index;
    q.subject = arena_strdup(l->a, json_string(o, "subject"));
    q.text = arena_strdup(l->a, json_string(o, "question"));
    q.choices = arena_alloc(l->a, q.n_choices * sizeof *q.choices);
    if (!q.subject || !q.text || !q.choices)
        return err_nomem(e);
    size_t i = 0;
    cJSON_ArrayForEach(x, choices)
    {
        if (!cJSON_IsString(x))
            return err_set(e, -EINVAL, "a choice is no string");
        if (!(q.choices[i++] = arena_strdup(l->a, x->valuestring)))
            return err_nomem(e);
    }
    return add(l, &q) ? err_nomem(e) : 0;
}

static int read_lines(const char *path, const struct buf *b, struct list *l, struct err *e)
{
    int rc = 0;
    size_t pos = 0;
    for (size_t line = 1; !rc && pos < b->len; line++) {
        const char *s = b->data + pos;
        size_t n = strcspn(s, "\n");
        pos += n + 1;
        if (strspn(s, " \t\r") >= n)
            continue;
        cJSON *o = cJSON_ParseWithLength(s, n);
        rc =
            cJSON_IsObject(o) ? read_object(o, l, e) : err_set(e, -EINVAL, "not a JSON object");
        cJSON_Delete(o);
        if (rc)
            err_prefix(e, "%s:%zu", path, line);
    }
    return rc;
}

// ---- CSV ----

// One record at *at, which moves behind it; fields in the arena. *n is their number.
static int read_record(const struct buf *b, size_t *at, arena *a, const char **fields,
                       size_t *n)
{
    struct buf field = BUF_INIT;
    int rc = 0;
    bool more = true;
    *n = 0;
    while (more && !rc && *n < FIELDS_MAX) {
        bool quoted = *at < b->len && b->data[*at] == '"';
        *at += quoted;
        buf_clear(&field);
        while (*at < b->len && !rc) {
            char c = b->data[*at];
            if (quoted && c == '"') {
                if (b->data[*at + 1] != '"') { // "" stands for one; the buffer ends in NUL
                    quoted = false;
                    ++*at;
                    continue;
                }
                ++*at;
            } else if (!quoted && (c == ',' || c == '\n' || c == '\r')) {
                break;
            }
            rc = buf_addc(&field, c);
            ++*at;
        }
        if (quoted)
            rc = rc ? rc : -EINVAL; // the file ends inside quotes
        if (!rc && !(fields[(*n)++] = arena_strndup(a, field.data, field.len)))
            rc = -ENOMEM;
        more = *at < b->len && b->data[*at] == ',';
        *at += more;
    }
    if (more && !rc)
        rc = -EINVAL;
    while (*at < b->len && (b->data[*at] == '\r' || b->data[*at] == '\n'))
        ++*at;
    buf_free(&field);
    return rc;
}

static int read_csv(const char *path, const struct buf *b, const char *subject, struct list *l,
                    struct err *e)
{
    size_t at = 0, n;
    for (size_t record = 1; at < b->len; record++) {
        const char *fields[FIELDS_MAX];
        int rc = read_record(b, &at, l->a, fields, &n);
        if (rc == -ENOMEM)
            return err_nomem(e);
        const char *last = rc ? "" : fields[n - 1];
        bool letter = n >= 4 && *last >= 'A' && *last < (char)('A' + n - 2) && !last[1];
        if (!rc && !letter && record == 1 && n >= 4 && !strcasecmp(last, "answer"))
            continue; // a heading
        if (!letter)
            return err_set(e, -EINVAL,
                           "%s, record %zu: not a question, its choices and the letter of the "
                           "right one",
                           path, record);
        struct choice_question q = {.subject = subject,
                                    .text = fields[0],
                                    .n_choices = n - 2,
                                    .answer = (size_t)(*last - 'A')};
        if (!(q.choices = arena_alloc(l->a, q.n_choices * sizeof *q.choices)))
            return err_nomem(e);
        memcpy(q.choices, fields + 1, q.n_choices * sizeof *q.choices);
        if (add(l, &q))
            return err_nomem(e);
    }
    return 0;
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), k = strlen(tail);
    return n >= k && !strcmp(s + n - k, tail);
}

static int read_file(const char *path, const char *subject, struct list *l, struct err *e)
{
    struct buf b = BUF_INIT;
    int rc = file_read(path, FILE_MAX, &b, e);
    if (!rc)
        rc = ends_with(path, ".csv") ? read_csv(path, &b, subject, l, e)
                                     : read_lines(path, &b, l, e);
    buf_free(&b);
    return rc;
}

static int is_test(const struct dirent *d)
{
    return ends_with(d->d_name, "_test.csv");
}

// test/SUBJECT_test.csv in the order of their names, each with dev/SUBJECT_dev.csv if there.
static int read_folder(const char *dir, struct list *questions, struct list *examples,
                       struct err *e)
{
    char path[PATH_MAX];
    struct dirent **names = NULL;
    struct stat st;
    snprintf(path, sizeof path, "%s/test", dir);
    int n = scandir(path, &names, is_test, alphasort), rc = 0;
    if (n < 0)
        return err_set(e, -errno, "%s: %s", path, strerror(errno));
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        int k = (int)(strlen(name) - strlen("_test.csv"));
        char *subject = rc ? NULL : arena_strndup(questions->a, name, (size_t)k);
        if (!rc && !subject)
            rc = err_nomem(e);
        if (!rc && snprintf(path, sizeof path, "%s/test/%s", dir, name) >= (int)sizeof path)
            rc = err_set(e, -ENAMETOOLONG, "%.60s...: the path is too long", dir);
        if (!rc)
            rc = read_file(path, subject, questions, e);
        if (!rc &&
            snprintf(path, sizeof path, "%s/dev/%.*s_dev.csv", dir, k, name) <
                (int)sizeof path &&
            !stat(path, &st))
            rc = read_file(path, subject, examples, e);
        free(names[i]);
    }
    free(names);
    return rc;
}

int choice_read(const char *path, const char *examples, arena *a, struct choice_set *out,
                struct err *e)
{
    struct list questions = {.a = a}, shown = {.a = a};
    struct stat st;
    int rc = 0;
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        rc = read_folder(path, &questions, &shown, e);
    else
        rc = read_file(path, "", &questions, e);
    if (!rc && examples) {
        shown.n = 0;
        rc = read_file(examples, "", &shown, e);
    }
    if (!rc && !questions.n)
        rc = err_set(e, -EINVAL, "%s: no question in it", path);
    *out = (struct choice_set){questions.q, questions.n, shown.q, shown.n};
    return rc;
}
