// SPDX-License-Identifier: MIT
// The report: one page of HTML without scripts, fonts or pictures from elsewhere. Whatever
// comes from documents and questions is escaped.
#include "eval/html.h"

#include "base/file.h"
#include "eval/json.h"
#include "eval/run.h"

#include <stdlib.h>
#include <string.h>

#define PASSAGES_SHOWN 3 // and the right one
#define BAR 120.0        // a measure from 0 to 1

static const char head[] =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
    "content=\"width=device-width\"><meta http-equiv=Content-Security-Policy "
    "content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>askd-eval</title><style>"
    ":root{color-scheme:light dark;--good:#1a7f4b;--bad:#c0392b;--line:#8884}"
    "@media(prefers-color-scheme:dark){:root{--good:#4cc38a;--bad:#ff7b6b}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em}"
    "h1{font-size:1.5em;overflow-wrap:anywhere;margin-bottom:0}h2{margin-top:2em}"
    "h3{font-size:1em;margin:.4em 0}.note{color:var(--bad)}"
    "table{border-collapse:collapse}td,th{padding:.2em .9em .2em 0;text-align:left;"
    "border-bottom:1px solid var(--line);white-space:nowrap}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".scroll{overflow-x:auto}.plots{display:flex;flex-wrap:wrap;gap:1em 2em}"
    "figure{margin:0;flex:1 1 22em;max-width:29em}figcaption{font-size:.87em;opacity:.8}"
    "svg{width:100%;height:auto;overflow:visible}.bar{width:120px;height:14px;display:block}"
    ".grid path{stroke:var(--line);fill:none}.label{font-size:12px;fill:currentColor}"
    ".line{fill:none;stroke:var(--good);stroke-width:2}"
    ".dot{fill:var(--good);fill-opacity:.35;stroke:var(--good)}"
    ".ideal{stroke:currentColor;stroke-dasharray:4 4;opacity:.5}"
    "details{border-bottom:1px solid var(--line);padding:.35em 0}summary{cursor:pointer}"
    "details>*:not(summary){margin-left:1.3em}summary small{opacity:.75}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,monospace;"
    "background:#8881;padding:.6em;margin:.3em 0}"
    ".good{color:var(--good)}.bad{color:var(--bad)}.from{overflow-wrap:anywhere;font-size:.9em}"
    ".hit{border-left:3px solid var(--good);padding-left:.6em}"
    "dl.why{display:grid;grid-template-columns:repeat(auto-fill,minmax(13em,1fr));gap:0 "
    "1.5em;margin:.3em 0 .3em 1.3em}dl.why div{display:flex;justify-content:space-between;"
    "border-bottom:1px dotted var(--line)}dd{margin:0;font-variant-numeric:tabular-nums}"
    "</style>";

int html_escaped(struct buf *b, const char *s)
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

// Foreign text between markup of ours.
static int add_text(struct buf *b, const char *before, const char *s, const char *behind)
{
    int rc = buf_adds(b, before);
    if (!rc)
        rc = html_escaped(b, s);
    return rc ? rc : buf_adds(b, behind);
}

static int add_title(struct buf *b, const cJSON *run)
{
    double unchecked = json_number(run, "unchecked");
    int n = cJSON_GetArraySize(json_item(run, "questions"));
    int rc = add_text(b, "<h1>", json_string(run, "set"), "</h1>");
    if (!rc)
        rc = buf_addf(b, "<p>%d questions, mode ", n);
    if (!rc)
        rc = html_escaped(b, json_string(run, "mode"));
    if (!rc && unchecked > 0)
        rc = buf_addf(b,
                      "<p class=note>Nobody has checked %g of the questions "
                      "(<code>&quot;checked&quot;: false</code>): take the figures as such.",
                      unchecked);
    return rc;
}

// ---- the table ----

static int add_bar(struct buf *b, const cJSON *o)
{
    double low = json_number(o, "low"), high = json_number(o, "high");
    return buf_addf(
        b,
        "<td><svg class=bar viewBox=\"0 0 %g 14\"><path class=grid stroke=\"#8888\" "
        "d=\"M0 7H%g\"/><path stroke=\"#888\" stroke-width=6 d=\"M%.1f 7H%.1f\"/><circle "
        "class=dot style=\"fill-opacity:1\" cx=%.1f cy=7 r=4 /></svg>",
        BAR, BAR, BAR * low, BAR * high, BAR * json_number(o, "mean"));
}

