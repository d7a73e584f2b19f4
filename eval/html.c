// SPDX-License-Identifier: MIT
// The report: one page of HTML without scripts, fonts or pictures from elsewhere. Whatever
// comes from documents and questions is escaped.
#include "base/buf.h"
#include "base/file.h"
#include "eval/json.h"
#include "eval/measures.h"
#include "eval/run.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 480.0
#define HEIGHT 220.0

static const char head[] =
    "<!doctype html><html lang=en><meta charset=utf-8>"
    "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src "
    "'unsafe-inline'\"><title>askd-eval</title><style>"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
    "color-scheme:light dark}table{border-collapse:collapse}td,th{padding:.2em "
    ".8em;text-align:left;border-bottom:1px solid #8884}td.n{text-align:right;"
    "font-variant-numeric:tabular-nums}details{border-bottom:1px solid #8884;padding:.4em 0}"
    "summary{cursor:pointer}pre{white-space:pre-wrap;font:13px/1.45 "
    "ui-monospace,monospace;background:#8881;padding:.6em}.good{color:#2a7}.bad{color:#c43}"
    ".hit{border-left:3px solid #2a7;padding-left:.6em}svg{max-width:100%}</style>";

static int escaped(struct buf *b, const char *s)
{
    int rc = 0;
    for (; *s && !rc; s++)
        rc = *s == '<'   ? buf_adds(b, "&lt;")
             : *s == '>' ? buf_adds(b, "&gt;")
             : *s == '&' ? buf_adds(b, "&amp;")
             : *s == '"' ? buf_adds(b, "&quot;")
                         : buf_addc(b, *s);
    return rc;
}

static int add_table(struct buf *b, const cJSON *summary)
{
    const cJSON *o;
    int rc = buf_adds(b, "<table><tr><th>measure<th>mean<th>questions");
    cJSON_ArrayForEach(o, json_item(summary, "measures"))
    {
        if (!rc)
            rc = buf_addf(b, "<tr><td>%s<td class=n>%.3f<td class=n>%g", o->string,
                          json_number(o, "mean"), json_number(o, "n"));
    }
    if (!rc && json_item(summary, "abstention_auc"))
        rc = buf_addf(b, "<tr><td>AUC of the confidence<td class=n>%.3f<td>",
                      json_number(summary, "abstention_auc"));
    cJSON_ArrayForEach(o, json_item(summary, "latency_ms"))
    {
        if (!rc)
            rc = buf_addf(b, "<tr><td>%s, ms<td class=n>p50 %.1f, p95 %.1f<td class=n>%g",
                          o->string, json_number(o, "p50"), json_number(o, "p95"),
                          json_number(o, "n"));
    }
    return rc ? rc : buf_adds(b, "</table>");
}

struct point {
    double confidence;
    bool wrong;
};

static int surest_first(const void *a, const void *b)
{
    double x = ((const struct point *)a)->confidence, y = ((const struct point *)b)->confidence;
    return (x < y) - (x > y);
}

// Risk-coverage (El-Yaniv and Wiener 2010): were only the surest questions answered, how many
// of those answers would be wrong?
static int add_curve(struct buf *b, const cJSON *questions)
{
    size_t n = 0, wrong = 0;
    const cJSON *r;
    struct point *p = malloc(((size_t)cJSON_GetArraySize(questions) + 1) * sizeof *p);
    if (!p)
        return -ENOMEM;
    cJSON_ArrayForEach(r, questions)
    {
        bool answerable = json_true(r, "answerable");
        if (json_item(r, "confidence") &&
            (!answerable || cJSON_GetArraySize(json_item(r, "answers")) > 0))
            p[n++] = (struct point){json_number(r, "confidence"),
                                    !answerable || !json_true(r, "holds")};
    }
    int rc = 0;
    if (n > 1) {
        qsort(p, n, sizeof *p, surest_first);
        rc = buf_addf(b,
                      "<h2>Risk and coverage</h2><p>Share of wrong answers (up) were only the "
                      "surest questions answered (right); what was refused counts as wrong.</p>"
                      "<svg viewBox=\"-30 -10 %g %g\" width=%g role=img><path fill=none "
                      "stroke=currentColor d=\"M0 0V%gH%g\"/><polyline fill=none stroke=#2a7 "
                      "stroke-width=2 points=\"",
                      WIDTH + 60, HEIGHT + 50, WIDTH + 60, HEIGHT, WIDTH);
        for (size_t i = 0; i < n && !rc; i++) {
            wrong += p[i].wrong;
            rc = buf_addf(b, "%.1f,%.1f ", WIDTH * (double)(i + 1) / (double)n,
                          HEIGHT * (1 - (double)wrong / (double)(i + 1)));
        }
        if (!rc)
            rc = buf_addf(b,
                          "\"/><g font-size=12 fill=currentColor><text x=-26 y=8>1</text><text "
                          "x=-26 y=%g>0</text><text x=%g y=%g>all %zu</text></g></svg>",
                          HEIGHT, WIDTH - 30, HEIGHT + 18, n);
    }
    free(p);
    return rc;
}

