// SPDX-License-Identifier: MIT
#include "eval/run.h"

#include "base/buf.h"
#include "base/file.h"
#include "eval/client.h"
#include "eval/json.h"
#include "eval/score.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define K 10
#define RUN_MAX (512u << 20)

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), k = strlen(tail);
    return k && n >= k && !strcmp(s + n - k, tail) &&
           (n == k || s[n - k - 1] == '/' || *tail == '/');
}

// Is the passage what the evidence names? By its quote; without one by its file.
static int is_evidence(const cJSON *passage, const struct evidence *v, bool *yes)
{
    *yes = false;
    if (*v->quote)
        return score_holds_quote(json_string(passage, "text"), v->quote, yes);
    *yes = ends_with(json_string(json_item(passage, "document"), "path"), v->file);
    return 0;
}

// Rank of the first right passage, and nDCG@10 (Järvelin and Kekäläinen 2002). Entries with
// quotes are alternatives: one is enough. Files alone are judgements: each counts.
static int judge_passages(const cJSON *passages, const struct question *q, cJSON *record)
{
    bool quotes = false, *seen = calloc(q->n_evidence + 1, sizeof *seen);
    int rank = 0, at = 0, rc = seen ? 0 : -ENOMEM;
    double dcg = 0, ideal = 0;
    const cJSON *p;
    for (size_t i = 0; i < q->n_evidence; i++)
        quotes |= *q->evidence[i].quote != 0;
    cJSON_ArrayForEach(p, passages)
    {
        bool right = false;
        at++;
        for (size_t i = 0; i < q->n_evidence && !rc && at <= K; i++) {
            bool yes;
            rc = is_evidence(p, &q->evidence[i], &yes);
            right |= yes && !seen[i];
            seen[i] |= yes;
        }
        if (right && !(quotes && rank))
            dcg += 1 / log2(at + 1);
        rank = right && !rank ? at : rank;
    }
    size_t most = quotes ? 1 : q->n_evidence;
    for (size_t i = 0; i < most && i < K; i++)
        ideal += 1 / log2((double)i + 2);
    free(seen);
    cJSON_AddNumberToObject(record, "rank", rank);
    cJSON_AddNumberToObject(record, "ndcg", ideal > 0 ? dcg / ideal : 0);
    return rc;
}

static void copy(cJSON *to, const cJSON *from, const char *name)
{
    const cJSON *x = json_item(from, name);
    if (x)
        cJSON_AddItemToObject(to, name, cJSON_Duplicate(x, true));
}

// Does the citation's quote stand in its passage, and does it hold an answer or the evidence?
static int judge_citation(const cJSON *c, const cJSON *passages, const struct question *q,
                          bool *valid, bool *right)
{
    const char *quote = json_string(c, "quote");
    const cJSON *p;
    *valid = *right = false;
    cJSON_ArrayForEach(p, passages)
    {
        if (json_number(p, "id") == json_number(c, "passage"))
            *valid |= strstr(json_string(p, "text"), quote) != NULL;
    }
    int rc = score_contains(quote, q->answers, q->n_answers, right);
    for (size_t i = 0; i < q->n_evidence && !rc && !*right; i++)
        if (*q->evidence[i].quote)
            rc = score_holds_quote(quote, q->evidence[i].quote, right);
    return rc;
}

// How each citation is to be judged, in the record's "cited", and their numbers.
static int judge_citations(const cJSON *got, const struct question *q, cJSON *record)
{
    const cJSON *c;
    cJSON *list = cJSON_AddArrayToObject(record, "cited");
    int n = 0, n_valid = 0, n_right = 0, rc = list ? 0 : -ENOMEM;
    cJSON_ArrayForEach(c, json_item(got, "citations"))
    {
        bool valid = false, right = false;
        if (!rc)
            rc = judge_citation(c, json_item(got, "passages"), q, &valid, &right);
        cJSON *o = cJSON_CreateObject();
        copy(o, c, "n");
        cJSON_AddStringToObject(o, "path", json_string(json_item(c, "document"), "path"));
        copy(o, c, "quote");
        cJSON_AddBoolToObject(o, "valid", valid);
        cJSON_AddBoolToObject(o, "right", right);
        cJSON_AddItemToArray(list, o);
        n++;
        n_valid += valid;
        n_right += right;
    }
    cJSON_AddNumberToObject(record, "citations", n);
    cJSON_AddNumberToObject(record, "citations_valid", n_valid);
    cJSON_AddNumberToObject(record, "citations_right", n_right);
    return rc;
}

