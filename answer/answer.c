// SPDX-License-Identifier: MIT
// A question's way: rules -> standalone question -> search -> evidence -> text -> citations.
#include "answer/internal.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_MODEL_PARAMS 1000000000u
#define READ_SURELY 0.73 // six logits to no answer: docs/quality.md
#define DEFAULT_K 8
#define FINDINGS_MAX 32 // taken out of one passage

const char *const answer_stage_names[ANSWER_STAGES] = {"search",  "read",    "extract",
                                                       "session", "prefill", "decode"};

int answerer_new(const struct answer_options *o, answerer **out, struct err *e)
{
    answerer *an = calloc(1, sizeof *an);
    if (!an)
        return err_nomem(e);
    an->o = *o;
    if (an->o.min_confidence <= 0)
        an->o.min_confidence = EVIDENCE_DEFAULT_MIN;
    an->auto_mode = ANSWER_EXTRACT;
    if (o->llm) {
        struct llm_info info;
        llm_describe(o->llm, &info);
        an->small = info.n_params < SMALL_MODEL_PARAMS;
        an->auto_mode = ANSWER_WRITE;
    }
    *out = an;
    return 0;
}

void answerer_free(answerer *a)
{
    free(a);
}

// Take the lines of text[f->start..f->end) out; a private key's up to its last line. In `a`.
static char *without_lines(const char *text, const struct safety_finding *f, arena *a)
{
    size_t start = f->start, n = strlen(text), end = f->end;
    const char *foot;
    while (start && text[start - 1] != '\n')
        start--;
    if (!strcmp(f->rule, "private-key"))
        end = (foot = strstr(text + f->end, "-----END")) ? (size_t)(foot - text) : n;
    while (end < n && text[end] != '\n')
        end++;
    return arena_printf(a, "%.*s" SAFETY_MARK "%s]%s", (int)start, text, f->category,
                        text + end);
}

// Is there anything but marks of what was taken out?
static bool says_anything(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (!strncmp(p, SAFETY_MARK, strlen(SAFETY_MARK)))
            p += strcspn(p, "]");
        else if (!strchr(" \n\t`", *p))
            return true;
        if (!*p)
            break;
    }
    return false;
}

// What rules redact is taken out of the passage's text.
static int redact_passage(answerer *an, const struct safety_text *t, arena *a,
                          struct answer_passage *out, struct err *e)
{
    struct buf b = BUF_INIT;
    struct safety_finding f;
    int rc = safety_redact(an->o.safety, t, out->hit.text, strlen(out->hit.text), &b, &f, e);
    if (rc == 1) {
        out->withheld = f.category;
        out->hit.text = arena_strndup(a, b.data, b.len);
        rc = out->hit.text ? 0 : err_nomem(e);
    }
    buf_free(&b);
    return rc;
}

// Apply the rules for passages: what is redacted and lines with what is withheld are taken out,
// flagged text is marked.
static int guard_passage(answerer *an, const struct retriever_hit *h, arena *a,
                         struct answer_passage *out, struct err *e)
{
    const char *const collections[] = {h->document->collection, NULL};
    struct safety_text t = {.stage = SAFETY_PASSAGE, .collections = collections, .count = true};
    *out = (struct answer_passage){.hit = *h};
    int rc = redact_passage(an, &t, a, out, e);
    for (int i = 0; i < FINDINGS_MAX && rc >= 0; i++, t.again = true) {
        struct safety_finding w, f;
        const char *text = out->hit.text;
        rc = safety_scan(an->o.safety, &t, text, strlen(text), &w, &f, e);
        if (rc < 0)
            return rc;
        if (rc & SAFETY_FLAGGED)
            out->flagged = f.category;
        if (!(rc & SAFETY_WITHHELD)) {
            out->hidden = out->withheld && !says_anything(text);
            return 0;
        }
        out->withheld = w.category;
        out->hit.text = without_lines(text, &w, a);
        if (!out->hit.text)
            return err_nomem(e);
    }
    if (rc < 0)
        return rc;
    // More than anyone would read: nothing of it is shown.
    out->hit.text = arena_printf(a, SAFETY_MARK "%s]", out->withheld);
    out->hidden = true;
    return out->hit.text ? 0 : err_nomem(e);
}

