// SPDX-License-Identifier: MIT
#include "engine/tensor/isa.h"

#if defined HAVE_AVX2_KERNELS
#include <cpuid.h>
#endif
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_NEON_KERNELS
#include <sys/auxv.h>
#endif

enum isa isa_chosen, isa_best;

#ifdef HAVE_NEON_KERNELS

static const char *const names[ISA_COUNT] = {"scalar", "neon", "dotprod", "i8mm"};

static bool has(enum isa i)
{
    switch (i) {
    case ISA_I8MM:
        return has(ISA_DOTPROD) && getauxval(AT_HWCAP2) & HWCAP2_I8MM;
    case ISA_DOTPROD:
        return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
    default:
        return true; // every Armv8-A processor that runs Linux has NEON
    }
}

#else

static const char *const names[ISA_COUNT] = {"scalar", "avx2", "avx512"};

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

#endif

__attribute__((constructor)) static void settle(void)
{
    const char *asked = getenv("ASKD_ISA");
#if defined HAVE_AVX512_KERNELS || defined HAVE_AVX2_KERNELS
    __builtin_cpu_init();
#endif
    for (enum isa i = ISA_SCALAR; i < ISA_COUNT; i++) {
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
