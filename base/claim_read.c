// SPDX-License-Identifier: MIT
// Words and values of a sentence, into its claim.
#include "base/claim_internal.h"

#include "base/hash.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t claim_mix(uint64_t h, uint64_t x)
{
    h ^= x;
    h *= 0x9E3779B97F4A7C15u;
    return h ^ (h >> 29);
}

uint64_t claim_quantity(double x, char dimension)
{
    char text[48];
    int n = snprintf(text, sizeof text, "%.9g%c", x, dimension);
    return hash64_of(text, (size_t)n, 1);
}

// The length without common English endings: "expires", "expired" and "expire" are one word.
static size_t stem_of(const char *w, size_t n)
{
    static const char *const ends[] = {"ing", "ed", "es", "s"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t k = strlen(ends[i]);
        if (n >= k + 2 && !memcmp(w + n - k, ends[i], k) &&
            !(k == 1 && strchr("su", w[n - 2]))) {
            n -= k;
            break;
        }
    }
    return n > 2 && w[n - 1] == 'e' ? n - 1 : n;
}

void claim_add_value(struct claim_reader *r, enum claim_kind kind, uint64_t hash, size_t start,
                     size_t end)
{
    struct claim *c = r->c;
    bool numeric = kind <= CLAIM_DATE;
    // "3 May 2026" and "30 minutes" are one value, in whatever order the parts stand.
    if (r->at_value && numeric && c->value[c->n_values - 1].kind <= CLAIM_DATE) {
        struct claim_value *v = &c->value[c->n_values - 1];
        v->hash += hash;
        v->end = (uint32_t)end;
        v->kind = kind > v->kind ? kind : v->kind;
        return;
    }
    if (c->n_values == CLAIM_VALUES) {
        r->full = true;
        return;
    }
    unsigned words = r->latin + r->characters / 2;
    bool behind = numeric ? r->verb || r->preposition || r->colon || r->characters >= 3
                          : r->verb || r->colon;
    c->value[c->n_values++] =
        (struct claim_value){.kind = kind,
                             .hash = hash,
                             .start = (uint32_t)start,
                             .end = (uint32_t)end,
                             .told = words && behind && !r->label && !r->ordinal};
    r->hash = claim_mix(r->hash, numeric ? CLAIM_PLACE_NUMBER
                                         : (uint64_t)(kind == CLAIM_PATH ? CLAIM_PLACE_PATH
                                                                         : CLAIM_PLACE_FLAG));
    if (!numeric)
        r->number_hash = 0;
    r->at_value = true;
    r->label = r->colon = r->ordinal = false;
}

void claim_add_number(struct claim_reader *r, enum claim_kind kind, double x, size_t start,
                      size_t end)
{
    r->number = x;
    r->number_hash = claim_quantity(x, 'n');
    claim_add_value(r, kind, r->number_hash, start, end);
}

bool claim_add_unit(struct claim_reader *r, const char *w, size_t n, size_t end)
{
    if (!r->at_value || !r->number_hash || !r->c->n_values)
        return false;
    const struct claim_unit *u = claim_unit_of(w, n);
    if (!u)
        return false;
    struct claim_value *v = &r->c->value[r->c->n_values - 1];
    v->hash += claim_quantity(r->number * u->factor, u->dimension) - r->number_hash;
    v->end = (uint32_t)end;
    r->number_hash = 0;
    return true;
}

static void add_word(struct claim_reader *r, const char *w, size_t n, unsigned lists)
{
    size_t stem = stem_of(w, n);
    uint64_t hash = hash64_of(w, stem, 2);
    unsigned stem_lists = claim_lists_of(hash);
    r->label = (lists | stem_lists) & CLAIM_IN_LABEL;
    r->verb |= (stem_lists & CLAIM_IN_VERB) != 0;
    r->preposition |= r->latin && lists & CLAIM_IN_PREPOSITION;
    r->hash = claim_mix(r->hash, hash);
    r->latin += !(lists & CLAIM_IN_PREPOSITION);
    r->at_value = false;
    r->colon = false;
}

// ---- what a run of ASCII signs is ----

