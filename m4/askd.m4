# ASKD_CHECK_CFLAG(flag, [if-yes], [if-no]): does the C compiler take the flag?
AC_DEFUN([ASKD_CHECK_CFLAG], [
  AC_MSG_CHECKING([whether the C compiler takes $1])
  askd_save_cflags=$CFLAGS
  CFLAGS="$CFLAGS -Werror $1"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [askd_ok=yes], [askd_ok=no])
  CFLAGS=$askd_save_cflags
  AC_MSG_RESULT([$askd_ok])
  AS_IF([test "$askd_ok" = yes], [$2], [$3])
])

AC_DEFUN([ASKD_WARNINGS], [
  ASKD_CFLAGS="-std=c17 -fno-strict-aliasing -fno-math-errno"
  for flag in -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes \
              -Wmissing-prototypes -Wwrite-strings -Wvla -Wformat=2 \
              -Wno-format-nonliteral -Wno-format-truncation -Wno-missing-field-initializers \
              -fstack-protector-strong; do
    ASKD_CHECK_CFLAG([$flag], [ASKD_CFLAGS="$ASKD_CFLAGS $flag"])
  done
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror],
    [treat warnings as errors])], [], [enable_werror=no])
  AS_IF([test "$enable_werror" = yes], [ASKD_CFLAGS="$ASKD_CFLAGS -Werror"])
  AC_SUBST([ASKD_CFLAGS])
])

