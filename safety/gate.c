// SPDX-License-Identifier: MIT
// The hold-back gate.
//
// Source text becomes the view (view.c): what a reader sees, with the source bytes of each view
// byte. Every rule searches the view from its own position with hard partial matching
// (pcre2partial(3)): a match that reaches the end of the view is not decided, whatever was
// found already. Let p be the earliest undecided start and m the earliest finding of any rule.
// Before min(p, m) nothing can be objected to any more, so it is written. If m < p it was
// decided without an undecided start before it: the gate closes at m, or writes a mark and goes
// on behind the finding. Both depend only on the text, not on its pieces, because decided
// matches do not change when text is appended.
#include "safety/internal.h"

#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT 512                 // view bytes kept for lookbehind and word boundaries
#define VIEW_MAX ((size_t)64 << 20) // undecided text beyond this is an error
#define MATCH_LIMIT 1000000
#define NONE SIZE_MAX

struct safety_gate {
    const safety *s;
    struct safety_gate_options o;
    unsigned actions; // of the rules that apply, a bit each
    struct buf raw;   // source not yet written
    size_t raw_start; // source offset of raw.data[0]
    size_t seen;      // bytes of raw that are in the view
    struct view view;
    size_t view_start; // position of view.text.data[0] in the whole view
    size_t pending;    // position where undecided text starts
    size_t *from;      // [rules] position where each rule searches on
    pcre2_match_data *match;
    pcre2_match_context *limits;
    struct safety_finding finding;
    bool redacted; // something was; `finding` is the first
    bool closed;
    int failed; // negative once the gate failed
};

void safety_gate_free(safety_gate *g)
{
    if (!g)
        return;
    buf_free(&g->raw);
    view_free(&g->view);
    free(g->from);
    pcre2_match_data_free(g->match);
    pcre2_match_context_free(g->limits);
    free(g);
}

static int gate_new(const safety *s, const struct safety_gate_options *o, unsigned actions,
                    safety_gate **out, struct err *e)
{
    safety_gate *g = calloc(1, sizeof *g);
    if (!g)
        return err_nomem(e);
    g->s = s;
    g->o = *o;
    g->actions = actions;
    buf_init(&g->raw);
    buf_init(&g->view.text);
    g->from = calloc(s->n + 1, sizeof *g->from);
    g->match = pcre2_match_data_create(64, NULL);
    g->limits = pcre2_match_context_create(NULL);
    if (!g->from || !g->match || !g->limits) {
        safety_gate_free(g);
        return err_nomem(e);
    }
    pcre2_set_match_limit(g->limits, MATCH_LIMIT);
    *out = g;
    return 0;
}

int safety_gate_new(const safety *s, const struct safety_gate_options *o, safety_gate **out,
                    struct err *e)
{
    return gate_new(s, o, 1u << RULE_WITHHOLD | 1u << RULE_REDACT | 1u << RULE_REPORT, out, e);
}

const struct safety_finding *safety_gate_finding(const safety_gate *g)
{
    return g->closed && !g->failed ? &g->finding : NULL;
}

size_t safety_gate_passed(const safety_gate *g)
{
    return g->raw_start;
}

// ---- source and view ----

static const struct span *span_at(const safety_gate *g, size_t position)
{
    return &g->view.source[position - g->view_start];
}

// Source offset of a position; of the view's end, what is not seen yet.
static size_t source_at(const safety_gate *g, size_t position)
{
    return position - g->view_start < g->view.text.len ? span_at(g, position)->start
                                                       : g->raw_start + g->seen;
}

static void forget(safety_gate *g, size_t n)
{
    memmove(g->raw.data, g->raw.data + n, g->raw.len - n);
    buf_truncate(&g->raw, g->raw.len - n);
    g->raw_start += n;
    g->seen -= n;
}

// Write the source before `offset` and forget it.
static int release(safety_gate *g, size_t offset)
{
    size_t n = offset - g->raw_start;
    if (!n)
        return 0;
    int rc = g->o.write ? g->o.write(g->o.ctx, g->raw.data, n) : 0;
    forget(g, n);
    return rc;
}

// Drop view text that no rule can look back to.
static void trim(safety_gate *g)
{
    size_t done = g->pending - g->view_start;
    if (done <= 4 * CONTEXT)
        return;
    size_t cut = done - CONTEXT;
    while (cut < g->view.text.len && ((unsigned char)g->view.text.data[cut] & 0xC0) == 0x80)
        cut++;
    view_drop(&g->view, cut);
    g->view_start += cut;
}

// ---- searching ----

struct found {
    size_t start, end; // positions; NONE
    const struct rule *rule;
    size_t index;
    bool unchecked; // the match limit was reached
};

