// SPDX-License-Identifier: MIT
// Versions of one document: nearly the same text (locality-sensitive hashing of the sketches:
// documents with an equal band of bins are compared), names that differ in what tells versions
// apart, the same title. Documents of a bucket are compared with its first and their
// predecessor, never all with all.
#include "base/claim.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "ingest/doctor.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define BANDS 16
#define BAND (SKETCH_BINS / BANDS)
#define ALIKE_BY_NAME 0.3  // share of the text that makes versions of documents of one name
#define ALIKE_BY_TITLE 0.4 // ... of one title
#define ALIKE_TWINS 0.75   // nearly the same text, whatever the names
#define RUNS_TO_TELL 8     // shorter texts are judged by their names
#define FAMILY 12          // larger groups are made from a template
#define FOLDERS_LEAST 3    // so many pairs of the same folders are told of together
#define SPOTS_MOST 200     // documents of one finding

// ---- what a name says about versions ----

static bool chinese_marker(const char *s, size_t n, size_t *len)
{
    static const char *const list[] = {"旧版", "副本", "备份",   "草稿", "最终版", "最新版",
                                       "新版", "历史", "修订版", "存档", "旧"};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if ((*len = strlen(list[i])) <= n && !memcmp(s, list[i], *len))
            return true;
    return false;
}

static bool is_stale_marker(const char *w, size_t n)
{
    static const char stale[] = " old older copy draft backup bak orig original previous prev "
                                "archive archived archives obsolete deprecated superseded ";
    char key[24];
    if (n > 20)
        return false;
    key[0] = ' ';
    memcpy(key + 1, w, n);
    memcpy(key + n + 1, " ", 2);
    return strstr(stale, key) != NULL;
}

// A number in a name: is it part of a version or a date? `before` is what stands before it.
static bool is_version_number(const char *s, size_t i, size_t n, bool after_date, bool after_v)
{
    size_t len = 0;
    while (i + len < n && isdigit((unsigned char)s[i + len]))
        len++;
    bool year = (len == 4 || len == 8) && (!memcmp(s + i, "19", 2) || !memcmp(s + i, "20", 2));
    bool dotted =
        (i + len + 1 < n && s[i + len] == '.' && isdigit((unsigned char)s[i + len + 1])) ||
        (i > 1 && s[i - 1] == '.' && isdigit((unsigned char)s[i - 2]));
    bool bracketed = i && s[i - 1] == '(' && i + len < n && s[i + len] == ')';
    return after_v || after_date || year || dotted || bracketed;
}

// One component of a path; *kept: it has more than what tells versions apart.
static uint64_t component(const char *s, size_t n, struct version_name *v, bool *kept)
{
    uint64_t h = 5;
    bool after_date = false, after_v = false;
    *kept = false;
    for (size_t i = 0, step; i < n;) {
        char w[64];
        size_t len = 0, marker;
        if (isdigit((unsigned char)s[i])) {
            bool version = is_version_number(s, i, n, after_date, after_v);
            uint64_t x = 0;
            size_t from = i;
            while (i < n && isdigit((unsigned char)s[i]))
                x = x * 10 % 1000000007 + (uint64_t)(s[i++] - '0');
            if (version)
                v->number = v->number * 4001 + x + 1;
            else
                h = hash64_of(s + from, i - from, h);
            *kept |= !version;
            after_date = version;
            after_v = false;
            continue;
        }
        if (chinese_marker(s + i, n - i, &marker)) {
            v->marked |=
                strncmp(s + i, "最", 3) && strncmp(s + i, "新", 3) && strncmp(s + i, "修", 3);
            i += marker;
            continue;
        }
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (cp < 0x80 ? !isalpha((int)cp) : !utf8_is_letter(cp)) {
            after_date &= cp == '-' || cp == '_' || cp == '.';
            i += step;
            continue;
        }
        while (i < n && len < sizeof w && isalpha((unsigned char)s[i]))
            w[len++] = (char)tolower((unsigned char)s[i++]);
        if (!len) {
            h = hash64_of(s + i, step, h);
            *kept = true;
            i += step;
            continue;
        }
        bool number_next =
            i < n && (isdigit((unsigned char)s[i]) ||
                      (strchr("-_. ", s[i]) && i + 1 < n && isdigit((unsigned char)s[i + 1])));
        after_v = number_next && (len == 1 ? *w == 'v' : claim_is_marker(w, len));
        if (claim_is_marker(w, len) || (len == 1 && *w == 'v' && number_next)) {
            v->marked |= is_stale_marker(w, len);
            continue;
        }
        h = hash64_of(w, len, h);
        *kept = true;
        after_date = false;
    }
    return h;
}

