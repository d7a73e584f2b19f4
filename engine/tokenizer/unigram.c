// SPDX-License-Identifier: MIT
// Unigram (Kudo 2018): the segmentation with the highest sum of scores, found by Viterbi, after
// the model's own normaliser. That is either a table from code points to code points, kept in
// the file's metadata as three arrays (askd.tokenizer.normalizer.codepoints, .offsets with one
// more element, .outputs), or SentencePiece's own (charsmap.c).
#include "engine/tokenizer/internal.h"

#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define META 0x2581u // stands for a space
#define PIECE_MAX 256
#define OUTPUT_MAX 64 // code points that one may become; Unicode's longest is 18

// Pieces and all their beginnings, open addressing: a walk along the text ends where no piece
// goes on, mostly after a few characters.
struct entry {
    uint32_t tag; // of the hash
    int32_t id;   // BEGINNING of a piece, or one: then its bytes decide
};
enum { FREE = -1, BEGINNING = -2 };

struct unigram {
    struct entry *entries;
    unsigned shift;            // 64 - log2 of their number
    struct charsmap *charsmap; // or NULL
    uint32_t *from, *offsets, *to;
    size_t n, n_to;
    float unknown_score;
};

static int read_u32s(const gguf *g, const char *key, uint32_t **out, size_t *n, struct err *e)
{
    struct gguf_array a;
    int rc = gguf_get_array(g, key, &a, e);
    if (rc)
        return rc;
    *out = malloc((a.n + 1) * sizeof **out);
    if (!*out)
        return err_nomem(e);
    for (size_t i = 0; i < a.n; i++) {
        int64_t v;
        if (gguf_array_i64(&a, i, &v) || v < 0 || v > UINT32_MAX)
            return err_set(e, -EINVAL, "%s: %s: element %zu is no number of 32 bits",
                           gguf_path(g), key, i);
        (*out)[i] = (uint32_t)v;
    }
    *n = a.n;
    return 0;
}

static int read_normalizer(struct unigram *u, const gguf *g, struct err *e)
{
    size_t n_offsets;
    int rc = read_u32s(g, "askd.tokenizer.normalizer.codepoints", &u->from, &u->n, e);
    if (rc == -ENOENT)
        return charsmap_open(g, &u->charsmap, e); // without either, text is taken as it is
    if (!rc)
        rc = read_u32s(g, "askd.tokenizer.normalizer.offsets", &u->offsets, &n_offsets, e);
    if (!rc)
        rc = read_u32s(g, "askd.tokenizer.normalizer.outputs", &u->to, &u->n_to, e);
    if (rc)
        return rc;
    bool ok = n_offsets == u->n + 1 && u->offsets[0] == 0 && u->offsets[u->n] == u->n_to;
    for (size_t i = 0; i < u->n && ok; i++)
        ok = u->offsets[i] <= u->offsets[i + 1] &&
             u->offsets[i + 1] - u->offsets[i] <= OUTPUT_MAX &&
             (!i || u->from[i - 1] < u->from[i]);
    return ok ? 0
              : err_set(e, -EINVAL,
                        "%s: askd.tokenizer.normalizer: its arrays do not fit together",
                        gguf_path(g));
}

static size_t character(const char *s, size_t n)
{
    size_t step = utf8_valid_step(s, n);
    return step ? step : 1;
}

