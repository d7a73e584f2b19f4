// SPDX-License-Identifier: MIT
// Regular expressions to automaton, by recursive descent. A repetition {n,m} reads its operand
// again for each copy: nothing is kept of a pattern but where it is.
#include "llm/nfa.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32, RANGES_MAX = 256, REPEAT_MAX = 1000 };

struct regex {
    struct nfa *a;
    const char *pattern;
    size_t at, n, depth;
    bool json, split; // split: alternatives outside any group
    struct err *e;
    int rc;
};

struct set {
    struct range r[RANGES_MAX];
    size_t n;
};

static struct part alternatives(struct regex *x);

static int fail(struct regex *x, int code, const char *why)
{
    if (!x->rc)
        x->rc = err_set(x->e, code, "regular expression, byte %zu: %s", x->at + 1, why);
    return x->rc;
}

static int peek(const struct regex *x)
{
    return x->at < x->n ? (unsigned char)x->pattern[x->at] : -1;
}

static bool take(struct regex *x, char c)
{
    if (peek(x) != (unsigned char)c)
        return false;
    x->at++;
    return true;
}

static void add(struct regex *x, struct set *s, uint32_t low, uint32_t high)
{
    if (low > high)
        fail(x, -EINVAL, "a range ends before it begins");
    else if (s->n == RANGES_MAX)
        fail(x, -E2BIG, "a class has too many ranges");
    else
        s->r[s->n++] = (struct range){low, high};
}

static int by_low(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->low != y->low ? (x->low < y->low ? -1 : 1) : 0;
}

static void complement(struct regex *x, struct set *s)
{
    struct set c = {.n = 0};
    uint32_t next = 0;
    qsort(s->r, s->n, sizeof *s->r, by_low);
    for (size_t i = 0; i < s->n; i++) {
        if (s->r[i].low > next)
            add(x, &c, next, s->r[i].low - 1);
        if (s->r[i].high >= next)
            next = s->r[i].high + 1;
    }
    if (next <= 0x10FFFF)
        add(x, &c, next, 0x10FFFF);
    *s = c;
}

// \d \w \s and their complements; false for another letter.
static bool shorthand(struct regex *x, char c, struct set *s)
{
    struct set one = {.n = 0};
    switch (c | 0x20) {
    case 'd':
        add(x, &one, '0', '9');
        break;
    case 'w':
        add(x, &one, '0', '9');
        add(x, &one, 'A', 'Z');
        add(x, &one, '_', '_');
        add(x, &one, 'a', 'z');
        break;
    case 's':
        add(x, &one, '\t', '\r');
        add(x, &one, ' ', ' ');
        break;
    default:
        return false;
    }
    if (!(c & 0x20))
        complement(x, &one);
    for (size_t i = 0; i < one.n; i++)
        add(x, s, one.r[i].low, one.r[i].high);
    return true;
}

static uint32_t hex(struct regex *x, unsigned digits)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < digits; i++) {
        static const char all[] = "0123456789abcdef";
        int c = peek(x);
        const char *at = c > 0 ? strchr(all, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
        if (!at)
            return (uint32_t)fail(x, -EINVAL, "a hexadecimal digit is missing");
        v = v * 16 + (uint32_t)(at - all);
        x->at++;
    }
    return v;
}

// What follows a backslash that is no shorthand.
static uint32_t escaped(struct regex *x)
{
    static const char letters[] = "ntrfv", values[] = "\n\t\r\f\v";
    int c = peek(x);
    if (c < 0)
        return (uint32_t)fail(x, -EINVAL, "it ends with a backslash");
    x->at++;
    const char *at = strchr(letters, c);
    if (c && at)
        return (uint32_t)values[at - letters];
    if (c == 'x')
        return hex(x, 2);
    if (c == 'u')
        return hex(x, 4);
    if ((c >= '0' && c <= '9') || (c | 0x20) == 'b')
        fail(x, -ENOTSUP, "back references and word boundaries are not known");
    else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80)
        fail(x, -EINVAL, "this letter has no meaning behind a backslash");
    return (uint32_t)c;
}

// One code point as it stands.
static uint32_t literal(struct regex *x)
{
    const unsigned char *s = (const unsigned char *)x->pattern + x->at;
    size_t left = x->n - x->at, n = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    uint32_t cp = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
    if (n > left)
        return (uint32_t)fail(x, -EINVAL, "it is no UTF-8");
    for (size_t i = 1; i < n; i++)
        cp = cp << 6 | (s[i] & 0x3Fu);
    x->at += n;
    return cp;
}

// Behind '[': to its ']'.
static void class(struct regex *x, struct set *s)
{
    bool negative = take(x, '^'), first = true;
    for (; x->rc == 0; first = false) {
        uint32_t low, high;
        if (peek(x) < 0) {
            fail(x, -EINVAL, "a class is not closed");
            return;
        }
        if (!first && take(x, ']'))
            break;
        if (take(x, '\\')) {
            if (peek(x) > 0 && shorthand(x, (char)peek(x), s)) {
                x->at++;
                continue;
            }
            low = escaped(x);
        } else {
            low = literal(x);
        }
        high = low;
        if (peek(x) == '-' && x->at + 1 < x->n && x->pattern[x->at + 1] != ']') {
            x->at++;
            high = take(x, '\\') ? escaped(x) : literal(x);
        }
        add(x, s, low, high);
    }
    if (negative && !x->rc)
        complement(x, s);
}

