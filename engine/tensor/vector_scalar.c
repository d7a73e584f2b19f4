// SPDX-License-Identifier: MIT
#define ISA(name) name##_scalar
#include "engine/tensor/vector_body.h"
