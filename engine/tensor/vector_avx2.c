// SPDX-License-Identifier: MIT
#define ISA(name) name##_avx2
#include "engine/tensor/vector_body.h"
