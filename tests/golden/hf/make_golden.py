#!/usr/bin/env python3
"""make_golden.py [FAMILY...]: the logits behind the last of forty tokens that the models of tests/tools/make_hf_folder.py give, by a
forward pass in double precision straight from the Hugging Face weights (needs numpy); FAMILY.txt, one number a
line. Of encoders: the vector of TEXT. llama.cpp's logits on the imported files of llama, qwen2, qwen3 and gemma3 were within 0.01 of these.
"""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))


def load(folder):
    with open(folder + "/model.safetensors", "rb") as f:
        raw = f.read()
    n = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, v in json.loads(raw[8 : 8 + n]).items():
        if name != "__metadata__":
            a, b = v["data_offsets"]
            out[name] = np.frombuffer(raw[8 + n + a : 8 + n + b], "<f4").reshape(v["shape"]).astype("f8")
    with open(folder + "/config.json") as f:
        return out, json.load(f)


def rms(x, w, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def rope(q, pos, base):
    d = q.shape[-1]
    angle = pos[:, None] * base ** (-np.arange(0, d, 2) / d)
    angle = np.concatenate([angle, angle], -1)[:, None, :]
    turned = np.concatenate([-q[..., d // 2 :], q[..., : d // 2]], -1)
    return q * np.cos(angle) + turned * np.sin(angle)


def longrope(q, c):
    """Phi-3: the first numbers of a head turn, by factors that are others for a text beyond the original context."""
    n, original, scaling = len(q), c["original_max_position_embeddings"], c["rope_scaling"]
    turning = int(q.shape[-1] * c["partial_rotary_factor"])
    factors = np.array(scaling["long_factor" if n > original else "short_factor"])
    size = np.sqrt(1 + np.log(c["max_position_embeddings"] / original) / np.log(original))
    angle = np.arange(n)[:, None] / (factors * c["rope_theta"] ** (np.arange(0, turning, 2) / turning))
    cos, sin = np.cos(angle)[:, None, :] * size, np.sin(angle)[:, None, :] * size
    a, b, still = q[..., : turning // 2], q[..., turning // 2 : turning], q[..., turning:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin, still], -1)


def attention(x, w, c, at, local, norm):
    n, heads, kv, d, eps = len(x), c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"], c["rms_norm_eps"]
    pos = np.arange(n)
    phi = c["model_type"] == "phi3"
    part = lambda name, count: (x @ w[at + name + ".weight"].T + w.get(at + name + ".bias", 0)).reshape(n, count, d)
    if phi:
        q, k, v = np.split(part("self_attn.qkv_proj", heads + 2 * kv), [heads, heads + kv], 1)
    else:
        q, k, v = part("self_attn.q_proj", heads), part("self_attn.k_proj", kv), part("self_attn.v_proj", kv)
    if at + "self_attn.q_norm.weight" in w:
        q, k = rms(q, norm(at + "self_attn.q_norm.weight"), eps), rms(k, norm(at + "self_attn.k_norm.weight"), eps)
    base = c["rope_local_base_freq"] if local else c["rope_theta"]
    turned = (lambda y: longrope(y, c)) if phi else lambda y: rope(y, pos, base)
    q, k = turned(q), np.repeat(turned(k), heads // kv, 1)
    s = np.einsum("thd,shd->hts", q, k) / np.sqrt(d)
    hidden = pos[None, :] > pos[:, None]
    if local:
        hidden = hidden | (pos[:, None] - pos[None, :] >= c["sliding_window"])
    s = np.where(hidden, -np.inf, s)
    s = np.exp(s - s.max(-1, keepdims=True))
    s /= s.sum(-1, keepdims=True)
    out = np.einsum("hts,shd->thd", s, np.repeat(v, heads // kv, 1)).reshape(n, heads * d)
    return out @ w[at + "self_attn.o_proj.weight"].T


def silu(x):
    return x / (1 + np.exp(-x))


def mixture(y, w, c, at):
    """Each token goes through the experts of the highest scores, weighed by the softmax among those."""
    mixtral = c["model_type"] == "mixtral"
    at += "block_sparse_moe." if mixtral else "mlp."
    score = y @ w[at + "gate.weight"].T
    out = np.zeros_like(y)
    for t, row in enumerate(score):
        best = np.argsort(-row)[: c["num_experts_per_tok"]]
        share = np.exp(row[best] - row[best].max())
        for k, s in zip(best, share / share.sum()):
            part = lambda name: w[f"{at}experts.{k}.{name}.weight"].T
            gate, up, down = ("w1", "w3", "w2") if mixtral else ("gate_proj", "up_proj", "down_proj")
            out[t] += s * ((silu(y[t] @ part(gate)) * (y[t] @ part(up))) @ part(down))
    return out


def feed(y, w, c, at):
    if c["model_type"] == "phi3":
        gate, up = np.split(y @ w[at + "mlp.gate_up_proj.weight"].T, 2, -1)
        return (silu(gate) * up) @ w[at + "mlp.down_proj.weight"].T
    if at + "mlp.gate_proj.weight" not in w:
        return mixture(y, w, c, at)
    gate, up = y @ w[at + "mlp.gate_proj.weight"].T, y @ w[at + "mlp.up_proj.weight"].T
    act = silu(gate)
    if c["model_type"] == "gemma3_text":
        act = 0.5 * gate * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
    return (act * up) @ w[at + "mlp.down_proj.weight"].T


def forward(folder, ids):
    w, c = load(folder)
    gemma, eps = c["model_type"] == "gemma3_text", c["rms_norm_eps"]
    norm = lambda name: w[name] + (1 if gemma else 0)
    x = w["model.embed_tokens.weight"][ids] * (np.sqrt(c["hidden_size"]) if gemma else 1)
    for i in range(c["num_hidden_layers"]):
        at = f"model.layers.{i}."
        y = rms(x, norm(at + "input_layernorm.weight"), eps)
        o = attention(y, w, c, at, gemma and i % 6 != 5, norm)
        if gemma:
            x = x + rms(o, norm(at + "post_attention_layernorm.weight"), eps)
            y = rms(x, norm(at + "pre_feedforward_layernorm.weight"), eps)
        else:
            x = x + o
            y = rms(x, norm(at + "post_attention_layernorm.weight"), eps)
        f = feed(y, w, c, at)
        x = x + (rms(f, norm(at + "post_feedforward_layernorm.weight"), eps) if gemma else f)
    x = rms(x, norm("model.norm.weight"), eps)
    return x @ w["model.embed_tokens.weight" if gemma else "lm_head.weight"].T


# ---- encoders ----

TEXT = " ".join("abcxyz"[(i * i + 3 * i) % 6] for i in range(30))


def layer_norm(x, w, name, eps):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w[name + ".weight"] + w.get(name + ".bias", 0)


def all_see(x, w, name, heads, base, far=None):
    """Attention to both sides, as far as not `far`, of one matrix of queries, keys and values."""
    n, width = x.shape
    q, k, v = (y.reshape(n, heads, -1) for y in np.split(x @ w[name + ".weight"].T, 3, -1))
    pos = np.arange(n)
    s = np.einsum("thd,shd->hts", rope(q, pos, base), rope(k, pos, base)) / np.sqrt(width // heads)
    s = s if far is None else np.where(far, -np.inf, s)
    s = np.exp(s - s.max(-1, keepdims=True))
    return np.einsum("hts,shd->thd", s / s.sum(-1, keepdims=True), v).reshape(n, width)


def nomic(folder):
    w, c = load(folder)
    with open(folder + "/tokenizer.json") as f:
        vocab = json.load(f)["model"]["vocab"]
    ids = [vocab[t] for t in ["[CLS]", *TEXT.split(), "[SEP]"]]
    eps = c["layer_norm_epsilon"]
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(x, w, "emb_ln", eps)
    for i in range(c["n_layer"]):
        at = f"encoder.layers.{i}."
        o = all_see(x, w, at + "attn.Wqkv", c["n_head"], c["rotary_emb_base"])
        x = layer_norm(x + o @ w[at + "attn.out_proj.weight"].T, w, at + "norm1", eps)
        y = (x @ w[at + "mlp.fc11.weight"].T) * silu(x @ w[at + "mlp.fc12.weight"].T)
        x = layer_norm(x + y @ w[at + "mlp.fc2.weight"].T, w, at + "norm2", eps)
    return x


def modern(folder):
    w, c = load(folder)
    begin = 261  # <|begin|>, and <|end|> behind it; a byte that no merge takes is its own id
    ids = [begin, *TEXT.encode(), begin + 1]
    eps, pos = c["norm_eps"], np.arange(len(ids))
    far = abs(pos[:, None] - pos) > c["local_attention"] // 2
    x = layer_norm(w["model.embeddings.tok_embeddings.weight"][ids], w, "model.embeddings.norm", eps)
    for i in range(c["num_hidden_layers"]):
        at = f"model.layers.{i}."
        local = i % c["global_attn_every_n_layers"] != 0
        y = layer_norm(x, w, at + "attn_norm", eps) if i else x
        base = c["local_rope_theta" if local else "global_rope_theta"]
        o = all_see(y, w, at + "attn.Wqkv", c["num_attention_heads"], base, far if local else None)
        x = x + o @ w[at + "attn.Wo.weight"].T
        y, gate = np.split(layer_norm(x, w, at + "mlp_norm", eps) @ w[at + "mlp.Wi.weight"].T, 2, -1)
        gelu = 0.5 * y * (1 + np.vectorize(math.erf)(y / np.sqrt(2)))
        x = x + (gelu * gate) @ w[at + "mlp.Wo.weight"].T
    return layer_norm(x, w, "model.final_norm", eps)


def vector(rows):
    """The mean of all tokens, of length 1."""
    mean = rows.mean(0)
    return mean / np.sqrt((mean * mean).sum())


ENCODERS = {"nomic_bert": nomic, "modernbert": modern}

if __name__ == "__main__":
    for family in sys.argv[1:] or ["llama", "mixtral", "qwen2", "qwen3", "qwen3_moe", "gemma3", "phi3", "nomic_bert", "modernbert"]:
        with tempfile.TemporaryDirectory() as d:
            subprocess.run([sys.executable, here + "/../../tools/make_hf_folder.py", family, d], check=True)
            if family in ENCODERS:
                last = vector(ENCODERS[family](d))
            else:
                last = forward(d, [(i * 7919 + 13) % 260 for i in range(40)])[-1]
        with open(f"{here}/{family}.txt", "w") as f:
            f.writelines(f"{v:.5f}\n" for v in last)
