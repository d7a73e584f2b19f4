// SPDX-License-Identifier: MIT
#define ISA(name) name##_avx512
#include "engine/tensor/vector_body.h"
