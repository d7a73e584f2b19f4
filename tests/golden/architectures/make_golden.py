#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_golden.py DIRECTORY [NAME...]: one NAME.txt for each architecture that the engine knows.

A NAME.txt describes a tiny random model and what comes out of it. Its lines:

    u32|f32|bool|str KEY VALUE        metadata, as in GGUF
    tensor NAME POWER OFFSET NE...    f32, innermost dimension first
    source ID...                      what the encoder of an encoder-decoder reads
    tokens ID...                      what goes in
    logits POSITION VALUE...          what comes out behind the token at POSITION
    vector VALUE...                   of an encoder: pooled, of length 1

The weights are drawn from the tensor's name, so that a C program can make the same model
(tests/transformer/tiny.c): element i is OFFSET + q 2^POWER with q from -127 to 127 by draw(), and
the first q of every 32 of a matrix is -127 or 127. Such blocks the engine keeps exactly, as 8-bit
weights; what remains between it and the golden values are its 8-bit activations.

The values are computed by llama.cpp in f32 (pip install llama-cpp-python==0.3.16 gguf numpy), those
of modern-bert, which it does not know, and of encoders with an adapter, whose head it does not know,
by *_hidden() in f64.
"""
import ctypes
import math
import os
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np

VOCAB, D, FF, LAYERS = 64, 64, 96, 2
EXPERTS = 6
SOURCE = [(5 * i * i + 11 * i + 2) % VOCAB for i in range(37)]
TOKENS = [(7 * i * i + 3 * i + 1) % VOCAB for i in range(40)]


def draw(name, n, matrix):
    """SplitMix64 (Steele, Lea, Flood 2014), seeded by FNV-1a of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = (z ^ (z >> np.uint64(31))) >> np.uint64(32)
    q = (z % np.uint64(255)).astype(np.int64) - 127
    if matrix:
        q[::32] = np.where(q[::32] < 0, -127, 127)
    return q


class Model:
    def __init__(self, arch, **numbers):
        self.arch = arch
        self.meta = [("str", "general.architecture", arch)]
        self.tensors = []
        self.number("context_length", 256)
        self.number("embedding_length", D)
        if "block_count" not in numbers:
            self.number("block_count", LAYERS)
        self.number("feed_forward_length", FF)
        self.number("attention.head_count", 4)
        self.number("vocab_size", VOCAB)
        for key, value in numbers.items():
            self.number(key.replace("__", "."), value)
        self.meta.append(("str", "tokenizer.ggml.model", "no_vocab"))

    def number(self, key, value):
        kind = "f32" if isinstance(value, float) else "str" if isinstance(value, str) else "u32"
        self.meta.append((kind, f"{self.arch}.{key}", value))

    def tensor(self, name, power, offset, *ne):
        self.tensors.append((name, power, offset, ne))

    def matrix(self, name, cols, *rows, gain=1.0):
        """Weights of about gain / sqrt(cols): each layer keeps the size of what goes through."""
        self.tensor(name, round(np.log2(gain / 73 / np.sqrt(cols))), 0.0, cols, *rows)

    def bias(self, name, n):
        self.tensor(name, -9, 0.0, n)

    def norm(self, name, n):
        self.tensor(name, -8, 1.0, n)

    def array(self, tensor):
        name, power, offset, ne = tensor
        x = offset + draw(name, int(np.prod(ne)), len(ne) > 1) * 2.0**power
        return x.astype(np.float32).reshape(ne[::-1])

    def save(self, path):
        w = gguf.GGUFWriter(path, self.arch)
        for kind, key, value in self.meta[1:]:
            {"u32": w.add_uint32, "f32": w.add_float32, "str": w.add_string,
             "bool": lambda k, v: w.add_bool(k, bool(v))}[kind](key, value)
        for t in self.tensors:
            w.add_tensor(t[0], self.array(t))
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()

    def lines(self):
        for kind, key, value in self.meta:
            yield f"{kind} {key} {value}"
        for name, power, offset, ne in self.tensors:
            yield f"tensor {name} {power} {offset:g} {' '.join(map(str, ne))}"


# ---- the models ----


def outer(m, tied=False):
    m.matrix("token_embd.weight", D, VOCAB, gain=8)
    m.norm("output_norm.weight", D)
    if not tied:
        m.matrix("output.weight", D, VOCAB)


