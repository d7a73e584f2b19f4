// SPDX-License-Identifier: MIT
// The measure of CMRC 2018, as its own script (cmrc2018_evaluate.py, v5) defines it.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "eval/score.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

// What the script drops: its list, in its order.
static const char *const signs[] = {
    "-",  ":",  "_",  "*",  "^",  "/",  "\\", "~",  "`",  "+",  "=",
    "，", "。", "：", "？", "！", "“",  "”",  "；", "’",  "《", "》",
    "……", "·",  "、", "「", "」", "（", "）", "－", "～", "『", "』",
};

// NLTK's word tokenizer (nltk.tokenize.destructive.NLTKWordTokenizer): substitutions in order.
static const struct {
    const char *pattern, *with;
} rules[] = {
    {"([«“‘„]|[`]+)", " $1 "},
    {"^\"", "``"},
    {"(``)", " $1 "},
    {"([ \\(\\[{<])(\"|'{2})", "$1 `` "},
    {"(?i)(')(?!re|ve|ll|m|t|s|d|n)(\\w)\\b", "$1 $2"},
    {"([^\\.])(\\.)([\\]\\)}>\"'»”’ ]*)\\s*$", "$1 $2 $3 "},
    {"([:,])([^\\d])", " $1 $2"},
    {"([:,])$", " $1 "},
    {"\\.{2,}", " $0 "},
    {"[;@#$%&]", " $0 "},
    {"([^\\.])(\\.)([\\]\\)}>\"']*)\\s*$", "$1 $2$3 "},
    {"[?!]", " $0 "},
    {"([^'])' ", "$1 ' "},
    {"[*]", " $0 "},
    {"[\\]\\[\\(\\)\\{\\}\\<\\>]", " $0 "},
    {"--", " -- "},
    {NULL, NULL}, // here the text gets a space at both ends
    {"([»”’])", " $1 "},
    {"''", " '' "},
    {"\"", " '' "},
    {"\\s+", " "},
    {"([^' ])('[sS]|'[mM]|'[dD]|') ", "$1 $2 "},
    {"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "$1 $2 "},
    {"(?i)\\b(can)(not)\\b", " $1 $2 "},
    {"(?i)\\b(d)('ye)\\b", " $1 $2 "},
    {"(?i)\\b(gim)(me)\\b", " $1 $2 "},
    {"(?i)\\b(gon)(na)\\b", " $1 $2 "},
    {"(?i)\\b(got)(ta)\\b", " $1 $2 "},
    {"(?i)\\b(lem)(me)\\b", " $1 $2 "},
    {"(?i)\\b(more)('n)\\b", " $1 $2 "},
    {"(?i)\\b(wan)(na)(?=\\s)", " $1 $2 "},
    {"(?i) ('t)(is)\\b", " $1 $2 "},
    {"(?i) ('t)(was)\\b", " $1 $2 "},
};

// s with every match replaced. -ENOMEM.
static int substitute(struct buf *b, const char *pattern, const char *with)
{
    int code;
    PCRE2_SIZE at, n = b->len * 4 + 64;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
    char *out = re ? malloc(n) : NULL;
    int rc = out ? pcre2_substitute(re, (PCRE2_SPTR)b->data, b->len, 0, PCRE2_SUBSTITUTE_GLOBAL,
                                    NULL, NULL, (PCRE2_SPTR)with, PCRE2_ZERO_TERMINATED,
                                    (PCRE2_UCHAR *)out, &n)
                 : -1;
    if (rc >= 0) {
        buf_clear(b);
        rc = buf_add(b, out, n);
    } else {
        rc = -ENOMEM;
    }
    free(out);
    pcre2_code_free(re);
    return rc;
}

// Tokens of a run without Chinese, each with a NUL behind it.
static int add_latin(struct buf *out, const char *s, size_t n)
{
    struct buf b = BUF_INIT;
    int rc = buf_add(&b, s, n);
    for (size_t i = 0; i < sizeof rules / sizeof *rules && !rc; i++) {
        if (rules[i].pattern) {
            rc = substitute(&b, rules[i].pattern, rules[i].with);
            continue;
        }
        struct buf spaced = BUF_INIT;
        rc = buf_addf(&spaced, " %s ", b.data);
        buf_free(&b);
        b = spaced;
    }
    bool inside = false;
    for (size_t i = 0; i < b.len && !rc; i++) {
        bool space = strchr(" \t\n\r\f\v", b.data[i]) != NULL;
        if (!space || inside)
            rc = buf_addc(out, space ? 0 : b.data[i]);
        inside = !space;
    }
    if (!rc && inside)
        rc = buf_addc(out, 0);
    buf_free(&b);
    return rc;
}

static bool is_sign(const char *s, size_t n)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strlen(signs[i]) == n && !memcmp(signs[i], s, n))
            return true;
    return false;
}

