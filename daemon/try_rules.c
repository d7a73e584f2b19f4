// SPDX-License-Identifier: MIT
#include "daemon/try_rules.h"

#include "base/file.h"
#include "safety/safety.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t)64 << 20)
#define RULES_MAX 500

// In the file.
struct place {
    size_t at, line, column; // column: bytes, from 1
};

struct trial {
    const char *file, *text;
    struct place last;
    struct {
        const char *rule; // borrowed from the rules
        size_t n;
    } found[RULES_MAX];
    size_t n;
};

static const char *stages_of(unsigned stages)
{
    static const char *const names[] = {
        "",       "question",        "passage",        "question passage",
        "answer", "question answer", "passage answer", "question passage answer"};
    return names[stages & 7];
}

// The place of a byte, counted on from an earlier one where it can be.
static struct place place_of(const char *text, size_t at, struct place from)
{
    if (from.at > at || !from.line)
        from = (struct place){0, 1, 1};
    for (; from.at < at; from.at++) {
        from.line += text[from.at] == '\n';
        from.column = text[from.at] == '\n' ? 1 : from.column + 1;
    }
    return from;
}

static void on_found(void *ctx, const struct safety_finding *f, const char *action,
                     unsigned stages)
{
    struct trial *t = ctx;
    t->last = place_of(t->text, f->start, t->last);
    struct place end = place_of(t->text, f->end, t->last);
    printf("%s:%zu:%zu-%zu:%zu: %s (%s, %s, %s)\n", t->file, t->last.line, t->last.column,
           end.line, end.column, f->rule, f->category, action, stages_of(stages));
    if (!t->n || strcmp(t->found[t->n - 1].rule, f->rule) != 0)
        t->found[t->n++].rule = f->rule;
    t->found[t->n - 1].n++;
}

int try_rules(const struct config *c, const char *file, struct err *e)
{
    const struct safety_options o = {.extra = *c->safety_rules ? c->safety_rules : NULL,
                                     .report = !strcmp(c->safety, "report")};
    const struct safety_text all = {0};
    struct buf text = BUF_INIT;
    struct trial *t = calloc(1, sizeof *t);
    safety *s = NULL;
    int rc = t ? safety_open(&o, &s, e) : err_nomem(e);
    if (!rc)
        rc = file_read(file, FILE_MAX_BYTES, &text, e);
    if (!rc) {
        t->file = file;
        t->text = text.data;
        rc = safety_list(s, &all, text.data, text.len, on_found, t, e);
    }
    for (size_t i = 0; !rc && i < t->n; i++)
        printf("%s: %zu\n", t->found[i].rule, t->found[i].n);
    safety_close(s);
    buf_free(&text);
    free(t);
    return rc;
}
