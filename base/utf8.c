// SPDX-License-Identifier: MIT
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

size_t utf8_valid_step(const char *str, size_t n)
{
    const unsigned char *s = (const unsigned char *)str;
    if (n == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    size_t len = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (n < len)
        return 0;
    unsigned lo = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned hi = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < lo || s[1] > hi)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

bool utf8_valid(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t step = utf8_valid_step(s + i, n - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

uint32_t utf8_decode(const char *str, size_t n, size_t *step)
{
    const unsigned char *s = (const unsigned char *)str;
    size_t len = utf8_valid_step(str, n);
    *step = len ? len : 1;
    switch (len) {
    case 1:
        return s[0];
    case 2:
        return (uint32_t)(s[0] & 0x1F) << 6 | (s[1] & 0x3F);
    case 3:
        return (uint32_t)(s[0] & 0x0F) << 12 | (uint32_t)(s[1] & 0x3F) << 6 | (s[2] & 0x3F);
    case 4:
        return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3F) << 12 |
               (uint32_t)(s[2] & 0x3F) << 6 | (s[3] & 0x3F);
    default:
        return 0xFFFD;
    }
}

size_t utf8_encode(uint32_t cp, char out[4])
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        cp = 0xFFFD;
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)cp, (utf8proc_uint8_t *)out);
}

int utf8_add_clean(struct buf *b, const char *s, size_t n)
{
    size_t start = 0, i = 0;
    int rc = 0;
    while (i < n && !rc) {
        size_t step = utf8_valid_step(s + i, n - i);
        if (step) {
            i += step;
            continue;
        }
        rc = buf_add(b, s + start, i - start);
        if (!rc)
            rc = buf_add(b, "\xEF\xBF\xBD", 3);
        start = ++i;
    }
    return rc ? rc : buf_add(b, s + start, i - start);
}

int utf8_add_folded(struct buf *b, const char *s, size_t n)
{
    if (n == 0)
        return 0;
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t len =
        utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &out,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD);
    if (len < 0)
        return len == UTF8PROC_ERROR_NOMEM ? -ENOMEM : -EINVAL;
    int rc = buf_add(b, out, (size_t)len);
    free(out);
    return rc;
}

int utf8_add_visible(struct buf *b, uint32_t cp)
{
    if (cp < 0x80)
        return buf_addc(b, (char)cp);
    utf8proc_int32_t out[32];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(
        (utf8proc_int32_t)cp, out, 32, UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_IGNORE,
        &boundary);
    if (n < 0 || n > 32) {
        out[0] = (utf8proc_int32_t)cp;
        n = 1;
    }
    int rc = 0;
    for (utf8proc_ssize_t i = 0; i < n && !rc; i++) {
        char enc[4];
        if (!utf8_is_mark((uint32_t)out[i]))
            rc = buf_add(b, enc, utf8_encode((uint32_t)out[i], enc));
    }
    return rc;
}

size_t utf8_count(const char *s, size_t n)
{
    size_t count = 0, step;
    for (size_t i = 0; i < n; i += step, count++)
        utf8_decode(s + i, n - i, &step);
    return count;
}

bool utf8_is_cjk(uint32_t c)
{
    return (c >= 0x2E80 && c <= 0x2FDF) || (c >= 0x3005 && c <= 0x3007) ||
           (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3100 && c <= 0x312F) ||
           (c >= 0x31A0 && c <= 0x31BF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF66 && c <= 0xFF9F) ||
           (c >= 0x20000 && c <= 0x3134F);
}

static int category(uint32_t cp)
{
    return cp > 0x10FFFF ? UTF8PROC_CATEGORY_CN : (int)utf8proc_category((utf8proc_int32_t)cp);
}

bool utf8_is_letter(uint32_t cp)
{
    int c = category(cp);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool utf8_is_mark(uint32_t cp)
{
    int c = category(cp);
    return c >= UTF8PROC_CATEGORY_MN && c <= UTF8PROC_CATEGORY_ME;
}

bool utf8_is_number(uint32_t cp)
{
    int c = category(cp);
    return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO;
}

bool utf8_is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F ||
           cp == 0x205F || cp == 0x3000;
}

bool utf8_is_punct(uint32_t cp)
{
    int c = category(cp);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

int utf8_add_bare(struct buf *b, uint32_t cp)
{
    if (utf8_is_space(cp))
        return buf_addc(b, ' ');
    utf8proc_int32_t out[32];
    int boundary = 0, rc = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)cp, out, 32, UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t i = 0; i < n && i < 32 && !rc; i++) {
        int c = category((uint32_t)out[i]);
        char enc[4];
        if (c != UTF8PROC_CATEGORY_MN && c != UTF8PROC_CATEGORY_CC &&
            c != UTF8PROC_CATEGORY_CF && c != UTF8PROC_CATEGORY_CO &&
            c != UTF8PROC_CATEGORY_CS && out[i] != 0xFFFD)
            rc = buf_add(b, enc, utf8_encode((uint32_t)utf8proc_tolower(out[i]), enc));
    }
    return rc;
}

bool utf8_has_cjk(const char *s)
{
    size_t n = strlen(s), step;
    for (size_t i = 0; i < n; i += step)
        if (utf8_is_cjk(utf8_decode(s + i, n - i, &step)))
            return true;
    return false;
}

bool utf8_in_cjk(const char *s)
{
    size_t n = strlen(s), step, cjk = 0, all = 0;
    for (size_t i = 0; i < n; i += step, all++)
        cjk += utf8_is_cjk(utf8_decode(s + i, n - i, &step));
    return 100 * cjk > 15 * all;
}
