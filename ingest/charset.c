// SPDX-License-Identifier: MIT
// What kind of file it is, and its text as UTF-8.
#include "ingest/extract.h"

#include "base/utf8.h"

#include <uchardet/uchardet.h>

#include <ctype.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PROBE (64u << 10) // bytes looked at to tell text from binary
#define DETECT (1u << 20) // bytes given to the charset detector
#define BAD_SHARE 200     // one undecodable byte in so many is let pass

static const struct {
    const char *ext;
    enum format format;
} extensions[] = {
    {"md", FORMAT_MARKDOWN},  {"markdown", FORMAT_MARKDOWN}, {"mdown", FORMAT_MARKDOWN},
    {"mkd", FORMAT_MARKDOWN}, {"mdx", FORMAT_MARKDOWN},      {"html", FORMAT_HTML},
    {"htm", FORMAT_HTML},     {"xhtml", FORMAT_HTML},        {"pdf", FORMAT_PDF},
    {"txt", FORMAT_TEXT},     {"text", FORMAT_TEXT},         {"rst", FORMAT_TEXT},
};

static bool starts(const char *s, size_t n, const char *with)
{
    size_t k = strlen(with);
    return n >= k && !strncasecmp(s, with, k);
}

enum format extract_format(const char *path, const char *s, size_t n)
{
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    if (n >= 5 && !memcmp(s, "%PDF-", 5))
        return FORMAT_PDF;
    if (dot && (!slash || dot > slash))
        for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
            if (!strcasecmp(dot + 1, extensions[i].ext))
                return extensions[i].format;
    while (n && (isspace((unsigned char)*s) || (unsigned char)*s >= 0x80)) {
        s++; // white space and a byte order mark
        n--;
    }
    if (starts(s, n, "<!doctype html") || starts(s, n, "<html"))
        return FORMAT_HTML;
    return FORMAT_TEXT;
}

// "charset=NAME" within the first KiB of a page.
static bool declared(const struct buf *b, char *out, size_t cap)
{
    size_t n = b->len < 2048 ? b->len : 2048;
    for (size_t i = 0; i + 8 < n; i++) {
        const char *p = b->data + i;
        if (strncasecmp(p, "charset=", 8) && strncasecmp(p, "encoding=", 9))
            continue;
        for (p += *p == 'c' || *p == 'C' ? 8 : 9; *p == '"' || *p == '\'' || *p == ' '; p++)
            ;
        size_t k = 0;
        while (k + 1 < cap &&
               (isalnum((unsigned char)p[k]) || (p[k] && strchr("-_:.", p[k])))) {
            out[k] = p[k];
            k++;
        }
        out[k] = 0;
        return k > 0;
    }
    return false;
}

static bool detected(const struct buf *b, char *out, size_t cap)
{
    uchardet_t u = uchardet_new();
    if (!u)
        return false;
    size_t n = b->len < DETECT ? b->len : DETECT;
    bool ok = !uchardet_handle_data(u, b->data, n);
    uchardet_data_end(u);
    const char *name = ok ? uchardet_get_charset(u) : "";
    size_t k = strlen(name);
    ok = k && k < cap;
    if (ok)
        memcpy(out, name, k + 1);
    uchardet_delete(u);
    return ok;
}

// Convert b from `charset`. -EILSEQ if it is unknown or too much does not decode.
static int convert(struct buf *b, size_t skip, const char *charset)
{
    iconv_t cd = iconv_open("UTF-8", charset);
    if (cd == (iconv_t)-1)
        return -EILSEQ;
    struct buf out = BUF_INIT;
    char *in = b->data + skip;
    size_t left = b->len - skip, bad = 0;
    int rc = 0;
    while (left && !rc) {
        if (buf_reserve(&out, left * 2 + 64)) {
            rc = -ENOMEM;
            break;
        }
        char *to = out.data + out.len;
        size_t room = out.cap - out.len - 1, had = room;
        size_t got = iconv(cd, &in, &left, &to, &room);
        int why = got == (size_t)-1 ? errno : 0;
        out.len += had - room;
        out.data[out.len] = 0;
        if (why == EILSEQ || why == EINVAL) { // a bad byte, or the end cut short
            in++;
            left--;
            bad++;
            rc = buf_adds(&out, "\xEF\xBF\xBD");
        }
    }
    iconv_close(cd);
    if (!rc && bad > (b->len - skip) / BAD_SHARE + 1)
        rc = -EILSEQ;
    if (rc) {
        buf_free(&out);
        return rc;
    }
    buf_free(b);
    *b = out;
    return 0;
}

// Binary: NUL bytes or many control characters where text has none.
static bool binary(const struct buf *b)
{
    size_t n = b->len < PROBE ? b->len : PROBE, control = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)b->data[i];
        if (!c)
            return true;
        control += c < 0x20 && !strchr("\t\n\r\f\x1b\b", c);
    }
    return control * 50 > n;
}

// UTF-16 without a mark: every other byte of the first ones is 0.
static const char *wide(const struct buf *b)
{
    size_t n = b->len < 512 ? b->len & ~(size_t)1 : 512, even = 0, odd = 0;
    for (size_t i = 0; i < n; i += 2) {
        even += b->data[i] == 0;
        odd += b->data[i + 1] == 0;
    }
    if (n < 16)
        return NULL;
    if (odd * 10 > n * 4 && even * 50 < n)
        return "UTF-16LE";
    return even * 10 > n * 4 && odd * 50 < n ? "UTF-16BE" : NULL;
}

static int drop_front(struct buf *b, size_t n)
{
    memmove(b->data, b->data + n, b->len - n);
    buf_truncate(b, b->len - n);
    return 0;
}

int extract_charset(struct buf *b, enum format f, const char **charset, struct err *e)
{
    char name[64];
    *charset = "UTF-8";
    const char *u16 = NULL;
    if (b->len >= 3 && !memcmp(b->data, "\xEF\xBB\xBF", 3))
        drop_front(b, 3);
    else if (b->len >= 2 && !memcmp(b->data, "\xFF\xFE", 2))
        u16 = "UTF-16LE";
    else if (b->len >= 2 && !memcmp(b->data, "\xFE\xFF", 2))
        u16 = "UTF-16BE";
    size_t skip = u16 ? 2 : 0;
    if (!u16)
        u16 = wide(b);
    if (u16) {
        *charset = u16;
        int rc = convert(b, skip, u16);
        if (rc)
            return rc == -ENOMEM ? err_nomem(e) : err_set(e, rc, "broken UTF-16 text");
        return 0;
    }
    if (binary(b))
        return err_set(e, -EILSEQ, "binary, not text");
    if (utf8_valid(b->data, b->len))
        return 0;
    int rc = -EILSEQ;
    *charset = "declared";
    if (f == FORMAT_HTML && declared(b, name, sizeof name))
        rc = convert(b, 0, name);
    if (rc == -EILSEQ) // UTF-8 with a few broken bytes is still UTF-8
        *charset = "UTF-8", rc = convert(b, 0, "UTF-8");
    if (rc == -EILSEQ && detected(b, name, sizeof name)) {
        *charset = "detected";
        rc = convert(b, 0, name);
    }
    if (rc == -ENOMEM)
        return err_nomem(e);
    return rc ? err_set(e, rc, "text in no known charset; convert it to UTF-8") : 0;
}
