// SPDX-License-Identifier: MIT
// The greatest of the products of a large matrix with one column, without reading all of it.
//
// A MATRIX_4_4 is w = 16 h + l - 128 (times d), h in one plane, l in another. A coarse pass
// reads h alone and takes l for 7.5. By Cauchy and Schwarz it is off by no more than |x| times
// the norm of d (l - 7.5), which was stored for each row, rounding included. A row whose coarse
// product and bound together stay below some exact product cannot be the greatest; all others
// are computed exactly. So the result is the one that the whole product has, proven, for about
// half of the bytes.
#pragma once

#include "engine/tensor/matrix.h"

#include <stdalign.h>

// What one thread has found.
struct matrix_search {
    alignas(64) float coarse; // the greatest coarse product
    size_t coarse_row;
    float best; // the greatest exact one
    size_t row;
    size_t exact_groups; // how many groups were computed exactly
};
#define MATRIX_SEARCH_INIT ((struct matrix_search){.coarse = -3e38f, .best = -3e38f})

// First: coarse[rows] of groups [first, last). Any number of calls a thread.
void matrix_coarse(const struct matrix *w, const struct activations *a, float *coarse,
                   size_t first, size_t last, struct matrix_search *mine);
// Then, when every thread is done: the exact products that matter. all[n] are the findings of
// all threads, `mine` among them.
void matrix_refine(const struct matrix *w, const struct activations *a, const float *coarse,
                   size_t first, size_t last, const struct matrix_search *all, unsigned n,
                   struct matrix_search *mine);
// The row of the greatest exact product; of equals the first.
size_t matrix_found(const struct matrix_search *all, unsigned n);
// The same of products that are all there.
size_t matrix_argmax(const float *y, size_t n);