static bool applies(const safety_gate *g, const struct rule *r)
{
    const char *const *names = g->o.text.collections;
    if (!r->enabled || !(g->actions & 1u << r->action) || !(r->stages & g->o.text.stage))
        return false;
    if (!r->collections.len || !names)
        return true;
    for (const char *c = r->collections.data; c < r->collections.data + r->collections.len;
         c += strlen(c) + 1)
        for (size_t i = 0; names[i]; i++)
            if (!strcmp(names[i], c))
                return true;
    return false;
}

// Search one rule: *undecided and f->start get positions, or NONE.
static void search(safety_gate *g, size_t r, bool all, size_t *undecided, struct found *f)
{
    const struct rule *rule = &g->s->rules[r];
    const struct safety_text *t = &g->o.text;
    const char *view = g->view.text.data;
    *undecided = NONE;
    *f = (struct found){.start = NONE, .rule = rule, .index = r};
    size_t at = g->from[r] > g->pending ? g->from[r] : g->pending;
    for (;;) {
        size_t start = at - g->view_start;
        if (start > g->view.text.len)
            return;
        int rc =
            pcre2_match(rule->code, (PCRE2_SPTR)view, g->view.text.len, start,
                        PCRE2_NOTEMPTY | PCRE2_NO_UTF_CHECK | (all ? 0 : PCRE2_PARTIAL_HARD),
                        g->match, g->limits);
        const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(g->match);
        if (rc == PCRE2_ERROR_NOMATCH)
            return;
        if (rc == PCRE2_ERROR_PARTIAL) {
            *undecided = g->view_start + ov[0];
            return;
        }
        f->unchecked = rc < 0; // what cannot be checked is not let through
        f->start = rc < 0 ? at : g->view_start + ov[0];
        f->end = g->view_start + (rc < 0 ? g->view.text.len : ov[1]);
        if (rc < 0)
            return;
        size_t from = g->view.source[ov[0]].start, to = g->view.source[ov[1] - 1].end;
        if (check_counts(rule->check, view + ov[0], ov[1] - ov[0],
                         g->raw.data + (from - g->raw_start), to - from, t->sources,
                         t->n_sources))
            return;
        f->start = NONE;
        at = g->from[r] = f->end;
    }
}

// The earliest finding of all rules, and the earliest undecided start.
static struct found search_all(safety_gate *g, bool all, size_t *undecided)
{
    struct found first = {.start = NONE};
    *undecided = NONE;
    for (size_t r = 0; r < g->s->n; r++) {
        size_t u;
        struct found f;
        if (!applies(g, &g->s->rules[r]))
            continue;
        search(g, r, all, &u, &f);
        if (u < *undecided)
            *undecided = u;
        if (f.start < first.start)
            first = f;
    }
    return first;
}

// ---- deciding ----

static struct safety_finding finding_of(const safety_gate *g, const struct found *f)
{
    size_t start = source_at(g, f->start);
    return (struct safety_finding){f->rule->category, f->rule->name, start,
                                   f->end > f->start ? span_at(g, f->end - 1)->end : start};
}

static void count(const safety_gate *g, const struct found *f,
                  const struct safety_finding *what)
{
    if (!g->o.text.count)
        return;
    atomic_fetch_add(&g->s->counts[f->index], 1);
    if (f->rule->action == RULE_REPORT && g->s->found)
        g->s->found(g->s->ctx, what, rule_action_names[f->rule->action]);
}

// A mark in place of the finding; what follows it is searched on.
static int redact(safety_gate *g, const struct found *f, const struct safety_finding *what)
{
    if (!g->redacted)
        g->finding = *what;
    g->redacted = true;
    forget(g, what->end - g->raw_start);
    // The rest of a character that the finding ended within has gone with it.
    for (g->pending = f->end; g->pending - g->view_start < g->view.text.len &&
                              span_at(g, g->pending)->start < g->raw_start;)
        g->pending++;
    struct buf mark = BUF_INIT;
    int rc = buf_addf(&mark, SAFETY_MARK "%s]", f->rule->category);
    if (!rc && g->o.write)
        rc = g->o.write(g->o.ctx, mark.data, mark.len);
    buf_free(&mark);
    return rc;
}

// Decide as much as can be decided.
static int decide(safety_gate *g, bool all)
{
    int rc = 0;
    while (!rc && !g->closed) {
        size_t undecided, end = g->view_start + g->view.text.len;
        struct found f = search_all(g, all, &undecided);
        bool decided = f.start < undecided;
        size_t upto = decided ? f.start : undecided < end ? undecided : end;
        struct safety_finding what = {0};
        if (decided)
            what = finding_of(g, &f);
        if (!decided || f.rule->action != RULE_REPORT) {
            rc = release(g, source_at(g, upto));
            g->pending = upto;
        }
        if (!decided)
            break;
        count(g, &f, &what);
        if (f.rule->action == RULE_REPORT) {
            g->from[f.index] = f.end > f.start ? f.end : f.start + 1;
        } else if (f.rule->action == RULE_REDACT && !f.unchecked) {
            rc = rc ? rc : redact(g, &f, &what);
        } else {
            g->finding = what;
            g->closed = true;
        }
    }
    trim(g);
    return rc;
}

