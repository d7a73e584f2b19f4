// SPDX-License-Identifier: MIT
#include "engine/tensor/isa.h"

#if defined HAVE_AVX2_KERNELS
#include <cpuid.h>
#endif
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum isa isa_chosen, isa_best;

static const char *const names[] = {"scalar", "avx2", "avx512"};

#if defined HAVE_AVX2_KERNELS
// Not every compiler's __builtin_cpu_supports knows it.
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

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
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
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
