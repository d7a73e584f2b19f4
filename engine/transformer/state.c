// SPDX-License-Identifier: MIT
// Keys and values of some positions, out of a session and back. What is written is the same
// whatever the session's room: by layer and head, the keys position by position, then the
// values, binary16.
#include "engine/transformer/decoder.h"

#include <string.h>

size_t transformer_state_bytes(const transformer *t, uint32_t n)
{
    return (size_t)n * t->n_layer * kv_width(t) * 2 * sizeof(uint16_t);
}

// Where attention_put has y of a position's key.
static uint16_t *key_at(uint16_t *keys, size_t d, size_t position)
{
    return keys + position / ATTENTION_BLOCK * ATTENTION_BLOCK * d + position % ATTENTION_BLOCK;
}

void transformer_session_save(const transformer_session *s, uint32_t first, uint32_t n,
                              void *out)
{
    const struct transformer *t = s->t;
    size_t d = t->head_dim;
    uint16_t *at = out;
    for (uint32_t l = 0; l < t->n_layer; l++)
        for (uint32_t h = 0; h < t->n_kv; h++) {
            for (uint32_t p = first; p < first + n; p++) {
                const uint16_t *k = key_at(keys_of(s, l, h), d, p);
                for (size_t y = 0; y < d; y++)
                    *at++ = k[y * ATTENTION_BLOCK];
            }
            memcpy(at, values_of(s, l, h) + first * d, n * d * sizeof *at);
            at += n * d;
        }
}

int transformer_session_restore(transformer_session *s, uint32_t first, uint32_t n,
                                const void *in, struct err *e)
{
    const struct transformer *t = s->t;
    size_t d = t->head_dim;
    const uint16_t *at = in;
    if (first > s->len || n > s->n_ctx - first)
        return err_set(e, -E2BIG, "%u positions from %u on do not fit: %u of %u are taken", n,
                       first, s->len, s->n_ctx);
    for (uint32_t l = 0; l < t->n_layer; l++)
        for (uint32_t h = 0; h < t->n_kv; h++) {
            for (uint32_t p = first; p < first + n; p++) {
                uint16_t *k = key_at(keys_of(s, l, h), d, p);
                for (size_t y = 0; y < d; y++)
                    k[y * ATTENTION_BLOCK] = *at++;
            }
            memcpy(values_of(s, l, h) + first * d, at, n * d * sizeof *at);
            at += n * d;
        }
    s->len = first + n;
    return 0;
}
