# SPDX-License-Identifier: MIT
"""Questions about programs, from the manual pages inside Debian packages.

    documentation.py FOLDER-OF-DEBS OUT.jsonl

Four kinds, each from text that says what it is by its place on the page: an option by what it
does ("Which option of tar ...?" - the option), what an option does (the first sentence of its
description), what a program is (its NAME line), where something is kept (a path under FILES).
The passage is the stretch of the page around it, so that the neighbouring options are what a
reader has to tell apart. Needs mandoc.
"""

import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

PASSAGE = {"en": 1100, "zh": 420}  # characters
PER_PAGE = {"option": 10, "meaning": 4, "name": 1, "file": 4}
ASK = {
    "en": {
        "option": ["Which option of {cmd} is used to {do}?", "How do I {do} with {cmd}?",
                   "How can {cmd} {do}?", "What flag makes {cmd} {do}?",
                   "I want {cmd} to {do}, which option is it?", "{cmd}: how to {do}?"],
        "meaning": ["What does {opt} do in {cmd}?", "What does the option {opt} of {cmd} mean?",
                    "What is {opt} for when running {cmd}?", "Explain {cmd} {opt}."],
        "name": ["What is {cmd}?", "What does {cmd} do?", "What is the command {cmd} for?"],
        "file": ["Which file holds the {do}?", "Where does {cmd} keep the {do}?",
                 "Where is the {do} of {cmd}?"],
    },
    "zh": {
        "option": ["{cmd} 的哪个选项用来{do}？", "怎样用 {cmd} {do}？", "如何让 {cmd} {do}？"],
        "meaning": ["{cmd} 的 {opt} 选项是什么意思？", "{cmd} 的 {opt} 有什么作用？"],
        "name": ["{cmd} 是什么？", "{cmd} 命令有什么用？"],
        "file": ["{do}在哪个文件里？"],
    },
}
TAG = re.compile(r"^-{1,2}[A-Za-z0-9]")
LONG = re.compile(r"--[A-Za-z0-9][A-Za-z0-9-]+")
ITEM = re.compile(r"^( {2,12})(\S.*)$")


def page_text(path):
    try:  # mandoc never comes back from a few pages
        r = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=400", path], capture_output=True,
                           timeout=20)
    except subprocess.TimeoutExpired:
        return ""
    text = r.stdout.decode("utf-8", "replace")
    return re.sub(".\b", "", text)


def items(lines):
    """(tag line, its description, first line, line behind) of a hanging list."""
    i = 0
    while i < len(lines):
        m = ITEM.match(lines[i])
        if m and i + 1 < len(lines):
            depth = len(m.group(1))
            tag, rest = m.group(2).rstrip(), []
            inline = re.split(r"\s{2,}", tag, maxsplit=1)
            j = i + 1
            while j < len(lines) and (not lines[j].strip() or
                                      len(lines[j]) - len(lines[j].lstrip()) > depth):
                if not lines[j].strip() and rest and j + 1 < len(lines) and (
                        len(lines[j + 1]) - len(lines[j + 1].lstrip()) <= depth):
                    break
                rest.append(lines[j].strip())
                j += 1
            if len(inline) == 2 and TAG.match(tag):
                tag, rest = inline[0], [inline[1]] + rest
            text = " ".join(x for x in rest if x)
            if text:
                yield tag, text, i, j
                i = max(j, i + 1)
                continue
        i += 1


def first_sentence(text, lang):
    m = re.search(r"[。；]" if lang == "zh" else r"(?<![.][a-z])[.;:](\s|$)", text)
    return text[: m.start()] if m else text


def verb_form(sentence, lang):
    """The sentence as something to do, or None where it does not begin with a verb."""
    if lang == "zh":
        return sentence if 3 <= len(sentence) <= 40 else None
    words = sentence.split()
    if not 3 <= len(words) <= 16 or not re.match(r"^[A-Z][a-z]+$", words[0]):
        return None
    if words[0] in ("The", "This", "These", "If", "When", "With", "In", "By", "For", "A", "An",
                    "Same", "Note", "As", "On", "Only", "It", "Like", "See", "Default", "Any",
                    "All", "Specifies", "Equivalent", "Alias", "Synonym", "Ignored", "And"):
        return None
    first = words[0].lower()
    if first.endswith("ies"):
        first = first[:-3] + "y"
    elif re.search(r"(ss|sh|ch|x)es$", first):
        first = first[:-2]
    elif first.endswith("s") and not first.endswith("ss"):
        first = first[:-1]
    return " ".join([first] + words[1:])


