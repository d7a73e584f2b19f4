// SPDX-License-Identifier: MIT
// One file: bytes -> UTF-8 -> blocks.
#include "ingest/ingest.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FILE_MAX ((size_t)64 << 20)

enum format { FORMAT_TEXT, FORMAT_MARKDOWN, FORMAT_HTML, FORMAT_BINARY };

static bool ends_with(const char *path, const char *const *endings)
{
    const char *dot = strrchr(path, '.');
    for (; dot && *endings; endings++)
        if (!strcasecmp(dot + 1, *endings))
            return true;
    return false;
}

static enum format find_format(const char *path, const struct buf *b)
{
    static const char *const markdown[] = {"md", "markdown", "mkd", "mdx", NULL};
    static const char *const html[] = {"html", "htm", "xhtml", NULL};
    size_t head = b->len < 1024 ? b->len : 1024;
    if (memchr(b->data, 0, b->len < 8192 ? b->len : 8192))
        return FORMAT_BINARY;
    if (ends_with(path, markdown))
        return FORMAT_MARKDOWN;
    if (ends_with(path, html))
        return FORMAT_HTML;
    for (size_t i = 0; i + 9 < head; i++)
        if (!strncasecmp(b->data + i, "<!doctype", 9) || !strncasecmp(b->data + i, "<html", 5))
            return FORMAT_HTML;
    return FORMAT_TEXT;
}

// The file's name without its ending, where the text names no title.
static int name_title(struct doc *d, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return doc_set_title(d, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

static int parse(const char *path, const struct buf *b, struct doc *d, struct err *e)
{
    const char *s = b->data;
    size_t n = b->len;
    if (n >= 3 && !memcmp(s, "\xEF\xBB\xBF", 3)) {
        s += 3;
        n -= 3;
    }
    switch (find_format(path, b)) {
    case FORMAT_BINARY:
        return err_set(e, -EINVAL, "it is not text");
    case FORMAT_MARKDOWN:
        return read_markdown(s, n, d, e);
    case FORMAT_HTML:
        return read_html(s, n, d, e);
    default:
        return read_text(s, n, d, e);
    }
}

int load_document(const char *path, const char *known, struct doc **out, char hash[33],
                  struct err *e)
{
    struct buf b = BUF_INIT, clean = BUF_INIT;
    struct doc *d = NULL;
    *out = NULL;
    int rc = file_read(path, FILE_MAX, &b, e);
    if (rc) {
        buf_free(&b);
        return rc;
    }
    struct hash128 h = hash128_of(b.data, b.len);
    hash128_hex(&h, hash);
    if (strcmp(hash, known)) {
        rc = doc_new(&d);
        if (rc)
            err_nomem(e);
        if (!rc && !utf8_valid(b.data, b.len)) {
            rc = utf8_add_clean(&clean, b.data, b.len) ? err_nomem(e) : 0;
            if (!rc) {
                buf_free(&b);
                b = clean;
                clean = (struct buf)BUF_INIT;
            }
        }
        if (!rc)
            rc = parse(path, &b, d, e);
        if (!rc && !d->title && name_title(d, path))
            rc = err_nomem(e);
    }
    buf_free(&b);
    buf_free(&clean);
    if (rc) {
        doc_free(d);
        return rc;
    }
    *out = d;
    return 0;
}