// The answer without its [n] marks.
static int bare_answer(const char *s, struct buf *out)
{
    int rc = buf_reserve(out, 1);
    while (*s && !rc) {
        size_t n = *s == '[' ? strspn(s + 1, "0123456789") : 0;
        if (n && s[n + 1] == ']') {
            s += n + 2;
            if (out->len && out->data[out->len - 1] == ' ')
                buf_truncate(out, out->len - 1);
        } else {
            rc = buf_addc(out, *s++);
        }
    }
    return rc;
}

static bool chinese(const struct question *q)
{
    return !strncmp(q->lang, "zh", 2);
}

static int judge_answer(const cJSON *got, const struct question *q, cJSON *record)
{
    struct buf answer = BUF_INIT;
    struct match m = {0};
    double rouge = 0;
    bool holds = false;
    int rc = bare_answer(json_string(got, "answer"), &answer);
    if (!rc)
        rc = chinese(q) ? score_cmrc(answer.data, q->answers, q->n_answers, &m)
                        : score_squad(answer.data, q->answers, q->n_answers, &m);
    if (!rc)
        rc = score_rouge_l(answer.data, q->answers, q->n_answers, &rouge);
    if (!rc)
        rc = score_contains(answer.data, q->answers, q->n_answers, &holds);
    bool said = !strcmp(json_string(got, "status"), "answered");
    cJSON_AddBoolToObject(record, "holds", said && holds);
    cJSON_AddNumberToObject(record, "em", said ? m.em : 0);
    cJSON_AddNumberToObject(record, "f1", said ? m.f1 : 0);
    cJSON_AddNumberToObject(record, "rouge_l", said ? rouge : 0);
    buf_free(&answer);
    return rc;
}

// The first quote, and the words that a reader has marked first: what a glance takes in.
// Without a reader nothing is said of the latter.
static int judge_glance(const cJSON *got, const struct question *q, cJSON *record)
{
    const cJSON *list = json_item(got, "citations"), *c;
    const char *span = "";
    struct match m = {0};
    bool said = !strcmp(json_string(got, "status"), "answered"), holds = false;
    cJSON_ArrayForEach(c, list)
    {
        if (!*span)
            span = json_string(c, "span");
    }
    int rc = score_contains(json_string(cJSON_GetArrayItem(list, 0), "quote"), q->answers,
                            q->n_answers, &holds);
    cJSON_AddBoolToObject(record, "first_holds", said && holds);
    if (rc || json_number(json_item(got, "evidence"), "read") <= 0)
        return rc;
    if (*span)
        rc = chinese(q) ? score_cmrc(span, q->answers, q->n_answers, &m)
                        : score_squad(span, q->answers, q->n_answers, &m);
    cJSON_AddNumberToObject(record, "span_em", said ? m.em : 0);
    cJSON_AddNumberToObject(record, "span_f1", said ? m.f1 : 0);
    return rc;
}

static cJSON *describe(const struct question *q)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "id", q->id);
    cJSON_AddStringToObject(o, "lang", q->lang);
    cJSON_AddStringToObject(o, "kind", q->kind);
    cJSON_AddStringToObject(o, "question", q->text);
    cJSON_AddBoolToObject(o, "answerable", q->answerable);
    cJSON_AddBoolToObject(o, "has_evidence", q->n_evidence > 0);
    cJSON_AddItemToObject(
        o, "answers",
        cJSON_CreateStringArray((const char *const *)q->answers, (int)q->n_answers));
    return o;
}

static void add_turn(cJSON *list, const char *role, const char *content)
{
    cJSON *turn = cJSON_CreateObject();
    cJSON_AddStringToObject(turn, "role", role);
    cJSON_AddStringToObject(turn, "content", content);
    cJSON_AddItemToArray(list, turn);
}

// What the set says was said before; or the turn before, with what was answered to it.
static void add_history(cJSON *body, const struct question *q, const cJSON *records)
{
    if (!q->before && !q->n_history)
        return;
    cJSON *h = cJSON_AddArrayToObject(body, "history");
    for (size_t i = 0; i < q->n_history; i++)
        add_turn(h, q->history[i].role, q->history[i].content);
    if (q->before) {
        const cJSON *was = cJSON_GetArrayItem(records, (int)q->before->index);
        add_turn(h, "user", q->before->text);
        add_turn(h, "assistant", json_string(was, "answer"));
    }
}