def around(block, at, room):
    """Items of the block around number `at` that fit the room; text, and where that one is."""
    first = last = at
    size = len(block[at])
    while True:
        grown = False
        for step in (-1, 1):
            n = first - 1 if step < 0 else last + 1
            if 0 <= n < len(block) and size + len(block[n]) + 1 <= room:
                size += len(block[n]) + 1
                first, last, grown = min(first, n), max(last, n), True
        if not grown:
            break
    text = "\n".join(block[first : last + 1])
    return text, len("\n".join(block[first:at])) + (1 if at > first else 0)


def rows_of(path, lang, rng):
    text = page_text(path)
    cmd = pathlib.Path(path).name.split(".")[0]
    section, parts = None, {}
    for line in text.splitlines():
        if line and not line[0].isspace():
            section = line.strip()
            parts[section] = []
        elif section:
            parts[section].append(line)
    for name, lines in parts.items():
        found = list(items(lines))
        block = ["%s\n%s" % (t, d[:500]) for t, d, _, _ in found]
        title = "%s > %s" % (cmd, name)
        for n, (tag, meaning, _, _) in enumerate(found):
            whole, at = around(block, n, PASSAGE[lang])
            sentence = first_sentence(meaning[:500], lang).strip()
            said = at + len(tag) + 1
            do = verb_form(sentence, lang)
            long = LONG.search(tag)
            option = long.group(0) if long else tag.split()[0].rstrip(",")
            if TAG.match(tag) and len(tag) < 60:
                if do:
                    start = at + tag.index(option)
                    yield row(rng, lang, "option", cmd, title, whole, option, start, do=do)
                if 12 <= len(sentence) <= 160:
                    yield row(rng, lang, "meaning", cmd, title, whole, sentence, said, opt=option)
            elif tag.startswith(("/", "~/", "$HOME")) and " " not in tag and len(sentence) < 90:
                what = re.sub(r"^(The|A|An) ", "", sentence)
                what = what[:1].lower() + what[1:]
                if 8 <= len(what):
                    yield row(rng, lang, "file", cmd, title, whole, tag, at, do=what)
    named = next((v for k, v in parts.items() if k in ("NAME", "名称", "名字")), None)
    if named:
        line = " ".join(x.strip() for x in named if x.strip())
        m = re.match(r"^(\S+?)(?:, \S+)* [-–—]+ (.{8,120})$", line)
        if m:
            more = " ".join(x.strip() for k, v in parts.items() if k in ("DESCRIPTION", "描述")
                            for x in v)[: PASSAGE[lang] - len(line)]
            yield row(rng, lang, "name", cmd, cmd, line + "\n" + more, m.group(2), m.start(2))


def row(rng, lang, kind, cmd, title, passage, answer, start, **put):
    question = rng.choice(ASK[lang][kind]).format(cmd=cmd, **put)
    return {"source": "documentation", "lang": lang, "title": title, "context": passage,
            "question": question, "answers": [{"text": answer, "start": start}], "kind": kind}


def main():
    folder, out = sys.argv[1:]
    rng = random.Random(1)
    rows, seen = [], set()
    with tempfile.TemporaryDirectory() as tmp:
        for deb in sorted(pathlib.Path(folder).glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(deb), tmp], check=True)
        pages = sorted(pathlib.Path(tmp).glob("usr/share/man/man[158]/*.gz"))
        pages += sorted(pathlib.Path(tmp).glob("usr/share/man/zh_CN/man[158]/*.gz"))
        for page in pages:
            if page.is_symlink():
                continue
            lang = "zh" if "zh_CN" in str(page) else "en"
            made = [r for r in rows_of(str(page), lang, rng)
                    if r["context"][r["answers"][0]["start"] :].startswith(r["answers"][0]["text"])]
            rng.shuffle(made)
            room = dict(PER_PAGE)
            for r in made:
                room[r["kind"]] -= 1
                if room[r["kind"]] >= 0 and (r["question"], r["answers"][0]["text"]) not in seen:
                    seen.add((r["question"], r["answers"][0]["text"]))
                    rows.append(r)
    with open(out, "w", encoding="utf-8") as f:
        for i, r in enumerate(rows):
            f.write(json.dumps({"id": str(i)} | r, ensure_ascii=False) + "\n")
    print(len(rows), "questions")


if __name__ == "__main__":
    main()
