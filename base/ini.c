// SPDX-License-Identifier: MIT
#include "base/ini.h"

#include "base/buf.h"
#include "base/file.h"

#include <ini.h>
#include <string.h>

#define INI_FILE_MAX ((size_t)1 << 20)

struct reader {
    const char *next;
    int line;
    int long_line; // first line that does not fit inih's buffer, or 0
    ini_fn *fn;
    void *ctx;
    int stopped;
};

// inih pulls lines through this; counting here is what gives the callback its line number.
static char *read_line(char *out, int cap, void *stream)
{
    struct reader *r = stream;
    if (!*r->next || r->stopped)
        return NULL;
    size_t n = strcspn(r->next, "\n");
    r->line++;
    if (n >= (size_t)cap && !r->long_line)
        r->long_line = r->line;
    size_t copy = n < (size_t)cap ? n : (size_t)cap - 1;
    memcpy(out, r->next, copy);
    out[copy] = 0;
    r->next += n + (r->next[n] == '\n');
    return out;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;
    if (!r->stopped && !r->long_line)
        r->stopped = r->fn(r->ctx, section, name, value ? value : "", r->line);
    return 1;
}

int ini_parse_text(const char *name, const char *text, ini_fn *fn, void *ctx, struct err *e)
{
    struct reader r = {.next = text, .fn = fn, .ctx = ctx};
    int bad = ini_parse_stream(read_line, &r, on_value, &r);
    if (r.stopped)
        return r.stopped;
    if (r.long_line)
        return err_set(e, -EINVAL,
                       "%s:%d: line too long (at most 198 bytes; continue it on an "
                       "indented line)",
                       name, r.long_line);
    if (bad > 0)
        return err_set(e, -EINVAL, "%s:%d: expected 'key = value' or '[section]'", name, bad);
    return bad < 0 ? err_nomem(e) : 0;
}

int ini_parse_path(const char *path, ini_fn *fn, void *ctx, struct err *e)
{
    struct buf text = BUF_INIT;
    int rc = file_read(path, INI_FILE_MAX, &text, e);
    if (!rc && memchr(text.data, 0, text.len))
        rc = err_set(e, -EINVAL, "%s: holds a NUL byte: not a text file", path);
    if (!rc)
        rc = ini_parse_text(path, text.data, fn, ctx, e);
    buf_free(&text);
    return rc;
}
