// SPDX-License-Identifier: MIT
// Which kernels run: the best that this processor has and that were built, or what ASKD_ISA
// ("scalar", "avx2", "avx512"; "neon", "dotprod", "i8mm" on ARM) asks for, if it can be had.
#pragma once

#ifdef HAVE_NEON_KERNELS
enum isa { ISA_SCALAR, ISA_NEON, ISA_DOTPROD, ISA_I8MM, ISA_COUNT };
#else
enum isa { ISA_SCALAR, ISA_AVX2, ISA_AVX512, ISA_COUNT };
#endif

// Settled once, before main; tests compare the lower ones with the best.
extern enum isa isa_chosen, isa_best;
const char *isa_name(void);

#ifdef HAVE_AVX512_KERNELS
#define ISA_CASE_AVX512(name, args) \
    case ISA_AVX512:                \
        name##_avx512 args;         \
        break;
#else
#define ISA_CASE_AVX512(name, args)
#endif
#ifdef HAVE_AVX2_KERNELS
#define ISA_CASE_AVX2(name, args) \
    case ISA_AVX2:                \
        name##_avx2 args;         \
        break;
#else
#define ISA_CASE_AVX2(name, args)
#endif
#ifdef HAVE_NEON_KERNELS // only products differ: kernel_neon.c
#define ISA_CASE_NEON(name, args) \
    case ISA_NEON:                \
    case ISA_DOTPROD:             \
    case ISA_I8MM:                \
        name##_neon args;         \
        break;
#else
#define ISA_CASE_NEON(name, args)
#endif
#define ISA_CALL(name, args)        \
    switch (isa_chosen) {           \
        ISA_CASE_AVX512(name, args) \
        ISA_CASE_AVX2(name, args)   \
        ISA_CASE_NEON(name, args)   \
    default:                        \
        name##_scalar args;         \
    }