int answer_guard_hits(answerer *an, const struct retriever_hit *hits, size_t n, arena *a,
                      struct answer_passage **out, struct err *e)
{
    *out = arena_alloc(a, (n + 1) * sizeof **out);
    if (!*out)
        return err_nomem(e);
    for (size_t i = 0; i < n; i++) {
        int rc = guard_passage(an, &hits[i], a, &(*out)[i], e);
        if (rc)
            return rc;
    }
    return 0;
}

int answer_search(answerer *an, const struct answer_request *r, arena *a,
                  struct answer_passages *out, const char **withheld, struct err *e)
{
    struct safety_finding f;
    *out = (struct answer_passages){0};
    const struct safety_text t = {.stage = SAFETY_QUESTION,
                                  .collections = r->collections ? r->collections
                                                 : r->rights    ? r->rights->collections
                                                                : NULL,
                                  .count = true};
    int rc = safety_scan(an->o.safety, &t, r->question, strlen(r->question), &f, NULL, e);
    if (rc < 0)
        return rc;
    if (rc & SAFETY_WITHHELD) {
        *withheld = f.category;
        return err_set(e, -EPERM, "the question is not answered by a rule of category '%s'",
                       f.category);
    }
    out->question = followup_standalone(r, a);
    if (!out->question)
        return err_nomem(e);
    const struct retriever_query q = {.question = out->question,
                                      .collections = r->collections,
                                      .rights = r->rights,
                                      .k = r->k ? r->k : DEFAULT_K,
                                      .path_glob = r->path_glob,
                                      .after = r->after,
                                      .type = r->type,
                                      .cancel = r->cancel};
    rc = retriever_search(an->o.retriever, &q, a, &out->search, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < out->search.n; i++) {
        const struct retriever_document *d = out->search.hits[i].document;
        if (!rights_document(r->rights, d->collection, d->permissions))
            return err_set(e, -EACCES, "a passage of '%.80s' was found for who may not read it",
                           d->collection);
    }
    out->n = out->search.n;
    return answer_guard_hits(an, out->search.hits, out->n, a, &out->passages, e);
}

// The honest "no": what was searched, and where the nearest thing stands.
static int say_not_found(struct composer *c, struct err *e)
{
    const struct answer_passages *p = c->p;
    bool zh = utf8_has_cjk(c->r->question);
    unsigned long long total = p->search.passages_total;
    struct buf b = BUF_INIT;
    int rc = buf_addf(&b,
                      zh ? "你的文档里没有答案（已检索 %llu 个段落）。"
                         : "Not in your documents (%llu passages searched).",
                      total);
    if (!rc && p->n && p->passages[0].hit.document->title && !p->passages[0].withheld)
        rc = buf_addf(&b, zh ? "最接近的是《%s》。" : " The nearest is \"%s\".",
                      p->passages[0].hit.document->title);
    rc = rc ? err_nomem(e) : composer_text(c, b.data, b.len, e);
    buf_free(&b);
    return rc;
}

// Does a table's row need the names of its columns above it? Not where they stand there
// already.
static bool names_columns(const struct extract *x, size_t i)
{
    bool told = i && x[i - 1].passage == x[i].passage && x[i - 1].head == x[i].head;
    return x[i].head_end > x[i].head && !(told && x[i - 1].head_end > x[i - 1].head);
}

// The verbatim sentences, each with its citation.
static int quote_extracts(struct composer *c, const struct extract *x, size_t n, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        const char *text = c->p->passages[x[i].passage].hit.text;
        if (c->fed)
            rc = composer_text(c, "\n\n", 2, e);
        if (!rc && names_columns(x, i)) // their line ends with itself
            rc = composer_text(c, text + x[i].head, x[i].head_end + 1 - x[i].head, e);
        if (!rc)
            rc = composer_text(c, text + x[i].start, x[i].end - x[i].start, e);
        if (!rc && x[i].end - x[i].start > 3 && !memcmp(text + x[i].end - 3, "```", 3))
            rc = composer_text(c, "\n", 1, e); // a fence ends with its line
        if (!rc)
            rc = composer_cite(c, x[i].passage, x[i].start, x[i].end, e);
    }
    return rc;
}

static int compose(struct composer *c, const struct word_list *w, struct extract *x, size_t n,
                   struct answer_result *out, struct err *e)
{
    answerer *an = c->an;
    if (out->evidence.confidence < an->o.min_confidence || !n) {
        out->status = ANSWER_NOT_FOUND;
        return say_not_found(c, e);
    }
    enum answer_mode mode = c->r->mode == ANSWER_AUTO ? an->auto_mode : c->r->mode;
    bool write = mode == ANSWER_WRITE && an->o.llm, conflict;
    size_t sentences = 0;
    int rc = conflict_tell(c, x, &n, &conflict, e);
    if (!rc && conflict)
        return quote_extracts(c, x, n, e);
    if (write && !an->small)
        rc = write_answer(c, w, x, n, out, &sentences, e);
    if (!rc && !sentences)
        rc = quote_extracts(c, x, n, e);
    if (!rc && write && an->small)
        rc = write_answer(c, w, x, n, out, &sentences, e);
    return rc;
}

