#!/usr/bin/env python3
"""make_golden.py LIBGGML-BASE.so: the blocks that llama.cpp's reference quantisers make of 1,792 numbers that
tests/cli/test_blocks.c makes as well; blocks.txt, a line each: type, bytes in hex.

Rows of 256: spread, tiny, one-sided, with an outlier, constant, all zero, mixed.
"""
import ctypes, os, struct, sys

lib = ctypes.CDLL(sys.argv[1])
lib.ggml_quantize_chunk.restype = ctypes.c_size_t
lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
                                    ctypes.c_int64, ctypes.c_void_p]
lib.ggml_row_size.restype = ctypes.c_size_t
lib.ggml_row_size.argtypes = [ctypes.c_int, ctypes.c_int64]
ROWS = 7


def numbers():
    """Multiples of 2^-10 from a linear congruential generator: exact in f32."""
    state, out = 1, []
    for row in range(ROWS):
        for i in range(256):
            state = (state * 1664525 + 1013904223) % 2**32
            v = ((state >> 16) - 32768) / 1024
            if row == 1:
                v /= 65536
            elif row == 2:
                v = abs(v) + 1
            elif row == 3 and i % 37 == 5:
                v *= 64
            elif row == 4:
                v = -0.75
            elif row == 5:
                v = 0.0
            elif row == 6:
                v *= (i // 32) ** 2 / 16
            out.append(v)
    return out


x = numbers()
src = (ctypes.c_float * len(x))(*x)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "blocks.txt"), "w") as f:
    for name, kind in ("q4_0", 2), ("q4_1", 3), ("q5_0", 6), ("q8_0", 8), ("q4_k", 12), ("q6_k", 14):
        n = lib.ggml_row_size(kind, len(x))
        dst = (ctypes.c_uint8 * n)()
        assert lib.ggml_quantize_chunk(kind, src, dst, 0, ROWS, 256, None) == n
        f.write(f"{name} {bytes(dst).hex()}\n")
