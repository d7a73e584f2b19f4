// SPDX-License-Identifier: MIT
#include "ingest/walk.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

struct rule {
    char *pattern;
    bool negated, folders_only, anchored;
};

struct ignore {
    const struct ignore *above;
    char *folder;
    size_t folder_n;
    struct rule *rules;
    size_t n, cap;
};

int ignore_new(const struct ignore *above, const char *folder, struct ignore **out)
{
    struct ignore *g = calloc(1, sizeof *g);
    if (g)
        g->folder = strdup(folder);
    if (!g || !g->folder) {
        free(g);
        return -ENOMEM;
    }
    g->above = above;
    g->folder_n = strlen(folder);
    *out = g;
    return 0;
}

void ignore_free(struct ignore *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n; i++)
        free(g->rules[i].pattern);
    free(g->rules);
    free(g->folder);
    free(g);
}

static int add_line(struct ignore *g, const char *s, size_t n)
{
    struct rule r = {0};
    while (n && (s[n - 1] == '\r' || (s[n - 1] == ' ' && !(n > 1 && s[n - 2] == '\\'))))
        n--;
    if (!n || *s == '#')
        return 0;
    if (*s == '!') {
        r.negated = true;
        s++;
        n--;
    }
    if (n && s[n - 1] == '/') {
        r.folders_only = true;
        n--;
    }
    // A slash at the start or in the middle ties the pattern to this folder.
    r.anchored = n && memchr(s, '/', n) != NULL;
    if (n && *s == '/') {
        s++;
        n--;
    }
    if (!n)
        return 0;
    if (g->n == g->cap) {
        size_t cap = g->cap ? 2 * g->cap : 16;
        struct rule *more = realloc(g->rules, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        g->rules = more;
        g->cap = cap;
    }
    r.pattern = strndup(s, n);
    if (!r.pattern)
        return -ENOMEM;
    g->rules[g->n++] = r;
    return 0;
}

int ignore_add(struct ignore *g, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        const char *nl = memchr(text + i, '\n', n - i);
        size_t len = nl ? (size_t)(nl - text) - i : n - i;
        int rc = add_line(g, text + i, len);
        if (rc)
            return rc;
        i += len + 1;
    }
    return 0;
}

// One pattern with "**" against a path; fnmatch does what lies between the slashes. `budget`
// bounds what hostile patterns may cost.
static bool matches(const char *pattern, const char *path, int *budget)
{
    if (--*budget < 0)
        return false;
    if (!*pattern)
        return !*path;
    size_t n = strcspn(pattern, "/");
    if (n == 2 && !memcmp(pattern, "**", 2)) {
        if (!pattern[2])
            return *path;
        for (const char *p = path;; p++) {
            if (matches(pattern + 3, p, budget))
                return true;
            p += strcspn(p, "/");
            if (!*p)
                return false;
        }
    }
    char part[256], name[256];
    size_t m = strcspn(path, "/");
    if (n >= sizeof part || m >= sizeof name)
        return false;
    memcpy(part, pattern, n);
    part[n] = 0;
    memcpy(name, path, m);
    name[m] = 0;
    if (fnmatch(part, name, 0))
        return false;
    if (!pattern[n] || !path[m])
        return !pattern[n] && !path[m];
    return matches(pattern + n + 1, path + m + 1, budget);
}

bool ignore_match(const struct ignore *g, const char *path, bool folder)
{
    for (; g; g = g->above) {
        if (strncmp(path, g->folder, g->folder_n) || path[g->folder_n] != '/')
            continue;
        const char *below = path + g->folder_n + 1, *slash = strrchr(below, '/');
        for (size_t i = g->n; i-- > 0;) {
            const struct rule *r = &g->rules[i];
            int budget = 10000;
            if (r->folders_only && !folder)
                continue;
            if (matches(r->pattern, r->anchored ? below : slash ? slash + 1 : below, &budget))
                return !r->negated;
        }
    }
    return false;
}