// The reader looks at the passages that sentences are chosen from: at the best one, and where
// the answer does not surely stand there, at the others.
static int read_passages(struct composer *c, struct answer_result *out, struct err *e)
{
    struct retriever_hit *hits[PASSAGES_READ];
    struct answer_passages *p = &out->passages;
    retriever *r = c->an->o.retriever;
    size_t n = 0;
    double started = clock_ms();
    for (size_t i = 0; i < p->n && i < PASSAGES_READ; i++)
        if (!p->passages[i].hidden)
            hits[n++] = &p->passages[i].hit;
    int rc = n ? retriever_read(r, p->question, hits, 1, c->a, c->r->cancel, e) : 0;
    if (!rc && n > 1 && hits[0]->read < READ_SURELY)
        rc = retriever_read(r, p->question, hits + 1, n - 1, c->a, c->r->cancel, e);
    else
        for (size_t i = 1; i < n && !rc; i++)
            retriever_leave_unread(hits[i]);
    out->read_ms = clock_ms() - started;
    return rc;
}

static int answer_passages_found(struct composer *c, struct answer_result *out, struct err *e)
{
    struct word_list w;
    struct extract x[EXTRACTS_MAX];
    size_t n = 0;
    answer_enter(c, ANSWER_AT_READ);
    int rc = read_passages(c, out, e);
    answer_enter(c, ANSWER_AT_EXTRACT);
    if (!rc)
        rc = words_of_question(c->an->o.retriever, c->r->rights, c->p->question, c->a, &w, e);
    if (!rc)
        rc = extract_best(c->an, c->r, c->p, &w, c->a, x, &n, e);
    if (!rc && evidence_measure(c->p, &w, x, n, c->a, &out->evidence))
        rc = err_nomem(e);
    if (rc)
        return rc;
    shape_extracts(c->p, c->a, x, &n);
    rc = composer_open(c, e);
    if (!rc)
        rc = compose(c, &w, x, n, out, e);
    if (!rc)
        rc = composer_finish(c, e);
    if (rc == 1) {
        out->status = ANSWER_WITHHELD;
        out->withheld_category = safety_gate_finding(c->gate)->category;
        out->withheld_stage = "answer";
        c->n_citations = c->announced;
        out->n_written = 0; // may hold what is withheld
        rc = 0;
    }
    out->text = arena_strndup(c->a, c->text.data, c->text.len);
    out->citations = c->citations;
    out->n_citations = c->n_citations;
    composer_close(c);
    return rc ? rc : out->text ? 0 : err_nomem(e);
}

void answer_enter(struct composer *c, enum answer_stage s)
{
    if (c->sink->stage)
        c->sink->stage(c->sink->ctx, s);
}

int answer_run(answerer *an, const struct answer_request *r, const struct answer_sink *sink,
               arena *a, struct answer_result *out, struct err *e)
{
    static const struct answer_sink silent = {0};
    struct composer c = {.an = an,
                         .r = r,
                         .sink = sink ? sink : &silent,
                         .a = a,
                         .p = &out->passages,
                         .started = clock_ms(),
                         .text = BUF_INIT};
    *out = (struct answer_result){.text = ""};
    const char *category = NULL;
    answer_enter(&c, ANSWER_AT_SEARCH);
    int rc = answer_search(an, r, a, &out->passages, &category, e);
    if (rc == -EPERM && category) {
        out->status = ANSWER_WITHHELD;
        out->withheld_category = category;
        out->withheld_stage = "question";
        if (c.sink->withheld)
            c.sink->withheld(c.sink->ctx, category, "question");
        out->total_ms = clock_ms() - c.started;
        return 0;
    }
    if (rc)
        return rc;
    out->passages_ms = clock_ms() - c.started;
    if (c.sink->passages)
        c.sink->passages(c.sink->ctx, &out->passages);
    rc = answer_passages_found(&c, out, e);
    out->first_token_ms = c.first_token;
    out->total_ms = clock_ms() - c.started;
    return rc;
}
