# SPDX-License-Identifier: MIT
"""Does the engine read as PyTorch does?

    parity.py PREPARED reader.npz ASKD-MODEL MODEL.gguf READER.gguf [--most N]

Reads the prepared evaluation sets with both and prints how far span scores are apart and how many
spans are the same text. The engine rounds activations to 8 bits, PyTorch here does not. Fails if
fewer than nine in ten spans agree or the median difference of scores exceeds 0.2.
"""

import argparse
import gzip
import json
import subprocess

import numpy as np

import batches
import evaluate
from model import Reader

import torch


def load(folder, path):
    z = np.load(path)
    m = Reader(folder + "/weights.npz", int(z["rank"]), float(z["alpha"]), 0)
    m.load_state_dict({k: torch.from_numpy(z[k]) for k in m.state_dict()})
    return m


def main():
    ap = argparse.ArgumentParser()
    for name in ("folder", "reader", "program", "model", "adapter"):
        ap.add_argument(name)
    ap.add_argument("--most", type=int, default=500)
    a = ap.parse_args()
    with gzip.open(a.folder + "/eval.json.gz", "rt", encoding="utf-8") as f:
        rows = json.load(f)
    rows = rows[:: max(1, len(rows) // a.most)][: a.most]
    asked = "".join(json.dumps({"question": r["question"], "heading": r["heading"],
                                "passage": r["passage"]}) + "\n" for r in rows)
    r = subprocess.run([a.program, "read", a.model, a.adapter], input=asked, text=True,
                       capture_output=True, check=True)
    got = [json.loads(line) for line in r.stdout.splitlines()]
    corpus = batches.Corpus(a.folder + "/train.npz")
    want = evaluate.read(load(a.folder, a.reader), corpus, rows, "cpu", torch.float32, 16)
    apart = [abs(g["score"] - w[0]) for g, w in zip(got, want)]
    same = [g["span"] == w[2] for g, w in zip(got, want)]
    print("%d passages: span scores differ by %.3f (median), %.3f (95 %%), %.3f (most); "
          "relevance by %.3f (median); the same span in %.3f" %
          (len(rows), np.median(apart), np.quantile(apart, 0.95), max(apart),
           np.median([abs(g["relevance"] - w[1]) for g, w in zip(got, want)]), np.mean(same)))
    raise SystemExit(1 if np.mean(same) < 0.9 or np.median(apart) > 0.2 else 0)


if __name__ == "__main__":
    main()
