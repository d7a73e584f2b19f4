// SPDX-License-Identifier: MIT
#include "ingest/ignore.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define IGNORE_FILE_MAX (1u << 20)

struct ignore_rule {
    const char *pattern; // without '!', leading and trailing '/'
    bool negated, folders_only, anchored;
};

// One "[...]" at p against c: its end in *next, or NULL if it is not one (then '[' is literal).
static bool in_class(const char *p, char c, const char **next)
{
    bool negated = p[1] == '!' || p[1] == '^', hit = false;
    const char *q = p + 1 + negated;
    const char *first = q;
    for (; *q && (*q != ']' || q == first); q++) {
        char lo = *q == '\\' && q[1] ? *++q : *q, hi = lo;
        if (q[1] == '-' && q[2] && q[2] != ']') {
            q += 2;
            hi = *q == '\\' && q[1] ? *++q : *q;
        }
        hit |= (unsigned char)c >= (unsigned char)lo && (unsigned char)c <= (unsigned char)hi;
    }
    *next = *q ? q + 1 : NULL;
    return hit != negated && c != '/';
}

// One pattern element at *p against c; moves *p behind it.
static bool one(const char **p, char c)
{
    const char *next;
    if (**p == '?') {
        (*p)++;
        return c != '/';
    }
    if (**p == '[') {
        bool hit = in_class(*p, c, &next);
        if (next) {
            *p = next;
            return hit;
        }
    }
    if (**p == '\\' && (*p)[1])
        (*p)++;
    return *(*p)++ == c;
}

bool ignore_glob(const char *p, const char *s)
{
    // Where to resume after the last "*" and the last "**": going back further never helps.
    const char *star_p = NULL, *star_s = NULL, *deep_p = NULL, *deep_s = NULL;
    for (;;) {
        if (p[0] == '*' && p[1] == '*' && (p[2] == '/' || !p[2])) {
            deep_p = p += p[2] ? 3 : 2;
            deep_s = s;
            star_p = NULL;
            if (!*p)
                return *s != 0;
            continue;
        }
        if (*p == '*') {
            while (*p == '*')
                p++;
            star_p = p;
            star_s = s;
            continue;
        }
        if (!*s && !*p)
            return true;
        if (*s && *p && one(&p, *s)) {
            s++;
            continue;
        }
        if (star_p && *star_s && *star_s != '/') {
            p = star_p;
            s = ++star_s;
        } else if (deep_p && (deep_s = strchr(deep_s, '/'))) {
            p = deep_p;
            s = ++deep_s; // "**" resumes behind a slash
            star_p = NULL;
        } else {
            return false;
        }
    }
}

int ignore_add(struct ignore_rules *r, arena *a, const char *line, size_t n)
{
    struct ignore_rule rule = {0};
    while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        n--;
    while (n && line[n - 1] == ' ' && !(n > 1 && line[n - 2] == '\\'))
        n--;
    if (!n || *line == '#')
        return 0;
    if (*line == '!') {
        rule.negated = true;
        line++;
        n--;
    }
    if (n && line[n - 1] == '/') {
        rule.folders_only = true;
        n--;
    }
    if (n && *line == '/') {
        rule.anchored = true;
        line++;
        n--;
    }
    if (!n || memchr(line, 0, n))
        return 0;
    rule.anchored |= memchr(line, '/', n) != NULL;
    rule.pattern = arena_strndup(a, line, n);
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 16;
        struct ignore_rule *list = arena_alloc(a, cap * sizeof *list);
        if (!list)
            return -ENOMEM;
        if (r->n)
            memcpy(list, r->rules, r->n * sizeof *list);
        r->rules = list;
        r->cap = cap;
    }
    r->rules[r->n++] = rule;
    return rule.pattern ? 0 : -ENOMEM;
}

int ignore_add_file(struct ignore_rules *r, arena *a, const char *path, struct err *e)
{
    struct buf b = BUF_INIT;
    struct err inner = {0};
    int rc = file_read(path, IGNORE_FILE_MAX, &b, &inner);
    if (rc == -ENOENT || rc == -EINVAL) {
        rc = 0; // none, or a folder of that name
    } else if (rc) {
        rc = err_set(e, rc, "%s", inner.msg);
    }
    for (const char *p = b.data, *end = b.data + b.len; p < end && !rc;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = nl ? (size_t)(nl - p) + 1 : (size_t)(end - p);
        if (ignore_add(r, a, p, n))
            rc = err_nomem(e);
        p += n;
    }
    buf_free(&b);
    return rc;
}

int ignore_match(const struct ignore_rules *r, const char *path, bool folder)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    for (; r; r = r->above)
        for (size_t i = r->n; i-- > 0;) {
            const struct ignore_rule *rule = &r->rules[i];
            if (rule->folders_only && !folder)
                continue;
            if (ignore_glob(rule->pattern, rule->anchored ? path + r->base : name))
                return !rule->negated;
        }
    return -1;
}
