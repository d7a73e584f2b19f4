#!/usr/bin/env python3
"""make_hf_folder.py FAMILY FOLDER [DTYPE [FILES]]: a tiny model as Hugging Face keeps them (config.json, tokenizer.json,
tokenizer_config.json, safetensors), of random but always the same weights. FAMILY: llama, mixtral,
qwen2, qwen3, qwen3_moe, gemma3, phi3, bert, xlm-roberta, nomic_bert,
modernbert. DTYPE: F32 (default), F16, BF16. FILES: how many safetensors files share the weights (1).

The weights are multiples of 1/64 below 2: exact in each type, and the same for llama and qwen2.
"""
import base64, json, os, random, struct, sys

family, folder = sys.argv[1:3]
dtype = sys.argv[3] if len(sys.argv) > 3 else "F32"
files = int(sys.argv[4]) if len(sys.argv) > 4 else 1
os.makedirs(folder, exist_ok=True)
gemma, xlm = family == "gemma3", family == "xlm-roberta"
nomic, modern = family == "nomic_bert", family == "modernbert"
bert = xlm or family == "bert"
h, ffn, heads, kv, layers, positions = 64, 128, 4, 2, 6 if gemma else 2, 256
ffn, layers = 256 if nomic else ffn, 4 if modern else layers
experts = 6 if family in ("mixtral", "qwen3_moe") else 0
head = 32 if family in ("qwen3", "qwen3_moe", "gemma3") else 16


# ---- tokenizer ----


def byte_spelling():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    more = iter(range(256, 400))
    return [chr(b) if b in plain else chr(next(more)) for b in range(256)]


LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
special = lambda i, s, yes=True: {"id": i, "content": s, "special": yes}
split = lambda digits: {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": LLAMA3 % digits}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ],
}
if xlm:
    # Its one rule: U+FF01 becomes "!". A double array: the root, EF, BC, 81, and the place of the text.
    charsmap = [0] * 256
    charsmap[0] = 1 << 10
    charsmap[1 ^ 0xEF] = 0xEF | ((1 ^ 0xEF) ^ 2) << 10
    charsmap[2 ^ 0xBC] = 0xBC | ((2 ^ 0xBC) ^ 4) << 10
    charsmap[4 ^ 0x81] = 0x81 | 1 << 8 | ((4 ^ 0x81) ^ 8) << 10
    charsmap[8] = 1 << 31
    charsmap = struct.pack("<257I", 1024, *charsmap) + b"!\0"
    words = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", "!", "\u2581ab", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = {
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()}]},
        "post_processor": {"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}]},
        "added_tokens": [special(i, w) for i, w in enumerate(words[:4])],
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [[w, -i / 8] for i, w in enumerate(words)]},
    }
    said = {"bos_token": "<s>", "eos_token": "</s>"}
elif bert or nomic:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", *("##" + c for c in "abcxyz")]
    tokenizer = {
        "normalizer": {"type": "BertNormalizer", "lowercase": True},
        "added_tokens": [special(i, w) for i, w in enumerate(words[:5])],
        "model": {"type": "WordPiece", "vocab": {w: i for i, w in enumerate(words)}},
    }
    said = {}
elif gemma:
    words = ["<pad>", "<eos>", "<bos>", "<unk>", *("<0x%02X>" % b for b in range(256)), "\u2581", *"abcdefghijklmnopqrstuvwxyz"]
    merges = [["t", "h"], ["th", "e"], ["\u2581", "a"], ["a", "n"], ["\u2581", "the"]]
    words += ["".join(m) for m in merges] + ["<start_of_turn>", "<b>"]
    tokenizer = {
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}},
        "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<bos>"}}, {"Sequence": {"id": "A"}}]},
        "added_tokens": [special(i, w) for i, w in enumerate(words[:4])]
        + [special(len(words) - 2, "<start_of_turn>"), special(len(words) - 1, "<b>", False)],
        "model": {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "merges": merges,
                  "vocab": {w: i for i, w in enumerate(words)}},
    }
    said = {"bos_token": "<bos>", "eos_token": {"content": "<eos>"}, "add_bos_token": True, "add_eos_token": False}
