// SPDX-License-Identifier: MIT
#include "ingest/chunk.h"

#include "base/sentence.h"
#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_TARGET 320 // a passage is closed when the next block would pass this ...
#define TOKENS_MAX 400    // ... and never grows past this
#define TOKENS_SMALL 60   // an introduction this short goes with its first subsection
#define SECTIONS_MAX 8
#define HEADING_MAX 120 // bytes of a heading in a section path

size_t chunk_tokens(const char *s, size_t n)
{
    size_t tokens = 0, run = 0;
    for (size_t i = 0, step; i < n; i += step) {
        step = 1;
        unsigned char c = (unsigned char)s[i];
        if (c < 0x80) {
            if (isalpha(c)) {
                tokens += run % 6 == 0;
                run++;
                continue;
            }
            run = 0;
            if (isdigit(c))
                tokens += i == 0 || !isdigit((unsigned char)s[i - 1]) || i % 2;
            else
                tokens += c > ' ';
            continue;
        }
        uint32_t cp = utf8_decode(s + i, n - i, &step);
        if (utf8_is_cjk(cp) || !utf8_is_letter(cp)) {
            tokens++;
            run = 0;
        } else {
            tokens += run % 3 == 0;
            run++;
        }
    }
    return tokens;
}

struct cutter {
    struct doc *d;
    struct store_passage *out;
    size_t n, cap;
    const char *path[SECTIONS_MAX]; // headings above, by level
    struct buf text;
    size_t tokens;
    enum doc_kind last_kind;
    int line_first, line_last, page;
    const char *section[SECTIONS_MAX]; // of the passage at hand
    size_t n_section;
};

// The headings above as a list, without what the title says already.
static void note_section(struct cutter *c)
{
    c->n_section = 0;
    for (size_t i = 0; i < SECTIONS_MAX; i++)
        if (c->path[i] && (!c->d->title || strcmp(c->path[i], c->d->title)))
            c->section[c->n_section++] = c->path[i];
}

static int add_words(struct cutter *c, struct store_passage *p)
{
    struct buf plain = BUF_INIT, words = BUF_INIT;
    int rc = c->d->title ? buf_adds(&plain, c->d->title) : 0;
    for (size_t i = 0; i < c->n_section && !rc; i++)
        rc = buf_addf(&plain, "\n%s", c->section[i]);
    if (!rc)
        rc = buf_addf(&plain, "\n%s", p->text);
    if (!rc)
        rc = text_words(&words, plain.data, plain.len);
    if (!rc && !(p->words = arena_strndup(c->d->a, words.data, words.len)))
        rc = -ENOMEM;
    buf_free(&plain);
    buf_free(&words);
    return rc;
}

static int close_passage(struct cutter *c)
{
    if (!c->text.len)
        return 0;
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        struct store_passage *more = arena_alloc(c->d->a, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        if (c->n)
            memcpy(more, c->out, c->n * sizeof *more);
        c->out = more;
        c->cap = cap;
    }
    const char **section = arena_alloc(c->d->a, (c->n_section + 1) * sizeof *section);
    char *text = arena_strndup(c->d->a, c->text.data, c->text.len);
    if (!section || !text)
        return -ENOMEM;
    memcpy(section, c->section, c->n_section * sizeof *section);
    section[c->n_section] = NULL;
    struct store_passage *p = &c->out[c->n];
    *p = (struct store_passage){.section = section,
                                .page = c->page,
                                .line_first = c->line_first,
                                .line_last = c->line_last,
                                .text = text};
    int rc = add_words(c, p);
    c->n += rc == 0;
    buf_clear(&c->text);
    c->tokens = 0;
    return rc;
}

// Put a piece of a block, of `tokens` tokens, into the passage at hand or the next one.
static int put(struct cutter *c, const struct doc_block *b, const char *s, size_t n,
               size_t tokens, int first, int last)
{
    if (c->text.len && c->tokens + tokens > TOKENS_TARGET &&
        (c->tokens + tokens > TOKENS_MAX || c->tokens > TOKENS_TARGET / 2)) {
        int rc = close_passage(c);
        if (rc)
            return rc;
    }
    if (c->text.len && b->page != c->page) {
        int rc = close_passage(c);
        if (rc)
            return rc;
    }
    if (!c->text.len) {
        note_section(c);
        c->line_first = first;
        c->page = b->page;
    } else {
        bool tight = b->kind == c->last_kind && (b->kind == DOC_ITEM || b->kind == DOC_ROW);
        if (buf_adds(&c->text, tight ? "\n" : "\n\n"))
            return -ENOMEM;
    }
    c->line_last = last;
    c->last_kind = b->kind;
    c->tokens += tokens;
    return buf_add(&c->text, s, n);
}

