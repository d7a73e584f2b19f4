#!/usr/bin/env python3
"""make_golden.py > scores.tsv

Answers scored by the rules of SQuAD 1.1 and CMRC 2018 as their authors' scripts define them, with NLTK's
word tokenizer (PyPI nltk==3.9.1). A line: rule, answer, accepted answer, exact match, F1.
"""
import collections
import re
import string

from nltk.tokenize import NLTKWordTokenizer

SIGNS = ["-", ":", "_", "*", "^", "/", "\\", "~", "`", "+", "=", "，", "。", "：", "？", "！", "“", "”", "；",
         "’", "《", "》", "……", "·", "、", "「", "」", "（", "）", "－", "～", "『", "』"]
tokenize = NLTKWordTokenizer().tokenize


def squad_normal(s):
    s = "".join(c for c in s.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", s).split())


def squad(a, g):
    p, q = squad_normal(a).split(), squad_normal(g).split()
    same = sum((collections.Counter(p) & collections.Counter(q)).values())
    return float(squad_normal(a) == squad_normal(g)), 2 * same / (len(p) + len(q)) if same else 0.0


def cmrc_tokens(s):
    out, run = [], ""
    for c in s.lower().strip():
        if c in SIGNS:
            continue
        if re.search(r"[\u4e00-\u9fa5]", c):
            if run:
                out += tokenize(run)
                run = ""
            out.append(c)
        else:
            run += c
    return out + (tokenize(run) if run else [])


def cmrc(a, g):
    p, q = cmrc_tokens(a), cmrc_tokens(g)
    best = 0
    m = [[0] * (len(q) + 1) for _ in range(len(p) + 1)]
    for i in range(len(p)):
        for j in range(len(q)):
            if p[i] == q[j]:
                m[i + 1][j + 1] = m[i][j] + 1
                best = max(best, m[i + 1][j + 1])
    bare = ["".join(c for c in x.lower().strip() if c not in SIGNS) for x in (a, g)]
    if not best:
        return float(bare[0] == bare[1]), 0.0
    pr, rc = best / len(p), best / len(q)
    return float(bare[0] == bare[1]), 2 * pr * rc / (pr + rc)


PAIRS = [
    ("Denver Broncos", "Denver Broncos"), ("The Denver Broncos.", "denver broncos"), ("a the an", ""),
    ("Broncos", "Denver Broncos"), ("in 1998, the year", "1998"), ("edquota -t", "edquota -t"),
    ("run `edquota -t` as root", "edquota -t"), ("don't panic", "dont panic"), ("", "something"),
    ("wrong", "right"), ("the the cat sat", "cat sat the mat"), ("Zoë's café", "zoë's café"),
    ("光荣和ω-force", "光荣和ω-force"), ("由光荣和ω-force开发", "光荣和ω-force"), ("《战国无双3》", "战国无双3"),
    ("2009年12月3日", "2009年12月"), ("第二十四届", "二十四届"), ("它是red hat 9.", "red hat 9"),
    ("I can't say it's John's, \"really\"?", "it's john's"), ("费用为$3.50 (约)", "$3.50"),
    ("e.g. this, 3,500 and 10:30", "3,500"), ("见 https://a.b/c?d=e&f", "https://a.b/c?d=e&f"),
    ("cannot gonna wanna go", "can not go"), ("they'll say we're done...", "we're done"),
    ("没有共同", "完全不同的东西"), ("", "空"), ("北京、上海", "北京上海"), ("a--b [c] {d} <e>", "a--b"),
    ("''quoted'' ``text''", "quoted"), ("值 = 100%; 完", "100%"), ("don't", "don't"), ("rock 'n' roll", "'n'"),
]
for rule in (squad, cmrc):
    for a, g in PAIRS:
        em, f1 = rule(a, g)
        print(rule.__name__, a, g, f"{em:.0f}", f"{f1:.6f}", sep="\t")
