// SPDX-License-Identifier: MIT
#include "ingest/take.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/permissions.h"
#include "ingest/chunk.h"
#include "ingest/extractor.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MEMORY_MAX ((size_t)2 << 30) // of one document's passages

// What never holds text that could be extracted: not even read.
static const char *const binary_extensions[] = {
    "png",    "jpg",  "jpeg", "gif", "webp", "ico", "bmp",  "tif",   "tiff", "svg",   "mp3",
    "mp4",    "ogg",  "webm", "wav", "avi",  "mov", "mkv",  "zip",   "gz",   "xz",    "bz2",
    "zst",    "7z",   "tar",  "tgz", "rar",  "jar", "woff", "woff2", "ttf",  "otf",   "eot",
    "so",     "o",    "a",    "exe", "dll",  "bin", "iso",  "img",   "pyc",  "class", "db",
    "sqlite", "gguf", "deb",  "rpm", "xpm",  "xcf", "psd",
};

static bool has_extension(const char *path, const char *const *list, size_t n)
{
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    if (!dot || (slash && dot < slash))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(dot + 1, list[i]))
            return true;
    return false;
}

static void fail(struct taken *t, int rc)
{
    t->outcome = OUT_FAILED;
    if (!t->err.code)
        err_set(&t->err, rc, "%s", strerror(-rc));
}

static void skip(struct taken *t, enum skip why, const char *detail)
{
    t->outcome = OUT_SKIPPED;
    t->skip = why;
    t->err = (struct err){0};
    err_set(&t->err, -ENODATA, "%s", detail);
}

// The bytes as a doc. The doc is to be freed in any case.
static int extract(extractors *x, const char *path, struct buf *bytes, struct doc *d,
                   struct taken *t)
{
    enum format f = extract_format(path, bytes->data, bytes->len);
    if (f == FORMAT_PDF) {
        buf_clear(bytes);
        int rc = pdf_text(path, bytes, &t->err);
        if (rc)
            return rc;
    }
    return extractors_read(x, f, bytes, d, &t->err);
}

// The document's title: what it says itself, else the file's name.
static const char *title_of(const struct doc *d, const char *path, arena *a)
{
    const char *name = strrchr(path, '/'), *s = d->title.len ? d->title.data : NULL;
    name = name ? name + 1 : path;
    if (!s)
        s = name;
    // Folded and cut as a heading is.
    struct doc tmp;
    doc_init(&tmp, "text");
    doc_open(&tmp, BLOCK_HEADING, 1);
    doc_add(&tmp, s, strlen(s), 1);
    doc_close(&tmp);
    char *out = NULL;
    if (!tmp.rc && tmp.n_blocks)
        out = arena_strndup(a, tmp.text.data + tmp.blocks->off, tmp.blocks->len);
    else if (!tmp.rc)
        out = arena_strdup(a, "untitled");
    doc_free(&tmp);
    return out;
}

static void leave_out(struct taken *t, enum drop kind, const struct doc *d, size_t i,
                      const char *why)
{
    struct left_out *l = &t->left_out[kind];
    const struct block *b = &d->blocks[i];
    l->blocks++;
    l->bytes += b->len;
    if (!l->note) // the first stands for all
        l->note = arena_printf(t->a, "\"%.*s\": %s", b->len < 60 ? (int)b->len : 60,
                               d->text.data + b->off, why);
}

// Blocks that this document is said to keep and does not have.
static int find_lost(struct taken *t, const struct repeats *r, const char *path,
                     const struct doc *d)
{
    uint64_t *hashes = NULL; // of the blocks, once any is asked for
    for (size_t i = 0; i < r->n; i++) {
        bool there = false;
        if (strcmp(r->list[i].owner, path) != 0)
            continue;
        t->owner = true;
        if (!hashes && !(hashes = arena_alloc(t->a, (d->n_blocks + 1) * sizeof *hashes)))
            return err_nomem(&t->err);
        for (size_t k = 0; k < d->n_blocks && !there; k++) {
            if (!hashes[k])
                hashes[k] = clean_hash(d->text.data + d->blocks[k].off, d->blocks[k].len);
            there = hashes[k] == r->list[i].hash;
        }
        if (there)
            continue;
        if (!t->lost && !(t->lost = arena_alloc(t->a, (r->n - i) * sizeof *t->lost)))
            return err_nomem(&t->err);
        t->lost[t->n_lost++] = r->list[i].hash;
    }
    return 0;
}

