# SPDX-License-Identifier: MIT
"""For check: a small set of questions (make FOLDER), whether a log's loss falls (falls LOG), and
whether two adapters do the same (same A.npz B.npz)."""

import json
import random
import re
import sys

import numpy as np

PLACES = "archive kitchen library workshop harbour station museum garden office cellar".split()
THINGS = "lamp ledger compass kettle ladder violin blanket telescope basket anchor".split()
PEOPLE = "Anna Boris Clara David Elena Felix Greta Hugo Irene Jonas".split()


def rows(rng, n):
    for i in range(n):
        facts = [(p, rng.choice(THINGS), w) for p, w in zip(rng.sample(PEOPLE, 4),
                                                            rng.sample(PLACES, 4))]
        person, thing, place = rng.choice(facts)
        context = " ".join("%s keeps a %s in the %s." % f for f in facts)
        answer = "the " + place
        yield {"id": str(i), "lang": "en", "title": "Who keeps what", "context": context,
               "question": "Where does %s keep the %s?" % (person, thing), "source": "fairytaleqa",
               "answers": [{"text": answer, "start": context.index("%s keeps" % person) +
                            len("%s keeps a %s in " % (person, thing))}]}


def same(x, y):
    def added(z, key):
        return float(z["alpha"]) / float(z["rank"]) * z[key + ".b"] @ z[key + ".a"]

    keys = [k[:-2] for k in x.files if k.endswith(".a")]
    return all(np.allclose(added(x, k), added(y, k), atol=1e-5) for k in keys) and all(
        np.allclose(x[k], y[k]) for k in ("head.weight", "head.bias"))


def main():
    if sys.argv[1] == "falls":
        with open(sys.argv[2], encoding="utf-8") as f:
            loss = [float(x) for x in re.findall(r"loss ([0-9.]+)", f.read())]
        print("# loss %s" % loss)
        sys.exit(not (len(loss) > 1 and loss[-1] < loss[0]))
    if sys.argv[1] == "same":  # what two adapters add to each matrix, and their heads
        sys.exit(not same(*map(np.load, sys.argv[2:4])))
    folder, rng = sys.argv[2], random.Random(1)
    with open(folder + "/data/fairytaleqa-explicit.jsonl", "w", encoding="utf-8") as f:
        for r in rows(rng, 60):
            f.write(json.dumps(r) + "\n")
    paragraphs = [{"context": r["context"], "qas": [
        {"id": r["id"], "question": r["question"],
         "answers": [{"text": a["text"], "answer_start": a["start"]} for a in r["answers"]]}]}
        for r in rows(rng, 12)]
    with open(folder + "/eval.json", "w", encoding="utf-8") as f:
        json.dump({"data": [{"title": "Who keeps what", "paragraphs": paragraphs}]}, f)


if __name__ == "__main__":
    main()
