// SPDX-License-Identifier: MIT
#include "ingest/take.h"

#include "base/file.h"
#include "base/hash.h"
#include "ingest/chunk.h"
#include "ingest/extract.h"

#include <string.h>
#include <strings.h>

#define MEMORY_MAX ((size_t)2 << 30) // of one document's passages

// What never holds text that could be extracted: not even read.
static const char *const binary_extensions[] = {
    "png", "jpg", "jpeg",  "gif",  "webp",   "ico",  "bmp", "tif", "tiff", "svg",
    "mp3", "mp4", "ogg",   "webm", "wav",    "avi",  "mov", "mkv", "zip",  "gz",
    "xz",  "bz2", "zst",   "7z",   "tar",    "tgz",  "rar", "jar", "woff", "woff2",
    "ttf", "otf", "eot",   "so",   "o",      "a",    "exe", "dll", "bin",  "iso",
    "img", "pyc", "class", "db",   "sqlite", "gguf", "deb", "rpm",
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
static int extract(const char *path, struct buf *bytes, struct doc *d, struct taken *t)
{
    enum format f = extract_format(path, bytes->data, bytes->len);
    const char *charset;
    if (f == FORMAT_PDF)
        return extract_pdf(path, d, &t->err);
    int rc = extract_charset(bytes, f, &charset, &t->err);
    if (rc)
        return rc;
    if (f == FORMAT_HTML)
        return extract_html(bytes->data, bytes->len, d, &t->err);
    return f == FORMAT_MARKDOWN ? extract_markdown(bytes->data, bytes->len, d, &t->err)
                                : extract_text(bytes->data, bytes->len, d, &t->err);
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

static void make_document(struct taken *t, const struct doc *d, const struct walk_file *f,
                          const char *collection)
{
    const char *title = title_of(d, f->path, t->a);
    struct store_passage *passages = NULL;
    size_t n = 0;
    int rc = title ? chunk_doc(d, title, t->a, &passages, &n, &t->err) : err_nomem(&t->err);
    if (rc) {
        fail(t, rc);
        return;
    }
    if (!n) {
        skip(t, SKIP_EMPTY, "no text in it");
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

void take_file(const struct walk_file *f, const char *known_hash, const char *collection,
               size_t max_file, struct taken *t)
{
    *t = (struct taken){.doc = {.modified = f->modified, .size = f->size}};
    if (has_extension(f->path, binary_extensions,
                      sizeof binary_extensions / sizeof *binary_extensions)) {
        skip(t, SKIP_BINARY, "not a kind of file that holds text");
        return;
    }
    struct buf bytes = BUF_INIT;
    int rc = file_read(f->path, max_file, &bytes, &t->err);
    if (rc) {
        if (rc == -EFBIG) {
            t->err.code = 0;
            err_set(&t->err, rc, "larger than %zu MiB; --max-size raises the limit",
                    max_file >> 20);
        }
        fail(t, rc);
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
    rc = t->a ? extract(f->path, &bytes, &d, t) : err_nomem(&t->err);
    if (rc == -EILSEQ && !strcmp(t->err.msg, "binary, not text"))
        skip(t, SKIP_BINARY, "binary, not text");
    else if (rc)
        fail(t, rc);
    else
        make_document(t, &d, f, collection);
    doc_free(&d);
    buf_free(&bytes);
}

void taken_free(struct taken *t)
{
    arena_free(t->a);
    t->a = NULL;
}