static int add_passages(struct buf *b, const cJSON *r)
{
    const cJSON *p, *s;
    int rc = 0, at = 0;
    cJSON_ArrayForEach(p, json_item(r, "passages"))
    {
        bool hit = ++at == (int)json_number(r, "rank");
        if (rc || (at > 3 && !hit))
            continue;
        rc = buf_addf(b, "<div%s>%d. ", hit ? " class=hit" : "", at);
        if (!rc)
            rc = escaped(b, json_string(json_item(p, "document"), "path"));
        cJSON_ArrayForEach(s, json_item(p, "section"))
        {
            if (!rc && cJSON_IsString(s) && !(rc = buf_adds(b, " &gt; ")))
                rc = escaped(b, s->valuestring);
        }
        if (!rc)
            rc = buf_addf(b, " (%.3f)<pre>", json_number(p, "score"));
        if (!rc)
            rc = escaped(b, json_string(p, "text"));
        if (!rc)
            rc = buf_adds(b, "</pre></div>");
    }
    return rc;
}

static int add_question(struct buf *b, const cJSON *r)
{
    bool answerable = json_true(r, "answerable");
    const char *status = json_string(r, "status");
    bool good = answerable ? (*status ? json_true(r, "holds") : json_number(r, "rank") > 0)
                           : !strcmp(status, "not_found");
    const cJSON *a;
    int rc = buf_addf(b, "<details><summary><b class=%s>%s</b> ", good ? "good" : "bad",
                      good ? "✓" : "✗");
    if (!rc)
        rc = escaped(b, json_string(r, "question"));
    if (!rc)
        rc = buf_addf(
            b, " <small>%s%s, rank %g, confidence %.2f</small></summary><p>Answer:</p><pre>",
            *status ? status : "search", answerable ? "" : " (not in the documents)",
            json_number(r, "rank"), json_number(r, "confidence"));
    if (!rc)
        rc = escaped(b, json_string(r, "answer"));
    if (!rc)
        rc = buf_adds(b, "</pre><p>Accepted:</p><pre>");
    cJSON_ArrayForEach(a, json_item(r, "answers"))
    {
        if (!rc && cJSON_IsString(a) && !(rc = escaped(b, a->valuestring)))
            rc = buf_addc(b, '\n');
    }
    if (!rc)
        rc = buf_adds(b, "</pre><p>Passages:</p>");
    if (!rc)
        rc = add_passages(b, r);
    return rc ? rc : buf_adds(b, "</details>\n");
}

int html_write(const char *path, const cJSON *run, struct err *e)
{
    struct buf b = BUF_INIT;
    const cJSON *r;
    int rc = buf_adds(&b, head);
    if (!rc)
        rc = buf_adds(&b, "<h1>");
    if (!rc)
        rc = escaped(&b, json_string(run, "set"));
    if (!rc)
        rc = buf_adds(&b, "</h1>");
    if (!rc)
        rc = add_table(&b, json_item(run, "summary"));
    if (!rc)
        rc = add_curve(&b, json_item(run, "questions"));
    if (!rc)
        rc = buf_adds(&b, "<h2>Questions</h2>\n");
    cJSON_ArrayForEach(r, json_item(run, "questions"))
    {
        if (!rc)
            rc = add_question(&b, r);
    }
    rc = rc ? err_nomem(e) : file_write_atomic(path, b.data, b.len, e);
    buf_free(&b);
    return rc;
}
