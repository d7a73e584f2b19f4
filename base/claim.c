// SPDX-License-Identifier: MIT
// A sentence to its claim, and claims against each other.
#include "base/claim.h"

#include "base/claim_internal.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <ctype.h>
#include <string.h>

#define BYTES_LEAST 12
#define BYTES_MOST 400
#define WORDS_LEAST 2
#define WORDS_MOST 60
#define WORDS_ALONE 3  // fewer need the same heading
#define WORDS_DENIED 3 // fewer are not compared by a negation alone

static bool is_inner(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-_./:~@+%#'$,", c));
}

// The next run of signs that belong together, without punctuation at its ends.
static size_t read_run(struct claim_reader *r, size_t i)
{
    char w[CLAIM_WORD_BYTES + 1] = "";
    size_t n = 0, start = i, step;
    while (i < r->n) {
        uint32_t cp = utf8_decode(r->s + i, r->n - i, &step);
        if (cp < 0x80 ? !is_inner((char)cp)
                      : utf8_is_cjk(cp) || (!utf8_is_letter(cp) && !utf8_is_mark(cp)))
            break;
        // A comma and a colon hold numbers together, a colon also an address.
        if ((cp == ',' || cp == ':') &&
            !(i > start && i + 1 < r->n && isdigit((unsigned char)r->s[i - 1]) &&
              isdigit((unsigned char)r->s[i + 1])) &&
            !(cp == ':' && i + 2 < r->n && r->s[i + 1] == '/' && r->s[i + 2] == '/'))
            break;
        for (size_t k = 0; k < step && n < CLAIM_WORD_BYTES; k++)
            w[n++] = (char)(cp < 0x80 ? tolower((int)cp) : r->s[i + k]);
        i += step;
    }
    size_t end = i, from = 0;
    while (n && strchr(".'-:#+@$,~_", w[n - 1])) {
        n--;
        end--;
    }
    while (from < n && strchr("'#+@$,:_", w[from]))
        from++;
    if (from < n && w[from] == '.' && !(from + 1 < n && w[from + 1] == '/'))
        from++;
    w[n] = 0;
    if (n > from)
        claim_read_word(r, w + from, n - from, start + from, end);
    return i;
}

static bool is_formal(const char *s, size_t n)
{
    static const char *const notices[] = {"copyright",
                                          "(c)",
                                          "©",
                                          "all rights reserved",
                                          "general public license",
                                          "documentation license",
                                          "distributed with this file",
                                          "last updated",
                                          "last modified",
                                          "generated",
                                          "最后更新",
                                          "版权"};
    char low[BYTES_MOST + 1];
    size_t bars = 0;
    for (size_t i = 0; i < n; i++) {
        low[i] = (char)tolower((unsigned char)s[i]);
        bars += s[i] == '|';
    }
    low[n] = 0;
    for (size_t i = 0; i < sizeof notices / sizeof *notices; i++)
        if (strstr(low, notices[i]))
            return true;
    return bars > 1 || !strncmp(low, "```", 3);
}

static void add_sign(struct claim_reader *r, uint32_t cp)
{
    if (cp == ':' || cp == '=')
        r->colon = true;
    else if (!strchr("`\"'(*,", (int)(cp < 0x80 ? cp : ' ')))
        r->at_value = r->at_value && cp == ' ';
}

void claim_of(const char *s, size_t n, struct claim *out)
{
    *out = (struct claim){.values = 1};
    struct claim_reader r = {.s = s, .n = n, .c = out, .hash = 1};
    if (n < BYTES_LEAST || n > BYTES_MOST)
        return;
    claim_make_lists();
    for (size_t i = 0, step; i < n;) {
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (utf8_is_cjk(cp)) {
            i += claim_read_chinese(&r, i, step);
        } else if (cp < 0x80 ? is_inner((char)cp) && cp != ':' && cp != ','
                             : utf8_is_letter(cp)) {
            size_t next = read_run(&r, i);
            i = next > i ? next : i + step;
        } else {
            if (cp != ' ' && cp != '\n')
                add_sign(&r, cp);
            i += step;
        }
    }
    out->words = r.latin + r.characters / 2;
    uint64_t values = out->negated;
    for (unsigned i = 0; i < out->n_values; i++)
        values = claim_mix(values, out->value[i].hash);
    out->values = claim_mix(values, 7) | 1;
    if (!r.full && out->words >= WORDS_LEAST && out->words <= WORDS_MOST && !is_formal(s, n))
        out->frame = r.hash | 1;
}

bool claim_needs_context(const struct claim *c)
{
    return c->leans || c->words < WORDS_ALONE;
}

bool claim_conflict(const struct claim *a, const struct claim *b, bool same_document,
                    enum claim_kind *kind)
{
    unsigned differ = 0;
    if (!a->frame || a->frame != b->frame || a->n_values != b->n_values)
        return false;
    for (unsigned i = 0; i < a->n_values; i++) {
        if (a->value[i].hash == b->value[i].hash)
            continue;
        if (!a->value[i].told || !b->value[i].told || (differ && !same_document))
            return false;
        if (!differ++)
            *kind = a->value[i].kind;
    }
    if (a->negated != b->negated) {
        *kind = CLAIM_NEGATION;
        return !differ && a->words >= WORDS_DENIED;
    }
    return differ > 0;
}

bool claim_is_record(const char *path)
{
    static const char *const names[] = {
        "changelog", "changes", "history", "news",    "release",  "relnotes", "whatsnew",
        "copyright", "copying", "license", "licence", "更新日志", "变更记录", "发布说明"};
    char low[CLAIM_WORD_BYTES * 2 + 1];
    const char *from = path + strlen(path);
    // The file's name and that of its folder.
    for (int slashes = 0; from > path && (slashes += from[-1] == '/') < 2; from--)
        ;
    size_t n = 0;
    for (; *from && n < sizeof low - 1; from++)
        low[n++] = (char)tolower((unsigned char)*from);
    low[n] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(low, names[i]))
            return true;
    return false;
}

uint64_t claim_context(const char *title, const char *heading)
{
    uint64_t h = 1;
    const char *const part[] = {title ? title : "", heading ? heading : ""};
    for (int k = 0; k < 2; k++) {
        char w[CLAIM_WORD_BYTES];
        size_t n = 0, len = strlen(part[k]), step;
        for (size_t i = 0; i <= len; i += step) {
            uint32_t cp = i < len ? utf8_decode(part[k] + i, len - i, &step) : ' ';
            step = i < len ? step : 1;
            if (utf8_is_letter(cp) && !utf8_is_cjk(cp)) {
                for (size_t b = 0; b < step && n < sizeof w; b++)
                    w[n++] = (char)tolower((unsigned char)part[k][i + b]);
                continue;
            }
            if (n && !claim_is_marker(w, n) && !(n == 1 && *w == 'v'))
                h = claim_mix(h, hash64_of(w, n, 2));
            n = 0;
            if (utf8_is_cjk(cp) && utf8_is_letter(cp))
                h = claim_mix(h, cp);
        }
        h = claim_mix(h, 3);
    }
    return h;
}

const char *claim_kind_name(enum claim_kind k)
{
    static const char *const names[] = {"number", "version", "date",
                                        "path",   "flag",    "negation"};
    return names[k];
}
