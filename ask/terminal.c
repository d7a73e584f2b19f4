// SPDX-License-Identifier: MIT
#include "ask/terminal.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLACEMENT "\xEF\xBF\xBD"

// What a terminal might act on.
static bool acts(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == 0x2028 || cp == 0x2029 ||
           (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069);
}

static int add_text(struct buf *out, const char *s, size_t step)
{
    size_t used;
    uint32_t cp = utf8_decode(s, step, &used);
    if (cp == '\r')
        return 0;
    if (cp != '\n' && cp != '\t' && acts(cp))
        return buf_adds(out, REPLACEMENT);
    return buf_add(out, s, step);
}

static int add_json(struct buf *out, const char *s, size_t step)
{
    size_t used;
    uint32_t cp = utf8_decode(s, step, &used);
    if (cp < 0x20 && cp != '\n' && cp != '\t')
        return 0;
    if (cp >= 0x20 && acts(cp))
        return buf_addf(out, "\\u%04x", (unsigned)cp);
    return buf_add(out, s, step);
}

// Whether s[0..n) could become a valid sequence with more bytes.
static bool may_grow(const char *s, size_t n)
{
    unsigned char c = (unsigned char)*s;
    size_t need = c >= 0xF0 && c < 0xF5 ? 4 : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 1;
    if (c >= 0xF5 || n >= need)
        return false;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80)
            return false;
    return true;
}

typedef int add_fn(struct buf *out, const char *s, size_t step);

static int clean(struct terminal_filter *f, const char *s, size_t n, struct buf *out,
                 add_fn *add)
{
    struct buf joined = BUF_INIT;
    int rc = 0;
    if (f->n) { // rare: a piece ended inside a character
        rc = buf_add(&joined, f->pending, f->n);
        if (!rc)
            rc = buf_add(&joined, s, n);
        s = joined.data;
        n = joined.len;
        f->n = 0;
    }
    for (size_t i = 0, step; i < n && !rc; i += step) {
        step = utf8_valid_step(s + i, n - i);
        if (step) {
            rc = add(out, s + i, step);
        } else if (n - i < 4 && may_grow(s + i, n - i)) {
            f->n = n - i;
            memcpy(f->pending, s + i, f->n);
            break;
        } else {
            step = 1;
            rc = buf_adds(out, REPLACEMENT);
        }
    }
    buf_free(&joined);
    return rc;
}

int terminal_clean(struct terminal_filter *f, const char *s, size_t n, struct buf *out)
{
    return clean(f, s, n, out, add_text);
}

int terminal_clean_json(struct terminal_filter *f, const char *s, size_t n, struct buf *out)
{
    return clean(f, s, n, out, add_json);
}

int terminal_finish(struct terminal_filter *f, struct buf *out)
{
    bool cut = f->n > 0;
    f->n = 0;
    return cut ? buf_adds(out, REPLACEMENT) : 0;
}

int terminal_clean_text(const char *s, bool line, struct buf *out)
{
    struct terminal_filter f = {0};
    size_t from = out->len, to = out->len;
    int rc = terminal_clean(&f, s, strlen(s), out);
    if (!rc)
        rc = terminal_finish(&f, out);
    if (rc || !line)
        return rc;
    bool space = false;
    for (size_t i = from; i < out->len; i++) {
        char ch = out->data[i];
        if (ch == '\n' || ch == '\t' || ch == ' ') {
            space = to > from;
            continue;
        }
        if (space)
            out->data[to++] = ' ';
        space = false;
        out->data[to++] = ch;
    }
    if (out->cap)
        buf_truncate(out, to);
    return 0;
}

struct terminal_style terminal_style_of(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    if (!isatty(fileno(out)) || (no && *no) || !term || !strcmp(term, "dumb"))
        return (struct terminal_style){"", "", "", ""};
    return (struct terminal_style){"\033[1m", "\033[2m", "\033[36m", "\033[0m"};
}
