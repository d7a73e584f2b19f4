#!/usr/bin/env python3
"""make_corpus.py: the first inputs of each fuzz target, written into corpus/ beside this file."""
import json, os, struct

here = os.path.dirname(os.path.abspath(__file__))
U8, I32, F32, BOOL, STRING, ARRAY, U64, U32 = 0, 5, 6, 7, 8, 9, 10, 4


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(b)) + b


def value(kind, v):
    if kind == STRING:
        return text(v)
    return struct.pack("<" + {U8: "B", I32: "i", U32: "I", F32: "f", BOOL: "B", U64: "Q"}[kind], v)


def kv(key, kind, v):
    return text(key) + struct.pack("<I", kind) + value(kind, v)


def array(key, kind, vs):
    return text(key) + struct.pack("<IIQ", ARRAY, kind, len(vs)) + b"".join(value(kind, v) for v in vs)


def gguf(kvs, tensors=(), version=3, alignment=32):
    head, data = b"", b""
    for name, dims, kind, raw in tensors:
        head += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        head += struct.pack("<IQ", kind, len(data))
        data += raw + bytes(-len(raw) % alignment)
    b = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(kvs)) + b"".join(kvs) + head
    return b + (bytes(-len(b) % alignment) + data if tensors else b"")


def save(target, name, b):
    os.makedirs(os.path.join(here, "corpus", target), exist_ok=True)
    with open(os.path.join(here, "corpus", target, name), "wb") as f:
        f.write(b)


scalars = [kv("a.u8", U8, 7), kv("a.i32", I32, -3), kv("a.f32", F32, 0.5), kv("a.bool", BOOL, 1), kv("a.u64", U64, 2**40),
           kv("a.s", STRING, "text")]
arrays = [array("b.i32", I32, [1, -2, 3]), array("b.s", STRING, ["x", "", "yz"]), array("b.none", F32, [])]
tensors = [("one", [8], 0, bytes(range(32))), ("two", [32, 2], 8, bytes(68)), ("three", [256], 12, bytes(144))]
save("gguf", "empty", gguf([]))
save("gguf", "scalars", gguf(scalars))
save("gguf", "arrays", gguf(arrays, version=2))
save("gguf", "tensors", gguf(scalars[:1], tensors))
save("gguf", "aligned", gguf([kv("general.alignment", U32, 64)], tensors, alignment=64))
save("gguf", "dims", gguf([], [("d", [2, 2, 2, 2], 30, bytes(32))]))

T = "tokenizer.ggml."


def vocabulary(model, words, types, more):
    return gguf([kv(T + "model", STRING, model), array(T + "tokens", STRING, words), array(T + "token_type", I32, types),
                 array(T + "scores", F32, [-i / 4 for i in range(len(words))]), kv(T + "unknown_token_id", U32, 0),
                 kv(T + "eos_token_id", U32, 1)] + more)


bpe = ["<unk>", "<|im_end|>", "a", "b", "ab", "abb", "\u0120", "\u0120a", "1", "12"]
for pre in "gpt-2", "smollm", "qwen2", "llama-bpe":
    save("metadata", pre, vocabulary("gpt2", bpe, [3, 3] + [1] * 8, [kv(T + "pre", STRING, pre), array(T + "merges", STRING, [
        "a b", "ab b", "\u0120 a", "1 2"])]))
pieces = ["<unk>", "</s>", "\u2581", "a", "b", "ab", "\u2581a", "\u4f60", "\u4f60\u597d"]
save("metadata", "llama", vocabulary("llama", pieces + ["<0x41>", "<0x0A>"], [2, 3] + [1] * 7 + [6, 6],
                                     [kv(T + "add_space_prefix", BOOL, 0)]))
save("metadata", "bert", vocabulary("bert", pieces, [2, 3] + [1] * 7, [kv(T + "cls_token_id", U32, 1),
                                                                      kv(T + "seperator_token_id", U32, 1)]))
