// SPDX-License-Identifier: MIT
// "Cite only these, quote only from here": free UTF-8 text with two islands. A state is a word:
//   outside quotation marks: what of a character is missing, or how much of a mark was written;
//   in a bracket: which number has begun;
//   between quotation marks: a substring of the passages, what is missing of its character, and
//   how much of the closing mark was written.
#include "llm/ground.h"

#include "base/utf8.h"
#include "llm/suffixes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAR UINT32_MAX
enum { NUMBERS_MAX = 1000, DIGITS_MAX = 10 };

// Outside. RFC 3629's sequences: TAILn wants n continuation bytes of any value, the others have
// bounds of their own or may become the mark that opens a quotation.
enum outside {
    FREE,    // between characters: the text may end
    BRACKET, // as FREE, behind '[' and spaces: a digit begins a number
    TAIL1,
    TAIL2,
    TAIL3,
    LEAD_E0,
    LEAD_ED,
    LEAD_F0,
    LEAD_F4,
    LEAD_E2,
    E2_80, // U+201C to come
    LEAD_E3,
    E3_80, // U+300C to come
    N_OUTSIDE
};

// What closes a quotation, by what opened it.
static const char *const closing[] = {"\"", "\xE2\x80\x9D", "\xE3\x80\x8D"};
enum { N_MARKS = 3 };

// A state: two bits say which of three it is.
enum mode { OUTSIDE, NUMBER, QUOTED };
#define MODE(s) ((enum mode)((s) >> 30))
#define OUT(x) ((uint32_t)(x))
#define NUM(node) (1u << 30 | (node))
// Quoted: the mark, missing continuation bytes, bytes of the closing mark, and the substring;
// NOWHERE where only the closing mark may go on.
#define NOWHERE ((1u << 24) - 1)
#define QUOTE(mark, missing, closed, at) \
    (2u << 30 | (mark) << 28 | (missing) << 26 | (closed) << 24 | (at))
#define MARK(s) ((s) >> 28 & 3)
#define MISSING(s) ((s) >> 26 & 3)
#define CLOSED(s) ((s) >> 24 & 3)
#define AT(s) ((s)&NOWHERE)

struct digit { // of a tree over the numbers' digits
    uint32_t next[10], far;
    bool whole; // a number ends here
};

struct ground {
    struct machine m;
    bool have[256], cite, quote;
    uint32_t far[N_OUTSIDE]; // FAR: the vocabulary cannot finish this
    uint8_t out_way[N_OUTSIDE];
    bool opens[N_MARKS]; // marks that can be closed
    struct digit *digits;
    uint32_t n_digits;
    struct suffixes text;
};

// ---- outside ----

// What follows a byte where a character may begin.
static uint32_t lead(const struct ground *g, unsigned char c)
{
    if (c == '"' && g->quote)
        return g->opens[0] ? QUOTE(0u, 0u, 0u, 0u) : FAR;
    if (c == '[' && g->cite)
        return OUT(BRACKET);
    if (c < 0x80)
        return OUT(FREE);
    if (c < 0xC2 || c > 0xF4)
        return FAR;
    if (c < 0xE0)
        return OUT(TAIL1);
    if (c < 0xF0)
        return OUT(c == 0xE0               ? LEAD_E0
                   : c == 0xED             ? LEAD_ED
                   : c == 0xE2 && g->quote ? LEAD_E2
                   : c == 0xE3 && g->quote ? LEAD_E3
                                           : TAIL2);
    return OUT(c == 0xF0 ? LEAD_F0 : c == 0xF4 ? LEAD_F4 : TAIL3);
}

static uint32_t mark_or(const struct ground *g, uint32_t mark, bool is_mark)
{
    if (!is_mark)
        return OUT(FREE);
    return g->opens[mark] ? QUOTE(mark, 0u, 0u, 0u) : FAR;
}

