// SPDX-License-Identifier: MIT
// Products in f32, where 8 bits would be too few: sixteen sums side by side, then added in one
// order, without fused multiply-add. The same bytes on every instruction set.
#pragma once

#include <stddef.h>

float floats_dot(const float *a, const float *b, size_t n);