static uint64_t hash_on(uint64_t h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

// Is s[0..n), of hash h, a piece (*id) or at least the beginning of one?
static bool look_up(const struct tokenizer *t, uint64_t h, const char *s, size_t n, int32_t *id)
{
    const struct unigram *u = t->unigram;
    size_t mask = SIZE_MAX >> u->shift;
    bool goes_on = false;
    *id = -1;
    for (size_t at = h >> u->shift; u->entries[at].id != FREE; at = (at + 1) & mask) {
        const struct entry *x = &u->entries[at];
        if (x->tag != (uint32_t)h)
            continue;
        goes_on = true;
        if (x->id >= 0 && t->tokens[x->id].n == n && !memcmp(t->tokens[x->id].s, s, n)) {
            *id = x->id;
            break;
        }
    }
    return goes_on;
}

static void insert(struct unigram *u, uint64_t h, int32_t id)
{
    size_t mask = SIZE_MAX >> u->shift, at = h >> u->shift;
    while (u->entries[at].id != FREE)
        at = (at + 1) & mask;
    u->entries[at] = (struct entry){(uint32_t)h, id};
}

static int build_entries(struct tokenizer *t, struct err *e)
{
    struct unigram *u = t->unigram;
    size_t characters = 0;
    for (size_t i = 0; i < t->n; i++)
        characters += utf8_count(t->tokens[i].s, t->tokens[i].n);
    u->shift = 64 - 6;
    while (SIZE_MAX >> u->shift < characters + characters / 4)
        u->shift--;
    size_t bytes = ((SIZE_MAX >> u->shift) + 1) * sizeof *u->entries;
    u->entries = malloc(bytes);
    if (!u->entries)
        return err_nomem(e);
    memset(u->entries, 0xFF, bytes);
    for (size_t i = 0; i < t->n; i++) {
        const struct token *k = &t->tokens[i];
        uint64_t h = 0;
        int32_t id;
        if (k->n > PIECE_MAX || k->type == TYPE_CONTROL || k->type == TYPE_UNKNOWN ||
            k->type == TYPE_BYTE)
            continue; // no text becomes it
        for (size_t n = 0, step; n < k->n; n += step) {
            step = character(k->s + n, k->n - n);
            h = hash_on(h, k->s + n, step);
            bool whole = n + step == k->n, known = look_up(t, h, k->s, n + step, &id);
            if (whole ? id < 0 : !known) // the first of equal pieces counts
                insert(u, h, whole ? (int32_t)i : BEGINNING);
        }
    }
    return 0;
}

int unigram_open(struct tokenizer *t, const gguf *g, struct err *e)
{
    struct unigram *u = t->unigram = calloc(1, sizeof *u);
    if (!u)
        return err_nomem(e);
    float lowest = INFINITY;
    for (size_t i = 0; i < t->n; i++) {
        const struct token *k = &t->tokens[i];
        if (k->type == TYPE_NORMAL || k->type == TYPE_USER)
            lowest = fminf(lowest, k->score);
    }
    u->unknown_score = (isfinite(lowest) ? lowest : 0) - 10;
    if (t->unk < 0)
        return err_set(e, -EINVAL, "%s: a unigram vocabulary needs an unknown token",
                       gguf_path(g));
    int rc = read_normalizer(u, g, e);
    return rc ? rc : build_entries(t, e);
}

void unigram_close(struct tokenizer *t)
{
    struct unigram *u = t->unigram;
    if (!u)
        return;
    free(u->entries);
    charsmap_close(u->charsmap);
    free(u->from);
    free(u->offsets);
    free(u->to);
    free(u);
}

struct writer {
    struct buf *out;
    struct token_spans *from; // of each byte written, what it was made of; or NULL
    struct token_span unit;   // what is being mapped
    bool blank;               // to a space and nothing else
    bool prefix, after_space;
    int rc;
};

static void put(struct writer *w, const char *s, size_t n, struct token_span from)
{
    w->rc = buf_add(w->out, s, n);
    for (size_t i = 0; i < n && w->from && !w->rc; i++)
        w->rc = token_spans_add(w->from, from);
}

// Runs of spaces become one mark; the first character has a mark in front.
static void add_code_point(struct writer *w, uint32_t cp)
{
    char enc[4];
    const struct token_span none = {w->unit.start, w->unit.start};
    if (!w->out->len && w->prefix && cp != ' ')
        put(w, "\xE2\x96\x81", 3, none);
    if (w->rc || (cp == ' ' && w->after_space))
        return;
    w->after_space = cp == ' ';
    put(w, enc, utf8_encode(cp == ' ' ? META : cp, enc), w->blank ? none : w->unit);
}

// What is mapped next are `taken` bytes of s[at..n). A normaliser may lie: a character that it
// divides counts whole.
static void begin_unit(struct writer *w, const char *s, size_t n, size_t at, size_t taken,
                       bool blank)
{
    size_t end = at + taken;
    while (at > 0 && (s[at] & 0xC0) == 0x80)
        at--;
    while (end < n && (s[end] & 0xC0) == 0x80)
        end++;
    w->unit = (struct token_span){(uint32_t)at, (uint32_t)end};
    w->blank = blank;
}

// Add what the normaliser makes of the beginning of s[at..n): the bytes taken.
static size_t add_mapped(const struct unigram *u, const char *s, size_t n, size_t at,
                         struct writer *w)
{
    size_t step, n_to, low = 0, high = u->n;
    const char *to;
    size_t taken = u->charsmap ? charsmap_match(u->charsmap, s + at, n - at, &to, &n_to) : 0;
    if (taken) {
        begin_unit(w, s, n, at, taken, n_to == 1 && *to == ' ');
        for (size_t k = 0; k < n_to && !w->rc; k += step)
            add_code_point(w, utf8_decode(to + k, n_to - k, &step));
        return taken;
    }
    uint32_t cp = utf8_decode(s + at, n - at, &step);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (u->from[mid] < cp)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == u->n || u->from[low] != cp) {
        begin_unit(w, s, n, at, step, cp == ' ');
        add_code_point(w, cp);
        return step;
    }
    const uint32_t *all = u->to + u->offsets[low];
    size_t n_all = u->offsets[low + 1] - u->offsets[low];
    begin_unit(w, s, n, at, step, n_all == 1 && *all == ' ');
    for (size_t k = 0; k < n_all && !w->rc; k++)
        add_code_point(w, all[k]);
    return step;
}

