// SPDX-License-Identifier: MIT
#include "engine/tensor/isa.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum isa isa_chosen, isa_best;

static const char *const names[] = {"scalar", "avx2", "avx512"};

static bool has(enum isa i)
{
    switch (i) {
#if defined HAVE_AVX512_KERNELS
    case ISA_AVX512:
        return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#endif
#if defined HAVE_AVX2_KERNELS
    case ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("f16c");
#endif
    default:
        return i == ISA_SCALAR;
    }
}

__attribute__((constructor)) static void settle(void)
{
    const char *asked = getenv("ASKD_ISA");
    __builtin_cpu_init();
    for (enum isa i = ISA_SCALAR; i <= ISA_AVX512; i++) {
        if (!has(i))
            continue;
        isa_best = i;
        if (!asked || strcmp(asked, names[isa_chosen]))
            isa_chosen = i;
    }
}

const char *isa_name(void)
{
    return names[isa_chosen];
}
