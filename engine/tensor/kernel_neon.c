// SPDX-License-Identifier: MIT
// Armv8-A as it began; and which of the three runs.
#include "engine/tensor/isa.h"

#define NAME(x) x##_armv8
#define DOT_BITS MATRIX_5
#include "engine/tensor/kernel_neon.h"

void panel_neon(const struct panel *w, const struct activations *x, size_t cols, size_t n,
                float *y, size_t stride, bool more)
{
    static panel_kernel *const all[] = {
        [ISA_NEON] = panel_armv8, [ISA_DOTPROD] = panel_dotprod, [ISA_I8MM] = panel_i8mm};
    all[isa_chosen](w, x, cols, n, y, stride, more);
}

void unpack_neon(const struct panel *w, uint8_t *q, float *s)
{
    static unpack_kernel *const all[] = {
        [ISA_NEON] = unpack_armv8, [ISA_DOTPROD] = unpack_dotprod, [ISA_I8MM] = unpack_i8mm};
    all[isa_chosen](w, q, s);
}
