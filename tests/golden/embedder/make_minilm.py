#!/usr/bin/env python3
"""make_minilm.py FOLDER > all-MiniLM-L6-v2.F32.txt

Vectors of a few texts by a plain BERT forward pass in f64 over the folder's model.safetensors, mean
pooled: the same weights, other code. Needs numpy and tokenizers.
"""
import json
import math
import struct
import sys

import numpy as np
from tokenizers import Tokenizer

texts = [
    "To cancel an at task, simply run atrm task-number.",
    "How do I reset a password?",
    "int main(void) { return 0; } // --no-install-recommends /etc/adduser.conf",
    "emoji 😀 and naïve café",
    "ＦＵＬＬ width １２３ and　ideographic space, 密码",
]
folder = sys.argv[1]
blob = open(f"{folder}/model.safetensors", "rb").read()
size = struct.unpack("<Q", blob[:8])[0]
header = json.loads(blob[8 : 8 + size])


def tensor(name):
    a, b = header[name]["data_offsets"]
    x = np.frombuffer(blob[8 + size + a : 8 + size + b], np.float32).astype(np.float64)
    return x.reshape(header[name]["shape"])


def linear(x, name):
    return x @ tensor(name + ".weight").T + tensor(name + ".bias")


def norm(x, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
    return x * tensor(name + ".weight") + tensor(name + ".bias")


def encode(ids, heads=12):
    n = len(ids)
    x = tensor("embeddings.word_embeddings.weight")[ids]
    x = x + tensor("embeddings.position_embeddings.weight")[:n]
    x = norm(x + tensor("embeddings.token_type_embeddings.weight")[0], "embeddings.LayerNorm")
    for i in range(6):
        at = f"encoder.layer.{i}."
        q, k, v = (linear(x, f"{at}attention.self.{p}").reshape(n, heads, -1).transpose(1, 0, 2)
                   for p in ("query", "key", "value"))
        s = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        s = np.exp(s - s.max(-1, keepdims=True))
        h = (s / s.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, -1)
        x = norm(x + linear(h, at + "attention.output.dense"), at + "attention.output.LayerNorm")
        h = linear(x, at + "intermediate.dense")
        h = h * 0.5 * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
        x = norm(x + linear(h, at + "output.dense"), at + "output.LayerNorm")
    v = x.mean(0)
    return v / np.sqrt((v**2).sum())


tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_truncation()
tokenizer.no_padding()
for text in texts:
    print(text)
    print(*("%.6f" % x for x in encode(tokenizer.encode(text).ids)))
