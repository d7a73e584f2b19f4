// SPDX-License-Identifier: MIT
// What a reader sees of a text, for rules to match: compatibility forms folded, marks and
// invisible characters dropped (base/utf8.h), letters and digits of other scripts that look
// like Latin ones folded to these, and letters written as %41 or &#65; decoded, once.
//
// Decoded are letters, digits and what links are made of, nothing else: a decoded space or
// bracket would let a link end for the rules where it goes on for a browser.
#include "safety/internal.h"

#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

// Look-alikes (Unicode Technical Standard 39, the single letters of Cyrillic, Greek, Armenian
// and Latin that a reader takes for ASCII), by code point.
static const struct {
    uint16_t from;
    char to;
} looks[] = {
    {0x0131, 'i'}, {0x0251, 'a'}, {0x0261, 'g'}, {0x0269, 'i'}, {0x0391, 'A'}, {0x0392, 'B'},
    {0x0395, 'E'}, {0x0396, 'Z'}, {0x0397, 'H'}, {0x0399, 'I'}, {0x039A, 'K'}, {0x039C, 'M'},
    {0x039D, 'N'}, {0x039F, 'O'}, {0x03A1, 'P'}, {0x03A4, 'T'}, {0x03A5, 'Y'}, {0x03A7, 'X'},
    {0x03B1, 'a'}, {0x03B9, 'i'}, {0x03BD, 'v'}, {0x03BF, 'o'}, {0x03C1, 'p'}, {0x03C5, 'u'},
    {0x03F2, 'c'}, {0x03F3, 'j'}, {0x0405, 'S'}, {0x0406, 'I'}, {0x0408, 'J'}, {0x0410, 'A'},
    {0x0412, 'B'}, {0x0415, 'E'}, {0x041A, 'K'}, {0x041C, 'M'}, {0x041D, 'H'}, {0x041E, 'O'},
    {0x0420, 'P'}, {0x0421, 'C'}, {0x0422, 'T'}, {0x0423, 'Y'}, {0x0425, 'X'}, {0x0430, 'a'},
    {0x0435, 'e'}, {0x043E, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0443, 'y'}, {0x0445, 'x'},
    {0x0455, 's'}, {0x0456, 'i'}, {0x0458, 'j'}, {0x04AE, 'Y'}, {0x04BB, 'h'}, {0x04C0, 'I'},
    {0x04CF, 'l'}, {0x0501, 'd'}, {0x050C, 'G'}, {0x051B, 'q'}, {0x051C, 'W'}, {0x051D, 'w'},
    {0x054D, 'U'}, {0x0555, 'O'}, {0x0570, 'h'}, {0x0578, 'n'}, {0x057D, 'u'}, {0x0585, 'o'},
};
#define N_LOOKS (sizeof looks / sizeof *looks)

// Zeros of scripts with digits of their own.
static const uint16_t zeros[] = {0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66,
                                 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
                                 0x0E50, 0x0ED0, 0x0F20, 0x1040};

static uint32_t look(uint32_t cp)
{
    size_t lo = 0, hi = N_LOOKS;
    if (cp < 0x80 || cp > 0x1049)
        return cp;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (looks[mid].from < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < N_LOOKS && looks[lo].from == cp)
        return (uint32_t)looks[lo].to;
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++)
        if (cp >= zeros[i] && cp < zeros[i] + 10u)
            return '0' + (cp - zeros[i]);
    return cp;
}

// ---- %41 and &#65; ----

enum escape { ESCAPE_NONE, ESCAPE_WHOLE, ESCAPE_CUT }; // CUT: what follows decides

static int hex(char ch)
{
    return isdigit((unsigned char)ch)    ? ch - '0'
           : isxdigit((unsigned char)ch) ? tolower((unsigned char)ch) - 'a' + 10
                                         : -1;
}

static bool is_decoded(uint32_t cp)
{
    return cp < 0x80 ? isalnum((int)cp) || (cp && strchr(":/.@-_", (int)cp)) : cp <= 0x10FFFF;
}

