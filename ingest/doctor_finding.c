// SPDX-License-Identifier: MIT
// The list of findings.
#include "ingest/doctor.h"

#include <string.h>

void *doctor_grow(arena *a, void *old, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return old;
    size_t more = *cap ? *cap * 2 : 8;
    void *p = arena_alloc(a, more * size);
    if (!p)
        return NULL;
    if (n)
        memcpy(p, old, n * size);
    *cap = more;
    return p;
}

struct finding *doctor_finding(struct doctor *d, enum ailment kind, const char *what,
                               const char *advice)
{
    struct finding *list =
        doctor_grow(d->a, d->findings, d->n_findings, &d->cap_findings, sizeof *d->findings);
    if (!list || !what || !advice)
        return NULL;
    d->findings = list;
    list[d->n_findings] = (struct finding){.kind = kind, .what = what, .advice = advice};
    return &list[d->n_findings++];
}

int doctor_spot(struct doctor *d, struct finding *f, const struct spot *s)
{
    struct spot *list = doctor_grow(d->a, f->spots, f->n_spots, &f->cap_spots, sizeof *list);
    if (!list)
        return err_nomem(d->e);
    f->spots = list;
    struct spot *to = &list[f->n_spots];
    *to = *s;
    to->path = arena_strdup(d->a, s->path);
    to->text = s->text ? arena_strdup(d->a, s->text) : NULL;
    if (!to->path || (s->text && !to->text))
        return err_nomem(d->e);
    f->n_spots++;
    return 0;
}