static uint32_t outside(const struct ground *g, enum outside x, unsigned char c)
{
    bool tail = c >= 0x80 && c <= 0xBF;
    switch (x) {
    case FREE:
        return lead(g, c);
    case BRACKET:
        if (c >= '0' && c <= '9')
            return g->digits[0].next[c - '0'] ? NUM(g->digits[0].next[c - '0']) : FAR;
        return c == ' ' ? OUT(BRACKET) : lead(g, c);
    case TAIL1:
        return tail ? OUT(FREE) : FAR;
    case TAIL2:
        return tail ? OUT(TAIL1) : FAR;
    case TAIL3:
        return tail ? OUT(TAIL2) : FAR;
    case LEAD_E0:
        return tail && c >= 0xA0 ? OUT(TAIL1) : FAR;
    case LEAD_ED:
        return tail && c <= 0x9F ? OUT(TAIL1) : FAR;
    case LEAD_F0:
        return tail && c >= 0x90 ? OUT(TAIL2) : FAR;
    case LEAD_F4:
        return tail && c <= 0x8F ? OUT(TAIL2) : FAR;
    case LEAD_E2:
        return !tail ? FAR : c == 0x80 ? OUT(E2_80) : OUT(TAIL1);
    case E2_80:
        return !tail ? FAR : mark_or(g, 1, c == 0x9C);
    case LEAD_E3:
        return !tail ? FAR : c == 0x80 ? OUT(E3_80) : OUT(TAIL1);
    case E3_80:
        return !tail ? FAR : mark_or(g, 2, c == 0x8C);
    case N_OUTSIDE:
        break;
    }
    return FAR;
}

// Distances outside, with the bytes that the vocabulary has: at most three, so three rounds.
static void measure_outside(struct ground *g)
{
    memset(g->far, 0xFF, sizeof g->far);
    g->far[FREE] = g->far[BRACKET] = 0;
    for (uint32_t round = 1; round <= 3; round++)
        for (unsigned x = TAIL1; x < N_OUTSIDE; x++)
            for (unsigned c = 0x80; c <= 0xBF && g->far[x] == FAR; c++) {
                uint32_t to = g->have[c] ? outside(g, (enum outside)x, (uint8_t)c) : FAR;
                if (to != FAR && MODE(to) == OUTSIDE && g->far[to] == round - 1) {
                    g->far[x] = round;
                    g->out_way[x] = (uint8_t)c;
                }
            }
}

// ---- in a bracket ----

static uint32_t in_number(const struct ground *g, uint32_t node, unsigned char c)
{
    const struct digit *d = &g->digits[node];
    if (c == ']' && d->whole)
        return OUT(FREE);
    return c >= '0' && c <= '9' && d->next[c - '0'] ? NUM(d->next[c - '0']) : FAR;
}

static int add_number(struct ground *g, uint32_t number, struct err *e)
{
    char s[DIGITS_MAX + 2];
    snprintf(s, sizeof s, "%u", number);
    uint32_t at = 0;
    for (const char *p = s; *p; p++) {
        if (!g->have[(uint8_t)*p])
            return err_set(e, -EINVAL, "the vocabulary cannot write the number %u", number);
        uint32_t *next = &g->digits[at].next[*p - '0'];
        if (!*next)
            *next = g->n_digits++;
        at = *next;
    }
    g->digits[at].whole = true;
    return 0;
}

static int add_numbers(struct ground *g, const uint32_t *numbers, size_t n, struct err *e)
{
    if (n > NUMBERS_MAX)
        return err_set(e, -E2BIG, "%zu numbers to cite: at most %d", n, NUMBERS_MAX);
    if (n && !g->have[']'])
        return err_set(e, -EINVAL, "the vocabulary cannot close a bracket");
    g->digits = calloc(1 + n * DIGITS_MAX, sizeof *g->digits);
    if (!g->digits)
        return err_nomem(e);
    g->n_digits = 1;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = add_number(g, numbers[i], e);
    // Children come behind their parents.
    for (uint32_t i = g->n_digits; i-- > 0;) {
        struct digit *d = &g->digits[i];
        d->far = d->whole ? 1 : FAR;
        for (unsigned c = 0; c < 10; c++)
            if (d->next[c] && g->digits[d->next[c]].far + 1 < d->far)
                d->far = g->digits[d->next[c]].far + 1;
    }
    return rc;
}

// ---- between quotation marks ----

static uint32_t in_quotation(const struct ground *g, uint32_t s, unsigned char c)
{
    uint32_t mark = MARK(s), missing = MISSING(s), closed = CLOSED(s), at = AT(s);
    const char *close = closing[mark];
    // The closing mark begins between characters of the passage.
    if (missing == 0 || closed) {
        closed = (uint8_t)close[closed] == c ? closed + 1 : 0;
        if (closed && !close[closed])
            return OUT(FREE);
    }
    bool tail = c >= 0x80 && c <= 0xBF;
    uint32_t next =
        at == NOWHERE || tail != (missing > 0) ? SUFFIXES_NONE : suffixes_step(&g->text, at, c);
    if (next == SUFFIXES_NONE)
        return closed ? QUOTE(mark, 0u, closed, NOWHERE) : FAR;
    missing = missing ? missing - 1 : c < 0xC0 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    return QUOTE(mark, missing, closed, next);
}

