# SPDX-License-Identifier: MIT
"""The weighted mean of several adapters of the same embedder.

    average.py OUT.npz RANK READER.npz:WEIGHT ...

What each adapter adds to a matrix, (alpha / rank) B A, is averaged, and so are the heads; the sum is
cut to RANK by its singular values. Runs that began alike and saw different data stay close enough
for that, and their mean is better than each of them on data that is new (Wortsman et al. 2022,
"Model soups").
"""

import sys

import numpy as np

ALPHA_PER_RANK = 2.0


def product(parts, key):
    """Factors b, a of the weighted sum of what the adapters add."""
    b = [w * float(z["alpha"]) / float(z["rank"]) * z[key + ".b"].astype(np.float64) for z, w in parts]
    a = [z[key + ".a"].astype(np.float64) for z, _ in parts]
    return np.concatenate(b, axis=1), np.concatenate(a, axis=0)


def cut(b, a, rank):
    """Factors of the given rank nearest to b a, and the share of its square norm that they keep."""
    qb, rb = np.linalg.qr(b)
    qa, ra = np.linalg.qr(a.T)
    u, s, v = np.linalg.svd(rb @ ra.T)
    root = np.sqrt(s[:rank])
    kept = float((s[:rank] ** 2).sum() / (s**2).sum())
    return qb @ u[:, :rank] * root, (qa @ v[:rank].T * root).T, kept


def main():
    out, rank = sys.argv[1], int(sys.argv[2])
    parts = []
    for item in sys.argv[3:]:
        path, weight = item.rsplit(":", 1)
        parts.append((np.load(path), float(weight)))
    if abs(sum(w for _, w in parts) - 1) > 1e-6:
        raise SystemExit("the weights do not add up to 1")
    mean = {"rank": np.int64(rank), "alpha": np.float64(ALPHA_PER_RANK * rank)}
    kept = []
    for key in sorted(k[:-2] for k in parts[0][0].files if k.endswith(".a")):
        b, a, share = cut(*product(parts, key), rank)
        mean[key + ".a"] = a.astype(np.float32)
        mean[key + ".b"] = (b / ALPHA_PER_RANK).astype(np.float32)
        kept.append(share)
    for key in ("head.weight", "head.bias"):
        mean[key] = sum(w * z[key] for z, w in parts).astype(np.float32)
    np.savez(out, **mean)
    print("rank %d keeps %.3f of the sum on the average, %.3f at least" %
          (rank, np.mean(kept), min(kept)))


if __name__ == "__main__":
    main()