static int add_table(struct buf *b, const cJSON *summary)
{
    const cJSON *o;
    int rc =
        buf_adds(b, "<div class=scroll><table><tr><th>measure<th class=n>mean<th class=n>95 "
                    "% interval<th>0 to 1<th class=n>questions");
    cJSON_ArrayForEach(o, json_item(summary, "measures"))
    {
        if (!rc)
            rc =
                buf_addf(b, "<tr><td>%s<td class=n>%.3f<td class=n>[%.3f, %.3f]", o->string,
                         json_number(o, "mean"), json_number(o, "low"), json_number(o, "high"));
        if (!rc)
            rc = add_bar(b, o);
        if (!rc)
            rc = buf_addf(b, "<td class=n>%g", json_number(o, "n"));
    }
    if (!rc && json_item(summary, "abstention_auc"))
        rc = buf_addf(b, "<tr><td>AUC of the confidence<td class=n>%.3f<td><td><td>",
                      json_number(summary, "abstention_auc"));
    return rc ? rc : buf_adds(b, "</table></div>");
}

static int add_confidence(struct buf *b, const cJSON *questions)
{
    size_t before = b->len, plots;
    int rc = buf_adds(b, "<h2>Confidence</h2><div class=plots>");
    plots = b->len;
    if (!rc)
        rc = html_risk(b, questions);
    if (!rc)
        rc = html_reliability(b, questions);
    if (!rc && b->len == plots) { // only passages were asked for
        buf_truncate(b, before);
        return 0;
    }
    return rc ? rc : buf_adds(b, "</div>");
}

static int add_latency(struct buf *b, const cJSON *run)
{
    const cJSON *o;
    int rc =
        buf_adds(b, "<h2>Latency</h2><div class=plots><figure><table><tr><th>milliseconds<th "
                    "class=n>p50<th class=n>p95<th class=n>questions");
    cJSON_ArrayForEach(o, json_item(json_item(run, "summary"), "latency_ms"))
    {
        if (!rc)
            rc = buf_addf(b, "<tr><td>%s<td class=n>%.1f<td class=n>%.1f<td class=n>%g",
                          o->string, json_number(o, "p50"), json_number(o, "p95"),
                          json_number(o, "n"));
    }
    if (!rc)
        rc = buf_adds(b, "</table></figure>");
    if (!rc)
        rc = html_latency(b, json_item(run, "questions"));
    return rc ? rc : buf_adds(b, "</div>");
}

// ---- a question ----

static int add_passages(struct buf *b, const cJSON *r)
{
    const cJSON *p, *s;
    int rc = buf_adds(b, "<h3>Passages</h3>"), at = 0;
    cJSON_ArrayForEach(p, json_item(r, "passages"))
    {
        bool hit = ++at == (int)json_number(r, "rank");
        if (rc || (at > PASSAGES_SHOWN && !hit))
            continue;
        rc = buf_addf(b, "<div%s><span class=from>%d. ", hit ? " class=hit" : "", at);
        if (!rc)
            rc = html_escaped(b, json_string(json_item(p, "document"), "path"));
        cJSON_ArrayForEach(s, json_item(p, "section"))
        {
            if (!rc && cJSON_IsString(s))
                rc = add_text(b, " &gt; ", s->valuestring, "");
        }
        if (!rc)
            rc = buf_addf(b, " (%.3f)%s</span>", json_number(p, "score"),
                          hit ? ", <b class=good>the right one</b>" : "");
        if (!rc)
            rc = add_text(b, "<pre>", json_string(p, "text"), "</pre></div>");
    }
    return rc;
}

static int add_citations(struct buf *b, const cJSON *r)
{
    const cJSON *c;
    int rc = 0;
    cJSON_ArrayForEach(c, json_item(r, "cited"))
    {
        if (!rc && c == json_item(r, "cited")->child)
            rc = buf_adds(b, "<h3>Citations</h3>");
        if (!rc)
            rc = buf_addf(b, "<div><span class=from>[%g] ", json_number(c, "n"));
        if (!rc)
            rc = html_escaped(b, json_string(c, "path"));
        if (!rc && json_true(r, "answerable"))
            rc = buf_adds(b, json_true(c, "right") ? ", <b class=good>holds the answer</b>"
                                                   : ", does not hold the answer");
        if (!rc && !json_true(c, "valid"))
            rc = buf_adds(b, ", <b class=bad>does not stand in its passage</b>");
        if (!rc)
            rc = buf_adds(b, "</span>");
        if (!rc)
            rc = add_text(b, "<pre>", json_string(c, "quote"), "</pre></div>");
    }
    return rc;
}

