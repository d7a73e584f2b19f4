// SPDX-License-Identifier: MIT
#include "eval/make.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/utf8.h"
#include "eval/client.h"
#include "eval/draft.h"
#include "eval/json.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)512 << 20)
#define GAP_MAX 100000 // ids without a document, one behind the other, that end the walk
#define DRAFTS_MAX 200000
#define UNANSWERABLE_SHARE 6 // one of so many
#define SAME 0.6             // of their words or pairs of characters: the same question

static const char *const kinds[DRAFT_KINDS] = {"faq",    "definition", "abbreviation",
                                               "option", "how-to",     "unanswerable"};

struct reading {
    arena *a;
    struct passage *p;
    size_t n, room;
    const char **paths; // [n_documents], in the order of their ids
    size_t n_documents;
};

static int add_passage(struct reading *r, const struct passage *one)
{
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 256;
        struct passage *p = realloc(r->p, room * sizeof *p);
        if (!p)
            return -ENOMEM;
        r->p = p;
        r->room = room;
    }
    r->p[r->n++] = *one;
    return 0;
}

static int add_document(struct reading *r, const cJSON *d, struct err *e)
{
    const cJSON *x;
    char *path = arena_strdup(r->a, json_string(d, "path"));
    char *title = arena_strdup(r->a, json_string(d, "title"));
    int rc = path && title ? 0 : -ENOMEM;
    cJSON_ArrayForEach(x, json_item(d, "passages"))
    {
        const cJSON *section = json_item(x, "section");
        const cJSON *last = cJSON_GetArrayItem(section, cJSON_GetArraySize(section) - 1);
        struct passage one = {.path = path, .title = title, .document = r->n_documents};
        one.heading = cJSON_IsString(last) ? arena_strdup(r->a, last->valuestring) : one.title;
        one.text = arena_strdup(r->a, json_string(x, "text"));
        if (!rc)
            rc = one.heading && one.text ? add_passage(r, &one) : -ENOMEM;
    }
    r->paths[r->n_documents++] = path;
    return rc ? err_nomem(e) : 0;
}

// Documents are not listed, but their ids are small whole numbers that are never used twice:
// ask for one after the other until as many have come as there are.
static int read_documents(const struct make_options *o, struct reading *r, struct err *e)
{
    cJSON *list = NULL, *d = NULL;
    const cJSON *c;
    double all = 0, wanted = 0;
    int rc = client_get(o->socket, "/v1/collections", &list, e);
    cJSON_ArrayForEach(c, json_item(list, "collections"))
    {
        all += json_number(c, "documents");
        if (!o->collection || json_is(c, "name", o->collection))
            wanted += json_number(c, "documents");
    }
    cJSON_Delete(list);
    if (!rc && wanted < 1)
        rc = o->collection
                 ? err_set(e, -ENOENT, "no documents in a collection '%.60s'", o->collection)
                 : err_set(e, -ENOENT, "askd has no documents yet (askd-ingest)");
    if (!rc && !(r->paths = arena_alloc(r->a, ((size_t)all + 1) * sizeof *r->paths)))
        rc = err_nomem(e);
    for (unsigned long id = 1, gap = 0; !rc && (double)r->n_documents < wanted && gap < GAP_MAX;
         id++) {
        char path[64];
        snprintf(path, sizeof path, "/v1/documents/%lu", id);
        rc = client_get(o->socket, path, &d, e);
        gap = rc == -ENOENT ? gap + 1 : 0;
        if (rc == -ENOENT)
            rc = 0;
        else if (!rc && (!o->collection || json_is(d, "collection", o->collection)))
            rc = add_document(r, d, e);
        cJSON_Delete(d);
        d = NULL;
    }
    *e = rc ? *e : (struct err){0};
    return rc;
}

static int find_drafts(const struct reading *r, size_t max, struct drafts *found,
                       struct drafts *none, struct err *e)
{
    draft_rules *rules;
    int rc = draft_rules_new(&rules, e);
    for (size_t i = 0, k; i < r->n && !rc && found->n < DRAFTS_MAX; i += k) {
        k = 1;
        while (i + k < r->n && r->p[i + k].document == r->p[i].document &&
               !strcmp(r->p[i + k].heading, r->p[i].heading))
            k++;
        rc = draft_from_section(rules, &r->p[i], k, found, e);
        for (size_t j = i; j < i + k && !rc; j++)
            rc = draft_from_passage(rules, &r->p[j], found, e);
    }
    if (!rc)
        rc = draft_unanswerable(rules, r->p, r->n, found, max, none, e);
    draft_rules_free(rules);
    return rc;
}

