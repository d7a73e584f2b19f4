// SPDX-License-Identifier: MIT
// The hold-back gate.
//
// Source text becomes the view: what a reader sees, code point by code point, with the source
// offset of each view byte. Every rule searches the view from its own position with hard
// partial matching (pcre2partial(3)): a match that reaches the end of the view is not decided,
// whatever was found already. Let p be the earliest undecided start and m the earliest finding
// of any rule. Before min(p, m) nothing can be objected to any more, so it is written; if m <=
// p was decided without an undecided start before it, the gate closes at m. Both depend only on
// the text, not on its pieces, because decided matches do not change when text is appended.
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
    enum rule_action action;
    struct buf raw;   // source not yet written
    size_t raw_start; // source offset of raw.data[0]
    size_t seen;      // bytes of raw that are in the view
    struct buf view;
    size_t *source; // [view.cap] source offset of each view byte
    size_t source_cap;
    size_t view_start; // position of view.data[0] in the whole view
    size_t pending;    // position where undecided text starts
    size_t *from;      // [rules] position where each rule searches on
    pcre2_match_data *match;
    pcre2_match_context *limits;
    struct safety_finding finding;
    bool closed;
    int failed; // negative once the gate failed
};

void safety_gate_free(safety_gate *g)
{
    if (!g)
        return;
    buf_free(&g->raw);
    buf_free(&g->view);
    free(g->source);
    free(g->from);
    pcre2_match_data_free(g->match);
    pcre2_match_context_free(g->limits);
    free(g);
}

static int gate_new(const safety *s, const struct safety_gate_options *o,
                    enum rule_action action, safety_gate **out, struct err *e)
{
    safety_gate *g = calloc(1, sizeof *g);
    if (!g)
        return err_nomem(e);
    g->s = s;
    g->o = *o;
    g->action = action;
    buf_init(&g->raw);
    buf_init(&g->view);
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
    return gate_new(s, o, RULE_WITHHOLD, out, e);
}

const struct safety_finding *safety_gate_finding(const safety_gate *g)
{
    return g->closed && !g->failed ? &g->finding : NULL;
}

