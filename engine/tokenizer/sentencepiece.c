// SPDX-License-Identifier: MIT
// SentencePiece BPE (Kudo and Richardson 2018): characters merge with their neighbour as long
// as the result is a piece, the highest score first, leftmost on a tie; what is left over falls
// back to byte tokens.
#include "engine/tokenizer/internal.h"
#include "engine/tokenizer/merges.h"

#include <stdlib.h>
#include <string.h>

struct symbol {
    const char *s;
    uint32_t n; // 0: merged into the left one
    int32_t prev, next;
};

struct work {
    struct symbol *sym;
    struct merges queue;
};

static void consider(const struct tokenizer *t, struct work *w, int32_t left, int32_t right)
{
    if (left < 0 || right < 0)
        return;
    uint32_t n = w->sym[left].n + w->sym[right].n;
    int32_t id = vocab_map_find(t, w->sym[left].s, n);
    if (id >= 0)
        merges_push(&w->queue, (struct merge_candidate){
                                   merge_order(t->tokens[id].score), left, right, {n, 0}, id});
}

static int emit(const struct tokenizer *t, const struct symbol *s, struct tokens *out)
{
    int32_t id = vocab_map_find(t, s->s, s->n);
    if (id >= 0)
        return tokens_add(out, id);
    int rc = 0;
    for (uint32_t i = 0; i < s->n && !rc; i++) {
        id = t->byte_id[(unsigned char)s->s[i]];
        if (id < 0)
            return t->unk >= 0 ? tokens_add(out, t->unk) : 0;
        rc = tokens_add(out, id);
    }
    return rc;
}

static int merge_all(const struct tokenizer *t, const struct buf *b, struct tokens *out)
{
    struct work w = {malloc(b->len * sizeof *w.sym),
                     {malloc(3 * b->len * sizeof *w.queue.heap), 0}};
    int rc = w.sym && w.queue.heap ? 0 : -ENOMEM;
    int32_t n = 0;
    for (size_t i = 0; i < b->len && !rc;) {
        // As the reference: by the lead byte alone, valid or not.
        static const unsigned char lengths[16] = {1, 1, 1, 1, 1, 1, 1, 1,
                                                  1, 1, 1, 1, 2, 2, 3, 4};
        size_t step = lengths[(unsigned char)b->data[i] >> 4];
        step = step < b->len - i ? step : b->len - i;
        w.sym[n] =
            (struct symbol){b->data + i, (uint32_t)step, n - 1, i + step < b->len ? n + 1 : -1};
        n++;
        i += step;
    }
    for (int32_t i = 0; i + 1 < n && !rc; i++)
        consider(t, &w, i, i + 1);
    while (!rc && w.queue.n) {
        struct merge_candidate c = merges_pop(&w.queue);
        struct symbol *l = &w.sym[c.left], *r = &w.sym[c.right];
        if (!l->n || !r->n || l->n + r->n != c.was[0])
            continue;
        l->n = c.was[0];
        l->next = r->next;
        r->n = 0;
        if (l->next >= 0)
            w.sym[l->next].prev = c.left;
        consider(t, &w, l->prev, c.left);
        consider(t, &w, c.left, l->next);
    }
    for (int32_t i = 0; n && i >= 0 && !rc; i = w.sym[i].next)
        rc = emit(t, &w.sym[i], out);
    free(w.sym);
    free(w.queue.heap);
    return rc;
}

int sentencepiece_encode(const struct tokenizer *t, const char *s, size_t n, bool prefix,
                         struct tokens *out)
{
    struct buf b = BUF_INIT;
    int rc = prefix ? buf_adds(&b, "\xE2\x96\x81") : 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = s[i] == ' ' ? buf_adds(&b, "\xE2\x96\x81") : buf_addc(&b, s[i]);
    if (!rc && b.len)
        rc = merge_all(t, &b, out);
    buf_free(&b);
    return rc;
}
