// SPDX-License-Identifier: MIT
// Navigation, notices and licences that stand on every page.
//
// A sample of the files below the roots is read. A block that stands in at least half of a
// folder's sampled documents, and in four, is repeated there. What is repeated is left out only
// where furniture is: before a page's first heading and at its end in HTML, and anywhere if it
// speaks of licences and copyright: a runbook's "You need VPN access", repeated in every
// runbook, is content. One document keeps it, so that nothing is lost: its owner.
#include "ingest/clean.h"

#include "base/file.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE 400              // files
#define SAMPLE_BYTES (1u << 20) // of one file
#define EDGE_BLOCKS 200         // looked at, at each end of a document
#define LEAST 4                 // documents that repeat it
#define STRAYS 2                // blocks of a page's own that may stand among its navigation
#define LICENCE_BYTES 80

struct sighting {
    uint64_t hash;
    const char *folder; // interned: compared by address
    size_t document;    // of the sample
};

struct survey {
    arena *a;
    const char **folders;
    size_t *documents; // sampled below the folder
    size_t n_folders, cap_folders;
    struct sighting *seen;
    size_t n, cap;
    const char **paths; // of the sample
};

static bool below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && (path[n] == '/' || (n && folder[n - 1] == '/'));
}

// The folder that is path[0..n), as one address for all its documents.
static int intern(struct survey *v, const char *path, size_t n, size_t *out)
{
    for (size_t i = v->n_folders; i > 0; i--)
        if (strlen(v->folders[i - 1]) == n && !memcmp(v->folders[i - 1], path, n)) {
            *out = i - 1;
            return 0;
        }
    if (v->n_folders == v->cap_folders) {
        size_t cap = v->cap_folders ? v->cap_folders * 2 : 64;
        const char **f = arena_alloc(v->a, cap * sizeof *f);
        size_t *d = arena_alloc(v->a, cap * sizeof *d);
        if (!f || !d)
            return -ENOMEM;
        if (v->n_folders) {
            memcpy(f, v->folders, v->n_folders * sizeof *f);
            memcpy(d, v->documents, v->n_folders * sizeof *d);
        }
        v->folders = f;
        v->documents = d;
        v->cap_folders = cap;
    }
    v->folders[v->n_folders] = arena_strndup(v->a, path, n);
    v->documents[v->n_folders] = 0;
    *out = v->n_folders++;
    return v->folders[*out] ? 0 : -ENOMEM;
}