def attention(m, i, head, heads=4, kv=2, bias=False):
    b = f"blk.{i}"
    m.norm(f"{b}.attn_norm.weight", D)
    # Large keys and queries, so that attention looks at some positions more than at others.
    for part, cols, rows, gain in (
        ("q", D, heads * head, 1.4),
        ("k", D, kv * head, 1.4),
        ("v", D, kv * head, 1),
        ("output", heads * head, D, 1),
    ):
        m.matrix(f"{b}.attn_{part}.weight", cols, rows, gain=gain)
        if bias and part != "output":
            m.bias(f"{b}.attn_{part}.bias", rows)


def feed(m, i):
    b = f"blk.{i}"
    m.norm(f"{b}.ffn_norm.weight", D)
    m.matrix(f"{b}.ffn_gate.weight", D, FF)
    m.matrix(f"{b}.ffn_up.weight", D, FF)
    m.matrix(f"{b}.ffn_down.weight", FF, D)


def rms(kv=2):
    return {"attention.head_count_kv": kv, "attention.layer_norm_rms_epsilon": 1e-6}


def llama():
    m = Model("llama", **rms(), rope__freq_base=10000.0, rope__dimension_count=16)
    outer(m)
    m.tensor("rope_freqs.weight", -8, 1.5, 8)
    for i in range(LAYERS):
        attention(m, i, 16)
        feed(m, i)
    return m


def qwen2():
    m = Model("qwen2", **rms(), rope__freq_base=1000000.0)
    outer(m, tied=True)
    for i in range(LAYERS):
        attention(m, i, 16, bias=True)
        feed(m, i)
    return m


def qwen3():
    m = Model("qwen3", **rms(), rope__freq_base=1000000.0)
    m.number("attention.key_length", 32)
    m.number("attention.value_length", 32)
    outer(m)
    for i in range(LAYERS):
        attention(m, i, 32)
        m.norm(f"blk.{i}.attn_q_norm.weight", 32)
        m.norm(f"blk.{i}.attn_k_norm.weight", 32)
        feed(m, i)
    return m


def phi3(original=0):
    m = Model("phi3", **rms(), rope__freq_base=10000.0)
    outer(m)
    if original:
        # Phi-4-mini: three quarters of a head turn; other factors beyond the original context.
        m.number("rope.dimension_count", 12)
        m.number("rope.scaling.original_context_length", original)
        m.number("rope.scaling.attn_factor", 1.25)
        m.tensor("rope_factors_long.weight", -6, 3.0, 6)
        m.tensor("rope_factors_short.weight", -9, 1.25, 6)
    else:
        m.number("rope.dimension_count", 16)
    for i in range(LAYERS):
        b = f"blk.{i}"
        m.norm(f"{b}.attn_norm.weight", D)
        m.matrix(f"{b}.attn_qkv.weight", D, D + 2 * 32)
        m.matrix(f"{b}.attn_output.weight", D, D)
        m.norm(f"{b}.ffn_norm.weight", D)
        m.matrix(f"{b}.ffn_up.weight", D, 2 * FF)
        m.matrix(f"{b}.ffn_down.weight", FF, D)
    return m


def experts(m, i, ff):
    b = f"blk.{i}"
    m.norm(f"{b}.ffn_norm.weight", D)
    # Scores far apart: what 8 bits move must not choose another expert.
    m.matrix(f"{b}.ffn_gate_inp.weight", D, EXPERTS, gain=4)
    m.matrix(f"{b}.ffn_gate_exps.weight", D, ff, EXPERTS)
    m.matrix(f"{b}.ffn_up_exps.weight", D, ff, EXPERTS)
    m.matrix(f"{b}.ffn_down_exps.weight", ff, D, EXPERTS)


def mixtral():
    m = Model("llama", **rms(), rope__freq_base=10000.0, rope__dimension_count=16)
    m.number("expert_count", EXPERTS)
    m.number("expert_used_count", 2)
    outer(m)
    for i in range(LAYERS):
        attention(m, i, 16)
        experts(m, i, FF)
    return m