static struct part group(struct regex *x)
{
    if (take(x, '?') && !take(x, ':')) {
        fail(x, -ENOTSUP, "of groups that begin with (? only (?: is known");
        return nfa_empty(x->a);
    }
    if (++x->depth > DEPTH_MAX)
        fail(x, -E2BIG, "groups are nested too deep");
    struct part p = x->rc ? nfa_empty(x->a) : alternatives(x);
    if (!x->rc && !take(x, ')'))
        fail(x, -EINVAL, "a group is not closed");
    x->depth--;
    return p;
}

static struct part atom(struct regex *x)
{
    struct set s = {.n = 0};
    int c = peek(x);
    if (c == '(') {
        x->at++;
        return group(x);
    }
    if (strchr("*+?{", c)) {
        fail(x, -EINVAL, "there is nothing to repeat");
    } else if (c == '^' || c == '$') {
        fail(x, -ENOTSUP, "^ and $ may only stand at the ends");
    } else if (take(x, '[')) {
        class(x, &s);
    } else if (take(x, '.')) {
        add(x, &s, '\n', '\n');
        complement(x, &s);
    } else if (take(x, '\\')) {
        if (peek(x) > 0 && shorthand(x, (char)peek(x), &s)) {
            x->at++;
        } else {
            uint32_t cp = escaped(x);
            add(x, &s, cp, cp);
        }
    } else {
        uint32_t cp = literal(x);
        add(x, &s, cp, cp);
    }
    return x->rc ? nfa_empty(x->a) : nfa_class(x->a, s.r, s.n, x->json);
}

static uint32_t number(struct regex *x)
{
    uint32_t v = 0;
    if (peek(x) < '0' || peek(x) > '9')
        fail(x, -EINVAL, "a number of repetitions is missing");
    for (; peek(x) >= '0' && peek(x) <= '9' && v <= REPEAT_MAX; x->at++)
        v = v * 10 + (uint32_t)(peek(x) - '0');
    if (v > REPEAT_MAX)
        fail(x, -E2BIG, "more than 1000 repetitions");
    return v;
}

// How often, if the pattern says so; high == UINT32_MAX: without end. `x` stands behind.
static bool repetition(struct regex *x, uint32_t *low, uint32_t *high)
{
    *low = *high = 1;
    if (take(x, '*')) {
        *low = 0;
        *high = UINT32_MAX;
    } else if (take(x, '+')) {
        *high = UINT32_MAX;
    } else if (take(x, '?')) {
        *low = 0;
    } else if (take(x, '{')) {
        *low = *high = number(x);
        if (take(x, ','))
            *high = peek(x) == '}' ? UINT32_MAX : number(x);
        if (!take(x, '}') || *low > *high)
            fail(x, -EINVAL, "a repetition is {n}, {n,} or {n,m}");
    } else {
        return false;
    }
    if (peek(x) == '?' || peek(x) == '+')
        fail(x, -ENOTSUP, "lazy and possessive repetitions are not known");
    return true;
}

static struct part repeated(struct regex *x)
{
    size_t start = x->at;
    struct part p = atom(x), all;
    uint32_t low, high;
    if (x->rc || !repetition(x, &low, &high))
        return p;
    size_t behind = x->at;
    all = nfa_empty(x->a);
    uint32_t copies = high == UINT32_MAX ? low + 1 : high;
    for (uint32_t i = 0; i < copies && !x->rc && !x->a->rc; i++) {
        if (i) { // the first copy is there already
            x->at = start;
            p = atom(x);
        }
        if (i >= low)
            p = high == UINT32_MAX ? nfa_star(x->a, p) : nfa_optional(x->a, p);
        all = nfa_then(x->a, all, p);
    }
    x->at = behind;
    if (peek(x) >= 0 && strchr("*+?{", peek(x)))
        fail(x, -EINVAL, "a repetition is repeated: put it into a group");
    return all;
}

static struct part sequence(struct regex *x)
{
    struct part p = nfa_empty(x->a);
    // What has failed, here or in the automaton, is not worth going on.
    while (!x->rc && !x->a->rc && peek(x) >= 0 && peek(x) != '|' && peek(x) != ')')
        p = nfa_then(x->a, p, repeated(x));
    return p;
}

static struct part alternatives(struct regex *x)
{
    struct part p = sequence(x);
    if (peek(x) != '|')
        return p;
    x->split |= x->depth == 0;
    struct part all = {nfa_state(x->a), nfa_state(x->a)};
    do {
        nfa_join(x->a, all.start, p.start);
        nfa_join(x->a, p.end, all.end);
    } while (!x->rc && take(x, '|') && (p = sequence(x), true));
    return all;
}

static struct part anything(struct regex *x)
{
    static const struct range all = {0, 0x10FFFF};
    return nfa_star(x->a, nfa_class(x->a, &all, 1, x->json));
}

int regex_compile(struct nfa *a, const char *pattern, bool json, bool search, struct part *out,
                  struct err *e)
{
    struct regex x = {.a = a, .pattern = pattern, .n = strlen(pattern), .json = json, .e = e};
    bool from_start = take(&x, '^'), to_end = false;
    size_t slashes = 0;
    // A '$' that no backslash takes away is the end.
    if (x.n > x.at && pattern[x.n - 1] == '$') {
        while (slashes < x.n - 1 - x.at && pattern[x.n - 2 - slashes] == '\\')
            slashes++;
        to_end = slashes % 2 == 0;
        x.n -= to_end;
    }
    struct part p = alternatives(&x);
    if (!x.rc && !a->rc && x.at < x.n)
        fail(&x, -EINVAL, "a group is closed that was not opened");
    if ((from_start || to_end) && x.split)
        fail(&x, -ENOTSUP, "alternatives beside ^ or $: put them into a group");
    if (search && !from_start)
        p = nfa_then(a, anything(&x), p);
    if (search && !to_end)
        p = nfa_then(a, p, anything(&x));
    *out = p;
    return x.rc;
}