// Append one code point's view with its source offset.
static int see(safety_gate *g, uint32_t cp, size_t offset)
{
    size_t before = g->view.len;
    int rc = utf8_add_visible(&g->view, cp);
    if (rc || g->view.len > VIEW_MAX)
        return rc ? rc : -E2BIG;
    if (g->view.len > g->source_cap) {
        size_t cap = g->view.len * 2 + 256;
        size_t *grown = realloc(g->source, cap * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        g->source = grown;
        g->source_cap = cap;
    }
    for (size_t i = before; i < g->view.len; i++)
        g->source[i] = offset;
    return 0;
}

// Move source bytes into the view; a sequence cut short waits for the rest unless `all`.
static int see_more(safety_gate *g, bool all)
{
    while (g->seen < g->raw.len) {
        const char *p = g->raw.data + g->seen;
        size_t left = g->raw.len - g->seen, step = utf8_valid_step(p, left);
        if (!step && left < 4 && !all)
            return 0;
        uint32_t cp = utf8_decode(p, left, &step);
        int rc = see(g, cp, g->raw_start + g->seen);
        if (rc)
            return rc;
        g->seen += step;
    }
    return 0;
}

static size_t source_at(const safety_gate *g, size_t position)
{
    size_t i = position - g->view_start;
    return i < g->view.len ? g->source[i] : g->raw_start + g->seen;
}

// Source offset just behind the code point that the view byte before `position` came from.
static size_t source_end(const safety_gate *g, size_t position)
{
    size_t at = g->source[position - g->view_start - 1], step;
    utf8_decode(g->raw.data + (at - g->raw_start), g->raw.len - (at - g->raw_start), &step);
    return at + step;
}

// Write the source before `offset` and forget it.
static int release(safety_gate *g, size_t offset)
{
    size_t n = offset - g->raw_start;
    if (!n)
        return 0;
    int rc = g->o.write ? g->o.write(g->o.ctx, g->raw.data, n) : 0;
    memmove(g->raw.data, g->raw.data + n, g->raw.len - n);
    buf_truncate(&g->raw, g->raw.len - n);
    g->raw_start += n;
    g->seen -= n;
    return rc;
}

// Drop view text that no rule can look back to.
static void trim(safety_gate *g)
{
    size_t done = g->pending - g->view_start;
    if (done <= 4 * CONTEXT)
        return;
    size_t cut = done - CONTEXT;
    while (cut < g->view.len && ((unsigned char)g->view.data[cut] & 0xC0) == 0x80)
        cut++;
    memmove(g->view.data, g->view.data + cut, g->view.len - cut);
    memmove(g->source, g->source + cut, (g->view.len - cut) * sizeof *g->source);
    buf_truncate(&g->view, g->view.len - cut);
    g->view_start += cut;
}

// Search one rule: *undecided and *found get positions, or NONE.
static void search(safety_gate *g, size_t r, bool all, size_t *undecided, size_t *found,
                   size_t *found_end)
{
    const struct rule *rule = &g->s->rules[r];
    *undecided = *found = NONE;
    size_t at = g->from[r] > g->pending ? g->from[r] : g->pending;
    for (;;) {
        size_t start = at - g->view_start;
        if (start > g->view.len)
            return;
        int rc =
            pcre2_match(rule->code, (PCRE2_SPTR)g->view.data, g->view.len, start,
                        PCRE2_NOTEMPTY | PCRE2_NO_UTF_CHECK | (all ? 0 : PCRE2_PARTIAL_HARD),
                        g->match, g->limits);
        const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(g->match);
        if (rc == PCRE2_ERROR_NOMATCH)
            return;
        if (rc == PCRE2_ERROR_PARTIAL) {
            *undecided = g->view_start + ov[0];
            return;
        }
        if (rc < 0) { // the match limit: what cannot be checked is not let through
            *found = at;
            *found_end = g->view_start + g->view.len;
            return;
        }
        if (check_counts(rule->check, g->view.data + ov[0], ov[1] - ov[0], g->o.sources,
                         g->o.n_sources)) {
            *found = g->view_start + ov[0];
            *found_end = g->view_start + ov[1];
            return;
        }
        at = g->from[r] = g->view_start + ov[1];
    }
}

// Decide as much as can be decided.
static int decide(safety_gate *g, bool all)
{
    size_t undecided = NONE, found = NONE;
    for (size_t r = 0; r < g->s->n; r++) {
        const struct rule *rule = &g->s->rules[r];
        size_t u, f, end = 0;
        if (!rule->enabled || rule->action != g->action || !(rule->stages & g->o.stage))
            continue;
        search(g, r, all, &u, &f, &end);
        if (u < undecided)
            undecided = u;
        if (f < found) {
            found = f;
            g->finding = (struct safety_finding){rule->category, rule->name, source_at(g, f),
                                                 source_end(g, end)};
        }
    }
    size_t end = g->view_start + g->view.len, upto = undecided < found ? undecided : found;
    if (upto > end)
        upto = end;
    int rc = release(g, source_at(g, upto));
    g->pending = upto;
    // An undecided start at the same place may become an earlier rule's finding.
    if (found != NONE && found < undecided)
        g->closed = true;
    trim(g);
    return rc;
}

static int push(safety_gate *g, const char *text, size_t n, bool all, struct err *e)
{
    if (g->closed)
        return g->failed ? g->failed : 1;
    int rc = buf_add(&g->raw, text, n);
    if (!rc)
        rc = see_more(g, all);
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

static int scan_action(const safety *s, const struct safety_gate_options *o,
                       enum rule_action action, const char *text, size_t n,
                       struct safety_finding *out, struct err *e)
{
    safety_gate *g;
    int rc = gate_new(s, o, action, &g, e);
    if (rc)
        return rc;
    rc = push(g, text, n, true, e);
    if (rc == 1 && out)
        *out = g->finding;
    safety_gate_free(g);
    return rc;
}

int safety_scan(const safety *s, enum safety_stage stage, const char *text, size_t n,
                const char *const *sources, size_t n_sources, struct safety_finding *withheld,
                struct safety_finding *flagged, struct err *e)
{
    const struct safety_gate_options o = {
        .stage = stage, .sources = sources, .n_sources = n_sources};
    int w = scan_action(s, &o, RULE_WITHHOLD, text, n, withheld, e);
    if (w < 0)
        return w;
    int f = scan_action(s, &o, RULE_FLAG, text, n, flagged, e);
    return f < 0 ? f : (w ? SAFETY_WITHHELD : 0) | (f ? SAFETY_FLAGGED : 0);
}