// Leave out what is not worth keeping. *why: nothing is left, or nothing was worth it.
static int clean(struct taken *t, const struct repeats *r, const char *path, struct doc *d,
                 const char **why)
{
    const char **owner = arena_alloc(t->a, (d->n_blocks + 1) * sizeof *owner);
    bool *keep = arena_alloc(t->a, d->n_blocks + 1), *skip = arena_alloc(t->a, d->n_blocks + 1);
    size_t kept = 0, n = d->n_blocks;
    *why = NULL;
    if (!owner || !keep || !skip)
        return err_nomem(&t->err);
    int rc = find_lost(t, r, path, d);
    repeats_mark(r, path, d, owner);
    for (size_t i = 0; i < d->n_blocks; i++) {
        const char *poor = clean_poor(&d->blocks[i], d->text.data + d->blocks[i].off);
        bool elsewhere = owner[i] && strcmp(owner[i], path) != 0;
        skip[i] = owner[i] || poor;
        keep[i] = !poor && !elsewhere;
        if (poor)
            leave_out(t, DROP_POOR, d, i, *why = poor);
        else if (elsewhere)
            leave_out(t, DROP_REPEATED, d, i, arena_printf(t->a, "kept in %s", owner[i]));
        kept += keep[i] && d->blocks[i].kind != BLOCK_HEADING;
    }
    if (!rc && clean_text_hash(d, skip, t->doc.text_hash))
        rc = err_nomem(&t->err);
    doc_keep(d, keep);
    if (kept || !n)
        *why = clean_repetitive(d);
    return rc;
}

static void make_document(struct taken *t, struct doc *d, const struct walk_file *f,
                          const char *collection, const struct repeats *repeats)
{
    const char *title = title_of(d, f->path, t->a), *why = NULL;
    struct store_passage *passages = NULL;
    size_t n = 0;
    int rc = title ? clean(t, repeats, f->path, d, &why) : err_nomem(&t->err);
    if (!rc && why) {
        skip(t, SKIP_POOR, why);
        return;
    }
    if (!rc)
        rc = chunk_doc(d, title, t->a, &passages, &n, &t->err);
    if (rc) {
        fail(t, rc);
        return;
    }
    if (!n) {
        bool elsewhere = t->left_out[DROP_REPEATED].blocks != 0;
        skip(t, elsewhere ? SKIP_DUPLICATE : SKIP_EMPTY,
             elsewhere ? t->left_out[DROP_REPEATED].note : "no text in it");
        return;
    }
    t->outcome = OUT_NEW;
    t->doc.collection = collection;
    t->doc.path = f->path;
    t->doc.title = title;
    t->doc.type = d->type;
    t->doc.passages = passages;
    t->doc.n_passages = n;
}

// A file whose permissions change while it is read: only who passes the old and the new may
// read what came out, be it the old content or the new.
static int note_permissions(struct taken *t, const struct walk_file *f)
{
    char text[PERMISSIONS_MAX];
    permissions_of(f->path, NULL, text);
    permissions_join(text, f->permissions ? f->permissions : PERMISSIONS_UNKNOWN);
    t->doc.permissions = t->permissions = strdup(text);
    return t->permissions ? 0 : err_nomem(&t->err);
}

void take_file(extractors *x, const struct walk_file *f, const char *known_hash,
               const char *collection, size_t max_file, const struct repeats *repeats,
               struct taken *t)
{
    *t = (struct taken){.doc = {.modified = f->modified, .size = f->size}};
    if (has_extension(f->path, binary_extensions,
                      sizeof binary_extensions / sizeof *binary_extensions)) {
        skip(t, SKIP_BINARY, "not a kind of file that holds text");
        return;
    }
    struct buf bytes = BUF_INIT;
    int rc = file_read(f->path, max_file, &bytes, &t->err);
    if (!rc)
        rc = note_permissions(t, f);
    if (rc) {
        if (rc == -EFBIG) {
            t->err.code = 0;
            err_set(&t->err, rc, "larger than %zu MiB; --max-size raises the limit",
                    max_file >> 20);
        }
        fail(t, rc);
        buf_free(&bytes);
        return;
    }
    struct hash128 h = hash128_of(bytes.data, bytes.len);
    hash128_hex(&h, t->doc.hash);
    t->doc.size = (int64_t)bytes.len;
    if (known_hash && !strcmp(known_hash, t->doc.hash)) {
        t->outcome = OUT_UNCHANGED;
        buf_free(&bytes);
        return;
    }
    struct doc d;
    doc_init(&d, "text");
    t->a = arena_new(MEMORY_MAX);
    rc = t->a ? extract(x, f->path, &bytes, &d, t) : err_nomem(&t->err);
    if (rc == -EILSEQ && !strcmp(t->err.msg, "binary, not text"))
        skip(t, SKIP_BINARY, "binary, not text");
    else if (rc)
        fail(t, rc);
    else
        make_document(t, &d, f, collection, repeats);
    doc_free(&d);
    buf_free(&bytes);
}

void taken_free(struct taken *t)
{
    arena_free(t->a);
    free(t->permissions);
    t->a = NULL;
    t->permissions = NULL;
}