else:
    merges = ["t h", "th e", "a n", "1 2", "\u0120 the"]
    words = byte_spelling() + ["".join(m.split(" ")) for m in merges]
    extra = ["<|begin|>", "<|end|>", "<tool>"]
    whole = family == "llama"
    tokenizer = {
        "pre_tokenizer": split("{1,3}" if whole else ""),
        "post_processor": {"type": "Sequence", "processors": [{"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": "<|begin|>"}}, {"Sequence": {"id": "A"}}]}]},
        "added_tokens": [special(len(words) + i, w, i < 2) for i, w in enumerate(extra)],
        "model": {"type": "BPE", "ignore_merges": whole, "merges": merges, "vocab": {w: i for i, w in enumerate(words)}},
    }
    words = words + extra
    said = {"chat_template": "{{ '<|im_start|>' }}"}
    if modern:
        tokenizer["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
        tokenizer["post_processor"] = {"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": extra[0]}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": extra[1]}}]}
        said = {"cls_token": extra[0], "sep_token": extra[1]}
    elif not whole:
        said["add_bos_token"] = False
vocab = (len(words) + 7) // 8 * 8  # a few rows without a word

# ---- weights ----

shapes = {}


def linear(name, out, into, bias=False):
    shapes[name + ".weight"] = [out, into]
    if bias:
        shapes[name + ".bias"] = [out]


def norm(name, n, bias=False):
    shapes[name + ".weight"] = [n]
    if bias:
        shapes[name + ".bias"] = [n]


if bert:
    linear("embeddings.word_embeddings", vocab, h)
    linear("embeddings.position_embeddings", positions, h)
    linear("embeddings.token_type_embeddings", 2, h)
    norm("embeddings.LayerNorm", h, True)
    for i in range(layers):
        at = f"encoder.layer.{i}."
        for part in "query", "key", "value":
            linear(at + "attention.self." + part, h, h, True)
        linear(at + "attention.output.dense", h, h, True)
        norm(at + "attention.output.LayerNorm", h, True)
        linear(at + "intermediate.dense", ffn, h, True)
        linear(at + "output.dense", h, ffn, True)
        norm(at + "output.LayerNorm", h, True)
    linear("pooler.dense", h, h, True)
elif nomic:
    linear("embeddings.word_embeddings", vocab, h)
    linear("embeddings.token_type_embeddings", 2, h)
    norm("emb_ln", h, True)
    for i in range(layers):
        at = f"encoder.layers.{i}."
        linear(at + "attn.Wqkv", 3 * h, h)
        linear(at + "attn.out_proj", h, h)
        linear(at + "mlp.fc11", ffn, h)
        linear(at + "mlp.fc12", ffn, h)
        linear(at + "mlp.fc2", h, ffn)
        norm(at + "norm1", h, True)
        norm(at + "norm2", h, True)
elif modern:
    linear("model.embeddings.tok_embeddings", vocab, h)
    norm("model.embeddings.norm", h)
    for i in range(layers):
        at = f"model.layers.{i}."
        if i:
            norm(at + "attn_norm", h)
        linear(at + "attn.Wqkv", 3 * h, h)
        linear(at + "attn.Wo", h, h)
        norm(at + "mlp_norm", h)
        linear(at + "mlp.Wi", 2 * ffn, h)
        linear(at + "mlp.Wo", h, ffn)
    norm("model.final_norm", h)
    linear("head.dense", h, h)
    norm("head.norm", h)
    shapes["decoder.bias"] = [vocab]
else:
    linear("model.embed_tokens", vocab, h)
    for i in range(layers):
        at = f"model.layers.{i}."
        norm(at + "input_layernorm", h)
        if family == "phi3":
            linear(at + "self_attn.qkv_proj", (heads + 2 * kv) * head, h)
            linear(at + "mlp.gate_up_proj", 2 * ffn, h)
        else:
            for part, n in ("q", heads), ("k", kv), ("v", kv):
                linear(at + f"self_attn.{part}_proj", n * head, h, family in ("llama", "qwen2"))
        linear(at + "self_attn.o_proj", h, heads * head)
        if family in ("qwen3", "qwen3_moe", "gemma3"):
            norm(at + "self_attn.q_norm", head)
            norm(at + "self_attn.k_norm", head)
        norm(at + "post_attention_layernorm", h)
        if gemma:
            norm(at + "pre_feedforward_layernorm", h)
            norm(at + "post_feedforward_layernorm", h)
        for part, out, into in ("gate", ffn, h), ("up", ffn, h), ("down", h, ffn):
            if not experts and (family != "phi3" or part == "down"):
                linear(at + f"mlp.{part}_proj", out, into)
            for k in range(experts):
                if family == "mixtral":
                    name = f"block_sparse_moe.experts.{k}." + {"gate": "w1", "up": "w3", "down": "w2"}[part]
                    linear(at + name, out, into)
                else:
                    linear(at + f"mlp.experts.{k}.{part}_proj", min(out, 96), min(into, 96))
        if experts:
            linear(at + ("block_sparse_moe.gate" if family == "mixtral" else "mlp.gate"), experts, h)
    norm("model.norm", h)
    if not gemma:
        linear("lm_head", vocab, h)
pack = {"F32": lambda v: struct.pack("<f", v), "F16": lambda v: struct.pack("<e", v),
        "BF16": lambda v: struct.pack("<f", v)[2:]}[dtype]
names, weight_map = list(shapes), {}
values = {}
for name in names:
    r = random.Random(name)
    n = 1
    for x in shapes[name]:
        n *= x
    small = "norm" in name.lower() or name.startswith("emb_ln")
    # Norms near 1 (Gemma: near 0, as it adds 1); biases and weights around 0.
    base = 0 if not small or gemma or name.endswith(".bias") else 1
    # A router's scores further apart: what 8 bits move must not choose another expert.
    step = 32 if name.endswith(".gate.weight") else 64
    values[name] = [base + r.randint(-16, 16) / step for _ in range(n)]
for k in range(files):
    header, blob = {"__metadata__": {"format": "pt"}}, b""
    file = "model.safetensors" if files == 1 else f"model-{k + 1:05}-of-{files:05}.safetensors"
    for name in names[k::files]:
        raw = b"".join(map(pack, values[name]))
        header[name] = {"dtype": dtype, "shape": shapes[name], "data_offsets": [len(blob), len(blob) + len(raw)]}
        blob += raw
        weight_map[name] = file
    text = json.dumps(header).encode()
    with open(os.path.join(folder, file), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)
if files > 1:
    with open(os.path.join(folder, "model.safetensors.index.json"), "w") as f:
        json.dump({"weight_map": weight_map}, f)

config = {"model_type": "gemma3_text" if gemma else family, "hidden_size": h, "num_hidden_layers": layers,
          "num_attention_heads": heads, "intermediate_size": ffn, "vocab_size": vocab, "max_position_embeddings": positions,
          "pad_token_id": 1}
if bert:
    config |= {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
elif nomic:
    config = {"model_type": family, "n_embd": h, "n_layer": layers, "n_head": heads, "n_inner": ffn, "n_positions": positions,
              "vocab_size": vocab, "type_vocab_size": 2, "layer_norm_epsilon": 1e-12, "activation_function": "swiglu",
              "prenorm": False, "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0, "rotary_scaling_factor": None}
elif modern:
    config |= {"norm_eps": 1e-5, "hidden_activation": "gelu", "global_rope_theta": 160000.0, "local_rope_theta": 1000.0,
               "local_attention": 16, "global_attn_every_n_layers": 3, "position_embedding_type": "absolute"}
else:
    config |= {"num_key_value_heads": kv, "head_dim": head, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
               "hidden_act": "gelu_pytorch_tanh" if gemma else "silu", "tie_word_embeddings": gemma,
               "bos_token_id": len(words) - 3, "eos_token_id": [len(words) - 2]}
if family == "mixtral":
    config |= {"num_local_experts": experts, "num_experts_per_tok": 2, "sliding_window": None}
if family == "qwen3_moe":
    config |= {"num_experts": experts, "num_experts_per_tok": 3, "moe_intermediate_size": 96,
               "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []}
if family == "phi3":
    # Phi-4-mini's kind: three quarters of a head turn, and other factors beyond the original context.
    config |= {"partial_rotary_factor": 0.75, "original_max_position_embeddings": 32, "sliding_window": None,
               "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.25, 1.5, 1.75, 2.0, 2.25],
                                "long_factor": [1.5, 2.0, 3.0, 4.5, 6.0, 8.0]}}
if gemma:
    config |= {"sliding_window": 16, "query_pre_attn_scalar": head, "rope_local_base_freq": 10000.0}
for name, content in ("config", config), ("tokenizer", tokenizer), ("tokenizer_config", said):
    with open(os.path.join(folder, name + ".json"), "w") as f:
        json.dump(content, f)
