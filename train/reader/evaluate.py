# SPDX-License-Identifier: MIT
"""What a reader reaches on sets that it was not trained on."""

import collections

import numpy as np
import torch

import batches
import metrics

SPAN_TOKENS = 30


def best_span(start, end, begin, stop, most=SPAN_TOKENS):
    """Best start + end within tokens [begin, stop), end at most `most` tokens on."""
    s, e = start[begin:stop], end[begin:stop]
    best, at = -1e30, (0, 0)
    for d in range(min(most, len(s))):
        sums = s[: len(s) - d] + e[d:]
        i = int(np.argmax(sums))
        if sums[i] > best:
            best, at = float(sums[i]), (i, i + d)
    return best, at


@torch.no_grad()
def read(model, corpus, rows, device, dtype, size=128):
    """For each row of an evaluation set: span score over nothing, relevance, the span's text."""
    model.eval()
    composed = [batches.compose(corpus, r["q"], r["h"], r["p"]) for r in rows]
    order = sorted(range(len(rows)), key=lambda i: len(composed[i][0]))
    out = [None] * len(rows)
    for at in range(0, len(order), size):
        part = order[at : at + size]
        ids, mask, _ = batches.stack(corpus, [composed[i] for i in part])
        logits = model(ids.to(device), mask.to(device), dtype).float().cpu().numpy()
        for i, x in zip(part, logits):
            _, begin, stop = composed[i]
            score, (s, e) = best_span(x[:, 0], x[:, 1], begin, stop)
            offsets, text = rows[i]["offsets"], rows[i]["passage"]
            out[i] = (score - float(x[0, 0] + x[0, 1]), float(x[0, 2]),
                      text[offsets[s][0] : offsets[e][1]], score)
    return out


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def ranked(questions, most=10):
    """Of a set with several passages a question: how often the first of `most` is right as
    retrieved, by relevance, by the span, and with both signs mixed in by half and by a third."""
    out = {}

    def mixed(weight):
        return lambda r, x: (1 - weight) * r["score"] + weight / 2 * (
            sigmoid(x[1]) + sigmoid(x[0] / 3))

    for label, key in (("retrieval", lambda r, x: -r["rank"]), ("relevance", lambda r, x: x[1]),
                       ("span", lambda r, x: x[0]), ("a half", mixed(0.5)),
                       ("a third", mixed(0.33))):
        first = [max((rx for rx in q if rx[0]["rank"] <= most), key=lambda rx: key(*rx))
                 for q in questions]
        out["hit@1 by " + label] = float(np.mean([r["good"] for r, _ in first]))
    return out


def evaluate(model, corpus, rows, device, dtype):
    """{measure: value} over all sets."""
    found, out = read(model, corpus, rows, device, dtype), {}
    sets = collections.OrderedDict()
    for r, x in zip(rows, found):
        sets.setdefault(r["set"], collections.OrderedDict()).setdefault(r["id"], []).append((r, x))
    for name, questions in sets.items():
        if "ranked" in name:
            measured = ranked(list(questions.values()))
            out.update({"%s %s" % (name, k): v for k, v in measured.items()})
            continue
        if "clapnq" in name:
            good = [any(r["good"] for r, _ in q) for q in questions.values()]
            for k, label in ((0, "span"), (1, "relevance")):
                scores = [max(x[k] for _, x in q) for q in questions.values()]
                out["%s AUC %s" % (name, label)] = metrics.auc(scores, good)
            continue
        f1 = []
        for q in questions.values():
            r, x = max(q, key=lambda rx: rx[1][0])
            f1.append(metrics.best_f1(x[2], r["answers"], r["lang"]))
        out[name + " F1"] = float(np.mean(f1))
    return out