static enum escape percent(const char *p, size_t n, uint32_t *cp, size_t *used)
{
    char bytes[4];
    size_t want = 1;
    for (size_t i = 0; i < want; i++) {
        for (size_t k = 3 * i; k < 3 * i + 3; k++) {
            if (k >= n)
                return ESCAPE_CUT;
            if (k % 3 ? hex(p[k]) < 0 : p[k] != '%')
                return ESCAPE_NONE;
        }
        unsigned b = (unsigned)(hex(p[3 * i + 1]) * 16 + hex(p[3 * i + 2]));
        bytes[i] = (char)b;
        if (!i)
            want = b < 0x80 ? 1 : b >= 0xF0 ? 4 : b >= 0xE0 ? 3 : b >= 0xC0 ? 2 : 0;
        if (!want)
            return ESCAPE_NONE;
    }
    size_t step = utf8_valid_step(bytes, want);
    if (step != want)
        return ESCAPE_NONE;
    *cp = utf8_decode(bytes, want, &step);
    *used = 3 * want;
    return is_decoded(*cp) ? ESCAPE_WHOLE : ESCAPE_NONE;
}

static enum escape named(const char *p, size_t n, uint32_t *cp, size_t *used)
{
    static const char *const names[] = {"&colon;", "&sol;", "&period;", "&commat;", "&lowbar;"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i]);
        if (n < len ? !memcmp(p, names[i], n) : !memcmp(p, names[i], len)) {
            *cp = (uint32_t) ":/.@_"[i];
            *used = len;
            return n < len ? ESCAPE_CUT : ESCAPE_WHOLE;
        }
    }
    return ESCAPE_NONE;
}

static enum escape entity(const char *p, size_t n, uint32_t *cp, size_t *used)
{
    if (n < 2)
        return ESCAPE_CUT;
    if (p[1] != '#')
        return named(p, n, cp, used);
    if (n < 3)
        return ESCAPE_CUT;
    bool x = p[2] == 'x' || p[2] == 'X';
    uint32_t v = 0;
    size_t i = x ? 3 : 2, first = i;
    for (; i < n && i < first + 7 && (x ? hex(p[i]) >= 0 : isdigit((unsigned char)p[i])); i++)
        v = v * (x ? 16 : 10) + (uint32_t)hex(p[i]);
    if (i == n && i < first + 7)
        return ESCAPE_CUT;
    if (i == n || i == first || p[i] != ';')
        return i == n ? ESCAPE_CUT : ESCAPE_NONE;
    *cp = v;
    *used = i + 1;
    return is_decoded(v) && !(v >= 0xD800 && v < 0xE000) ? ESCAPE_WHOLE : ESCAPE_NONE;
}

// ---- the view ----

void view_free(struct view *v)
{
    buf_free(&v->text);
    free(v->source);
    *v = (struct view){.text = BUF_INIT};
}

static int see(struct view *v, uint32_t cp, struct span source)
{
    size_t before = v->text.len;
    int rc = utf8_add_visible(&v->text, look(cp));
    if (rc)
        return rc;
    if (v->text.len > v->cap) {
        size_t cap = v->text.len * 2 + 256;
        struct span *grown = reallocarray(v->source, cap, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        v->source = grown;
        v->cap = cap;
    }
    for (size_t i = before; i < v->text.len; i++)
        v->source[i] = source;
    return 0;
}

int view_add(struct view *v, const char *p, size_t n, size_t offset, bool all, size_t *used)
{
    int rc = 0;
    *used = 0;
    while (*used < n && !rc) {
        const char *at = p + *used;
        size_t left = n - *used, step = utf8_valid_step(at, left);
        uint32_t cp;
        enum escape e = ESCAPE_NONE;
        if (!step && left < 4 && !all)
            return 0; // a sequence cut short waits for its rest
        if (*at == '%')
            e = percent(at, left, &cp, &step);
        else if (*at == '&')
            e = entity(at, left, &cp, &step);
        if (e == ESCAPE_CUT && !all)
            return 0;
        if (e != ESCAPE_WHOLE)
            cp = utf8_decode(at, left, &step);
        rc = see(v, cp, (struct span){offset + *used, offset + *used + step});
        *used += step;
    }
    return rc;
}

void view_drop(struct view *v, size_t n)
{
    size_t left = v->text.len - n;
    memmove(v->text.data, v->text.data + n, left);
    memmove(v->source, v->source + n, left * sizeof *v->source);
    buf_truncate(&v->text, left);
}
