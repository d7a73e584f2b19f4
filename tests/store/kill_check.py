#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is a store that an ingest was killed over as promised?

kill_check.py BEFORE AFTER STORE ACKNOWLEDGED: three databases, and whether the ingest had said
that it was done. Each document must be, whole, as it was before or as it is after an undisturbed
ingest; if the ingest had said so, as after. With BEFORE equal to AFTER: all must be as after.
"""
import sqlite3
import sys


def documents(path):
    db = sqlite3.connect(f"file:{path}?mode=rw", uri=True)
    found = {}
    for name, *row in db.execute(
            "SELECT d.path, d.title, d.type, d.hash, p.ord, p.section, p.page, p.line_first,"
            " p.line_last, p.text, w.w FROM documents d JOIN passages p ON p.document = d.id"
            " LEFT JOIN words w ON w.rowid = p.id ORDER BY d.path, p.ord"):
        found.setdefault(name, []).append(tuple(row))
    # A word that stands in one document only leads there, or nowhere.
    for name in found:
        word = name.rsplit("/", 1)[-1].split(".")[0]
        hits = {r[0] for r in db.execute(
            "SELECT d.path FROM words JOIN passages p ON p.id = words.rowid JOIN documents d"
            " ON d.id = p.document WHERE words MATCH ?", (f'"only{word}"',))}
        if hits != {name}:
            sys.exit(f"{path}: 'only{word}' leads to {hits}")
    vectors = dict(db.execute(
        "SELECT d.path || ' ' || p.ord, v.f16 FROM vectors v JOIN passages p ON p.id = v.passage"
        " JOIN documents d ON d.id = p.document"))
    return found, vectors


def main():
    before, _ = documents(sys.argv[1])
    after, vectors = documents(sys.argv[2])
    have, some = documents(sys.argv[3])
    acknowledged = sys.argv[4] == "1"
    for name in sorted(set(before) | set(after) | set(have)):
        allowed = [after.get(name)] + ([] if acknowledged else [before.get(name)])
        if have.get(name) not in allowed:
            sys.exit(f"{name} is neither as it was nor as it should be")
    if sys.argv[1] == sys.argv[2] and some != vectors:
        sys.exit("vectors are missing or others")


main()