void version_name_of(const char *path, struct version_name *out)
{
    *out = (struct version_name){.key = 11};
    while (*path) {
        size_t n = strcspn(path, "/"), stem = n;
        bool last = !path[n], kept;
        const char *dot = last ? memrchr(path, '.', n) : NULL;
        if (dot && dot > path && n - (size_t)(dot - path) <= 6 &&
            isalpha((unsigned char)dot[1]) && !is_stale_marker(dot + 1, strlen(dot + 1)))
            stem = (size_t)(dot - path);
        struct version_name before = *out;
        uint64_t h = component(path, stem, out, &kept);
        if (last && !kept) { // nothing but a date is a name of its own
            *out = before;
            h = hash64_of(path, stem, 5);
        }
        if (kept || last)
            out->key = hash64_of(&h, sizeof h, out->key);
        path += n + !last;
    }
}

// ---- which documents belong together ----

struct entry {
    uint64_t key;
    uint32_t document;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->document < y->document ? -1 : x->document > y->document;
}

struct grouping {
    struct doctor *d;
    struct version_name *names;
    uint64_t *titles;           // 0: the title is but the file's name
    uint32_t *versions, *twins; // union-find
    struct entry *entries;
};

static uint32_t root(uint32_t *parent, uint32_t i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

static void unite(uint32_t *parent, uint32_t a, uint32_t b)
{
    a = root(parent, a);
    b = root(parent, b);
    if (a != b)
        parent[a < b ? b : a] = a < b ? a : b;
}

static void compare(struct grouping *g, uint32_t a, uint32_t b)
{
    const struct doctor_document *x = &g->d->documents[a], *y = &g->d->documents[b];
    if (root(g->versions, a) == root(g->versions, b))
        return;
    double alike = sketch_alike(&x->sketch, &y->sketch);
    bool shortish = x->sketch.runs < RUNS_TO_TELL || y->sketch.runs < RUNS_TO_TELL;
    bool name = g->names[a].key == g->names[b].key;
    bool title = g->titles[a] && g->titles[a] == g->titles[b];
    if ((name && (shortish || alike >= ALIKE_BY_NAME)) ||
        (title && !shortish && alike >= ALIKE_BY_TITLE))
        unite(g->versions, a, b);
    else if (!shortish && alike >= ALIKE_TWINS)
        unite(g->twins, a, b);
}

static void compare_equal_keys(struct grouping *g, size_t n)
{
    qsort(g->entries, n, sizeof *g->entries, by_key);
    for (size_t i = 1, first = 0; i < n; i++) {
        if (g->entries[i].key != g->entries[first].key) {
            first = i;
            continue;
        }
        compare(g, g->entries[first].document, g->entries[i].document);
        if (i > first + 1)
            compare(g, g->entries[i - 1].document, g->entries[i].document);
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void find_groups(struct grouping *g)
{
    const struct doctor *d = g->d;
    size_t n = 0;
    for (uint32_t i = 0; i < d->n; i++)
        g->entries[n++] = (struct entry){g->names[i].key, i};
    compare_equal_keys(g, n);
    n = 0;
    for (uint32_t i = 0; i < d->n; i++)
        if (g->titles[i])
            g->entries[n++] = (struct entry){g->titles[i], i};
    compare_equal_keys(g, n);
    for (size_t band = 0; band < BANDS; band++) {
        n = 0;
        for (uint32_t i = 0; i < d->n; i++)
            if (d->documents[i].sketch.runs >= RUNS_TO_TELL)
                g->entries[n++] =
                    (struct entry){hash64_of(d->documents[i].sketch.bin + band * BAND,
                                             BAND * sizeof *d->documents[i].sketch.bin, band),
                                   i};
        compare_equal_keys(g, n);
    }
}

// ---- what is said about a group ----

struct group {
    uint32_t *members; // newest first
    size_t n;
    uint64_t folders; // the same for groups from the same folders; 0: from one folder
};

// Later versions first: without "old" in the name, by the number in it, by the file's date.
static int later(const struct grouping *g, uint32_t a, uint32_t b)
{
    const struct version_name *x = &g->names[a], *y = &g->names[b];
    const struct doctor_document *p = &g->d->documents[a], *q = &g->d->documents[b];
    if (x->marked != y->marked)
        return x->marked ? 1 : -1;
    if (x->number && y->number && x->number != y->number)
        return x->number > y->number ? -1 : 1;
    if (p->modified != q->modified)
        return p->modified > q->modified ? -1 : 1;
    return a < b ? -1 : a > b;
}

static void sort_members(const struct grouping *g, struct group *m)
{
    for (size_t i = 1; i < m->n; i++)
        for (size_t k = i; k && later(g, m->members[k], m->members[k - 1]) < 0; k--) {
            uint32_t x = m->members[k];
            m->members[k] = m->members[k - 1];
            m->members[k - 1] = x;
        }
}

static uint64_t folders_of(const struct doctor *d, const struct group *m)
{
    uint64_t h = 1;
    for (size_t i = 0; i < m->n; i++) {
        const char *p = d->documents[m->members[i]].path;
        size_t n = (size_t)(base_name(p) - p);
        for (size_t k = 0; k < i; k++) {
            const char *q = d->documents[m->members[k]].path;
            if ((size_t)(base_name(q) - q) == n && !memcmp(p, q, n))
                return 0;
        }
        h = hash64_of(p, n, h);
    }
    return h;
}

static bool told_apart(const struct grouping *g, const struct group *m)
{
    const struct version_name *x = &g->names[m->members[0]], *y = &g->names[m->members[1]];
    return x->marked != y->marked || (x->number && y->number && x->number != y->number) ||
           g->d->documents[m->members[0]].modified != g->d->documents[m->members[1]].modified;
}

static int add_member(struct grouping *g, struct finding *f, const struct group *m, size_t i)
{
    const struct doctor_document *x = &g->d->documents[m->members[i]];
    const char *role = !told_apart(g, m) ? "version" : i ? "older" : "newest", *remark = NULL;
    if (i)
        remark = arena_printf(
            g->d->a, "%.0f%% of the text is the same",
            100 * sketch_alike(&x->sketch, &g->d->documents[m->members[0]].sketch));
    if (i && x->modified > g->d->documents[m->members[0]].modified)
        remark = "its file was changed later, but its name says that it is older";
    const struct spot s = {role, x->path, x->modified, 0, 0, 0, remark};
    return doctor_spot(g->d, f, &s);
}

static int tell_versions(struct grouping *g, const struct group *m)
{
    struct doctor *d = g->d;
    struct finding *f = doctor_finding(
        d, AIL_VERSIONS, arena_printf(d->a, "%zu versions of one document", m->n),
        told_apart(g, m)
            ? "Keep the newest: askd-ingest rm the others, or add them to another collection."
            : "Nothing says which of them holds: remove the wrong one with askd-ingest rm.");
    if (!f)
        return err_nomem(d->e);
    for (size_t i = 0; i < m->n; i++) {
        int rc = add_member(g, f, m, i);
        if (rc)
            return rc;
        d->documents[m->members[i]].group = m->members[0];
    }
    d->documents[m->members[0]].finding = d->n_findings;
    return 0;
}

// Many groups whose members come from the same folders: one finding tells of the folders.
static int tell_folders(struct grouping *g, const struct group *list, size_t n)
{
    struct doctor *d = g->d;
    struct finding *f = doctor_finding(
        d, AIL_VERSIONS,
        arena_printf(d->a, "%zu documents stand in %zu folders, in different versions", n,
                     list->n),
        "Keep one version of each: askd-ingest rm the older ones; the folder only if it holds "
        "nothing else.");
    int rc = f ? 0 : err_nomem(d->e);
    for (size_t i = 0; i < list->n && !rc; i++) {
        int64_t latest = 0;
        for (size_t k = 0; k < n; k++) {
            int64_t t = d->documents[list[k].members[i]].modified;
            latest = t > latest ? t : latest;
        }
        const char *p = d->documents[list->members[i]].path;
        const char *folder = arena_printf(d->a, "%.*s", (int)(base_name(p) - p), p);
        const struct spot s = {!told_apart(g, list) ? "version"
                               : i                  ? "older"
                                                    : "newest",
                               folder ? folder : "",
                               latest,
                               0,
                               0,
                               0,
                               NULL};
        rc = doctor_spot(d, f, &s);
    }
    for (size_t k = 0; k < n && !rc; k++) {
        for (size_t i = 0; i < list[k].n; i++)
            d->documents[list[k].members[i]].group = list[k].members[0];
        d->documents[list[k].members[0]].finding = d->n_findings;
        const struct doctor_document *x = &d->documents[list[k].members[0]];
        if (k < SPOTS_MOST) {
            const struct spot s = {"document", x->path, x->modified, 0, 0, 0, NULL};
            rc = doctor_spot(d, f, &s);
        }
    }
    if (f && n > SPOTS_MOST)
        f->more = n - SPOTS_MOST;
    return rc;
}

static int tell_twins(struct grouping *g, const struct group *m)
{
    struct doctor *d = g->d;
    struct finding *f = doctor_finding(
        d, AIL_TWINS, arena_printf(d->a, "%zu documents have nearly the same text", m->n),
        "If they are copies, keep one; if they are made from a template, nothing is wrong.");
    int rc = f ? 0 : err_nomem(d->e);
    for (size_t i = 0; i < m->n && i < SPOTS_MOST && !rc; i++) {
        const struct doctor_document *x = &d->documents[m->members[i]];
        const struct spot s = {"document", x->path, x->modified, 0, 0, 0, NULL};
        rc = doctor_spot(d, f, &s);
    }
    if (f && m->n > SPOTS_MOST)
        f->more = m->n - SPOTS_MOST;
    return rc;
}

// The groups of two documents and more, by their first member. *out in the arena.
static int collect(struct grouping *g, uint32_t *parent, struct group **out, size_t *n)
{
    struct doctor *d = g->d;
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    for (uint32_t i = 0; i < d->n; i++)
        g->entries[i] = (struct entry){root(parent, i), i};
    qsort(g->entries, d->n, sizeof *g->entries, by_key);
    for (size_t i = 0, k; i < d->n; i = k) {
        for (k = i + 1; k < d->n && g->entries[k].key == g->entries[i].key; k++)
            ;
        if (k - i < 2)
            continue;
        *out = doctor_grow(d->a, *out, *n, &cap, sizeof **out);
        uint32_t *members = arena_alloc(d->a, (k - i) * sizeof *members);
        if (!*out || !members)
            return err_nomem(d->e);
        for (size_t m = i; m < k; m++)
            members[m - i] = g->entries[m].document;
        (*out)[(*n)++] = (struct group){members, k - i, 0};
    }
    return 0;
}

static int by_folders(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->folders != y->folders)
        return x->folders < y->folders ? -1 : 1;
    return x->members[0] < y->members[0] ? -1 : x->members[0] > y->members[0];
}

static int tell(struct grouping *g)
{
    struct group *list;
    size_t n;
    int rc = collect(g, g->versions, &list, &n);
    for (size_t i = 0; i < n && !rc; i++)
        if (list[i].n <= FAMILY) {
            sort_members(g, &list[i]);
            list[i].folders = folders_of(g->d, &list[i]);
        }
    if (n && !rc)
        qsort(list, n, sizeof *list, by_folders);
    for (size_t i = 0, k; i < n && !rc; i = k) {
        for (k = i + 1; k < n && list[k].folders == list[i].folders; k++)
            ;
        if (list[i].folders && k - i >= FOLDERS_LEAST) {
            rc = tell_folders(g, list + i, k - i);
            continue;
        }
        for (size_t m = i; m < k && !rc; m++)
            rc = list[m].n > FAMILY ? tell_twins(g, &list[m]) : tell_versions(g, &list[m]);
    }
    if (!rc)
        rc = collect(g, g->twins, &list, &n);
    for (size_t i = 0; i < n && !rc; i++)
        rc = tell_twins(g, &list[i]);
    return rc;
}

int doctor_versions(struct doctor *d)
{
    size_t n = d->n + 1;
    struct grouping g = {.d = d,
                         .names = arena_alloc(d->a, n * sizeof *g.names),
                         .titles = arena_alloc(d->a, n * sizeof *g.titles),
                         .versions = arena_alloc(d->a, n * sizeof *g.versions),
                         .twins = arena_alloc(d->a, n * sizeof *g.twins),
                         .entries = arena_alloc(d->a, n * sizeof *g.entries)};
    if (!g.names || !g.titles || !g.versions || !g.twins || !g.entries)
        return err_nomem(d->e);
    for (uint32_t i = 0; i < d->n; i++) {
        const struct doctor_document *x = &d->documents[i];
        version_name_of(x->path, &g.names[i]);
        if (strcmp(x->title, base_name(x->path)) != 0)
            g.titles[i] = claim_context(x->title, NULL);
        g.versions[i] = g.twins[i] = i;
    }
    find_groups(&g);
    return tell(&g);
}