// Bytes to the end: of the mark if it has begun, else of the character and then the mark.
static uint32_t far_in_quotation(uint32_t s)
{
    uint32_t mark = (uint32_t)strlen(closing[MARK(s)]);
    return CLOSED(s) ? mark - CLOSED(s) : MISSING(s) + mark;
}

// Passages as substrings of whole characters that the vocabulary can write.
static int add_passages(struct ground *g, const char *const *passages, size_t n, struct err *e)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += strlen(passages[i]);
    int rc = suffixes_init(&g->text, total, e);
    for (size_t i = 0; i < n && !rc; i++) {
        const char *s = passages[i];
        size_t len = strlen(s), from = 0, at = 0;
        while (at < len) {
            size_t step = utf8_valid_step(s + at, len - at);
            bool can = step > 0;
            for (size_t k = 0; k < step; k++)
                can &= g->have[(uint8_t)s[at + k]];
            if (!can) {
                suffixes_add(&g->text, s + from, at - from);
                from = at + (step ? step : 1);
            }
            at += step ? step : 1;
        }
        suffixes_add(&g->text, s + from, len - from);
    }
    return rc;
}

// ---- the machine ----

static uint32_t far_from_end(const struct ground *g, uint32_t s)
{
    switch (MODE(s)) {
    case OUTSIDE:
        return g->far[s];
    case NUMBER:
        return g->digits[s & NOWHERE].far;
    case QUOTED:
        return far_in_quotation(s);
    }
    return FAR;
}

static bool step(struct machine *m, unsigned depth, unsigned char c)
{
    struct ground *g = (struct ground *)m;
    uint32_t s = m->path[depth], next = FAR;
    if (!g->have[c])
        return false;
    switch (MODE(s)) {
    case OUTSIDE:
        next = outside(g, (enum outside)s, c);
        break;
    case NUMBER:
        next = in_number(g, s & NOWHERE, c);
        break;
    case QUOTED:
        next = in_quotation(g, s, c);
        break;
    }
    m->path[depth + 1] = next;
    return next != FAR && far_from_end(g, next) != FAR;
}

static uint32_t distance(const struct machine *m, unsigned depth)
{
    return far_from_end((const struct ground *)m, m->path[depth]);
}

static unsigned char way(const struct machine *m, unsigned depth)
{
    const struct ground *g = (const struct ground *)m;
    uint32_t s = m->path[depth];
    if (MODE(s) == OUTSIDE)
        return g->out_way[s];
    if (MODE(s) == NUMBER) {
        const struct digit *d = &g->digits[s & NOWHERE];
        for (unsigned c = 0; c < 10 && !d->whole; c++)
            if (d->next[c] && g->digits[d->next[c]].far + 1 == d->far)
                return (unsigned char)('0' + c);
        return ']';
    }
    if (!MISSING(s) || CLOSED(s))
        return (unsigned char)closing[MARK(s)][CLOSED(s)];
    // A character of the passage has begun: it goes on somehow.
    return g->text.edges[g->text.states[AT(s)].first].byte;
}

static void reset(struct machine *m)
{
    m->path[0] = OUT(FREE);
}

static void free_ground(struct machine *m)
{
    struct ground *g = (struct ground *)m;
    free(g->digits);
    suffixes_free(&g->text);
    free(g);
}

int ground_machine(const bool alphabet[256], const uint32_t *numbers, size_t n_numbers,
                   const char *const *passages, size_t n_passages, bool cite, bool quote,
                   struct machine **out, struct err *e)
{
    struct ground *g = calloc(1, sizeof *g);
    if (!g)
        return err_nomem(e);
    g->m = (struct machine){.farthest = DIGITS_MAX + 4,
                            .reset = reset,
                            .step = step,
                            .distance = distance,
                            .way = way,
                            .free = free_ground};
    memcpy(g->have, alphabet, sizeof g->have);
    g->cite = cite;
    g->quote = quote;
    for (unsigned i = 0; i < N_MARKS; i++) {
        g->opens[i] = true;
        for (const char *p = closing[i]; *p; p++)
            g->opens[i] &= alphabet[(uint8_t)*p];
    }
    int rc = add_numbers(g, numbers, cite ? n_numbers : 0, e);
    if (!rc)
        rc = add_passages(g, passages, quote ? n_passages : 0, e);
    if (rc) {
        free_ground(&g->m);
        return rc;
    }
    measure_outside(g);
    *out = &g->m;
    return 0;
}
