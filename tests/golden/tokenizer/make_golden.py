#!/usr/bin/env python3
"""make_golden.py MODEL.gguf: ids that llama.cpp gives for corpus.txt, a line a line.

Needs llama-cpp-python. Writes NAME.ids beside the corpus, NAME being the model file's without .gguf.
"""
import os, re, sys
import llama_cpp

here = os.path.dirname(os.path.abspath(__file__))
model = llama_cpp.Llama(sys.argv[1], vocab_only=True, verbose=False)
name = os.path.basename(sys.argv[1])[: -len(".gguf")]
with open(os.path.join(here, "corpus.txt"), "rb") as f, open(os.path.join(here, name + ".ids"), "w") as out:
    for line in f.read().split(b"\n")[:-1]:
        text = re.sub(rb"\\x([0-9a-fA-F]{2})", lambda m: bytes([int(m[1], 16)]), line)
        out.write(" ".join(map(str, model.tokenize(text, add_bos=False, special=False))) + "\n")