# --enable-asan/ubsan/tsan/coverage add to ASKD_VARIANT_FLAGS (compile and link).
AC_DEFUN([ASKD_VARIANTS], [
  ASKD_VARIANT_FLAGS=
  askd_variant_summary=
  m4_foreach_w([v], [asan ubsan tsan coverage], [
    AC_ARG_ENABLE(v, [AS_HELP_STRING(--enable-[]v, build with v)], [],
      [enable_[]v=no])
    AS_IF([test "$enable_[]v" = yes], [askd_variant_summary="$askd_variant_summary v"])
  ])
  AS_IF([test "$enable_asan" = yes],
    [ASKD_VARIANT_FLAGS="$ASKD_VARIANT_FLAGS -fsanitize=address -fno-omit-frame-pointer"])
  AS_IF([test "$enable_ubsan" = yes],
    [ASKD_VARIANT_FLAGS="$ASKD_VARIANT_FLAGS -fsanitize=undefined -fno-sanitize-recover=undefined"])
  AS_IF([test "$enable_tsan" = yes],
    [ASKD_VARIANT_FLAGS="$ASKD_VARIANT_FLAGS -fsanitize=thread"])
  AS_IF([test "$enable_coverage" = yes],
    [ASKD_VARIANT_FLAGS="$ASKD_VARIANT_FLAGS --coverage"])
  AC_ARG_ENABLE([fuzzing], [AS_HELP_STRING([--enable-fuzzing],
    [build the fuzzers of fuzz/ (clang's libFuzzer)])], [], [enable_fuzzing=no])
  AS_IF([test "$enable_fuzzing" = yes], [
    ASKD_CHECK_CFLAG([-fsanitize=fuzzer-no-link], [
      ASKD_VARIANT_FLAGS="$ASKD_VARIANT_FLAGS -fsanitize=fuzzer-no-link"
      askd_variant_summary="$askd_variant_summary fuzzing"],
      [AC_MSG_ERROR([--enable-fuzzing needs clang: pass CC=clang])])])
  AM_CONDITIONAL([FUZZING], [test "$enable_fuzzing" = yes])
  test -n "$askd_variant_summary" || askd_variant_summary=" none"
  AC_SUBST([ASKD_VARIANT_FLAGS])
])

# llhttp: the system library, or the generated C that node-llhttp ships.
AC_DEFUN([ASKD_LLHTTP], [
  AC_ARG_WITH([llhttp], [AS_HELP_STRING([--with-llhttp=PREFIX],
    [where include/llhttp/llhttp.h and llhttp/*.c are (/usr/share)])],
    [], [with_llhttp=/usr/share])
  AC_MSG_CHECKING([for llhttp.h])
  AS_IF([test -r "$with_llhttp/include/llhttp/llhttp.h"], [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([llhttp.h not found below $with_llhttp/include: install node-llhttp or pass --with-llhttp=PREFIX])])
  LLHTTP_CFLAGS="-isystem $with_llhttp/include/llhttp"
  AC_SUBST([LLHTTP_CFLAGS])
  AC_SUBST([LLHTTP_SRC], [$with_llhttp/llhttp])
])

# FAISS: official C headers; the C library where there is one, else our glue.
AC_DEFUN([ASKD_FAISS], [
  AC_ARG_WITH([faiss], [AS_HELP_STRING([--with-faiss=PREFIX], [where FAISS is installed])],
    [], [with_faiss=])
  FAISS_CPPFLAGS=
  FAISS_LIBS=
  AS_IF([test -n "$with_faiss"],
    [FAISS_CPPFLAGS="-isystem $with_faiss/include"; FAISS_LIBS="-L$with_faiss/lib"])
  askd_save_cppflags=$CPPFLAGS
  CPPFLAGS="$CPPFLAGS $FAISS_CPPFLAGS"
  AC_CHECK_HEADER([faiss/c_api/Index_c.h], [],
    [AC_MSG_ERROR([faiss/c_api/Index_c.h not found: install libfaiss-dev or pass --with-faiss=PREFIX])])
  CPPFLAGS=$askd_save_cppflags
  AC_CHECK_LIB([faiss_c], [faiss_Index_add], [have_faiss_c=yes], [have_faiss_c=no], [$FAISS_LIBS])
  AS_IF([test "$have_faiss_c" = yes],
    [FAISS_LIBS="$FAISS_LIBS -lfaiss_c"; askd_faiss_summary="system libfaiss_c"],
    [FAISS_LIBS="$FAISS_LIBS -lfaiss -fopenmp -llapack -lblas"
     askd_faiss_summary="glue over libfaiss"])
  AM_CONDITIONAL([FAISS_GLUE], [test "$have_faiss_c" = no])
  AC_SUBST([FAISS_CPPFLAGS])
  AC_SUBST([FAISS_LIBS])
])

# Per-ISA kernel archives of the host's processors: probed by compiling their intrinsics.
AC_DEFUN([ASKD_KERNEL_ISA], [
  AVX2_CFLAGS="-mavx2 -mfma -mf16c"
  AVX512_CFLAGS="-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mf16c"
  askd_isa_summary=
  have_avx2=no
  have_avx512=no
  have_neon=no
  askd_save_cflags=$CFLAGS
  AS_CASE([$host_cpu],
    [x86_64|i?86], [
      CFLAGS="$askd_save_cflags $AVX2_CFLAGS"
      AC_MSG_CHECKING([for AVX2 intrinsics])
      AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <immintrin.h>]],
        [[__m256i a = _mm256_set1_epi8(1); a = _mm256_maddubs_epi16(a, a);
          return _mm256_extract_epi16(a, 0);]])], [have_avx2=yes])
      AC_MSG_RESULT([$have_avx2])
      CFLAGS="$askd_save_cflags $AVX512_CFLAGS"
      AC_MSG_CHECKING([for AVX-512 VNNI intrinsics])
      AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <immintrin.h>]],
        [[__m512i a = _mm512_set1_epi8(1); a = _mm512_dpbusd_epi32(a, a, a);
          return _mm512_reduce_add_epi32(a);]])], [have_avx512=yes])
      AC_MSG_RESULT([$have_avx512])],
    [aarch64], [ # GCC turns instructions on in the file itself, whatever -mcpu says
      AC_MSG_CHECKING([for NEON intrinsics with dot and matrix products])
      AC_LINK_IFELSE([AC_LANG_PROGRAM([[
          #pragma GCC target("arch=armv8.2-a+dotprod+i8mm")
          #include <arm_neon.h>]],
        [[int8x16_t a = vdupq_n_s8(1); int32x4_t t = vdotq_s32(vdupq_n_s32(0), a, a);
          return vgetq_lane_s32(vmmlaq_s32(t, a, a), 0);]])], [have_neon=yes])
      AC_MSG_RESULT([$have_neon])])
  CFLAGS=$askd_save_cflags
  AS_IF([test "$have_avx2" = yes], [askd_isa_summary="$askd_isa_summary avx2"
    AC_DEFINE([HAVE_AVX2_KERNELS], [1], [AVX2 kernels are built.])])
  AS_IF([test "$have_avx512" = yes], [askd_isa_summary="$askd_isa_summary avx512vnni"
    AC_DEFINE([HAVE_AVX512_KERNELS], [1], [AVX-512 VNNI kernels are built.])])
  AS_IF([test "$have_neon" = yes], [askd_isa_summary="$askd_isa_summary neon dotprod i8mm"
    AC_DEFINE([HAVE_NEON_KERNELS], [1], [NEON kernels are built.])])
  AM_CONDITIONAL([HAVE_NEON], [test "$have_neon" = yes])
  AM_CONDITIONAL([HAVE_AVX2], [test "$have_avx2" = yes])
  AM_CONDITIONAL([HAVE_AVX512], [test "$have_avx512" = yes])
  AC_SUBST([AVX2_CFLAGS])
  AC_SUBST([AVX512_CFLAGS])
])
