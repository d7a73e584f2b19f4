#!/usr/bin/env python3
"""make_golden.py MODEL.gguf, or NAME tokenizer.json: ids that another implementation gives for
corpus.txt, a line a line.

llama.cpp's (llama-cpp-python) for a GGUF file, Hugging Face's (tokenizers) for a tokenizer.json. Writes
NAME.ids beside the corpus, NAME being the model file's without .gguf.
"""
import os, re, sys

here = os.path.dirname(os.path.abspath(__file__))
if len(sys.argv) == 3:
    from tokenizers import Tokenizer

    hf = Tokenizer.from_file(sys.argv[2])
    hf.no_truncation()
    hf.no_padding()
    name = sys.argv[1]
    encode = lambda b: hf.encode(b.decode("utf-8", "replace"), add_special_tokens=False).ids
else:
    import llama_cpp

    model = llama_cpp.Llama(sys.argv[1], vocab_only=True, verbose=False)
    name = os.path.basename(sys.argv[1])[: -len(".gguf")]
    encode = lambda b: model.tokenize(b, add_bos=False, special=False)
with open(os.path.join(here, "corpus.txt"), "rb") as f, open(os.path.join(here, name + ".ids"), "w") as out:
    for line in f.read().split(b"\n")[:-1]:
        text = re.sub(rb"\\x([0-9a-fA-F]{2})", lambda m: bytes([int(m[1], 16)]), line)
        out.write(" ".join(map(str, encode(text))) + "\n")
