# SPDX-License-Identifier: MIT
"""Train the reader: adapter and head, on prepared data.

    train.py PREPARED-FOLDER OUT-FOLDER [--steps N] [--rank R] ... [--resume]

OUT-FOLDER: reader.npz (adapter and head), checkpoint.pt, log.jsonl. The same seed, versions and
kind of device give the same adapter; on a CPU bit for bit.
"""

import argparse
import gzip
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import batches
import data
import evaluate
from model import Reader

# How often a question of a source is drawn; of those not named here, 1
WEIGHTS = {"documentation": 0.3, "jaquad": 0.6, "policyqa": 0.25, "selqa": 0.7}
# Sources whose answers are whole sentences: they teach relevance, not where an answer ends
SENTENCES = ("selqa",)
NOWHERE = -1e4
CHUNK = 40  # batches drawn at once
UNKNOWN = -100  # cross_entropy leaves these out


@torch.no_grad()
def mine(model, corpus, device, dtype, k=40, size=256):
    """Passages most like each question by the embedder alone, those with the answer's tokens
    left out: [examples, k], -1 where there are fewer."""
    model.eval()

    def embed(rows):
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        out = torch.zeros(len(rows), 384, device=device)
        for at in range(0, len(order), size):
            part = order[at : at + size]
            full = [np.concatenate([[corpus.bos], rows[i][:300], [corpus.eos]]) for i in part]
            ids, mask, _ = batches.stack(corpus, [(x, 1, len(x)) for x in full])
            ids, mask = ids.to(device), mask.to(device)
            h = model.hidden(ids, mask, dtype).float() * mask[:, :, None]
            out[part] = F.normalize(h.sum(1) / mask.sum(1, keepdim=True), dim=1)
        return out

    texts = [corpus.row("texts", i) for i in range(len(corpus.z["texts_at"]) - 1)]
    passages = embed(texts)
    strings = [" ".join(map(str, t)) for t in texts]
    asked = embed([corpus.row("questions", i) for i in corpus.examples[:, 0]])
    out = np.full((len(corpus.examples), k), -1, np.int32)
    for at in range(0, len(asked), 1024):
        near = torch.topk(asked[at : at + 1024] @ passages.T, min(2 * k, len(passages))).indices
        for i, row in enumerate(near.cpu().numpy(), at):
            answer = " ".join(map(str, corpus.row("answers", i)))
            good = [p for p in row if p != corpus.examples[i, 1] and answer not in strings[p]]
            out[i, : len(good[:k])] = good[:k]
    return out


def draw(corpus, i, rng, negatives, less_rate):
    """Rows of one group: the passage with the answer, then passages without."""
    q, p, start, end, source, less = map(int, corpus.examples[i])
    question = corpus.row("questions", q)
    named = rng.random() < 0.7

    def row(passage):
        head = corpus.row("heads", passage) if named else []
        return batches.compose(corpus, question, head, corpus.row("texts", passage))

    near = corpus.row("negatives", i)
    far = corpus.mined[i][corpus.mined[i] >= 0] if corpus.mined is not None else []
    rows, span = [row(p)], (start, end)
    for _ in range(negatives):
        chance = rng.random()
        if less >= 0 and chance < less_rate:
            other = less
        elif len(near) and chance < 0.4:
            other = rng.choice(near)
        elif len(far) and chance < 0.95:
            other = rng.choice(far)
        else:
            other = rng.integers(len(corpus.z["texts_at"]) - 1)
            answer = corpus.row("answers", i)
            text = corpus.row("texts", other)
            if " ".join(map(str, answer)) in " ".join(map(str, text)):
                other = rng.choice(near) if len(near) else p
        if other != p:
            rows.append(row(other))
    spans = sorted(data.SOURCES)[source] not in SENTENCES
    return rows, span if spans else None


