# SPDX-License-Identifier: MIT
"""Question sets of several kinds -> one kind of example.

An example is a question, a passage under a heading, and where in the passage the answer stands.
Long contexts are cut into windows of the size that passages have in an index; the windows that do
not hold the answer are the example's first hard negatives.
"""

import collections
import dataclasses
import json
import os
import random
import re

WINDOW = {"en": 1150, "zh": 420}  # characters: about 300 tokens
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")


@dataclasses.dataclass
class Example:
    source: str
    lang: str
    question: str
    heading: str
    passage: str
    spans: list  # (start, end) in characters of the passage; empty: the answer is not there
    negatives: list  # other windows of the same context
    less: str  # the passage less its answering sentence; None where that leaves nothing
    answers: list  # texts


def windows(context, lang, rng):
    """(start, end) of pieces of the context, cut where sentences end; all of it where it fits."""
    room = WINDOW[lang]
    if len(context) <= room * 1.15:
        return [(0, len(context))]
    out, start, last = [], 0, 0
    limit = int(room * rng.uniform(0.5, 1))  # the first is shorter, so that cuts fall anywhere
    for m in list(SENTENCE_END.finditer(context)) + [None]:
        end = m.end() if m else len(context)
        if end - start > limit and last > start:
            out.append((start, last))
            start, limit = last, room
        last = end
    out.append((start, len(context)))
    return [(s, e) for s, e in out if context[s:e].strip()]


def without_answer(passage, start, end):
    """The passage less the sentence that answers: on the topic, but no answer. None where that
    leaves little, or where the answer stands elsewhere too."""
    cuts = [0] + [m.end() for m in SENTENCE_END.finditer(passage)] + [len(passage)]
    first = max(c for c in cuts if c <= start)
    last = min(c for c in cuts if c >= end)
    rest = (passage[:first] + passage[last:]).strip()
    return rest if len(rest) >= 60 and passage[start:end] not in rest else None


def squad_like(rows, rng, span_max):
    """From rows of context, question, answers [{text, start}], title, lang, source."""
    cuts = {}
    for r in rows:
        lang = "en" if r["lang"] == "en" else "zh"
        context = r["context"]
        answers = [a for a in r["answers"] if 0 < len(a["text"]) <= span_max[lang]]
        if not answers:
            continue
        a = answers[0]
        if context[a["start"] : a["start"] + len(a["text"])] != a["text"]:
            continue
        if context not in cuts:
            cuts[context] = windows(context, lang, rng)
        begin, stop = a["start"], a["start"] + len(a["text"])
        home = [w for w in cuts[context] if w[0] <= begin and stop <= w[1]]
        if not home:
            continue
        start, end = home[0]
        spans = [(x["start"] - start, x["start"] + len(x["text"]) - start) for x in answers]
        spans = [s for s in spans if 0 <= s[0] and s[1] <= end - start]
        others = [context[s:e] for s, e in cuts[context] if (s, e) != (start, end)]
        texts = [x["text"] for x in answers]
        others = [o for o in others if not any(t in o for t in texts)]
        less = without_answer(context[start:end], *spans[0]) if spans else None
        if less and any(t in less for t in texts):
            less = None
        yield Example(r["source"], lang, r["question"].strip(), r.get("title") or "",
                      context[start:end], spans, others, less, texts)


def read_jsonl(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def simplified(rows):
    """Traditional Chinese rows in simplified characters; where the length changes, left out."""
    import opencc

    convert = opencc.OpenCC("t2s").convert
    for r in rows:
        context, question = convert(r["context"]), convert(r["question"])
        if len(context) != len(r["context"]):
            continue
        answers = [{"text": context[a["start"] : a["start"] + len(a["text"])], "start": a["start"]}
                   for a in r["answers"]]
        yield dict(r, context=context, question=question, answers=answers,
                   title=convert(r.get("title") or ""), lang="zh")


def squad_json(path, source, lang):
    """SQuAD's own JSON, which DRCD and JaQuAD share."""
    with open(path, encoding="utf-8") as f:
        for doc in json.load(f)["data"]:
            for p in doc["paragraphs"]:
                for qa in p["qas"]:
                    answers, seen = [], set()
                    for a in qa["answers"]:
                        start, text = int(a["answer_start"]), a["text"]
                        if text not in seen and p["context"][start : start + len(text)] == text:
                            answers.append({"text": text, "start": start})
                        seen.add(text)
                    if answers:
                        yield {"lang": lang, "title": doc["title"], "context": p["context"],
                               "question": qa["question"], "answers": answers, "source": source}


def detokenize(words):
    """Words of the Penn Treebank as people write them, and where each stands."""
    swap = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "``": '"', "''": '"'}
    text, at, glue, opened = "", [], True, False
    for w in words:
        quote = w in ("``", "''")
        w2 = swap.get(w, w)
        closing = w2 in (",", ".", "?", "!", ";", ":", ")", "]", "%", "'s", "n't", "'re", "'ve",
                         "'ll", "'d", "'m", "'") or (quote and w == "''")
        if not glue and not closing:
            text += " "
        at.append((len(text), len(text) + len(w2)))
        text += w2
        glue = w2 in ("(", "[", "$", "#") or w == "``"
    return text, at