static int add_sighting(struct survey *v, uint64_t hash, const char *folder, size_t document)
{
    if (v->n == v->cap) {
        size_t cap = v->cap ? v->cap * 2 : 4096;
        struct sighting *s = reallocarray(v->seen, cap, sizeof *s);
        if (!s)
            return -ENOMEM;
        v->seen = s;
        v->cap = cap;
    }
    v->seen[v->n++] = (struct sighting){hash, folder, document};
    return 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Count the document's blocks for every folder from the root (its length) down to its own.
static int look_at(struct survey *v, const struct doc *d, const char *path, size_t root,
                   size_t document)
{
    uint64_t hashes[2 * EDGE_BLOCKS] = {0};
    size_t n = 0, distinct = 0;
    for (size_t i = 0; i < d->n_blocks; i++) {
        if (i >= EDGE_BLOCKS && i + EDGE_BLOCKS < d->n_blocks)
            continue;
        uint64_t h = clean_hash(d->text.data + d->blocks[i].off, d->blocks[i].len);
        if (h)
            hashes[n++] = h;
    }
    qsort(hashes, n, sizeof *hashes, by_value);
    for (size_t i = 0; i < n; i++)
        if (!i || hashes[i] != hashes[i - 1])
            hashes[distinct++] = hashes[i];
    for (const char *slash = path + root; (slash = strchr(slash, '/')); slash++) {
        size_t folder;
        int rc = intern(v, path, slash == path ? 1 : (size_t)(slash - path), &folder);
        if (rc)
            return rc;
        v->documents[folder]++;
        for (size_t i = 0; i < distinct; i++)
            if ((rc = add_sighting(v, hashes[i], v->folders[folder], document)))
                return rc;
    }
    return 0;
}

static int read_one(struct survey *v, extractors *x, const struct walk *w,
                    const struct walk_file *f, size_t document)
{
    struct buf bytes = BUF_INIT;
    struct doc d;
    struct err e = {0};
    // Of a file that was named itself, the folder it is in.
    size_t root = (size_t)(strrchr(f->path, '/') - f->path);
    int rc = 0;
    for (size_t i = 0; i < w->n_roots; i++)
        if (below(f->path, w->roots[i]) && strlen(w->roots[i]) < root)
            root = strlen(w->roots[i]);
    if (file_read(f->path, SAMPLE_BYTES, &bytes, &e)) {
        buf_free(&bytes);
        return 0;
    }
    doc_init(&d, "text");
    enum format format = extract_format(f->path, bytes.data, bytes.len);
    if (format != FORMAT_PDF && !extractors_read(x, format, &bytes, &d, &e))
        rc = look_at(v, &d, f->path, root, document);
    doc_free(&d);
    buf_free(&bytes);
    return rc;
}

static int by_sighting(const void *a, const void *b)
{
    const struct sighting *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    int by_folder = strcmp(x->folder, y->folder);
    return by_folder ? by_folder : (x->document > y->document) - (x->document < y->document);
}

static int by_repeat(const void *a, const void *b)
{
    const struct store_repeat *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return strcmp(x->folder, y->folder);
}

static size_t documents_below(const struct survey *v, const char *folder)
{
    for (size_t i = 0; i < v->n_folders; i++)
        if (v->folders[i] == folder)
            return v->documents[i];
    return 0;
}

// Is it known already for this folder or one above it? `list` holds what is about this hash.
static bool covered(const struct store_repeat *list, size_t n, uint64_t hash,
                    const char *folder)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].hash == hash &&
            (!strcmp(list[i].folder, folder) || below(folder, list[i].folder)))
            return true;
    return false;
}

static int collect(struct survey *v, const struct repeats *known, struct store_repeat **out,
                   size_t *n)
{
    size_t cap = 0;
    struct store_repeat *list = NULL;
    *n = 0;
    if (v->n)
        qsort(v->seen, v->n, sizeof *v->seen, by_sighting);
    for (size_t i = 0, end; i < v->n; i = end) {
        const struct sighting *s = &v->seen[i];
        for (end = i;
             end < v->n && v->seen[end].hash == s->hash && v->seen[end].folder == s->folder;)
            end++;
        size_t times = end - i;
        // Folders above come first, so what they cover is known by now.
        size_t same = *n;
        while (same && list[same - 1].hash == s->hash)
            same--;
        if (times < LEAST || times * 2 < documents_below(v, s->folder) ||
            covered(known->list, known->n, s->hash, s->folder) ||
            (*n && covered(list + same, *n - same, s->hash, s->folder)))
            continue;
        if (*n == cap) {
            cap = cap ? cap * 2 : 64;
            struct store_repeat *more = arena_alloc(v->a, cap * sizeof *more);
            if (!more)
                return -ENOMEM;
            if (*n)
                memcpy(more, list, *n * sizeof *more);
            list = more;
        }
        list[(*n)++] = (struct store_repeat){s->folder, s->hash, v->paths[s->document]};
    }
    *out = list;
    return 0;
}

int repeats_survey(extractors *x, const struct walk *w, const struct repeats *known,
                   size_t max_file, arena *a, struct store_repeat **fresh, size_t *n,
                   struct err *e)
{
    struct survey v = {.a = a};
    size_t sampled = w->n < SAMPLE ? w->n : SAMPLE;
    *n = 0;
    *fresh = NULL;
    v.paths = arena_alloc(a, (sampled + 1) * sizeof *v.paths);
    int rc = v.paths ? 0 : -ENOMEM;
    for (size_t i = 0; i < sampled && !rc; i++) {
        const struct walk_file *f = &w->files[i * w->n / sampled];
        v.paths[i] = f->path;
        if (f->size && (size_t)f->size <= max_file && f->size <= SAMPLE_BYTES)
            rc = read_one(&v, x, w, f, i);
    }
    if (!rc)
        rc = collect(&v, known, fresh, n);
    free(v.seen);
    return rc ? err_nomem(e) : 0;
}

