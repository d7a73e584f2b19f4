// SPDX-License-Identifier: MIT
// What later encoders add to BERT: rotary positions and gates (nomic-bert: Nussbaum et al.
// 2024), local layers and norms before instead of behind (ModernBERT: Warner et al. 2024).
#include "engine/transformer/encoder.h"

#include <string.h>

size_t encoder_more_floats(const struct transformer *t, size_t n)
{
    size_t up = t->layers[0].gate.w.rows ? t->n_ff : 0, angles = t->turns ? t->head_dim : 0;
    return n * (up + 2 * angles);
}

void encoder_place_more(struct pass *p, float *memory)
{
    const struct transformer *t = p->t;
    p->angles = memory;
    p->angles_local = p->angles + p->n * t->head_dim;
    p->up = memory + (t->turns ? 2 * p->n * t->head_dim : 0);
}

void encoder_angles(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t first, last, d = t->head_dim;
    (void)i, (void)n;
    while (claim(t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++) {
            uint32_t position = (uint32_t)c - p->starts[p->seq[c]];
            rope_angles(t, position, t->turns, p->angles + c * d);
            if (t->window)
                rope_angles(t, position, t->turns_local, p->angles_local + c * d);
        }
    }
}

void encoder_turn(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t first, last, d = t->head_dim;
    (void)i, (void)n;
    while (claim(t->team, p->n, &first, &last)) {
        for (size_t c = first; c < last; c++) {
            const float *angles = (p->l->local ? p->angles_local : p->angles) + c * d;
            for (size_t h = 0; h < t->n_head; h++) {
                rope_turn(t, angles, p->q + c * t->n_embd + h * d);
                rope_turn(t, angles, p->k + c * t->n_embd + h * d);
            }
        }
    }
}

// A local layer's window lies around the token, half of it on either side.
void encoder_seen(const struct pass *p, uint32_t position, uint32_t len, uint32_t *from,
                  uint32_t *to)
{
    uint32_t half = p->t->window / 2;
    *from = p->l->local && position > half ? position - half : 0;
    *to = p->l->local && len - position > half + 1 ? position + half + 1 : len;
}

void encoder_activate(struct pass *p, size_t at, size_t n)
{
    if (p->l->gate.w.rows && !p->t->gelu_gate) {
        vector_silu_times(p->ff + at, p->up + at, n);
        return;
    }
    vector_gelu(p->ff + at, n);
    for (size_t k = at; p->l->gate.w.rows && k < at + n; k++)
        p->ff[k] *= p->up[k];
}

// ---- norms before ----

// h = norm(x), and that to 8 bits; where there is no norm, x itself.
static void norm_columns(struct pass *p, const float *w, const float *b, size_t first,
                         size_t last)
{
    size_t d = p->t->n_embd;
    memcpy(p->h + first * d, p->x + first * d, (last - first) * d * sizeof *p->h);
    for (size_t c = first; w && c < last; c++)
        vector_layer_norm(p->h + c * d, w, b, p->t->eps, d);
    quantize_columns(&p->a, p->h, d, first, last);
}

void encoder_norm_in(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t first, last;
    (void)i, (void)n;
    while (claim(p->t->team, p->n, &first, &last))
        norm_columns(p, p->l->attn_norm, p->l->attn_norm_bias, first, last);
}

void encoder_norm_feed(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t first, last, d = p->t->n_embd;
    (void)i, (void)n;
    while (claim(p->t->team, p->n, &first, &last)) {
        for (size_t k = first * d; k < last * d; k++)
            p->x[k] += p->q[k];
        norm_columns(p, p->l->ffn_norm, p->l->ffn_norm_bias, first, last);
    }
}

void encoder_add_feed(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    size_t first, last, d = p->t->n_embd;
    (void)i, (void)n;
    while (claim(p->t->team, p->n, &first, &last))
        for (size_t k = first * d; k < last * d; k++)
            p->x[k] += p->h[k];
}

void encoder_norm_out(void *arg, unsigned i, unsigned n)
{
    struct pass *p = arg;
    const struct transformer *t = p->t;
    size_t first, last, d = t->n_embd;
    (void)i, (void)n;
    while (claim(t->team, p->n, &first, &last))
        for (size_t c = first; c < last; c++)
            vector_layer_norm(p->x + c * d, t->final_norm, t->zeros, t->eps, d);
}