def qwen3moe():
    m = Model("qwen3moe", **rms(), rope__freq_base=1000000.0)
    m.number("attention.key_length", 32)
    m.number("attention.value_length", 32)
    m.number("expert_count", EXPERTS)
    m.number("expert_used_count", 3)
    m.number("expert_feed_forward_length", 64)
    outer(m)
    for i in range(LAYERS):
        attention(m, i, 32)
        m.norm(f"blk.{i}.attn_q_norm.weight", 32)
        m.norm(f"blk.{i}.attn_k_norm.weight", 32)
        experts(m, i, 64)
    return m


def encoder(arch, pooling, **numbers):
    m = Model(arch, **{"attention.layer_norm_epsilon": 1e-5}, pooling_type=pooling, **numbers)
    m.meta.append(("bool", f"{arch}.attention.causal", 0))
    m.meta.append(("u32", "tokenizer.ggml.token_type_count", 2))
    m.matrix("token_embd.weight", D, VOCAB, gain=8)
    m.norm("token_embd_norm.weight", D)
    return m


def bert_ends(m):
    m.bias("token_embd_norm.bias", D)
    m.matrix("token_types.weight", D, 2)


def bert_norms(m, i):
    for part in ("attn_output_norm", "layer_output_norm"):
        m.norm(f"blk.{i}.{part}.weight", D)
        m.bias(f"blk.{i}.{part}.bias", D)


def bert():
    m = encoder("bert", 2)
    bert_ends(m)
    m.matrix("position_embd.weight", D, 256, gain=4)
    for i in range(LAYERS):
        for part, cols, rows in (
            ("attn_q", D, D),
            ("attn_k", D, D),
            ("attn_v", D, D),
            ("attn_output", D, D),
            ("ffn_up", D, FF),
            ("ffn_down", FF, D),
        ):
            m.matrix(f"blk.{i}.{part}.weight", cols, rows)
            m.bias(f"blk.{i}.{part}.bias", rows)
        bert_norms(m, i)
    return m


def nomic():
    m = encoder("nomic-bert", 1, rope__freq_base=1000.0)
    bert_ends(m)
    for i in range(LAYERS):
        m.matrix(f"blk.{i}.attn_qkv.weight", D, 3 * D, gain=1.4)
        m.matrix(f"blk.{i}.attn_output.weight", D, D)
        m.matrix(f"blk.{i}.ffn_gate.weight", D, FF)
        m.matrix(f"blk.{i}.ffn_up.weight", D, FF)
        m.matrix(f"blk.{i}.ffn_down.weight", FF, D)
        bert_norms(m, i)
    return m


def modern():
    m = encoder("modern-bert", 1, block_count=4, rope__freq_base=160000.0, rope__freq_base_swa=100.0)
    m.number("attention.sliding_window", 8)
    m.number("attention.sliding_window_pattern", 2)
    m.norm("output_norm.weight", D)
    for i in range(4):
        if i:
            m.norm(f"blk.{i}.attn_norm.weight", D)
        m.matrix(f"blk.{i}.attn_qkv.weight", D, 3 * D)
        m.matrix(f"blk.{i}.attn_output.weight", D, D)
        m.norm(f"blk.{i}.ffn_norm.weight", D)
        m.matrix(f"blk.{i}.ffn_up.weight", D, 2 * FF)
        m.matrix(f"blk.{i}.ffn_down.weight", FF, D)
    return m


def t5(gated):
    """Encoder-decoders; the first T5 has ReLU without a gate, and its embeddings are its head."""
    m = Model("t5", **{"attention.layer_norm_rms_epsilon": 1e-6})
    m.number("attention.layer_norm_epsilon", 1e-6)
    m.number("attention.relative_buckets_count", 8)
    m.number("attention.key_length", 16)
    m.number("attention.value_length", 16)
    m.number("decoder_start_token_id", 3)
    m.matrix("token_embd.weight", D, VOCAB, gain=8)
    if gated:
        m.matrix("output.weight", D, VOCAB)
    for stack in ("enc", "dec"):
        m.norm(f"{stack}.output_norm.weight", D)
        m.tensor(f"{stack}.blk.0.attn_rel_b.weight", -6, 0.0, 4, 8)
        for i in range(LAYERS):
            b = f"{stack}.blk.{i}"
            for part in ("attn", "cross_attn")[: 1 + (stack == "dec")]:
                m.norm(f"{b}.{part}_norm.weight", D)
                for x, gain in (("q", 0.7), ("k", 0.7), ("v", 1), ("o", 1)):
                    m.matrix(f"{b}.{part}_{x}.weight", D, D, gain=gain)
            m.norm(f"{b}.ffn_norm.weight", D)
            if gated:
                m.matrix(f"{b}.ffn_gate.weight", D, FF)
            m.matrix(f"{b}.ffn_up.weight", D, FF)
            m.matrix(f"{b}.ffn_down.weight", FF, D)
    return m