// Why the daemon was as sure as it was.
static int add_why(struct buf *b, const cJSON *r)
{
    const cJSON *x, *evidence = json_item(r, "evidence");
    if (!cJSON_IsObject(evidence))
        return 0;
    int rc = buf_adds(b, "<h3>Why</h3><dl class=why>");
    cJSON_ArrayForEach(x, evidence)
    {
        if (rc || !cJSON_IsNumber(x))
            continue;
        rc = add_text(b, "<div><dt>", x->string, "</dt>");
        if (!rc)
            rc = buf_addf(b, "<dd>%.4g</dd></div>", x->valuedouble);
    }
    return rc ? rc : buf_adds(b, "</dl>");
}

static int add_accepted(struct buf *b, const cJSON *r)
{
    const cJSON *a;
    if (cJSON_GetArraySize(json_item(r, "answers")) == 0)
        return 0;
    int rc = buf_adds(b, "<h3>Accepted</h3><pre>");
    cJSON_ArrayForEach(a, json_item(r, "answers"))
    {
        if (!rc && cJSON_IsString(a))
            rc = add_text(b, "", a->valuestring, "\n");
    }
    return rc ? rc : buf_adds(b, "</pre>");
}

static bool is_good(const cJSON *r)
{
    if (!json_true(r, "answerable"))
        return json_is(r, "status", "not_found");
    return json_item(r, "status") ? json_true(r, "holds") : json_number(r, "rank") > 0;
}

static int add_question(struct buf *b, const cJSON *r)
{
    const char *status = json_string(r, "status");
    bool good = is_good(r);
    int rc = buf_addf(b, "<details><summary><b class=%s>%s</b> ", good ? "good" : "bad",
                      good ? "✓" : "✗");
    if (!rc)
        rc = html_escaped(b, json_string(r, "question"));
    if (!rc)
        rc = add_text(b, " <small>", *status ? status : "search", "");
    if (!rc && !json_true(r, "answerable"))
        rc = buf_adds(b, ", not in the documents");
    else if (!rc && json_number(r, "rank") > 0)
        rc = buf_addf(b, ", found at rank %g", json_number(r, "rank"));
    else if (!rc && json_true(r, "has_evidence"))
        rc = buf_adds(b, ", not found");
    if (!rc && json_item(r, "confidence"))
        rc = buf_addf(b, ", confidence %.2f", json_number(r, "confidence"));
    if (!rc)
        rc = buf_adds(b, "</small></summary>");
    if (!rc && *status)
        rc = add_text(b, "<h3>Answer</h3><pre>", json_string(r, "answer"), "</pre>");
    if (!rc)
        rc = add_accepted(b, r);
    if (!rc)
        rc = add_citations(b, r);
    if (!rc)
        rc = add_why(b, r);
    if (!rc)
        rc = add_passages(b, r);
    return rc ? rc : buf_adds(b, "</details>\n");
}

// What went wrong stands first: that is what one looks at.
static int add_questions(struct buf *b, const cJSON *questions)
{
    static const char *const titles[] = {"Wrong", "Right"};
    int rc = 0;
    for (int good = 0; good < 2 && !rc; good++) {
        const cJSON *r;
        size_t n = 0;
        cJSON_ArrayForEach(r, questions)
        {
            n += is_good(r) == (good == 1);
        }
        rc = n ? buf_addf(b, "<h2>%s: %zu</h2>\n", titles[good], n) : 0;
        cJSON_ArrayForEach(r, questions)
        {
            if (!rc && is_good(r) == (good == 1))
                rc = add_question(b, r);
        }
    }
    return rc;
}

int html_write(const char *path, const cJSON *run, struct err *e)
{
    struct buf b = BUF_INIT;
    const cJSON *questions = json_item(run, "questions");
    int rc = buf_adds(&b, head);
    if (!rc)
        rc = add_title(&b, run);
    if (!rc)
        rc = add_table(&b, json_item(run, "summary"));
    if (!rc)
        rc = add_confidence(&b, questions);
    if (!rc)
        rc = add_latency(&b, run);
    if (!rc)
        rc = add_questions(&b, questions);
    rc = rc ? err_nomem(e) : file_write_atomic(path, b.data, b.len, e);
    buf_free(&b);
    return rc;
}
