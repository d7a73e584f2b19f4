#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""train.py PAIRS.jsonl OUT.tsv

How probably a word of one language is translated by a word of the other, in both directions: IBM model 1
(Brown et al. 1993) with a null word, some rounds of expectation maximisation. English words are stemmed for
counting. Kept is what is likely in its direction and not absurd in the other one.
"""
import collections
import json
import logging
import re
import sys

import jieba
import numpy as np
import snowballstemmer

HAN = "\u3400-\u9fff"
ROUNDS = 6
NULL = 0.2  # of a sentence's alignments to begin with
WORDS = 40  # of a sentence
LIKELY, THERE_AND_BACK, TIMES, SURE, MOST = 0.08, 0.02, 1.5, 0.2, 4
STOP = set("a an the of to in on at for and or is are be with as by from it that this not was were which who".split())


class Vocabulary:
    def __init__(self):
        self.number, self.surfaces = {}, collections.defaultdict(collections.Counter)
        self.stemmer = snowballstemmer.stemmer("porter")
        self.stems = {}

    def chinese(self, text):
        return [w for run in re.findall(f"[{HAN}]+", text) for w in jieba.cut(run, HMM=False)]

    def english(self, text):
        for word in re.findall(r"[a-z][a-z']+", text.lower()):
            word = word.replace("'s", "").strip("'")
            if len(word) > 1 and word not in STOP:
                if word not in self.stems:
                    self.stems[word] = self.stemmer.stemWord(word)
                stem = self.stems[word]
                self.surfaces[stem][word] += 1
                yield stem

    def numbers(self, words):
        return [self.number.setdefault(w, len(self.number)) for w in list(dict.fromkeys(words))[:WORDS]]


def read(path, zh, en):
    """Every word of a sentence with every word of its translation: arrays of both, sentence, weight."""
    links = ([], [], [], [])
    with open(path) as f:
        for n, line in enumerate(f):
            english, chinese, weight = json.loads(line)
            z = zh.numbers([chinese] if weight > 1 else zh.chinese(chinese))  # an entry of the dictionary is one word
            e = en.numbers(en.english(english))
            if not z or not e or len(z) > 4 * len(e) + 8 or len(e) > 4 * len(z) + 8:
                continue
            k = len(z) * len(e)
            for to, what in zip(links, (np.repeat(z, len(e)), np.tile(e, len(z)), np.full(k, n), np.full(k, weight))):
                to.append(what)
    return [np.concatenate(x).astype(np.int64) for x in links]


def probabilities(links, n_from, n_to, pairs, from_, to, sentence, weight):
    """p(to | from) of each pair of words, and how often they are aligned."""
    _, place = np.unique(sentence * n_to + to, return_inverse=True)
    word, heavy = np.zeros(place.max() + 1, np.int64), np.zeros(place.max() + 1)
    word[place], heavy[place] = to, weight
    p, null = np.full(len(pairs), 1e-3), np.full(n_to, 1 / n_to)
    for _ in range(ROUNDS):
        total = np.bincount(place, p[links], len(word)) + NULL * null[word]
        times = np.bincount(links, weight * p[links] / total[place], len(pairs))
        null = np.bincount(word, heavy * NULL * null[word] / total, n_to)
        null /= null.sum()
        p = times / (np.bincount(pairs, times, n_from)[pairs] + 1)  # what is rare is not sure
    return p, times


def write(path, lines):
    with open(path, "w") as f:
        f.write("# English and Chinese; see README.md beside this file\n")
        for term in sorted(lines, key=str.encode):
            best = sorted(lines[term], reverse=True)[:MOST]
            f.write("\t".join([term] + [f"{w}:{p:.2f}" for p, w in best]) + "\n")


def main():
    zh, en = Vocabulary(), Vocabulary()
    jieba.setLogLevel(logging.ERROR)
    z, e, sentence, weight = read(sys.argv[1], zh, en)
    pairs, links = np.unique(z * len(en.number) + e, return_inverse=True)
    pz, pe = pairs // len(en.number), pairs % len(en.number)
    to_en, n_en = probabilities(links, len(zh.number), len(en.number), pz, z, e, sentence, weight)
    to_zh, n_zh = probabilities(links, len(en.number), len(zh.number), pe, e, z, sentence, weight)
    chinese, stems = list(zh.number), list(en.number)
    lines = collections.defaultdict(list)
    for i in np.where((to_en > LIKELY) & (n_en > TIMES) & (to_zh > THERE_AND_BACK / 10)
                      & ((to_zh > THERE_AND_BACK) | (to_en > SURE)))[0]:
        lines[chinese[pz[i]]].append((to_en[i], en.surfaces[stems[pe[i]]].most_common(1)[0][0]))
    for i in np.where((to_zh > LIKELY) & (n_zh > TIMES) & (to_en > THERE_AND_BACK))[0]:
        forms = en.surfaces[stems[pe[i]]]
        for form, times in forms.items():
            if times > 1 or len(forms) == 1:
                lines[form].append((to_zh[i], chinese[pz[i]]))
    write(sys.argv[2], lines)
    print(f"{len(lines)} terms")


if __name__ == "__main__":
    main()
