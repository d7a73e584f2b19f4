// SPDX-License-Identifier: MIT
#include "base/sentence.h"

#include "base/layout.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Does a list item, a heading or a fence start at s (just behind a newline)?
static bool starts_item(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && (s[i] == ' ' || s[i] == '\t'))
        i++;
    if (i >= n || s[i] == '\n')
        return true;
    if (n - i >= 3 && !memcmp(s + i, "```", 3))
        return true;
    return layout_item(s, n) || (strchr("#|>", s[i]) && i + 1 < n && strchr(" #|", s[i + 1]));
}

// Is the full stop at text[dot] part of an abbreviation, an initial or a list number?
static bool is_abbreviation(const char *text, size_t start, size_t dot)
{
    static const char *const known[] = {"e.g", "i.e", "etc", "vs",     "cf",
                                        "dr",  "mr",  "mrs", "ms",     "st",
                                        "no",  "fig", "al",  "approx", "resp"};
    size_t w = dot;
    while (w > start && (isalnum((unsigned char)text[w - 1]) || text[w - 1] == '.'))
        w--;
    size_t n = dot - w;
    if (n == 1 && isalpha((unsigned char)text[w]))
        return true;
    if (n && n <= 3 && w == start) {
        size_t d = 0;
        while (d < n && isdigit((unsigned char)text[w + d]))
            d++;
        if (d == n)
            return true;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i]) != n)
            continue;
        size_t k = 0;
        while (k < n && tolower((unsigned char)text[w + k]) == known[i][k])
            k++;
        if (k == n)
            return true;
    }
    return false;
}

// Bytes of a full-width sentence mark (。！？；) at s, or 0.
static size_t wide_mark(const char *s, size_t n)
{
    static const char *const marks[] = {"\xE3\x80\x82", "\xEF\xBC\x81", "\xEF\xBC\x9F",
                                        "\xEF\xBC\x9B"};
    for (size_t i = 0; n >= 3 && i < 4; i++)
        if (!memcmp(s, marks[i], 3))
            return 3;
    return 0;
}

// Closing quotes and brackets belong to the sentence that they close.
static size_t skip_closers(const char *s, size_t n, size_t i)
{
    static const char *const wide[] = {"\xE2\x80\x9D", "\xE2\x80\x99", "\xE3\x80\x8D",
                                       "\xE3\x80\x8F", "\xEF\xBC\x89"};
    for (;;) {
        if (i < n && strchr("\"')]", s[i]) && s[i]) {
            i++;
            continue;
        }
        bool found = false;
        for (size_t k = 0; k < 5 && !found; k++)
            found = n - i >= 3 && !memcmp(s + i, wide[k], 3);
        if (!found)
            return i;
        i += 3;
    }
}

static size_t fence_end(const char *s, size_t n, size_t i)
{
    for (i += 3; i + 4 <= n; i++)
        if (s[i] == '\n' && !memcmp(s + i + 1, "```", 3))
            return i + 4;
    return n;
}

// Where the sentence that starts at `start` ends.
static size_t find_end(const char *s, size_t n, size_t start)
{
    if (n - start >= 3 && !memcmp(s + start, "```", 3))
        return fence_end(s, n, start);
    if ((!start || s[start - 1] == '\n') && layout_is_row(s, n, start)) {
        const char *end = memchr(s + start, '\n', n - start);
        return end ? (size_t)(end - s) : n;
    }
    for (size_t i = start; i < n; i++) {
        if (s[i] == '\n' && (starts_item(s + i + 1, n - i - 1) || layout_is_row(s, n, i + 1)))
            return i;
        size_t wide = wide_mark(s + i, n - i);
        if (wide)
            return skip_closers(s, n, i + wide);
        if (s[i] != '.' && s[i] != '!' && s[i] != '?')
            continue;
        size_t end = skip_closers(s, n, i + 1);
        if (end < n && !is_blank(s[end]))
            continue;
        if (s[i] == '.' && is_abbreviation(s, start, i))
            continue;
        return end;
    }
    return n;
}

int sentence_next(const char *text, size_t n, size_t *pos, struct sentence *out)
{
    size_t start = *pos;
    while (start < n && is_blank(text[start]))
        start++;
    if (start >= n) {
        *pos = n;
        return 0;
    }
    size_t end = find_end(text, n, start);
    *pos = end;
    while (end > start && is_blank(text[end - 1]))
        end--;
    *out = (struct sentence){start, end};
    return 1;
}
