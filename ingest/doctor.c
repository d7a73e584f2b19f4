// SPDX-License-Identifier: MIT
// `askd-ingest doctor`: reads the whole store twice and says what is wrong with it.
#include "ingest/doctor.h"

#include "ingest/ingest.h"

#include <stdlib.h>
#include <string.h>

struct reading {
    struct doctor *d;
    conflicts *c;
    size_t at; // the document that the second reading is in
};

// The document of a row: the last one, or one more.
static struct doctor_document *document_of(struct doctor *d, const struct store_scan_row *row)
{
    if (d->n && d->documents[d->n - 1].id == row->document)
        return &d->documents[d->n - 1];
    if (d->n)
        sketch_close(&d->documents[d->n - 1].sketch);
    struct doctor_document *list =
        doctor_grow(d->a, d->documents, d->n, &d->cap, sizeof *d->documents);
    if (!list)
        return NULL;
    d->documents = list;
    struct doctor_document *x = &list[d->n];
    *x = (struct doctor_document){.id = row->document,
                                  .collection = arena_strdup(d->a, row->collection),
                                  .path = arena_strdup(d->a, row->path),
                                  .title = arena_strdup(d->a, row->title),
                                  .type = arena_strdup(d->a, row->type),
                                  .modified = row->modified,
                                  .size = row->size,
                                  .group = d->n};
    sketch_open(&x->sketch);
    if (!x->collection || !x->path || !x->title || !x->type)
        return NULL;
    d->n++;
    return x;
}

static int first_reading(void *ctx, const struct store_scan_row *row)
{
    const struct reading *r = ctx;
    if (ingest_signal)
        return -ECANCELED;
    struct doctor_document *x = document_of(r->d, row);
    if (!x)
        return err_nomem(r->d->e);
    if (!row->passage)
        return 0;
    size_t n = strlen(row->text);
    x->passages++;
    x->without_vector += !row->has_vector;
    x->bytes += n;
    if (row->page > (int)x->pages)
        x->pages = (uint32_t)row->page;
    sketch_add(&x->sketch, row->text, n);
    conflicts_look(r->c, row);
    return doctor_length(r->d, row);
}

static int second_reading(void *ctx, const struct store_scan_row *row)
{
    struct reading *r = ctx;
    if (ingest_signal)
        return -ECANCELED;
    while (r->at < r->d->n && r->d->documents[r->at].id != row->document)
        r->at++; // both readings are of one moment
    if (row->passage && r->at < r->d->n)
        conflicts_note(r->c, row, r->at);
    return 0;
}

static int by_importance(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    const char *p = x->n_spots ? x->spots->path : "", *q = y->n_spots ? y->spots->path : "";
    int order = strcmp(p, q);
    return order ? order : strcmp(x->what, y->what);
}

static int examine(struct doctor *d, const struct options *o)
{
    conflicts *c = NULL;
    int rc = conflicts_new(&c, d->e);
    struct reading r = {d, c, 0};
    if (!rc)
        rc = store_hold(d->s, d->e);
    if (!rc)
        rc = store_collections(d->s, "", NULL, d->a, &d->collections, &d->n_collections, d->e);
    if (!rc)
        rc = store_scan(d->s, d->collection, first_reading, &r, d->e);
    if (!rc && d->n)
        sketch_close(&d->documents[d->n - 1].sketch);
    if (!rc)
        rc = store_scan(d->s, d->collection, second_reading, &r, d->e);
    if (!rc)
        rc = doctor_versions(d);
    if (!rc)
        rc = conflicts_report(c, d);
    if (!rc)
        rc = doctor_state(d, o->max_file);
    if (!rc && d->n_findings)
        qsort(d->findings, d->n_findings, sizeof *d->findings, by_importance);
    conflicts_free(c);
    return rc;
}

int ingest_doctor(const struct options *o, struct err *e)
{
    struct doctor d = {
        .collection = o->collection_named ? o->collection : NULL, .a = arena_new(0), .e = e};
    if (o->n_paths) {
        arena_free(d.a);
        err_set(e, -EINVAL, "doctor takes no PATH: it looks at whole collections");
        return 2;
    }
    int rc = d.a ? store_open_reader(o->data, &d.s, e) : err_nomem(e);
    if (!rc)
        rc = examine(&d, o);
    if (!rc && d.collection && !d.n)
        rc = err_set(e, -ENOENT, "there is no collection \"%s\"; askd-ingest status lists them",
                     d.collection);
    if (!rc)
        (o->json ? doctor_print_json : doctor_print)(&d, stdout);
    int status = rc == -ECANCELED && ingest_signal ? 128 + ingest_signal
                 : rc                              ? 2
                 : d.n_findings                    ? 1
                                                   : 0;
    store_close(d.s);
    arena_free(d.a);
    return status;
}
