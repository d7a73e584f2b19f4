# SPDX-License-Identifier: MIT
"""Model inputs from prepared arrays: `<s> question </s></s> heading: passage </s>`."""

import numpy as np
import torch

from model import INPUT_MAX, QUESTION_MAX


class Corpus:
    """train.npz: rows of ragged arrays by number."""

    def __init__(self, path):
        self.z = dict(np.load(path))
        used = self.z["used"]
        self.bos, self.pad, self.eos = (int(np.searchsorted(used, i)) for i in (0, 1, 2))
        self.examples = self.z["examples"]  # [n, 6]: question, passage, start, end, source, the passage less its answer
        self.mined = None  # [n, k]: passages that look alike

    def row(self, name, i):
        at = self.z[name + "_at"]
        return self.z[name][at[i] : at[i + 1]]


def compose(corpus, question, heading, text, room=INPUT_MAX):
    """ids, and where the passage's own tokens begin and stop."""
    q = np.asarray(question, np.int64)[:QUESTION_MAX]
    h = np.asarray(heading, np.int64)
    begin = len(q) + 3 + len(h)
    t = np.asarray(text, np.int64)[: room - begin - 1]
    e = [corpus.eos]
    return np.concatenate([[corpus.bos], q, e, e, h, t, e]), begin, begin + len(t)


def stack(corpus, rows, multiple=32):
    """Rows of compose() -> ids [n, length], mask [n, length], allowed [n, length]: tokens at which
    a span may start or end, position 0 (nothing here) among them."""
    length = max(len(r[0]) for r in rows)
    length = min(INPUT_MAX, (length + multiple - 1) // multiple * multiple)
    ids = np.full((len(rows), length), corpus.pad, np.int64)
    mask = np.zeros((len(rows), length), bool)
    allowed = np.zeros((len(rows), length), bool)
    for i, (x, begin, stop) in enumerate(rows):
        ids[i, : len(x)] = x
        mask[i, : len(x)] = True
        allowed[i, 0] = True
        allowed[i, begin:stop] = True
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(allowed)