# ---- adapters (LoRA, Hu et al. 2021) ----


class Adapter(Model):
    def __init__(self, arch, rank, alpha, power, parts, outputs=0):
        self.arch = arch
        self.meta = [
            ("str", "general.architecture", arch),
            ("str", "general.type", "adapter"),
            ("str", "adapter.type", "lora"),
        ]
        if alpha:
            self.meta.append(("f32", "adapter.lora.alpha", alpha))
        self.tensors = []
        for i in range(LAYERS):
            for part, cols, rows in parts:
                name = f"blk.{i}.{part}.weight"
                self.matrix(f"{name}.lora_a", cols, rank)
                self.tensor(f"{name}.lora_b", power, 0.0, rank, rows)
        if outputs:  # the head of a reader
            self.matrix("reader.weight", D, outputs)
            self.bias("reader.bias", outputs)

    def merge(self, w, scale):
        """Into w, the weights of a model by name."""
        own = {t[0]: self.array(t).astype(np.float64) for t in self.tensors}
        alpha = [value for _, key, value in self.meta if key == "adapter.lora.alpha"]
        for name, a in own.items():
            if name.endswith(".lora_a"):
                s = scale * alpha[0] / len(a) if alpha else scale
                w[name[:-7]] = w[name[:-7]] + s * own[name[:-1] + "b"] @ a
        return own


ADAPTERS = {
    "adapter-1": lambda: Adapter(
        "llama",
        4,
        8.0,
        -10,
        [
            ("attn_q", D, D),
            ("attn_v", D, 32),
            ("attn_output", D, D),
            ("ffn_gate", D, FF),
            ("ffn_down", FF, D),
        ],
    ),
    # Without alpha its scale is taken as it is.
    "adapter-2": lambda: Adapter(
        "llama", 8, 0, -10, [("attn_q", D, D), ("attn_k", D, 32), ("ffn_up", D, FF)]
    ),
    "adapter-phi3": lambda: Adapter(
        "phi3", 4, 8.0, -10, [("attn_qkv", D, D + 64), ("ffn_up", D, 2 * FF)]
    ),
    "adapter-bert": lambda: Adapter(
        "bert",
        4,
        8.0,
        -10,
        [
            ("attn_q", D, D),
            ("attn_k", D, D),
            ("attn_v", D, D),
            ("attn_output", D, D),
            ("ffn_up", D, FF),
            ("ffn_down", FF, D),
        ],
        3,
    ),
    # A rank that fills no panel and one part alone; its scale is taken as it is.
    "adapter-bert-2": lambda: Adapter("bert", 20, 0, -11, [("ffn_down", FF, D)], 2),
    "adapter-nomic-bert": lambda: Adapter(
        "nomic-bert",
        8,
        16.0,
        -12,
        [("attn_qkv", D, 3 * D), ("ffn_gate", D, FF), ("ffn_up", D, FF), ("ffn_down", FF, D)],
        2,
    ),
    "adapter-modern-bert": lambda: Adapter(
        "modern-bert",
        8,
        16.0,
        -12,
        [("attn_qkv", D, 3 * D), ("attn_output", D, D), ("ffn_up", D, 2 * FF), ("ffn_down", FF, D)],
        2,
    ),
}
# Models that are run with adapters: which, and their scales.
ADAPTED = {
    "llama-adapted": [("adapter-1", 0.75), ("adapter-2", -0.5)],
    "phi3-adapted": [("adapter-phi3", 0.75)],
    "bert-adapted": [("adapter-bert", 1)],
    "bert-adapted-2": [("adapter-bert-2", 1)],
    "nomic-bert-adapted": [("adapter-nomic-bert", 1)],
    "modern-bert-adapted": [("adapter-modern-bert", 1)],
}

