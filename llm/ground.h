// SPDX-License-Identifier: MIT
#pragma once

#include "base/err.h"
#include "llm/machine.h"

// Free text in which [n] names only given numbers, and what stands in quotation marks is only
// from given passages (see llm_constraint_grounded). -EINVAL, -E2BIG, -ENOMEM.
int ground_machine(const bool alphabet[256], const uint32_t *numbers, size_t n_numbers,
                   const char *const *passages, size_t n_passages, bool cite, bool quote,
                   struct machine **out, struct err *e);