static int push(safety_gate *g, const char *text, size_t n, bool all, struct err *e)
{
    if (g->closed)
        return g->failed ? g->failed : 1;
    size_t used = 0;
    int rc = buf_add(&g->raw, text, n);
    if (!rc)
        rc = view_add(&g->view, g->raw.data + g->seen, g->raw.len - g->seen,
                      g->raw_start + g->seen, all, &used);
    g->seen += used;
    if (!rc && g->view.text.len > VIEW_MAX)
        rc = -E2BIG;
    if (rc)
        err_set(e, rc,
                rc == -E2BIG ? "text held back by a safety rule grew beyond 64 MiB"
                             : "out of memory in the safety gate");
    if (!rc && (rc = decide(g, all)))
        err_set(e, rc, "the safety gate's reader stopped");
    if (rc) {
        g->closed = true;
        g->failed = rc < 0 ? rc : -ECANCELED;
        return g->failed;
    }
    return g->closed ? 1 : 0;
}

int safety_gate_feed(safety_gate *g, const char *text, size_t n, struct err *e)
{
    return push(g, text, n, false, e);
}

int safety_gate_finish(safety_gate *g, struct err *e)
{
    return push(g, "", 0, true, e);
}

// ---- whole texts ----

static int scan(const safety *s, const struct safety_text *t, unsigned actions,
                const char *text, size_t n, struct safety_finding *out, struct err *e)
{
    safety_gate *g;
    const struct safety_gate_options o = {.text = *t};
    int rc = gate_new(s, &o, actions, &g, e);
    if (rc)
        return rc;
    rc = push(g, text, n, true, e);
    if (rc == 1 && out)
        *out = g->finding;
    safety_gate_free(g);
    return rc;
}

int safety_scan(const safety *s, const struct safety_text *t, const char *text, size_t n,
                struct safety_finding *withheld, struct safety_finding *flagged, struct err *e)
{
    unsigned reports = t->again ? 0 : 1u << RULE_REPORT;
    int w = scan(s, t, 1u << RULE_WITHHOLD | reports, text, n, withheld, e);
    if (w < 0)
        return w;
    int f = scan(s, t, 1u << RULE_FLAG, text, n, flagged, e);
    return f < 0 ? f : (w ? SAFETY_WITHHELD : 0) | (f ? SAFETY_FLAGGED : 0);
}

static int append(void *ctx, const char *text, size_t n)
{
    return buf_add(ctx, text, n);
}

int safety_redact(const safety *s, const struct safety_text *t, const char *text, size_t n,
                  struct buf *out, struct safety_finding *first, struct err *e)
{
    safety_gate *g;
    const struct safety_gate_options o = {.text = *t, .write = append, .ctx = out};
    int rc = gate_new(s, &o, 1u << RULE_REDACT, &g, e);
    if (rc)
        return rc;
    rc = push(g, text, n, true, e);
    if (rc == 1) // a match limit was reached: the rest is gone
        rc = buf_addf(out, SAFETY_MARK "%s]", g->finding.category);
    if (!rc && (g->redacted || g->closed)) {
        *first = g->finding;
        rc = 1;
    }
    safety_gate_free(g);
    return rc;
}

int safety_list(const safety *s, const struct safety_text *t, const char *text, size_t n,
                safety_found_fn *fn, void *ctx, struct err *e)
{
    safety_gate *g;
    const struct safety_gate_options o = {.text = *t};
    int rc = gate_new(s, &o, 0, &g, e);
    size_t used;
    if (rc)
        return rc;
    rc = buf_add(&g->raw, text, n);
    if (!rc)
        rc = view_add(&g->view, g->raw.data, n, 0, true, &used);
    g->seen = n;
    for (size_t r = 0; r < s->n && !rc; r++) {
        const struct rule *rule = &s->rules[r];
        struct found f = {0};
        size_t undecided;
        while (rule->enabled && f.start != NONE) {
            search(g, r, true, &undecided, &f);
            if (f.start == NONE)
                break;
            const struct safety_finding what = finding_of(g, &f);
            fn(ctx, &what, rule_action_names[rule->action], rule->stages);
            g->from[r] = f.end > f.start ? f.end : f.start + 1;
        }
    }
    safety_gate_free(g);
    return rc ? err_nomem(e) : 0;
}

bool safety_count(const safety *s, size_t i, struct safety_count *out)
{
    if (i >= s->n)
        return false;
    const struct rule *r = &s->rules[i];
    *out = (struct safety_count){r->name, r->category, rule_action_names[r->action],
                                 atomic_load(&s->counts[i])};
    return true;
}