int repeats_join(const struct repeats *a, const struct store_repeat *b, size_t n_b, arena *mem,
                 struct repeats *out, struct err *e)
{
    struct store_repeat *list = arena_alloc(mem, (a->n + n_b + 1) * sizeof *list);
    if (!list)
        return err_nomem(e);
    if (a->n)
        memcpy(list, a->list, a->n * sizeof *list);
    if (n_b)
        memcpy(list + a->n, b, n_b * sizeof *list);
    qsort(list, a->n + n_b, sizeof *list, by_repeat);
    *out = (struct repeats){list, a->n + n_b};
    return 0;
}

// ---- marking ----

// Who keeps the block, if it is repeated below a folder that `path` is in; else NULL.
static const char *owner_of(const struct repeats *r, const char *path, uint64_t hash)
{
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->list[mid].hash < hash)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; hash && lo < r->n && r->list[lo].hash == hash; lo++)
        if (below(path, r->list[lo].folder))
            return r->list[lo].owner;
    return NULL;
}

static bool licence_like(const char *s, size_t n)
{
    static const char *const words[] = {
        "copyright", "licence", "license", "all rights reserved", "trademark",
        "©",         "版权",    "许可证",  "保留所有权利",        "著作权"};
    char low[1024];
    if (n < LICENCE_BYTES && !memmem(s, n, "©", 2) && !memmem(s, n, "opyright", 8) &&
        !memmem(s, n, "版权", 6))
        return false;
    n = n < sizeof low ? n : sizeof low - 1;
    for (size_t i = 0; i < n; i++)
        low[i] = (char)tolower((unsigned char)s[i]);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (memmem(low, n, words[i], strlen(words[i])))
            return true;
    return false;
}

// A heading goes when everything under it does.
static void mark_headings(const struct doc *d, const char *const *found, const char **owner)
{
    for (size_t i = d->n_blocks; i-- > 0;) {
        if (d->blocks[i].kind != BLOCK_HEADING || !found[i] || owner[i])
            continue;
        size_t k = i + 1;
        while (k < d->n_blocks && owner[k] &&
               (d->blocks[k].kind != BLOCK_HEADING || d->blocks[k].level > d->blocks[i].level))
            k++;
        bool end = k == d->n_blocks || (d->blocks[k].kind == BLOCK_HEADING &&
                                        d->blocks[k].level <= d->blocks[i].level);
        if (k > i + 1 && end)
            owner[i] = found[i];
    }
}

void repeats_mark(const struct repeats *r, const char *path, const struct doc *d,
                  const char **owner)
{
    bool html = !strcmp(d->type, "html");
    const char **found = r->n ? calloc(d->n_blocks + 1, sizeof *found) : NULL;
    memset(owner, 0, d->n_blocks * sizeof *owner);
    if (!found)
        return; // nothing is known, or no memory: everything stays
    for (size_t i = 0; i < d->n_blocks; i++) {
        const char *s = d->text.data + d->blocks[i].off;
        if (d->blocks[i].kind == BLOCK_CODE)
            continue;
        found[i] = owner_of(r, path, clean_hash(s, d->blocks[i].len));
        if (found[i] && d->blocks[i].kind != BLOCK_HEADING && licence_like(s, d->blocks[i].len))
            owner[i] = found[i];
    }
    for (size_t i = 0, strays = 0; html && i < d->n_blocks; i++) {
        if (!found[i] && (d->blocks[i].kind == BLOCK_HEADING || ++strays > STRAYS))
            break;
        owner[i] = found[i];
    }
    for (size_t i = d->n_blocks; html && i-- > 0;) {
        if (!found[i] || d->blocks[i].kind == BLOCK_HEADING)
            break;
        owner[i] = found[i];
    }
    mark_headings(d, found, owner);
    free(found);
}