// ---- which to keep ----

static uint64_t digest(const char *s)
{
    uint64_t h = 1469598103934665603u; // FNV-1a
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h;
}

// Digests of a question's words, or pairs of characters in Chinese: at most `max`.
static size_t features(const char *s, uint64_t *out, size_t max)
{
    struct buf folded = BUF_INIT;
    size_t n = 0;
    if (utf8_add_folded(&folded, s, strlen(s)))
        return 0;
    uint32_t before = 0;
    char word[64];
    size_t w = 0;
    for (size_t i = 0, step; i <= folded.len && n < max; i += step) {
        uint32_t c = i < folded.len ? utf8_decode(folded.data + i, folded.len - i, &step) : 0;
        step = i < folded.len ? step : 1;
        bool cjk = utf8_is_cjk(c), part = !cjk && (utf8_is_letter(c) || utf8_is_number(c));
        if (part && w + step < sizeof word) {
            memcpy(word + w, folded.data + i, step);
            w += step;
        } else if (!part && w) {
            word[w] = 0;
            out[n++] = digest(word);
            w = 0;
        }
        if (cjk && before && n < max)
            out[n++] = ((uint64_t)before << 32) | c;
        before = cjk ? c : 0;
    }
    buf_free(&folded);
    return n;
}

#define FEATURES_MAX 64

struct choice {
    const struct draft *d;
    uint64_t features[FEATURES_MAX];
    size_t n;
};

static bool alike(const struct choice *a, const struct choice *b)
{
    size_t same = 0;
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++)
            if (a->features[i] == b->features[k]) {
                same++;
                break;
            }
    size_t either = a->n + b->n - same;
    return either && (double)same / (double)either > SAME;
}

struct chosen {
    struct choice *list;
    size_t n, want;
    size_t of_kind[DRAFT_KINDS], of_lang[2];
};

static bool take(struct chosen *c, const struct draft *d)
{
    struct choice *one = &c->list[c->n];
    one->d = d;
    one->n = features(d->question, one->features, FEATURES_MAX);
    if (!one->n)
        return false;
    for (size_t i = 0; i < c->n; i++) {
        const struct draft *was = c->list[i].d;
        if ((d->quote && was->quote && !strcmp(d->quote, was->quote)) ||
            (d->subject && was->subject && d->kind == was->kind &&
             !strcmp(d->subject, was->subject) && !strcmp(d->lang, was->lang)) ||
            // Questions of a set pattern differ by their name alone.
            (!d->subject && alike(&c->list[i], one)) || !strcmp(d->question, was->question))
            return false;
    }
    c->n++;
    c->of_kind[d->kind]++;
    c->of_lang[*d->lang == 'z']++;
    return true;
}

struct turn {
    uint64_t order;
    size_t first, n; // its drafts
};

static int by_order(const void *a, const void *b)
{
    uint64_t x = ((const struct turn *)a)->order, y = ((const struct turn *)b)->order;
    return (x > y) - (x < y);
}

// Of a document's drafts that are left, one of the kind that has been taken least, and the
// language; among equals the first.
static const struct draft *next_of(const struct drafts *found, const struct turn *t,
                                   const bool *used, const struct chosen *c, size_t *index)
{
    const struct draft *best = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = t->first; i < t->first + t->n; i++) {
        const struct draft *d = &found->list[i];
        size_t cost = 2 * c->of_kind[d->kind] + c->of_lang[*d->lang == 'z'];
        if (!used[i] && cost < least) {
            least = cost;
            best = d;
            *index = i;
        }
    }
    return best;
}

