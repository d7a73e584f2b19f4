# SPDX-License-Identifier: MIT
"""SQuAD's and CMRC's overlap of a span with accepted answers, and the area under a ROC curve."""

import collections
import re
import string
import unicodedata

import numpy as np


def words(text, lang):
    text = text.lower()
    if lang == "zh":  # CMRC: each Han character by itself, runs of others as words
        out, run = [], ""
        for c in text:
            if unicodedata.category(c)[0] in "PSZ" or c.isspace():
                out += [run] if run else []
                run = ""
            elif "\u4e00" <= c <= "\u9fff":
                out += [run, c] if run else [c]
                run = ""
            else:
                run += c
        return out + ([run] if run else [])
    text = "".join(c for c in text if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def f1(guess, truth, lang):
    a, b = words(guess, lang), words(truth, lang)
    same = sum((collections.Counter(a) & collections.Counter(b)).values())
    if not same:
        return float(a == b)
    p, r = same / len(a), same / len(b)
    return 2 * p * r / (p + r)


def best_f1(guess, truths, lang):
    return max(f1(guess, t, lang) for t in truths)


def auc(scores, good):
    order = np.argsort(scores, kind="stable")
    s, g = np.asarray(scores)[order], np.asarray(good, bool)[order]
    rank = np.empty(len(s))
    i = 0
    while i < len(s):
        j = i
        while j < len(s) and s[j] == s[i]:
            j += 1
        rank[i:j] = (i + j + 1) / 2
        i = j
    n = g.sum()
    if n in (0, len(g)):
        return float("nan")
    return float((rank[g].sum() - n * (n + 1) / 2) / (n * (len(g) - n)))
