// SPDX-License-Identifier: MIT
// What later encoders add to BERT: rotary positions and gates (nomic-bert: Nussbaum et al.
// 2024), local layers (ModernBERT: Warner et al. 2024).
#include "engine/transformer/encoder.h"

void encoder_angles(struct pass *p, size_t c)
{
    const struct transformer *t = p->t;
    uint32_t position = (uint32_t)c - p->starts[p->seq[c]];
    rope_angles(t, position, t->turns, p->angles + c * t->head_dim);
    if (t->window)
        rope_angles(t, position, t->turns_local, p->angles_local + c * t->head_dim);
}

void encoder_turn(const struct pass *p, const struct encoder_layer *l, size_t c, float *row)
{
    const struct transformer *t = p->t;
    const float *angles = (l->local ? p->angles_local : p->angles) + c * t->head_dim;
    for (size_t h = 0; h < t->n_head; h++)
        rope_turn(t, angles, row + h * t->head_dim);
}

// A local layer's window lies around the token, half of it on either side.
void encoder_seen(const struct transformer *t, const struct encoder_layer *l, uint32_t position,
                  uint32_t len, uint32_t *from, uint32_t *to)
{
    uint32_t half = t->window / 2;
    *from = l->local && position > half ? position - half : 0;
    *to = l->local && len - position > half + 1 ? position + half + 1 : len;
}

const float *encoder_activate(const struct transformer *t, float *up, float *gate, size_t n)
{
    if (!gate) {
        vector_gelu(up, n);
        return up;
    }
    if (!t->gelu_gate) {
        vector_silu_times(gate, up, n);
        return gate;
    }
    vector_gelu(gate, n);
    for (size_t k = 0; k < n; k++)
        gate[k] *= up[k];
    return gate;
}