def batches_of(corpus, groups, negatives, less_rate, seed, step):
    """Endless batches of groups from that step on, groups of like length together. Those of a
    chunk depend on the seed and its number alone, so that a run can go on anywhere."""
    names = sorted(data.SOURCES)
    chance = np.array([WEIGHTS.get(names[s], 1.0) for s in corpus.examples[:, 4]])
    chance /= chance.sum()
    while True:
        rng = np.random.default_rng((seed, step // CHUNK))
        chosen = rng.choice(len(corpus.examples), groups * CHUNK, p=chance)
        drawn = [draw(corpus, i, rng, negatives, less_rate) for i in chosen]
        drawn.sort(key=lambda d: max(len(r[0]) for r in d[0]))
        parts = [drawn[at : at + groups] for at in range(0, len(drawn), groups)]
        rng.shuffle(parts)
        yield from parts[step % CHUNK :]
        step += CHUNK - step % CHUNK


def tensors(corpus, part):
    rows, group, starts, ends, first = [], [], [], [], []
    for g, (members, span) in enumerate(part):
        first.append(len(rows))
        begin, stop = members[0][1:]
        known = span is not None and begin + span[1] < stop  # else nothing is learnt of it
        starts += [begin + span[0] if known else UNKNOWN] + [0] * (len(members) - 1)
        ends += [begin + span[1] if known else UNKNOWN] + [0] * (len(members) - 1)
        group += [g] * len(members)
        rows += members
    ids, mask, allowed = batches.stack(corpus, rows)
    return ids, mask, allowed, *map(torch.tensor, (group, starts, ends, first))


def loss_of(logits, allowed, group, starts, ends, first, share):
    """Start and end within each passage, 0 where there is no answer; start and end over all
    passages of a group (shared normalisation: Clark and Gardner 2018); relevance in the group and
    by itself."""
    start = logits[:, :, 0].masked_fill(~allowed, NOWHERE)
    end = logits[:, :, 1].masked_fill(~allowed, NOWHERE)
    weight = torch.where(starts > 0, 1.0, 0.5) * (starts != UNKNOWN)
    one = F.cross_entropy(start, starts, reduction="none") + F.cross_entropy(
        end, ends, reduction="none")
    span = (one * weight).sum() / weight.sum()
    groups = len(first)
    relevance = logits[:, 0, 2]
    member = group[None, :] == torch.arange(groups, device=group.device)[:, None]
    listed = torch.where(member, relevance[None, :], NOWHERE)
    rank = F.cross_entropy(listed, first)
    truth = torch.zeros_like(relevance)
    truth[first] = 1
    alone = F.binary_cross_entropy_with_logits(relevance, truth)
    shared = 0
    for x, at in ((start, starts), (end, ends)):
        inner = x.clone()
        inner[:, 0] = NOWHERE
        total = torch.logsumexp(inner, 1)
        whole = torch.logsumexp(torch.where(member, total[None, :], NOWHERE), 1)
        keep = at[first] > 0
        gold = inner[first, at[first].clamp(min=1)]
        shared = shared + ((whole - gold) * keep).sum() / keep.sum().clamp(min=1)
    return span + 0.5 * rank + 0.5 * alone + share * shared, span


def adapter(model):
    out = {k: v.detach().float().cpu().numpy() for k, v in model.state_dict().items()}
    return out | {"rank": np.int64(model.rank), "alpha": np.float64(model.alpha)}


def start_from(model, path):
    """Go on from an exported adapter (GGUF) of the same rank and alpha."""
    import gguf

    held = {t.name: torch.from_numpy(np.array(t.data, np.float32)) for t in gguf.GGUFReader(path).tensors}
    names = {"head.weight": "reader.weight", "head.bias": "reader.bias"}
    for key in model.state_dict():
        if key not in names:
            _, i, _, part, half = key.split(".")
            names[key] = "blk.%s.%s.weight.lora_%s" % (i, part, half)
    model.load_state_dict({k: held[n] for k, n in names.items()})


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("out")
    ap.add_argument("--steps", type=int, default=6000)
    ap.add_argument("--groups", type=int, default=24)
    ap.add_argument("--negatives", type=int, default=2)
    ap.add_argument("--less-rate", type=float, default=0.05,
                    help="how often a negative is the passage less its answering sentence")
    ap.add_argument("--rank", type=int, default=16)
    ap.add_argument("--alpha", type=float, default=32)
    ap.add_argument("--rate", type=float, default=1e-3)
    ap.add_argument("--dropout", type=float, default=0.1)
    ap.add_argument("--share", type=float, default=0.25)
    ap.add_argument("--no-mining", action="store_true")
    ap.add_argument("--without", default="", help="sources to leave out, commas between")
    ap.add_argument("--eval-every", type=int, default=1000)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--start", default="", help="an exported adapter to go on from")
    ap.add_argument("--resume", action="store_true")
    ap.add_argument("--stop", type=int, default=0, help="stop at this step, to go on later")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    torch.manual_seed(a.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    corpus = batches.Corpus(a.folder + "/train.npz")
    if a.without:
        names, out = sorted(data.SOURCES), a.without.split(",")
        WEIGHTS.update({n: 0.0 for n in out if n in names})
    with gzip.open(a.folder + "/eval.json.gz", "rt", encoding="utf-8") as f:
        sets = json.load(f)
    model = Reader(a.folder + "/weights.npz", a.rank, a.alpha, a.dropout).to(device)
    if a.start:
        start_from(model, a.start)
    began = time.time()
    if not a.no_mining:
        cache = a.folder + "/mined.npy"
        if not os.path.exists(cache):
            np.save(cache, mine(model, corpus, device, dtype))
        corpus.mined = np.load(cache)
        print("mined, %.0f s" % (time.time() - began), flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=a.rate, weight_decay=0.01)
    step, log = 0, open(a.out + "/log.jsonl", "a", encoding="utf-8")
    if a.resume:
        saved = torch.load(a.out + "/checkpoint.pt", weights_only=False)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
        torch.set_rng_state(saved["torch"])
        if device == "cuda":
            torch.cuda.set_rng_state(saved["cuda"])
    source = batches_of(corpus, a.groups, a.negatives, a.less_rate, a.seed, step)
    model.train()
    seen, stop = [], a.stop or a.steps
    while step < stop:
        warm = max(1, a.steps // 20)
        scale = min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * step / a.steps)))
        for g in optimizer.param_groups:
            g["lr"] = a.rate * scale
        ids, mask, allowed, group, starts, ends, first = (
            x.to(device) for x in tensors(corpus, next(source)))
        logits = model(ids, mask, dtype)
        loss, span = loss_of(logits, allowed, group, starts, ends, first, a.share)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        seen.append(span.detach())
        if step % min(100, a.eval_every) == 0:
            print("step %d loss %.3f, %.0f s" % (step, torch.stack(seen).mean().item(),
                                                 time.time() - began), flush=True)
            seen = []
        if step % a.eval_every == 0 or step == stop:
            result = evaluate.evaluate(model, corpus, sets, device, dtype)
            model.train()
            log.write(json.dumps({"step": step, "seconds": time.time() - began} | result) + "\n")
            log.flush()
            print(json.dumps({k: round(v, 3) for k, v in result.items()}), flush=True)
            np.savez(a.out + "/reader.npz", **adapter(model))
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                        "step": step, "torch": torch.get_rng_state(),
                        "cuda": torch.cuda.get_rng_state() if device == "cuda" else None},
                       a.out + "/checkpoint.pt")


if __name__ == "__main__":
    main()
