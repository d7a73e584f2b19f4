# SPDX-License-Identifier: MIT
"""Sets to evaluate on, none of which is trained on. A row is a question with one passage; rows
of one `id` belong together."""

import json
import random

import data


def _row(name, ident, lang, question, heading, passage, answers, good):
    return {"set": name, "id": ident, "lang": lang, "question": question, "heading": heading,
            "passage": passage, "answers": answers, "good": good}


def squad(name, path):
    """SQuAD's format: the gold paragraph alone (windows of it where it is long)."""
    lang = "zh" if "zh" in name or "cmrc" in name else "en"
    with open(path, encoding="utf-8") as f:
        for doc in json.load(f)["data"]:
            for p in doc["paragraphs"]:
                cuts = data.windows(p["context"], lang, random.Random(1))
                for qa in p["qas"]:
                    texts = [x["text"] for x in qa["answers"]]
                    for s, e in cuts:
                        piece = p["context"][s:e]
                        yield _row(name, str(qa["id"]), lang, qa["question"],
                                   doc.get("title") or "", piece, texts,
                                   any(x in piece for x in texts))


def clapnq(name, path):
    """CLAPnq: one passage a question, which answers it or not (told by its output)."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            r = json.loads(line)
            p = r["passages"][0]
            good = any((o.get("answer") or "").strip() for o in r["output"])
            for s, e in data.windows(p["text"], "en", random.Random(1)):
                yield _row(name, str(r["id"]), "en", r["input"], p.get("title") or "",
                           p["text"][s:e], [], good)


def ranked(name, path):
    """Passages as retrieved: a row a passage, with its rank and score."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            r = json.loads(line)
            if r["answerable"]:
                yield _row(name, r["id"], r["lang"], r["question"], r["heading"], r["passage"],
                           r["answers"], r["good"]) | {"rank": r["rank"], "score": r["score"]}


def read(name, path):
    if "ranked" in name:
        return list(ranked(name, path))
    return list((clapnq if "clapnq" in name else squad)(name, path))