MODELS = {
    "llama-adapted": llama,
    "phi3-adapted": phi3,
    "bert-adapted": bert,
    "bert-adapted-2": bert,
    "nomic-bert-adapted": nomic,
    "modern-bert-adapted": modern,
    "llama": llama,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "mixtral": mixtral,
    "qwen3moe": qwen3moe,
    "bert": bert,
    "nomic-bert": nomic,
    "modern-bert": modern,
    "t5": lambda: t5(True),
    "t5-first": lambda: t5(False),
    "phi3": phi3,
    "phi3-short": lambda: phi3(64),
    "phi3-long": lambda: phi3(16),
}


# ---- llama.cpp ----


def open_model(path, encoder):
    params = llama_cpp.llama_model_default_params()
    params.use_mmap = True
    model = llama_cpp.llama_model_load_from_file(path.encode(), params)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = 2 * len(TOKENS)
    params.n_batch = params.n_ubatch = len(TOKENS)
    params.n_threads = params.n_threads_batch = 1
    params.type_k = params.type_v = 0  # f32
    params.flash_attn = False
    params.embeddings = encoder
    return model, llama_cpp.llama_init_from_model(model, params)


def batch_of(tokens):
    b = llama_cpp.llama_batch_init(len(tokens), 0, 1)
    b.n_tokens = len(tokens)
    for i, t in enumerate(tokens):
        b.token[i], b.pos[i], b.n_seq_id[i], b.logits[i] = t, i, 1, 1
        b.seq_id[i][0] = 0
    return b


def floats(p, n):
    return np.ctypeslib.as_array(ctypes.cast(p, ctypes.POINTER(ctypes.c_float)), (n,)).copy()


def values(x):
    return " ".join(f"{v:.5g}" for v in x)


def vector(path):
    model, ctx = open_model(path, True)
    if llama_cpp.llama_encode(ctx, batch_of(TOKENS)):
        sys.exit(f"{path}: llama.cpp cannot")
    x = floats(llama_cpp.llama_get_embeddings_seq(ctx, 0), D)
    llama_cpp.llama_free(ctx)
    llama_cpp.llama_model_free(model)
    return x / np.sqrt((x**2).sum())


# ---- encoders in f64: what that llama.cpp does not know, and each token's last state ----


def layer_norm(x, w):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * w


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))