// Map, collapse runs of spaces, drop those at the end, put the mark in front.
static int normalize(const struct unigram *u, const char *s, size_t n, bool prefix,
                     struct buf *out, struct token_spans *from)
{
    struct writer w = {.out = out, .from = from, .prefix = prefix};
    for (size_t i = 0; i < n && !w.rc;)
        i += add_mapped(u, s, n, i, &w);
    if (w.after_space && !w.rc)
        buf_truncate(out, out->len - 3);
    return w.rc;
}

struct step {
    double score; // as both references sum
    int32_t id;
    uint32_t from; // byte
};

static void extend(const struct tokenizer *t, const char *s, size_t n, size_t i,
                   struct step *best)
{
    size_t first = character(s + i, n - i), len = 0, step;
    uint64_t h = 0;
    bool goes_on = true;
    for (; goes_on && i + len < n; len += step) {
        int32_t id;
        step = character(s + i + len, n - i - len);
        h = hash_on(h, s + i + len, step);
        goes_on = look_up(t, h, s + i, len + step, &id);
        double score = id >= 0 ? best[i].score + (double)t->tokens[id].score : 0;
        if (id >= 0 && score > best[i + len + step].score)
            best[i + len + step] = (struct step){score, id, (uint32_t)i};
    }
    double score = best[i].score + (double)t->unigram->unknown_score;
    if (score > best[i + first].score)
        best[i + first] = (struct step){score, t->unk, (uint32_t)i};
}

// What the bytes [a, z) of normalised text were made of; where that is nothing but white space,
// the place behind it.
static struct token_span made_of(const struct token_spans *from, size_t a, size_t z)
{
    struct token_span x = {0, 0};
    for (size_t i = a; i < z; i++) {
        const struct token_span *f = &from->at[i];
        if (f->start == f->end)
            continue;
        x.start = x.end ? x.start : f->start;
        x.end = f->end;
    }
    if (!x.end)
        x.start = x.end = from->at[z < from->len ? z : z - 1].start;
    return x;
}

// The ids of the best path, from its end; neighbouring unknowns are one.
static int walk_back(const struct tokenizer *t, const struct step *best, size_t n,
                     const struct token_spans *from, struct tokens *out,
                     struct token_spans *spans)
{
    size_t start = out->len;
    int rc = 0;
    for (size_t i = n; i > 0 && !rc; i = best[i].from) {
        struct token_span x = {0, 0};
        if (spans)
            x = made_of(from, best[i].from, i);
        if (best[i].id != t->unk || out->len == start || out->ids[out->len - 1] != t->unk) {
            rc = tokens_add(out, best[i].id);
            if (!rc && spans)
                rc = token_spans_add(spans, x);
        } else if (spans && x.start < x.end) {
            struct token_span *last = &spans->at[spans->len - 1];
            last->end = last->start < last->end ? last->end : x.end;
            last->start = x.start;
        }
    }
    return rc;
}

static void turn_round(int32_t *ids, struct token_span *spans, size_t n)
{
    for (size_t a = 0, z = n; a + 1 < z; a++, z--) {
        int32_t id = ids[a];
        ids[a] = ids[z - 1];
        ids[z - 1] = id;
        if (!spans)
            continue;
        struct token_span x = spans[a];
        spans[a] = spans[z - 1];
        spans[z - 1] = x;
    }
}

int unigram_encode(const struct tokenizer *t, const char *s, size_t n, struct tokens *out,
                   struct token_spans *spans)
{
    struct buf b = BUF_INIT;
    struct token_spans from = TOKEN_SPANS_INIT;
    size_t start = out->len;
    int rc = normalize(t->unigram, s, n, t->add_prefix_space, &b, spans ? &from : NULL);
    struct step *best = rc ? NULL : malloc((b.len + 1) * sizeof *best);
    if (!best) {
        token_spans_free(&from);
        buf_free(&b);
        return -ENOMEM;
    }
    for (size_t i = 0; i <= b.len; i++)
        best[i] = (struct step){-INFINITY, -1, 0};
    best[0].score = 0;
    for (size_t i = 0; i < b.len; i++)
        if (best[i].score > (double)-INFINITY)
            extend(t, b.data, b.len, i, best);
    rc = walk_back(t, best, b.len, &from, out, spans);
    if (!rc && out->len > start)
        turn_round(out->ids + start, spans ? spans->at + spans->len - (out->len - start) : NULL,
                   out->len - start);
    free(best);
    token_spans_free(&from);
    buf_free(&b);
    return rc;
}
