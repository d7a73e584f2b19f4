// SPDX-License-Identifier: MIT
#include "llm/vocab.h"

#include <stdlib.h>
#include <string.h>

static size_t length(const struct vocab *v, int32_t id)
{
    return v->at[id + 1] - v->at[id];
}

static int by_bytes(const void *x, const void *y, void *ctx)
{
    const struct vocab *v = ctx;
    int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    size_t n = length(v, a), k = length(v, b);
    int c = memcmp(v->bytes + v->at[a], v->bytes + v->at[b], n < k ? n : k);
    if (c)
        return c;
    return n != k ? (n < k ? -1 : 1) : (a < b ? -1 : 1);
}

// What each token writes, and which end the answer.
static int read_tokens(const tokenizer *t, struct vocab *v)
{
    struct buf b = BUF_INIT;
    for (uint32_t i = 0; i < v->n; i++) {
        int32_t id = (int32_t)i;
        v->at[i] = (uint32_t)b.len;
        if (tokenizer_is_end(t, id))
            v->ends[v->n_ends++] = id;
        else if (!tokenizer_is_control(t, id) && tokenizer_decode(t, id, &b))
            return buf_free(&b), -ENOMEM;
        if (b.len > UINT32_MAX / 2)
            return buf_free(&b), -ENOMEM;
    }
    v->at[v->n] = (uint32_t)b.len;
    v->bytes = buf_detach(&b);
    return v->bytes ? 0 : -ENOMEM;
}

// Nodes of tokens order[0..n), sorted by their bytes: each adds those of its bytes that it does
// not share with the one before.
static int build(struct vocab *v, const int32_t *order, uint32_t n)
{
    uint32_t open[VOCAB_TOKEN_MAX + 1]; // the node of each depth on the way to the last token
    size_t depth = 0, room = 0;
    for (uint32_t i = 0; i < n; i++)
        room += length(v, order[i]);
    v->nodes = malloc((room + 1) * sizeof *v->nodes);
    if (!v->nodes)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        int32_t id = order[i];
        const char *s = v->bytes + v->at[id];
        size_t len = length(v, id), keep = 0;
        while (keep < depth && keep < len && v->nodes[open[keep + 1]].byte == (uint8_t)s[keep])
            keep++;
        for (; depth > keep; depth--)
            v->nodes[open[depth]].end = v->n_nodes;
        for (; depth < len; depth++) {
            open[depth + 1] = v->n_nodes;
            v->nodes[v->n_nodes++] =
                (struct vocab_node){0, -1, (uint8_t)s[depth], (uint8_t)(depth + 1)};
        }
        struct vocab_node *last = &v->nodes[open[len]];
        v->same[id] = last->token;
        last->token = id;
        v->single[(uint8_t)s[0]] |= len == 1;
    }
    for (; depth; depth--)
        v->nodes[open[depth]].end = v->n_nodes;
    return 0;
}

int llm__vocab_new(const tokenizer *t, struct vocab **out, struct err *e)
{
    struct vocab *v = calloc(1, sizeof *v);
    int32_t *order = NULL;
    if (!v)
        return err_nomem(e);
    v->n = (uint32_t)tokenizer_size(t);
    v->at = malloc((v->n + 1) * sizeof *v->at);
    v->same = malloc(v->n * sizeof *v->same);
    v->ends = malloc(v->n * sizeof *v->ends);
    order = malloc(v->n * sizeof *order);
    int rc = v->at && v->same && v->ends && order ? read_tokens(t, v) : -ENOMEM;
    if (!rc) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < v->n; i++) {
            size_t len = length(v, (int32_t)i);
            v->same[i] = -1;
            if (len && len <= VOCAB_TOKEN_MAX)
                order[n++] = (int32_t)i;
        }
        qsort_r(order, n, sizeof *order, by_bytes, v);
        rc = build(v, order, n);
    }
    free(order);
    if (rc) {
        llm__vocab_free(v);
        return err_nomem(e);
    }
    *out = v;
    return 0;
}

void llm__vocab_free(struct vocab *v)
{
    if (!v)
        return;
    free(v->at);
    free(v->bytes);
    free(v->same);
    free(v->ends);
    free(v->nodes);
    free(v);
}

void llm__vocab_prefixes(const struct vocab *v, const unsigned char *s, size_t n,
                         void (*found)(void *ctx, size_t length, int32_t id), void *ctx)
{
    uint32_t at = 0, end = v->n_nodes;
    for (size_t i = 0; i < n; i++) {
        while (at < end && v->nodes[at].byte != s[i])
            at = v->nodes[at].end;
        if (at >= end)
            return;
        if (v->nodes[at].token >= 0)
            found(ctx, i + 1, v->nodes[at].token);
        end = v->nodes[at].end;
        at++;
    }
}