// Document after document, in an order that their paths' digests give, one draft each, until
// there are enough or none is left.
static int choose(const struct drafts *found, const struct reading *r, struct chosen *c)
{
    struct turn *turns = calloc(r->n_documents + 1, sizeof *turns);
    bool *used = calloc(found->n + 1, sizeof *used);
    size_t n = 0, left = found->n;
    for (size_t i = 0; turns && i < found->n; i++) {
        if (!n || found->list[i].document != found->list[i - 1].document)
            turns[n++] =
                (struct turn){.order = digest(r->paths[found->list[i].document]), .first = i};
        turns[n - 1].n++;
    }
    if (turns)
        qsort(turns, n, sizeof *turns, by_order);
    while (turns && used && left && c->n < c->want) {
        for (size_t i = 0; i < n && c->n < c->want; i++) {
            const struct draft *d;
            size_t at = 0;
            while ((d = next_of(found, &turns[i], used, c, &at))) {
                used[at] = true;
                left--;
                if (take(c, d))
                    break;
            }
        }
    }
    int rc = turns && used ? 0 : -ENOMEM;
    free(turns);
    free(used);
    return rc;
}

// ---- the file ----

static cJSON *as_json(const struct draft *d, const struct reading *r, size_t number)
{
    char id[32];
    snprintf(id, sizeof id, "draft-%04zu", number);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "id", id);
    cJSON_AddStringToObject(o, "lang", d->lang);
    cJSON_AddStringToObject(o, "kind", kinds[d->kind]);
    cJSON_AddStringToObject(o, "question", d->question);
    cJSON_AddBoolToObject(o, "answerable", d->quote != NULL);
    cJSON *answers = cJSON_AddArrayToObject(o, "answers");
    cJSON *evidence = cJSON_AddArrayToObject(o, "evidence");
    if (d->quote) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddItemToArray(answers, cJSON_CreateString(d->answer));
        cJSON_AddStringToObject(one, "file", r->paths[d->document]);
        cJSON_AddStringToObject(one, "quote", d->quote);
        cJSON_AddItemToArray(evidence, one);
    }
    cJSON_AddBoolToObject(o, "checked", false);
    if (d->note)
        cJSON_AddStringToObject(o, "note", d->note);
    return o;
}

// What has an answer first, what has none behind it.
static int write_set(const struct chosen *c, const struct reading *r, const char *path,
                     struct err *e)
{
    struct buf b = BUF_INIT;
    size_t number = 0;
    int rc = 0;
    for (size_t i = 0; i < 2 * c->n && !rc; i++) {
        const struct draft *d = c->list[i % c->n].d;
        if ((d->quote == NULL) != (i >= c->n))
            continue;
        cJSON *o = as_json(d, r, ++number);
        char *line = cJSON_PrintUnformatted(o);
        rc = line && !buf_adds(&b, line) && !buf_addc(&b, '\n') ? 0 : err_nomem(e);
        cJSON_free(line);
        cJSON_Delete(o);
    }
    if (!rc)
        rc = file_write_atomic(path, b.data, b.len, e);
    buf_free(&b);
    return rc;
}

int make_set(const struct make_options *o, const char *path, struct make_counts *out,
             struct err *e)
{
    struct reading r = {.a = arena_new(TEXT_MAX)};
    struct drafts found = {.a = r.a}, none = {.a = r.a};
    struct chosen c = {0};
    *out = (struct make_counts){0};
    int rc = r.a ? 0 : err_nomem(e);
    if (!rc && !access(path, F_OK))
        rc = err_set(e, -EEXIST, "%s is there already: name another file", path);
    if (!rc)
        rc = read_documents(o, &r, e);
    if (!rc)
        rc = find_drafts(&r, 8 * (o->count / UNANSWERABLE_SHARE), &found, &none, e);
    if (!rc && !(c.list = calloc(o->count + 1, sizeof *c.list)))
        rc = err_nomem(e);
    c.want = o->count / UNANSWERABLE_SHARE;
    if (!rc && choose(&none, &r, &c))
        rc = err_nomem(e);
    out->unanswerable = c.n;
    c.want = o->count;
    if (!rc && choose(&found, &r, &c))
        rc = err_nomem(e);
    out->documents = r.n_documents;
    out->passages = r.n;
    out->found = found.n + none.n;
    out->written = c.n;
    if (!rc && !c.n)
        rc = err_set(e, -ENOENT,
                     "nothing in %zu documents makes a question: no definitions, options, "
                     "questions or tasks as headings",
                     r.n_documents);
    if (!rc)
        rc = write_set(&c, &r, path, e);
    free(c.list);
    free(r.p);
    arena_free(r.a);
    return rc;
}