static size_t digits(const char *w, size_t n)
{
    size_t i = 0;
    while (i < n && isdigit((unsigned char)w[i]))
        i++;
    return i;
}

// "2026-03-01", "2026/3/1", "1.3.2026": hashes of the parts, whose sum is the date's.
static bool read_date(const char *w, size_t n, uint64_t *hash)
{
    double part[3];
    size_t len[3], i = 0;
    char between = 0;
    for (int k = 0; k < 3; k++) {
        len[k] = digits(w + i, n - i);
        if (!len[k] || len[k] > 4)
            return false;
        part[k] = 0;
        for (size_t d = 0; d < len[k]; d++)
            part[k] = part[k] * 10 + (w[i + d] - '0');
        i += len[k];
        if (k < 2) {
            if (i == n || !strchr("-/.", w[i]) || (between && w[i] != between))
                return false;
            between = w[i++];
        }
    }
    if (i != n)
        return false;
    bool year_first = len[0] == 4 && between != '.';
    double y = part[year_first ? 0 : 2], m = part[1], d = part[year_first ? 2 : 0];
    if ((!year_first && (len[2] != 4 || between != '.')) || m < 1 || m > 12 || d < 1 || d > 31)
        return false;
    *hash = claim_quantity(y, 'n') + claim_quantity(m, 'M') + claim_quantity(d, 'n');
    return true;
}

// A word that begins with a digit; false when it is only a name with digits in it ("3d").
static bool read_number(struct claim_reader *r, const char *w, size_t n, size_t start,
                        size_t end)
{
    uint64_t date;
    char plain[CLAIM_WORD_BYTES];
    size_t k = 0, i = 0, dots = 0;
    if (read_date(w, n, &date)) {
        r->number_hash = 0;
        claim_add_value(r, CLAIM_DATE, date, start, end);
        return true;
    }
    while (i < n &&
           (isdigit((unsigned char)w[i]) || w[i] == '.' || w[i] == ',' || w[i] == ':')) {
        dots += w[i] == '.';
        if (w[i] != ',' && k + 1 < sizeof plain)
            plain[k++] = w[i];
        i++;
    }
    plain[k] = 0;
    const char *colon = strchr(plain, ':');
    if (colon && i == n) { // a time of day
        char *rest;
        double hours = strtod(plain, NULL), minutes = strtod(colon + 1, &rest);
        double seconds = *rest == ':' ? strtod(rest + 1, NULL) : 0;
        r->number = hours;
        r->number_hash = 0;
        claim_add_value(r, CLAIM_DATE,
                        claim_quantity(hours * 3600 + minutes * 60 + seconds, 'h'), start, end);
        return true;
    }
    if (dots > 1 || (dots == 1 && i < n && w[i] == '-')) {
        r->number_hash = 0;
        claim_add_value(r, CLAIM_VERSION, hash64_of(w, n, 3), start, end);
        return true;
    }
    if (i == n) {
        claim_add_number(r, CLAIM_NUMBER, strtod(plain, NULL), start, end);
        return true;
    }
    const char *tail = w + i;
    size_t tail_n = n - i;
    if (*tail == '-' && isdigit((unsigned char)tail[1])) { // "10-20"
        r->number_hash = 0;
        claim_add_value(r, CLAIM_NUMBER, hash64_of(w, n, 3), start, end);
        return true;
    }
    if (*tail == '-') {
        tail++;
        tail_n--;
    }
    if (claim_position(" st nd rd th ", tail, tail_n)) {
        claim_add_number(r, CLAIM_NUMBER, strtod(plain, NULL), start, end);
        return true;
    }
    if (!claim_unit_of(tail, tail_n))
        return false;
    claim_add_number(r, CLAIM_NUMBER, strtod(plain, NULL), start, end);
    if (r->at_value)
        claim_add_unit(r, tail, tail_n, end);
    return true;
}