N = "askd.tokenizer.normalizer."
save("metadata", "t5", vocabulary("t5", pieces + ["<u>"], [2, 3] + [1] * 7 + [4], [
    array(N + "codepoints", U32, [10, 65]), array(N + "offsets", U32, [0, 1, 3]), array(N + "outputs", U32, [32, 97, 98])]))

with open(os.path.join(here, "../tests/golden/tokenizer/charsmap.hex")) as f:
    charsmap = bytes.fromhex(f.read())
save("metadata", "charsmap", vocabulary("t5", pieces, [2, 3] + [1] * 7, [array(T + "precompiled_charsmap", U8, charsmap)]))

for name, b in {
    "english": b"Hello, the world's 12345 things; aren't they?\n\n  fine\t.",
    "chinese": "你好，世界！如何重置密码？ＡＢＣ　１２３".encode(),
    "emoji": "👨‍👩‍👧‍👦🇨🇳 ☎️ naïve é".encode(),
    "control": b"<|im_end|><user>\x00\x01\x1b[31m\x7f <unk>",
    "invalid": b"\xff\xfe\xc3\x28 \xe4\xbd \xed\xa0\x80 \xf4\x90\x80\x80 \x80",
    "spaces": b" " * 70 + b"a" + b" " * 70 + b"\r\n\r\n \n ",
    "run": b"a" * 300 + b"\xe4\xbd\xa0" * 30,
}.items():
    save("text", name, b)

# A small embedder and a small decoder, each of one layer, all zeros.
def safetensors(shapes):
    header, at = {}, 0
    for name, shape in shapes.items():
        n = 4
        for x in shape:
            n *= x
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + n]}
        at += n
    b = json.dumps(header).encode()
    return struct.pack("<Q", len(b)) + b + bytes(at)


def both(name, out, into):
    return {name + ".weight": [out, into], name + ".bias": [out]}


def hf(config, tokenizer, shapes):
    return b"\x1e".join([json.dumps(config).encode(), json.dumps(tokenizer).encode(), safetensors(shapes)])


words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b"]
shapes = {"embeddings.word_embeddings.weight": [6, 32], "embeddings.position_embeddings.weight": [2, 32],
          "embeddings.token_type_embeddings.weight": [1, 32], "embeddings.LayerNorm.weight": [32], "embeddings.LayerNorm.bias": [32]}
for part in "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", \
        "output.dense":
    shapes |= both("encoder.layer.0." + part, 32, 32)
for part in "attention.output", "output":
    shapes |= {f"encoder.layer.0.{part}.LayerNorm.weight": [32], f"encoder.layer.0.{part}.LayerNorm.bias": [32]}
size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32, "max_position_embeddings": 2}
bert = {"normalizer": {"type": "BertNormalizer", "lowercase": True}, "model": {"type": "WordPiece", "vocab": {w: i for i, w in enumerate(words)}}}
save("import", "bert", hf({"model_type": "bert", "vocab_size": 6, "type_vocab_size": 1} | size, bert, shapes))
layer = "model.layers.0."
shapes = {"model.embed_tokens.weight": [8, 32], "model.norm.weight": [32], layer + "input_layernorm.weight": [32],
          layer + "post_attention_layernorm.weight": [32]}
for part in "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj":
    shapes[layer + part + ".weight"] = [32, 32]
bpe = {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False}, "added_tokens": [{"id": 5, "content": "<end>", "special": True}],
       "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}
scaling = {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}
save("import", "llama", hf({"model_type": "llama", "vocab_size": 8, "eos_token_id": 5, "tie_word_embeddings": True,
                            "rope_scaling": scaling} | size, bpe, shapes))