def qamr(pairs_path, sentences_path, rng, each=7):
    """QAMR: questions about single sentences, which are put among others of the same corpus."""
    sentences = {}
    with open(sentences_path, encoding="utf-8") as f:
        for line in f:
            name, text = line.rstrip("\n").split("\t")
            sentences[name] = text.split(" ")
    per = collections.defaultdict(list)
    with open(pairs_path, encoding="utf-8") as f:
        for line in f:
            x = line.rstrip("\n").split("\t")
            answer = [int(i) for i in x[6].split()]
            checks = [set(int(i) for i in v.split(":")[1].split()) for v in x[7:9]]
            if answer != list(range(answer[0], answer[0] + len(answer))) or len(answer) > 12:
                continue
            if any(not c & set(answer) for c in checks):
                continue
            per[x[0]].append((x[5], answer[0], answer[-1]))
    names = sorted(per)
    plain = {n: detokenize(sentences[n]) for n in names}
    for name in names:
        rows = per[name]
        rng.shuffle(rows)
        for question, first, last in rows[:each]:
            text, at = plain[name]
            around = rng.sample(names, rng.randint(2, 7))
            before = [plain[n][0] for n in around[: len(around) // 2] if n != name]
            after = [plain[n][0] for n in around[len(around) // 2 :] if n != name]
            lead = " ".join(before) + (" " if before else "")
            passage = " ".join([lead + text] + after)
            span = (len(lead) + at[first][0], len(lead) + at[last][1])
            less = " ".join(before + after)
            yield Example("qamr", "en", question, "", passage, [span], [], less,
                          [passage[span[0] : span[1]]])


def selqa(path):
    """SelQA: a question, a section of Wikipedia, and the sentences of it that answer."""
    with open(path, encoding="utf-8") as f:
        for r in json.load(f):
            at, text = [], ""
            for s in r["candidates"]:
                s = s.strip()
                at.append((len(text), len(text) + len(s)))
                text += s + " "
            if len(r["answers"]) != 1:
                continue
            start, end = at[r["answers"][0]]
            yield {"lang": "en", "title": "%s > %s" % (r["article"], r["section"]),
                   "context": text.strip(), "question": r["question"], "source": "selqa",
                   "answers": [{"text": text[start:end], "start": start}]}


SOURCES = ("cmrc2018", "covid-qa", "documentation", "drcd", "fairytaleqa", "jaquad", "policyqa",
           "qamr", "selqa", "tasks")
SPAN_MAX = {"en": 160, "zh": 60}
SPAN_MAX_POLICY = {"en": 90, "zh": 0}
SPAN_MAX_SENTENCE = {"en": 400, "zh": 0}


def load(folder, seed):
    """All training examples of the folder's files; those that are missing are named and left out."""
    rng = random.Random(seed)
    out, missing = [], []

    def add(name, make):
        path = "%s/%s" % (folder, name)
        try:
            out.extend(make(path))
        except FileNotFoundError:
            missing.append(name)

    add("cmrc2018-train.jsonl", lambda p: squad_like(read_jsonl(p), rng, SPAN_MAX))
    add("covid-qa.jsonl", lambda p: squad_like(read_jsonl(p), rng, SPAN_MAX))
    add("fairytaleqa-explicit.jsonl", lambda p: squad_like(read_jsonl(p), rng, SPAN_MAX))
    add("policyqa-dev-test.jsonl", lambda p: squad_like(read_jsonl(p), rng, SPAN_MAX_POLICY))
    add("drcd-dev.jsonl", lambda p: squad_like(read_jsonl(p), rng, SPAN_MAX))
    add("drcd-dev.jsonl", lambda p: squad_like(simplified(read_jsonl(p)), rng, SPAN_MAX))
    add("DRCD_test.json", lambda p: squad_like(simplified(squad_json(p, "drcd", "zh-Hant")), rng, SPAN_MAX))
    add("selqa-ass-dev.json", lambda p: squad_like(selqa(p), rng, SPAN_MAX_SENTENCE))
    add("selqa-ass-test.json", lambda p: squad_like(selqa(p), rng, SPAN_MAX_SENTENCE))
    for part in ("qamr-dev.tsv", "qamr-test.tsv"):
        add(part, lambda p: qamr(p, "%s/qamr-sentences.tsv" % folder, rng))
    for name in ("documentation.jsonl", "tasks.jsonl"):
        add(name, lambda p: squad_like(read_jsonl(p), rng, SPAN_MAX_SENTENCE))
    add("jaquad", lambda p: (e for f in sorted(os.listdir(p)) for e in squad_like(
        squad_json("%s/%s" % (p, f), "jaquad", "ja"), rng, SPAN_MAX)))
    return out, missing