static int newlines(const char *s, size_t n)
{
    int k = 0;
    for (size_t i = 0; i < n; i++)
        k += s[i] == '\n';
    return k;
}

// Where a piece of at most TOKENS_TARGET tokens that starts at `pos` may end: behind a line of
// code or a row, behind a sentence, else behind a word, else anywhere between code points.
static size_t piece_end(const struct doc_block *b, size_t pos)
{
    size_t best = 0, word = 0, i = pos, tokens = 0;
    bool lines = b->kind == DOC_CODE || b->kind == DOC_ROW;
    size_t sentence = pos;
    struct sentence s = {pos, pos};
    while (i < b->n) {
        size_t step, from = i;
        utf8_decode(b->text + i, b->n - i, &step);
        while (i < b->n && i - from < 64 &&
               (i == from || !isspace((unsigned char)b->text[i]))) {
            utf8_decode(b->text + i, b->n - i, &step);
            i += step;
        }
        tokens += chunk_tokens(b->text + from, i - from);
        if (tokens > TOKENS_TARGET && from > pos)
            return best ? best : word ? word : from;
        word = i;
        if (lines) {
            if (i < b->n && b->text[i] == '\n')
                best = i;
            continue;
        }
        while (s.end <= i && s.end < b->n && sentence_next(b->text, b->n, &sentence, &s))
            if (s.end <= i && s.end > pos)
                best = s.end;
    }
    return b->n;
}

static int put_large(struct cutter *c, const struct doc_block *b)
{
    // Lines can only be told apart where the text has all of the source's.
    bool in_step = newlines(b->text, b->n) == b->line_last - b->line_first;
    for (size_t pos = 0, end; pos < b->n; pos = end) {
        end = piece_end(b, pos);
        size_t n = end - pos;
        const char *s = b->text + pos;
        while (n && (*s == '\n' || (*s == ' ' && b->kind != DOC_CODE))) {
            s++;
            n--;
        }
        if (!n)
            continue;
        int first = b->line_first, last = b->line_last;
        if (in_step && first) {
            first += newlines(b->text, (size_t)(s - b->text));
            last = first + newlines(s, n);
        }
        int rc = put(c, b, s, n, chunk_tokens(s, n), first, last);
        if (rc)
            return rc;
    }
    return 0;
}

static int heading(struct cutter *c, const struct doc_block *b)
{
    int level = b->level < 1 ? 1 : b->level > SECTIONS_MAX ? SECTIONS_MAX : b->level;
    // A short introduction stays with what it introduces.
    bool deeper = true;
    for (int i = level - 1; i < SECTIONS_MAX; i++)
        deeper = deeper && !c->path[i];
    bool stays = deeper && c->text.len && c->tokens < TOKENS_SMALL;
    if (!stays) {
        int rc = close_passage(c);
        if (rc)
            return rc;
    }
    size_t n = b->n;
    if (n > HEADING_MAX) {
        n = HEADING_MAX;
        while (n && ((unsigned char)b->text[n] & 0xC0) == 0x80)
            n--;
    }
    char *copy = arena_strndup(c->d->a, b->text, n);
    if (!copy)
        return -ENOMEM;
    for (char *p = copy; *p; p++)
        *p = *p == '\n' || *p == '\t' ? ' ' : *p;
    for (int i = level - 1; i < SECTIONS_MAX; i++)
        c->path[i] = NULL;
    c->path[level - 1] = copy;
    return stays ? put(c, b, b->text, b->n, chunk_tokens(b->text, b->n), b->line_first,
                       b->line_last)
                 : 0;
}

int chunk_document(struct doc *d, struct store_passage **out, size_t *n)
{
    struct cutter c = {.d = d, .text = BUF_INIT};
    int rc = 0;
    for (size_t i = 0; i < d->n && !rc; i++) {
        const struct doc_block *b = &d->blocks[i];
        if (b->kind == DOC_HEADING) {
            rc = heading(&c, b);
            continue;
        }
        size_t tokens = chunk_tokens(b->text, b->n);
        rc = tokens > TOKENS_MAX
                 ? put_large(&c, b)
                 : put(&c, b, b->text, b->n, tokens, b->line_first, b->line_last);
    }
    if (!rc)
        rc = close_passage(&c);
    buf_free(&c.text);
    *out = c.out;
    *n = c.n;
    return rc;
}
