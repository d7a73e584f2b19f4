# SPDX-License-Identifier: MIT
"""Examples -> arrays of token ids, and the embedder's weights, ready for train.py.

    prepare.py MODEL.gguf DATA-FOLDER OUT-FOLDER [--eval NAME=FILE]... [--limit N]

Token ids are numbered anew, those that occur alone, so that what travels to a machine with a GPU
is small. OUT-FOLDER: train.npz, weights.npz, eval.json.gz.
"""

import argparse
import gzip
import json
import random

import numpy as np
from gguf import GGUFReader

import data
import evalsets
import tokens


class Passages:
    def __init__(self, t):
        self.t, self.ids, self.keys = t, {}, []

    def add(self, heading, text):
        key = (heading.strip(), text)
        if key not in self.ids:
            self.ids[key] = len(self.keys)
            self.keys.append(key)
        return self.ids[key]

    def encode(self):
        """Of each passage: ids of its heading with ": ", ids of its text, offsets of the text."""
        heads = tokens.encode_all(self.t, [h + ":" if h else "" for h, _ in self.keys])
        texts = tokens.encode_all(self.t, [x for _, x in self.keys])
        return [(h[0], x[0], x[1]) for h, x in zip(heads, texts)]


def token_span(offsets, start, end):
    """First and last token that stand for characters [start, end), or None."""
    inside = [i for i, (s, e) in enumerate(offsets) if e > start and s < end and e > s]
    return (inside[0], inside[-1]) if inside else None


def flat(rows):
    at = np.zeros(len(rows) + 1, np.int32)
    at[1:] = np.cumsum([len(r) for r in rows])
    return (np.concatenate(rows) if rows else np.zeros(0, np.int32)), at


def pack_examples(examples, t):
    passages, questions, kept = Passages(t), [], []
    for e in examples:
        kept.append((passages.add(e.heading, e.passage),
                     [passages.add(e.heading, n) for n in e.negatives],
                     passages.add(e.heading, e.less) if e.less else -1, e))
        questions.append(e.question)
    encoded = passages.encode()
    asked = [q[0] for q in tokens.encode_all(t, questions)]
    rows, negatives, answers = [], [], []
    for i, (p, neg, less, e) in enumerate(kept):
        spans = [token_span(encoded[p][2], s, x) for s, x in e.spans]
        spans = [s for s in spans if s]
        if not spans:
            continue
        rows.append((i, p, spans[0][0], spans[0][1], sorted(data.SOURCES).index(e.source), less))
        negatives.append(np.array(neg, np.int32))
        answers.append(encoded[p][1][spans[0][0] : spans[0][1] + 1])
    out = {"examples": np.array(rows, np.int32)}
    for name, list_of in (("negatives", negatives), ("answers", answers),
                          ("questions", asked),
                          ("heads", [e[0] for e in encoded]),
                          ("texts", [e[1] for e in encoded])):
        out[name], out[name + "_at"] = flat(list_of)
    return out


def pack_eval(rows, t):
    asked = tokens.encode_all(t, [r["question"] for r in rows])
    heads = tokens.encode_all(t, [r["heading"] + ":" if r["heading"] else "" for r in rows])
    texts = tokens.encode_all(t, [r["passage"] for r in rows])
    for r, q, h, x in zip(rows, asked, heads, texts):
        r["q"], r["h"], r["p"] = q[0].tolist(), h[0].tolist(), x[0].tolist()
        r["offsets"] = x[1]
    return rows


def weights(path, used):
    """Tensors as the file has them, blocks of Q4_0 as bytes; rows of the embedding that are used."""
    out = {}
    for x in GGUFReader(path).tensors:
        if x.tensor_type not in (0, 2):
            raise SystemExit("%s: tensor %s is neither F32 nor Q4_0" % (path, x.name))
        rows = np.asarray(x.data)
        out[x.name] = rows[used] if x.name == "token_embd.weight" else rows
    return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("model")
    ap.add_argument("data")
    ap.add_argument("out")
    ap.add_argument("--eval", action="append", default=[])
    ap.add_argument("--limit", type=int, default=0)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    t = tokens.tokenizer(a.model)
    examples, missing = data.load(a.data, a.seed)
    for name in missing:
        print("not there, left out: %s" % name)
    if a.limit:
        random.Random(a.seed).shuffle(examples)
        examples = examples[: a.limit]
    packed = pack_examples(examples, t)
    sets = []
    for item in a.eval:
        name, path = item.split("=", 1)
        sets += pack_eval(evalsets.read(name, path), t)
    used = {tokens.BOS, tokens.PAD, tokens.EOS}
    for name in ("questions", "heads", "texts"):
        used.update(np.unique(packed[name]).tolist())
    for r in sets:
        used.update(r["q"], r["h"], r["p"])
    used = np.array(sorted(used), np.int64)
    number = {int(x): i for i, x in enumerate(used)}
    for name in ("questions", "heads", "texts", "answers"):
        packed[name] = np.searchsorted(used, packed[name]).astype(np.uint32)
    for r in sets:
        for k in "qhp":
            r[k] = [number[i] for i in r[k]]
    packed["used"] = used
    np.savez_compressed(a.out + "/train.npz", **packed)
    np.savez_compressed(a.out + "/weights.npz", **weights(a.model, used))
    with gzip.open(a.out + "/eval.json.gz", "wt", encoding="utf-8") as f:
        json.dump(sets, f, ensure_ascii=False)
    print("%d examples, %d passages, %d tokens in use, %d to evaluate" %
          (len(packed["examples"]), len(packed["texts_at"]) - 1, len(used), len(sets)))


if __name__ == "__main__":
    main()
