// SPDX-License-Identifier: MIT
// What a pattern cannot say: check digits, randomness, and whether a link stands in the
// sources.
#include "safety/internal.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

// ISO/IEC 7812-1 annex B; separators are skipped.
static bool luhn(const char *s, size_t n)
{
    unsigned sum = 0, digits = 0;
    for (size_t i = n; i-- > 0;) {
        if (!isdigit((unsigned char)s[i]))
            continue;
        unsigned d = (unsigned)(s[i] - '0');
        if (digits++ % 2)
            d = d * 2 > 9 ? d * 2 - 9 : d * 2;
        sum += d;
    }
    return digits >= 12 && digits <= 19 && sum && sum % 10 == 0;
}

// ISO 13616: the first four characters moved to the end, letters as 10..35, modulo 97 is 1.
static bool iban(const char *s, size_t n)
{
    char c[40];
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ') {
            if (len == 34)
                return false;
            c[len++] = s[i];
        }
    if (len < 15)
        return false;
    unsigned rest = 0;
    for (size_t i = 0; i < len; i++) {
        char ch = c[(i + 4) % len];
        unsigned v = isdigit((unsigned char)ch)
                         ? (unsigned)(ch - '0')
                         : (unsigned)(toupper((unsigned char)ch) - 'A') + 10;
        rest = (rest * (v > 9 ? 100 : 10) + v) % 97;
    }
    return rest == 1;
}

// GB 11643-1999: weights 2^(17-i) modulo 11, and a birth date that can be one.
static bool cn_id(const char *s, size_t n)
{
    static const int weight[17] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    if (n != 18)
        return false;
    int sum = 0;
    for (int i = 0; i < 17; i++)
        sum += (s[i] - '0') * weight[i];
    int year = (s[6] - '0') * 1000 + (s[7] - '0') * 100 + (s[8] - '0') * 10 + (s[9] - '0');
    int month = (s[10] - '0') * 10 + (s[11] - '0'), day = (s[12] - '0') * 10 + (s[13] - '0');
    if (year < 1850 || year > 2100 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    return toupper((unsigned char)s[17]) == "10X98765432"[sum % 11];
}

// The value behind the last : or = mixes letters and digits, is no placeholder, and carries at
// least 3.3 bits a character (Shannon).
static bool random_value(const char *s, size_t n)
{
    static const char *const placeholders[] = {"example",     "changeme", "xxxx",     "your",
                                               "placeholder", "1234567",  "password", "secret",
                                               "sample",      "test"};
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] == ':' || s[i] == '=') {
            at = i + 1;
            break;
        }
    while (at < n && strchr(" \t\n\"'", s[at]))
        at++;
    char low[128];
    size_t len = 0, count[128] = {0}, letters = 0, digits = 0;
    for (size_t i = at; i < n && len + 1 < sizeof low; i++) {
        unsigned char c = (unsigned char)s[i] & 127;
        low[len++] = (char)tolower(c);
        count[c]++;
        letters += isalpha(c) != 0;
        digits += isdigit(c) != 0;
    }
    low[len] = 0;
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (strstr(low, placeholders[i]))
            return false;
    if (len < 16 || letters < 4 || digits < 3)
        return false;
    double bits = 0;
    for (int i = 0; i < 128; i++)
        if (count[i])
            bits -= (double)count[i] * log2((double)count[i] / (double)len);
    return bits / (double)len >= 3.3;
}

static bool in_sources(const char *s, size_t n, const char *const *sources, size_t n_sources)
{
    // Punctuation behind a link belongs to the sentence.
    while (n && strchr(".,;:!?*_", s[n - 1]))
        n--;
    for (size_t i = 0; n && i < n_sources; i++) {
        const char *from = sources[i], *end = from + strlen(from), *hit;
        while ((hit = memmem(from, (size_t)(end - from), s, n))) {
            // https://a.b must not pass as the front of https://a.bank or
            // https://a.b.evil.test.
            char next = hit[n] == '.' ? hit[n + 1] : hit[n];
            if (!isalnum((unsigned char)next) && next != '-' && next != '_' && hit[n] != '@')
                return true;
            from = hit + 1;
        }
    }
    return false;
}

bool check_counts(enum rule_check check, const char *match, size_t n, const char *raw,
                  size_t n_raw, const char *const *sources, size_t n_sources)
{
    switch (check) {
    case CHECK_LUHN:
        return luhn(match, n);
    case CHECK_IBAN:
        return iban(match, n);
    case CHECK_CN_ID:
        return cn_id(match, n);
    case CHECK_ENTROPY:
        return random_value(match, n);
    case CHECK_SOURCES:
        return !in_sources(raw, n_raw, sources, n_sources);
    case CHECK_ABUSE:
        return abuse_looks(match, n);
    case CHECK_NONE:
        break;
    }
    return true;
}
