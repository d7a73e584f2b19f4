#!/usr/bin/env python3
"""make_golden.py MODEL.gguf ASKD_MODEL < TEXT > MODEL.txt

An exact forward pass of llama and gemma3 (f64 over the dequantised weights) written from the papers,
apart from the engine: after every 24th token of TEXT the eight likeliest next tokens with their
log-probabilities. ASKD_MODEL, the built program, only turns TEXT into token ids (which have golden
values of their own); with `--compare` it also runs them, and its mean KL divergence from the exact
pass goes to stderr, beside llama.cpp's where llama-cpp-python is installed.
Needs numpy and gguf of PyPI.
"""
import subprocess
import sys

import gguf
import numpy as np

EVERY, TOP, TOKENS = 24, 8, 600


class Model:
    def __init__(self, path):
        self.reader = gguf.GGUFReader(path)
        self.tensors = {t.name: t for t in self.reader.tensors}
        self.arch = self.reader.fields["general.architecture"].contents()

    def field(self, key, default=None):
        f = self.reader.fields.get(f"{self.arch}.{key}")
        return f.contents() if f else default

    def tensor(self, name):
        t = self.tensors[name]
        shape = [int(x) for x in t.shape[::-1]]
        return gguf.dequantize(t.data, t.tensor_type).reshape(shape).astype(np.float64)


def rms(x, w, eps):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * w


def rotate(x, base, halves):
    n, _, width = x.shape
    half = width // 2
    angle = np.arange(n)[:, None] * base ** (-2 * np.arange(half) / width)[None]
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    out = np.empty_like(x)
    a, b = (slice(0, half), slice(half, None)) if halves else (slice(0, None, 2), slice(1, None, 2))
    out[..., a], out[..., b] = x[..., a] * c - x[..., b] * s, x[..., a] * s + x[..., b] * c
    return out


def attention(q, k, v, window):
    n, heads, width = q.shape
    at = np.arange(n)
    seen = at[None] <= at[:, None]
    if window:
        seen &= at[:, None] - at[None] < window
    out = np.empty_like(q)
    for h in range(heads):
        g = h // (heads // k.shape[1])
        s = np.where(seen, q[:, h] @ k[:, g].T / np.sqrt(width), -np.inf)
        s = np.exp(s - s.max(1, keepdims=True))
        out[:, h] = s / s.sum(1, keepdims=True) @ v[:, g]
    return out.reshape(n, -1)


def forward(m, ids):
    gemma = m.arch == "gemma3"
    d, heads = m.field("embedding_length"), m.field("attention.head_count")
    kv, eps = m.field("attention.head_count_kv", heads), m.field("attention.layer_norm_rms_epsilon")
    width = m.field("attention.key_length", d // heads)
    embedding = m.tensor("token_embd.weight")
    x = embedding[ids] * (np.sqrt(d) if gemma else 1)
    n = len(ids)
    for layer in range(m.field("block_count")):
        w = lambda name: m.tensor(f"blk.{layer}.{name}.weight")
        local = gemma and layer % 6 != 5
        base = 10000.0 if local else m.field("rope.freq_base", 10000.0)
        h = rms(x, w("attn_norm"), eps)
        q, k, v = ((h @ w(f"attn_{c}").T).reshape(n, -1, width) for c in "qkv")
        if gemma:
            q, k = rms(q, w("attn_q_norm"), eps), rms(k, w("attn_k_norm"), eps)
        q, k = rotate(q, base, gemma), rotate(k, base, gemma)
        h = attention(q, k, v, m.field("attention.sliding_window") if local else 0)
        h = h @ w("attn_output").T
        x = x + (rms(h, w("post_attention_norm"), eps) if gemma else h)
        h = rms(x, w("ffn_norm"), eps)
        g, u = h @ w("ffn_gate").T, h @ w("ffn_up").T
        if gemma:
            g = 0.5 * g * (1 + np.tanh(np.sqrt(2 / np.pi) * (g + 0.044715 * g**3)))
        else:
            g = g / (1 + np.exp(-g))
        h = (g * u) @ w("ffn_down").T
        x = x + (rms(h, w("post_ffw_norm"), eps) if gemma else h)
    assert kv == k.shape[1]
    head = m.tensor("output.weight") if "output.weight" in m.tensors else embedding
    return log_softmax(rms(x, m.tensor("output_norm.weight"), eps) @ head.T)


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def compare(path, program, ids, exact):
    def kl(name, logits):
        q = log_softmax(logits)
        d = (np.exp(exact) * (exact - q)).sum(1)
        same = (exact.argmax(1) == q.argmax(1)).mean()
        print(f"{name}: mean KL {d.mean():.5f}, median {np.median(d):.5f}, same top token {same:.3f}",
              file=sys.stderr)

    out = subprocess.run([program, "logits", path, *map(str, ids)], capture_output=True, check=True)
    kl("askd", np.frombuffer(out.stdout, np.float32).reshape(len(ids), -1))
    try:
        from llama_cpp import Llama
    except ImportError:
        return
    m = Llama(path, n_ctx=1024, logits_all=True, verbose=False)
    m.eval(ids)
    kl("llama.cpp", np.array(m.scores[: len(ids)]))


def main():
    args = [a for a in sys.argv[1:] if a != "--compare"]
    if len(args) != 2:
        sys.exit(__doc__)
    path, program = args
    out = subprocess.run([program, "tokenize", "--special", path], stdin=sys.stdin,
                         capture_output=True, check=True, text=True)
    ids = [int(i) for i in out.stdout.split()][:TOKENS]
    exact = forward(Model(path), ids)
    print("ids", *ids)
    for at in range(EVERY - 1, len(ids), EVERY):
        best = np.argsort(-exact[at])[:TOP]
        print("at", at, *(f"{i}:{exact[at][i]:.4f}" for i in best))
    if "--compare" in sys.argv:
        compare(path, program, ids, exact)


if __name__ == "__main__":
    main()
