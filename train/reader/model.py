# SPDX-License-Identifier: MIT
"""The embedder as PyTorch sees it, with low-rank adapters and a head: what the engine runs.

Weights are those of the GGUF file, dequantised and frozen; what is trained is what is added
(Hu et al. 2021). The head gives each token three numbers: logit of an answer's start, of its end,
and, read at position 0, how relevant the passage is.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

LAYERS, WIDTH, HEADS, INNER = 12, 384, 12, 1536
PARTS = {"attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH),
         "attn_output": (WIDTH, WIDTH), "ffn_up": (WIDTH, INNER), "ffn_down": (INNER, WIDTH)}
OUTPUTS = 3
QUESTION_MAX = 64  # tokens of a question that are read
INPUT_MAX = 512


def q4_0(rows):
    """Blocks of 32 weights: an f16 scale, 16 bytes of two 4-bit numbers each, 8 taken off."""
    b = rows.reshape(rows.shape[0], -1, 18)
    scale = b[:, :, :2].copy().view(np.float16).astype(np.float32)
    q = b[:, :, 2:]
    w = np.concatenate([q & 15, q >> 4], axis=2).astype(np.float32) - 8
    return (w * scale).reshape(rows.shape[0], -1)


class Adapted(nn.Module):
    """y = W x + b + (alpha / rank) B A x, W and b frozen."""

    def __init__(self, weight, bias, rank, alpha):
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.rank, self.scale = rank, alpha / rank if rank else 0
        if rank:
            self.a = nn.Parameter(torch.empty(rank, weight.shape[1]))
            self.b = nn.Parameter(torch.zeros(weight.shape[0], rank))
            nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x):
        y = F.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))
        if self.rank:
            low = F.linear(x, self.a.to(x.dtype))
            y = y + self.scale * F.linear(low, self.b.to(x.dtype))
        return y


class Layer(nn.Module):
    def __init__(self, w, i, rank, alpha, dropout):
        super().__init__()
        self.parts = nn.ModuleDict(
            {p: Adapted(w("blk.%d.%s.weight" % (i, p)), w("blk.%d.%s.bias" % (i, p)), rank, alpha)
             for p in PARTS})
        for n in ("attn_output_norm", "layer_output_norm"):
            for k in ("weight", "bias"):
                self.register_buffer("%s_%s" % (n, k), w("blk.%d.%s.%s" % (i, n, k)),
                                     persistent=False)
        self.dropout = dropout

    def forward(self, x, mask):
        n, length, _ = x.shape
        q, k, v = (self.parts[p](x).view(n, length, HEADS, -1).transpose(1, 2)
                   for p in ("attn_q", "attn_k", "attn_v"))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask,
                                           dropout_p=self.dropout if self.training else 0)
        y = self.parts["attn_output"](y.transpose(1, 2).reshape(n, length, WIDTH))
        y = F.dropout(y, self.dropout, self.training)
        x = self.norm(x + y, "attn_output_norm")
        y = self.parts["ffn_down"](F.gelu(self.parts["ffn_up"](x)))
        y = F.dropout(y, self.dropout, self.training)
        return self.norm(x + y, "layer_output_norm")

    def norm(self, x, name):
        return F.layer_norm(x.float(), (WIDTH,), getattr(self, name + "_weight"),
                            getattr(self, name + "_bias"), 1e-12).to(x.dtype)


class Reader(nn.Module):
    def __init__(self, path, rank=16, alpha=32, dropout=0.1):
        super().__init__()
        z = np.load(path)

        def w(name):
            x = z[name]
            return torch.from_numpy(q4_0(x) if x.dtype == np.uint8 else x.astype(np.float32))

        self.rank, self.alpha = rank, alpha
        for name in ("token_embd.weight", "position_embd.weight", "token_embd_norm.weight",
                     "token_embd_norm.bias"):
            self.register_buffer(name.replace(".", "_"), w(name), persistent=False)
        self.register_buffer("type_row", w("token_types.weight")[0], persistent=False)
        self.layers = nn.ModuleList([Layer(w, i, rank, alpha, dropout) for i in range(LAYERS)])
        self.head = nn.Linear(WIDTH, OUTPUTS)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def hidden(self, ids, mask, dtype=torch.float32):
        """[n, length] token ids and which of them are there -> [n, length, WIDTH]."""
        x = self.token_embd_weight[ids] + self.type_row
        x = x + self.position_embd_weight[: ids.shape[1]]
        x = F.layer_norm(x, (WIDTH,), self.token_embd_norm_weight, self.token_embd_norm_bias, 1e-12)
        x = x.to(dtype)
        seen = mask[:, None, None, :]
        for layer in self.layers:
            x = layer(x, seen)
        return x

    def forward(self, ids, mask, dtype=torch.float32):
        return self.head(self.hidden(ids, mask, dtype).float())