// Lower case, signs dropped; `tokens`: each token with a NUL behind it, else as one text.
static int normal(const char *s, bool tokens, struct buf *out)
{
    struct buf low = BUF_INIT, run = BUF_INIT;
    int rc = utf8_add_clean(&low, s, strlen(s));
    for (size_t i = 0; i < low.len; i++)
        if (low.data[i] >= 'A' && low.data[i] <= 'Z')
            low.data[i] = (char)(low.data[i] + 32);
    while (low.len && strchr(" \t\n\r", low.data[low.len - 1]))
        buf_truncate(&low, low.len - 1);
    size_t first = low.len ? strspn(low.data, " \t\n\r") : 0;
    for (size_t i = first, step; i < low.len && !rc; i += step) {
        uint32_t cp = utf8_decode(low.data + i, low.len - i, &step);
        if (is_sign(low.data + i, step))
            continue;
        if (!tokens) {
            rc = buf_add(out, low.data + i, step);
        } else if (cp >= 0x4E00 && cp <= 0x9FA5) {
            rc = run.len ? add_latin(out, run.data, run.len) : 0;
            buf_clear(&run);
            if (!rc)
                rc = buf_add(out, low.data + i, step);
            if (!rc)
                rc = buf_addc(out, 0);
        } else {
            rc = buf_add(&run, low.data + i, step);
        }
    }
    if (!rc && run.len)
        rc = add_latin(out, run.data, run.len);
    buf_free(&low);
    buf_free(&run);
    return rc ? rc : buf_reserve(out, 1);
}

static size_t count(const struct buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        n += !b->data[i];
    return n;
}

// Longest run of tokens that both have.
static int common_run(const struct buf *a, const struct buf *b, size_t *out)
{
    size_t n = count(b), *row = calloc(n + 1, sizeof *row);
    *out = 0;
    if (!row)
        return -ENOMEM;
    for (size_t i = 0; i < a->len; i += strlen(a->data + i) + 1) {
        size_t diagonal = 0, k = 0;
        for (size_t j = 0; j < b->len; j += strlen(b->data + j) + 1, k++) {
            size_t up = row[k + 1];
            row[k + 1] = strcmp(a->data + i, b->data + j) ? 0 : diagonal + 1;
            *out = row[k + 1] > *out ? row[k + 1] : *out;
            diagonal = up;
        }
    }
    free(row);
    return 0;
}

static int score_one(const char *answer, const char *gold, struct match *out)
{
    struct buf a = BUF_INIT, g = BUF_INIT, ta = BUF_INIT, tg = BUF_INIT;
    size_t run = 0;
    int rc = normal(answer, false, &a) || normal(gold, false, &g) ||
                     normal(answer, true, &ta) || normal(gold, true, &tg)
                 ? -ENOMEM
                 : common_run(&ta, &tg, &run);
    if (!rc) {
        out->em = a.len == g.len && !memcmp(a.data, g.data, a.len);
        double p = run ? (double)run / (double)count(&ta) : 0,
               r = run ? (double)run / (double)count(&tg) : 0;
        out->f1 = run ? 2 * p * r / (p + r) : 0;
    }
    buf_free(&a);
    buf_free(&g);
    buf_free(&ta);
    buf_free(&tg);
    return rc;
}

int score_cmrc(const char *answer, const char *const *gold, size_t n, struct match *out)
{
    int rc = 0;
    *out = (struct match){0};
    for (size_t i = 0; i < n && !rc; i++) {
        struct match one = {0};
        rc = score_one(answer, gold[i], &one);
        out->em = one.em > out->em ? one.em : out->em;
        out->f1 = one.f1 > out->f1 ? one.f1 : out->f1;
    }
    return rc;
}