static bool read_month(struct claim_reader *r, const char *w, size_t n, size_t start,
                       size_t end)
{
    int m = claim_month(w, n);
    // "may" and "march" are words, too: a number stands beside the month.
    size_t next = end;
    while (next < r->n && strchr(" .,", r->s[next]))
        next++;
    bool beside = r->at_value || (next < r->n && isdigit((unsigned char)r->s[next]));
    if (!beside && (n == 3 || claim_position(" march ", w, n)))
        return false;
    r->number_hash = 0;
    claim_add_value(r, CLAIM_DATE, claim_quantity(m, 'M'), start, end);
    return true;
}

// "five", "Fridays", "March".
static bool read_wordy(struct claim_reader *r, const char *w, size_t n, unsigned lists,
                       size_t start, size_t end)
{
    if (lists & CLAIM_IN_WORDY_NUMBER) {
        claim_add_number(r, CLAIM_NUMBER, claim_wordy_number(w, n), start, end);
        return true;
    }
    if (lists & CLAIM_IN_WEEKDAY) {
        r->number_hash = 0;
        claim_add_value(r, CLAIM_DATE, claim_quantity(claim_weekday(w, n), 'W'), start, end);
        return true;
    }
    return read_month(r, w, n, start, end);
}

static bool is_path(const char *w, size_t n)
{
    if (n > 1 && w[0] == '/' && (isalnum((unsigned char)w[1]) || strchr("._~$", w[1])))
        return true;
    return n > 2 && ((w[1] == '/' && strchr("~.", w[0])) || memmem(w, n, "://", 3));
}

void claim_read_word(struct claim_reader *r, const char *w, size_t n, size_t start, size_t end)
{
    if (w[0] == '-' && n > 1 && (isalpha((unsigned char)w[1]) || w[1] == '-')) {
        claim_add_value(r, CLAIM_FLAG, hash64_of(w, n, 3), start, end);
        return;
    }
    // The target of a link is no part of the sentence.
    if (start && r->s[start - 1] == '(' && memmem(w, n, "://", 3))
        return;
    if (is_path(w, n)) {
        // "http://www.example.org/" and "https://example.org" are one place.
        const char *host = memmem(w, n, "://", 3);
        if (host) {
            n -= (size_t)(host + 3 - w);
            w = host + 3;
        }
        if (host && n > 4 && !memcmp(w, "www.", 4)) {
            w += 4;
            n -= 4;
        }
        while (n > 1 && strchr("/.", w[n - 1]))
            n--;
        claim_add_value(r, CLAIM_PATH, hash64_of(w, n, 3), start, end);
        return;
    }
    if (isdigit((unsigned char)w[0]) && read_number(r, w, n, start, end))
        return;
    if (w[0] == 'v' && n > 1 && digits(w + 1, n - 1) && strspn(w + 1, "0123456789.") == n - 1) {
        r->number_hash = 0;
        claim_add_value(r, CLAIM_VERSION, hash64_of(w + 1, n - 1, 3), start, end);
        return;
    }
    unsigned lists = claim_lists_of(hash64_of(w, n, 2));
    if (lists & CLAIM_IN_UNIT && claim_add_unit(r, w, n, end))
        return;
    if (lists & (CLAIM_IN_WORDY_NUMBER | CLAIM_IN_WEEKDAY | CLAIM_IN_MONTH |
                 CLAIM_IN_SHORT_MONTH) &&
        read_wordy(r, w, n, lists, start, end))
        return;
    // A value with the verb behind it is what the sentence speaks of.
    if (r->at_value && r->c->n_values && lists & CLAIM_IN_AUXILIARY)
        r->c->value[r->c->n_values - 1].told = false;
    if (!r->latin && !r->characters && !r->c->n_values && lists & CLAIM_IN_LEANING)
        r->c->leans = true;
    r->verb |= (lists & CLAIM_IN_AUXILIARY) != 0;
    if (lists & CLAIM_IN_OPPOSITE) {
        const char *said = claim_opposite(w, n);
        r->c->negated = !r->c->negated;
        add_word(r, said, strlen(said), 0);
    } else if (lists & CLAIM_IN_NEGATION) {
        r->c->negated = !r->c->negated;
        r->at_value = false;
    } else if (lists & CLAIM_IN_DROPPED) {
        r->at_value = false;
    } else {
        add_word(r, w, n, lists);
    }
}