def attend(q, k, v, far=False):
    """[tokens, heads, width] each."""
    score = np.where(far, -np.inf, np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1]))
    p = np.exp(score - score.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", p, v).reshape(len(q), -1)


def turned(x, base):
    """[tokens, heads, width]: pairs half a head apart, turned by position."""
    half = x.shape[-1] // 2
    angle = np.arange(len(x))[:, None, None] * base ** (-np.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    c, s = np.cos(angle), np.sin(angle)
    return np.concatenate([a * c - b * s, a * s + b * c], -1)


def bert_hidden(w, meta):
    """BERT (Devlin et al. 2019) and nomic-bert (Nussbaum et al. 2024)."""
    n, heads, nomic = len(TOKENS), meta["attention.head_count"], "rope.freq_base" in meta

    def linear(x, name):
        return x @ w[name + ".weight"].T + w.get(name + ".bias", 0)

    def norm(x, name):
        return layer_norm(x, w[name + ".weight"]) + w[name + ".bias"]

    x = w["token_embd.weight"][TOKENS] + w["token_types.weight"][0]
    x = norm(x if nomic else x + w["position_embd.weight"][:n], "token_embd_norm")
    for i in range(meta["block_count"]):
        b = f"blk.{i}."
        if nomic:
            q, k, v = np.split(linear(x, b + "attn_qkv"), 3, -1)
        else:
            q, k, v = (linear(x, b + f"attn_{part}") for part in "qkv")
        q, k, v = (y.reshape(n, heads, D // heads) for y in (q, k, v))
        if nomic:
            q, k = turned(q, meta["rope.freq_base"]), turned(k, meta["rope.freq_base"])
        x = norm(x + linear(attend(q, k, v), b + "attn_output"), b + "attn_output_norm")
        h = linear(x, b + "ffn_up")
        if nomic:
            g = linear(x, b + "ffn_gate")
            h = g / (1 + np.exp(-g)) * h
        else:
            h = gelu(h)
        x = norm(x + linear(h, b + "ffn_down"), b + "layer_output_norm")
    return x


def modern_hidden(w, meta):
    """ModernBERT (Warner et al. 2024)."""
    n, heads = len(TOKENS), meta["attention.head_count"]
    x = layer_norm(w["token_embd.weight"][TOKENS], w["token_embd_norm.weight"])
    far = abs(np.arange(n)[:, None] - np.arange(n)) > meta["attention.sliding_window"] // 2
    for i in range(meta["block_count"]):
        b = f"blk.{i}."
        local = i % meta["attention.sliding_window_pattern"] != 0
        h = layer_norm(x, w[b + "attn_norm.weight"]) if i else x
        q, k, v = np.split(h @ w[b + "attn_qkv.weight"].T, 3, -1)
        q, k, v = (y.reshape(n, heads, D // heads) for y in (q, k, v))
        base = meta["rope.freq_base_swa" if local else "rope.freq_base"]
        h = attend(turned(q, base), turned(k, base), v, far if local else False)
        x = x + h @ w[b + "attn_output.weight"].T
        h = layer_norm(x, w[b + "ffn_norm.weight"]) @ w[b + "ffn_up.weight"].T
        a, g = np.split(h, 2, -1)
        x = x + (gelu(a) * g) @ w[b + "ffn_down.weight"].T
    return layer_norm(x, w["output_norm.weight"])


def rows():
    return list(range(0, len(TOKENS), 6)) + [len(TOKENS) - 1]


def encoder_golden(m, adapters):
    """The vector; with an adapter, the logits of its head."""
    w = {t[0]: m.array(t).astype(np.float64) for t in m.tensors}
    meta = {key.split(".", 1)[1]: value for _, key, value in m.meta}
    for name, scale in adapters:
        head = ADAPTERS[name]().merge(w, scale)
    x = (modern_hidden if m.arch == "modern-bert" else bert_hidden)(w, meta)
    if adapters:
        x = x @ head["reader.weight"].T + head["reader.bias"]
        for i in rows():
            yield f"logits {i} {values(x[i])}"
        return
    x = x[0] if meta["pooling_type"] == 2 else x.mean(0)
    yield f"vector {values(x / np.sqrt((x**2).sum()))}"


def golden(m, adapters):
    if m.arch == "modern-bert" or (adapters and m.arch.endswith("bert")):
        yield from encoder_golden(m, adapters)
        return
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "m.gguf")
        m.save(path)
        if m.arch.endswith("bert"):
            yield f"vector {values(vector(path))}"
            return
        model, ctx = open_model(path, False)
        for name, scale in adapters:
            path = os.path.join(d, f"{name}.gguf")
            ADAPTERS[name]().save(path)
            adapter = llama_cpp.llama_adapter_lora_init(model, path.encode())
            if llama_cpp.llama_set_adapter_lora(ctx, adapter, ctypes.c_float(scale)):
                sys.exit(f"{name}: llama.cpp cannot")
        scale = 1
        if m.arch == "t5":
            if llama_cpp.llama_encode(ctx, batch_of(SOURCE)):
                sys.exit(f"{m.arch}: llama.cpp cannot")
            # What the paper's code does and llama.cpp leaves out: it changes no order.
            scale = 1 if any(t[0] == "output.weight" for t in m.tensors) else D**-0.5
        if llama_cpp.llama_decode(ctx, batch_of(TOKENS)):
            sys.exit(f"{m.arch}: llama.cpp cannot")
        for i in rows():
            x = floats(llama_cpp.llama_get_logits_ith(ctx, i), VOCAB)
            yield f"logits {i} {values(x * scale)}"
        llama_cpp.llama_free(ctx)
        llama_cpp.llama_model_free(model)


def write(name, m, more):
    with open(os.path.join(sys.argv[1], f"{name}.txt"), "w") as f:
        f.write("# A tiny random model and what comes out of it (make_golden.py).\n")
        for line in [*m.lines(), *more]:
            print(line, file=f)


def main():
    llama_cpp.llama_backend_init()
    wanted = sys.argv[2:] or [*MODELS, *ADAPTERS]
    for name in wanted:
        if name in ADAPTERS:
            write(name, ADAPTERS[name](), [])
            continue
        m = MODELS[name]()
        source = [f"source {' '.join(map(str, SOURCE))}"] * (m.arch == "t5")
        tokens = f"tokens {' '.join(map(str, TOKENS))}"
        write(name, m, [*source, tokens, *golden(m, ADAPTED.get(name, []))])


if __name__ == "__main__":
    main()