spm = {"model": {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "merges": [["a", "b"]],
                 "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "<0x0A>": 4}}}
save("import", "spm", hf({"model_type": "qwen2", "vocab_size": 8, "tie_word_embeddings": True} | size, spm, shapes))
part = {"model.embed_tokens.weight": [8, 32], "model.norm.weight": [32], layer + "input_layernorm.weight": [32],
        layer + "post_attention_layernorm.weight": [32], layer + "self_attn.o_proj.weight": [32, 32]}
phi3 = part | {layer + "self_attn.qkv_proj.weight": [96, 32], layer + "mlp.gate_up_proj.weight": [64, 32],
               layer + "mlp.down_proj.weight": [32, 32]}
scaling = {"type": "longrope", "short_factor": [1] * 8, "long_factor": [2] * 8}
save("import", "phi3", hf({"model_type": "phi3", "vocab_size": 8, "tie_word_embeddings": True, "partial_rotary_factor": 0.5,
                           "original_max_position_embeddings": 2, "rope_scaling": scaling} | size, bpe, phi3))
mixtral = part | {layer + f"self_attn.{x}_proj.weight": [32, 32] for x in "qkv"}
mixtral |= {layer + f"block_sparse_moe.experts.{k}.w{x}.weight": [32, 32] for k in range(2) for x in (1, 2, 3)}
mixtral |= {layer + "block_sparse_moe.gate.weight": [2, 32]}
save("import", "mixtral", hf({"model_type": "mixtral", "vocab_size": 8, "tie_word_embeddings": True, "num_local_experts": 2,
                              "num_experts_per_tok": 1} | size, bpe, mixtral))
modern = {"embeddings.tok_embeddings.weight": [8, 32], "embeddings.norm.weight": [32], "final_norm.weight": [32],
          "layers.0.attn.Wqkv.weight": [96, 32], "layers.0.attn.Wo.weight": [32, 32], "layers.0.mlp_norm.weight": [32],
          "layers.0.mlp.Wi.weight": [64, 32], "layers.0.mlp.Wo.weight": [32, 32]}
save("import", "modernbert", hf({"model_type": "modernbert", "vocab_size": 8, "local_attention": 4} | size, bpe, modern))
save("import", "e5s1", b"E5S1" + struct.pack("<I7ifi5i", 1, 32, 1, 1, 32, 4, 2, 1, 1e-12, 32, 4, 0, 2, 1, 3) + struct.pack("<Q5I", 4, 0, 1, 2, 3, 4)
     + bytes(16) + b"abcd" + struct.pack("<iI", 0, 0) + struct.pack("<i", 21))

for i, pattern in enumerate(["(yes|no)", "[a-z]{2,5}(-[0-9]+)?", "\\d{4}-\\d\\d", "(a|b)*c", "[^\\n]{1,20}", ".{3}\u4f60+"]):
    save("constraint", f"pattern-{i}", b"\0" + pattern.encode())
for i, schema in enumerate([
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", 1, None]}}, "required": ["a"]},
    {"type": "array", "items": {"type": "string", "maxLength": 4}, "minItems": 1, "maxItems": 3},
    {"anyOf": [{"type": "boolean"}, {"const": {"k": [1, 2]}}]},
    {"$ref": "#/$defs/x", "$defs": {"x": {"type": "string", "pattern": "[ab]+"}}},
]):
    save("constraint", f"schema-{i}", b"\1" + json.dumps(schema).encode())
save("constraint", "quote", b"\2The quick brown fox says \xe4\xbd\xa0\xe5\xa5\xbd to the lazy dog.")
save("constraint", "cite", b"\3See section 4.2 for the limits; 12 of them are hard.")

questions = [
    '{"question":"When does the backup start?"}',
    '{"question":"x","collection":["a","b"],"k":8,"filter":{"path":"/srv/*","after":"2026-01-01","type":"pdf"}}',
    '{"question":"\\u4f60\\ud83d\\ude00","history":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"stream":true}',
    '{"question":"x","conversation":"c-1","max_tokens":5,"temperature":0.5,"seed":1,"mode":"write","top_k":40,"top_p":0.9,"min_p":0.1,'
    '"repetition_penalty":1.1,"frequency_penalty":0.5,"presence_penalty":-0.5,"logprobs":true,"adapters":[{"name":"law","scale":0.5}]}',
    '{"question":1e308,"k":-1}', '[{}]', '{"question":null,"mode":"x"}',
]
for i, q in enumerate(questions):
    save("question", f"ask-{i}", b"\0" + q.encode())
    save("question", f"search-{i}", b"\1" + q.encode())


def post(path, body, *more):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


get = "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n"
requests = {
    "ask": post("/v1/ask", questions[0]), "stream": post("/v1/ask", questions[2], "Accept: application/x-ndjson"),
    "wrong": post("/v1/search", questions[4]), "two": get.format("healthz").encode() + get.format("readyz").encode(),
    "status": get.format("v1/status").encode(), "metrics": get.format("metrics").encode(), "collections": get.format("v1/collections").encode(),
    "document": get.format("v1/documents/7").encode(), "escape": get.format("%68ealthz%00").encode(), "nothing": get.format("x?y").encode(),
    "method": b"PUT /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "old": b"GET /healthz HTTP/1.0\r\n\r\n",
    "expect": post("/v1/ask", questions[0], "Expect: 100-continue"), "large": post("/v1/ask", "x", "X: 1").replace(b"Length: 1", b"Length: 99999999"),
    "chunked": b"POST /v1/ask HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"que\r\n0\r\n\r\n",
    "head": b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nA: " + b"y" * 14000 + b"\r\n\r\n", "none": b"\x16\x03\x01\x02\x00\x01",
    "web": post("/v1/ask", questions[0], "Origin: http://evil.example", "Content-Type: text/plain"),
    "token": post("/v1/ask", questions[0], "Authorization: Bearer askd_0123", "Content-Type: application/json"),
}
for i, (name, b) in enumerate(requests.items()):
    save("http", name, bytes([0, i % 4]) + b)
    save("http", name + "-tcp", bytes([1, i % 4]) + b)

save("config", "some", b"# askd.conf\ndata = /srv/askd\nmax_k = 20\nmin_confidence = 0.5\nlisten = 127.0.0.1:8080\npin = 0-3,6\nadapters = law /srv/law.gguf\n"
     b"[access]\nroot = read a, b\n@0 = admin *\n* = read public\nanonymous = read public\n[tokens]\nprom = " + b"0" * 64 + b"\n")
save("config", "wrong", b"max_k = x\nnothing = 1\n[access]\nroot = fly *\nnobody-here = read a\n[tokens]\nx = 12\n[other]\na = b\nlisten = nowhere\n")
save("lexicon", "some", "# ours\n\n\u9632\u706b\u5899\tfirewall:0.8\tfilter:.1\r\n\u9632\tguard:1\nport\t\u7aef\u53e3:0.75\n".encode())
save("lexicon", "twice", b"b\tx:1\na\tx:1\nb\ty:1\n")
save("lexicon", "wrong", b"a\tb:nan\nno tab\n\tb:1\na\tb\na\t:0.5\n")
save("rules", "some", b"[codename]\ncategory = internal\nstages = answer, question\naction = redact\nwords = heron project, heron\ncollections = a, b\n"
     b"[email]\nenabled = no\n[number]\ncategory = personal\nstages = passage\naction = withhold\ncheck = luhn\npattern = \\b\\d{4} \\d{4}\\b\n")
save("rules", "wrong", b"[x]\npattern = (\n[y]\nwords = a\naction = fly\nstages = nowhere\n[]\ncheck = none\nenabled = perhaps\n")
for i, s in enumerate([
    "Plain words, nothing else.", "key AKIAIOSFODNN7EXAMPLE and sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD", "card 4111 1111 1111 1111 ok",
    "IBAN DE89 3704 0044 0532 0130 00", "a [link](https://evil.example/?q=1) and https://ok.example/page", "![x](data:image/png;base64,AAAA)",
    "write to a.b@example.org, ops@ok.example", "ssn 078-05-1120 heron project", "\uff21KIAIOSFODNN7EXAMPLE \u200b\u0430dmin", "%68ttps://x.example &#104;ttp://y",
    "\u4f60\u8fd9\u4e2a\u50bb\u5b50", "-----BEGIN RSA PRIVATE KEY-----\nMIIE", "[ref]: //cdn.example/x\n<https://a.example>",
]):
    save("gate", f"text-{i}", struct.pack("<Q", 0x9E3779B97F4A7C15 * (i + 1) % 2**64) + s.encode())
for i, s in enumerate(["quota jobs", "what is \u914d\u989d", '"quoted" AND (words) NEAR/5 col:x* ^a -b +c {x y}', "the\x1e/docs/[0-9]*.md\x1e2001-01-01\x1emarkdown",
                       "oak\x1e*\x1enever", "a b " * 80, "\x00\xff'; DROP TABLE passages; --", "at.deny /etc/at.deny -a --all"]):
    save("search", f"query-{i}", s.encode())
for name, b in {"none": b"", "cut": struct.pack("<HBB", 5000, 0, 0), "header": struct.pack("<HBB", 16, 0, 4) + b"\xff\xff\xff\xff",
                "page": struct.pack("<HBB", 4096, 0, 8) + bytes(8), "text": struct.pack("<HBB", 65000, 0, 3) + b"abc",
                "two": struct.pack("<HBB", 100, 0, 2) + b"\xff\xff" + struct.pack("<HBB", 9000, 1, 9) + b"\x80" * 9}.items():
    save("store", name, b)
save("manifest", "none", b"")
save("manifest", "wrong", b"askd snapshot 1\nschema 3\nsequence 1\ndocuments 0\npassages 0\nsha256 " + b"0" * 64 + b"\n")
save("manifest", "later", b"askd snapshot 2\nsha256 x\n")

documents = {
    "markdown": "---\ntitle: T\n---\n# H\n\n- a\n  1. b\n- [x] c\n\n```\ncode\n```\n| a | b |\n|---|---|\n| 1 | &copy; |\n\n<b>x</b> [l](https://e.org/p) ![i](j)\n",
    "html": "<!doctype html><title>T</title><nav>n</nav><main><h1>H</h1><ol start=3><li>a<li>b<ul><li>c</ul></ol><dl><dt>t<dd>d</dl><table><tr><td>1<td>2</table>"
            "<pre>x\n y</pre><p>caf&eacute;<br>z<script>s</script>",
    "text": "TITLE\n=====\n\nWords of it:\n\n  1. one\n  2. two\n\n    code()\n\nSECTION\n-------\n\nMore.\n",
    "pages": "Head 1\n\nWords of a page.\n\nFoot\n\fHead 2\n\nMore words.\n\nFoot\n\fHead 3\n\nThe end.\n\nFoot\n",
}
for i, (name, s) in enumerate(documents.items()):
    for kind in range(4):
        save("document", f"{name}-as-{kind}", bytes([kind]) + s.encode())
save("document", "latin1", b"\0caf\xe9 cr\xe8me br\xfbl\xe9e, d\xe9j\xe0 vu, na\xefve fa\xe7ade\n")
save("document", "gb18030", b"\2<meta charset=gb18030><p>" + "\u914d\u989d\u662f\u4ec0\u4e48".encode("gb18030"))
save("document", "utf16", b"\0\xff\xfe" + "words in two bytes each".encode("utf-16le"))
save("document", "deep", b"\2" + b"<div><b><table><tr>" * 60 + b"x")


def doc(code, message, title, body, blocks, marks):
    head = struct.pack("<i256s4x4Q", code, message, len(title), len(body), len(blocks), len(marks))
    return (head + title + body + b"".join(struct.pack("<3i4x2Q", *b) for b in blocks) + b"".join(struct.pack("<Qi4x", *m) for m in marks))


save("pack", "doc", doc(0, b"", b"T", b"one text\nof it", [(0, 1, 0, 0, 8), (1, 0, 0, 9, 5)], [(0, 1), (9, 2)]))
save("pack", "empty", doc(0, b"", b"", b"", [], []))
save("pack", "refused", doc(-84, b"binary, not text", b"", b"", [], []))
save("pack", "beyond", doc(0, b"", b"", b"text", [(1, 0, 0, 2, 9)], []))