static int search(const struct run_options *o, const char *question, cJSON *record,
                  const struct question *q, struct err *e)
{
    cJSON *body = cJSON_CreateObject(), *got = NULL;
    cJSON_AddStringToObject(body, "question", question);
    cJSON_AddNumberToObject(body, "k", K);
    if (o->collection)
        cJSON_AddStringToObject(body, "collection", o->collection);
    int rc = client_post(o->socket, "/v1/search", body, &got, e);
    cJSON *passages = cJSON_DetachItemFromObject(got, "passages");
    if (!rc && judge_passages(passages, q, record))
        rc = err_nomem(e);
    if (!rc)
        cJSON_AddNumberToObject(record, "search_ms",
                                json_number(json_item(got, "timings_ms"), "total"));
    cJSON_AddItemToObject(record, "passages", passages ? passages : cJSON_CreateArray());
    cJSON_Delete(body);
    cJSON_Delete(got);
    return rc;
}

static int ask(const struct run_options *o, const struct question *q, cJSON *records,
               struct err *e)
{
    cJSON *record = describe(q), *body = cJSON_CreateObject(), *got = NULL;
    const char *asked = q->text;
    cJSON_AddItemToArray(records, record);
    cJSON_AddStringToObject(body, "question", q->text);
    cJSON_AddStringToObject(body, "mode", o->mode);
    if (o->collection)
        cJSON_AddStringToObject(body, "collection", o->collection);
    add_history(body, q, records);
    int rc = o->search_only ? 0 : client_post(o->socket, "/v1/ask", body, &got, e);
    if (!rc && got) {
        asked = json_string(json_item(got, "searched"), "question");
        copy(record, got, "status");
        copy(record, got, "answer");
        copy(record, got, "confidence");
        copy(record, got, "evidence");
        copy(record, got, "timings_ms");
        if (judge_answer(got, q, record) || judge_glance(got, q, record) ||
            judge_citations(got, q, record))
            rc = err_nomem(e);
    }
    if (!rc)
        rc = search(o, asked, record, q, e);
    cJSON_Delete(body);
    cJSON_Delete(got);
    return rc;
}

int run_set(const struct set *s, const char *path, const struct run_options *o, cJSON **out,
            struct err *e)
{
    cJSON *run = cJSON_CreateObject();
    cJSON_AddNumberToObject(run, "askd_eval", 1);
    cJSON_AddStringToObject(run, "set", path);
    cJSON_AddStringToObject(run, "mode", o->search_only ? "search" : o->mode);
    cJSON_AddNumberToObject(run, "unchecked", (double)s->unchecked);
    cJSON *records = cJSON_AddArrayToObject(run, "questions");
    int rc = records ? 0 : err_nomem(e);
    for (size_t i = 0; i < s->n && !rc; i++) {
        rc = ask(o, &s->q[i], records, e);
        if (rc)
            err_prefix(e, "question %s", s->q[i].id);
        if (o->progress)
            o->progress(i + 1, s->n);
    }
    cJSON *summary = rc ? NULL : summary_of(records);
    if (!rc && !summary)
        rc = err_nomem(e);
    if (rc) {
        cJSON_Delete(run);
        return rc;
    }
    cJSON_AddItemToObject(run, "summary", summary);
    *out = run;
    return 0;
}

int run_read(const char *path, cJSON **out, struct err *e)
{
    struct buf b = BUF_INIT;
    int rc = file_read(path, RUN_MAX, &b, e);
    *out = rc ? NULL : cJSON_ParseWithLength(b.data, b.len);
    buf_free(&b);
    if (!rc &&
        (json_number(*out, "askd_eval") != 1 || !cJSON_IsArray(json_item(*out, "questions")))) {
        cJSON_Delete(*out);
        *out = NULL;
        rc = err_set(e, -EINVAL, "%s: not what `askd-eval run --out` writes", path);
    }
    return rc;
}

const cJSON *run_find(const cJSON *questions, const char *id)
{
    const cJSON *r;
    cJSON_ArrayForEach(r, questions)
    {
        if (json_is(r, "id", id))
            return r;
    }
    return NULL;
}
