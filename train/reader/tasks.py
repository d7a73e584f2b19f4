# SPDX-License-Identifier: MIT
"""Questions about what people want to do, from tldr-pages, in English and Chinese.

    tasks.py TLDR-CHECKOUT FOLDER-OF-DEBS OUT.jsonl

A tldr page says for some tasks which command does them. Where the manual page explains the option
that the command uses, in words of its own, the task makes a question and that stretch of the manual
page its passage; the question is Chinese where the page has been translated. A task is also put as
a question in the other language than its page's, answered by the command there. A task put to its
own page is left out: the page repeats it word for word, and a reader trained on such pairs takes
other words for "no answer". Needs mandoc.
"""

import collections
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import documentation

PASSAGE = documentation.PASSAGE
PER_PAGE = {"page-across": 2, "manual": 4, "manual-across": 3}
ASK = {
    "en": ["How do I {do}?", "How can I {do}?", "Which command lets me {do}?", "How to {do}?",
           "I want to {do}. What do I type?", "What is the command to {do}?",
           "I need to {do}, how is that done?", "What do I run to {do}?"],
    "zh": ["怎样{do}？", "如何{do}？", "用什么命令可以{do}？", "我想{do}，该怎么做？", "要{do}，应该运行什么命令？"],
}
ASK_OF = {
    "en": ["How do I {do} with {cmd}?", "Which option of {cmd} lets me {do}?",
           "How can I make {cmd} {do}?", "With {cmd}, how do I {do}?"],
    "zh": ["怎样用 {cmd} {do}？", "{cmd} 的哪个选项可以{do}？", "如何让 {cmd} {do}？"],
}
PLACE = re.compile(r"\{\{(.*?)\}\}")
EITHER = re.compile(r"\[(-[^\]|]*)\|(--?[^\]|]*)\]")
OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][A-Za-z0-9-]*")


def plain(text):
    """The text without tldr's marks: placeholders by their names, the long form of options."""
    text = PLACE.sub(lambda m: EITHER.sub(r"\2", m.group(1)), text)
    text = EITHER.sub(r"\2", text)
    return re.sub(r"\[(\w)\]", r"\1", text)


def task(description, lang):
    """What the user wants, to be put into a question; None where it is no task."""
    text = plain(description).strip().rstrip(":：").replace("`", "")
    if lang == "zh":
        return text if 4 <= len(text) <= 50 and re.search("[\u4e00-\u9fff]", text) else None
    words = text.split()
    if not 3 <= len(words) <= 22 or not re.match(r"^[A-Z][a-z]+$", words[0]):
        return None
    return words[0].lower() + text[len(words[0]) :]


def parse(markdown):
    """Name, what it is, and [(description, command line)] of a tldr page."""
    name, about, tasks, said = "", [], [], None
    for line in markdown.splitlines():
        if line.startswith("# "):
            name = line[2:].strip()
        elif line.startswith("> ") and "<http" not in line:
            about.append(line[2:].strip())
        elif line.startswith("- "):
            said = line[2:].strip()
        elif line.startswith("`") and line.endswith("`") and said:
            tasks.append((said, line[1:-1]))
            said = None
    return name, " ".join(about), tasks


def git_files(repo, folder):
    """{name: text} of the Markdown files of a folder of a checkout or bare repository."""
    where = ["git", "-C", repo]
    listing = subprocess.run(where + ["ls-tree", "-r", "HEAD", folder], capture_output=True,
                             text=True, check=True).stdout
    entries = [line.split(None, 3) for line in listing.splitlines()]
    wanted = "".join(e[2] + "\n" for e in entries)
    blob = subprocess.run(where + ["cat-file", "--batch"], input=wanted.encode(),
                          capture_output=True, check=True).stdout
    out, at = {}, 0
    for e in entries:
        end = blob.index(b"\n", at)
        size = int(blob[at:end].split()[2])
        out[pathlib.PurePath(e[3]).stem] = blob[end + 1 : end + 1 + size].decode()
        at = end + size + 2
    return out


def page_rows(rng, name, lang, about, tasks, asked):
    """The tasks as questions, the stretch of the page around each as its passage."""
    said = [plain(d).replace("`", "").rstrip(":：") for d, _ in tasks]
    block = ["%s:\n%s" % (d, plain(c)) for d, (_, c) in zip(said, tasks)]
    for n, (_, command) in enumerate(tasks):
        if asked[n] is None:
            continue
        ask_lang, do = asked[n]
        text, at = documentation.around(block, n, PASSAGE[lang] - len(about) - 1)
        answer = plain(command)
        start = len(about) + 1 + at + len(said[n]) + 2
        yield {"source": "tasks", "lang": lang, "title": name, "context": about + "\n" + text,
               "question": rng.choice(ASK[ask_lang]).format(do=do), "kind": "page-across",
               "answers": [{"text": answer, "start": start}]}


def explained(path, lang):
    """{option: (title, block, number)} of a manual page: where each option is explained."""
    text, section, parts = documentation.page_text(path), None, {}
    cmd = pathlib.Path(path).name.split(".")[0]
    for line in text.splitlines():
        if line and not line[0].isspace():
            section = line.strip()
            parts[section] = []
        elif section:
            parts[section].append(line)
    out = {}
    for name, lines in parts.items():
        found = [(t, d) for t, d, _, _ in documentation.items(lines)]
        block = ["%s\n%s" % (t, d[:500]) for t, d in found]
        for n, (tag, _) in enumerate(found):
            if documentation.TAG.match(tag) and len(tag) < 80:
                for option in OPTION.findall(tag):
                    out.setdefault(option, ("%s > %s" % (cmd, name), block, n))
    return out


def manual_rows(rng, cmd, lang, options, tasks, asked, kind):
    """The tasks as questions, the manual page's stretch around the option that does it."""
    for n, (_, command) in enumerate(tasks):
        used = OPTION.findall(plain(command))
        known = [o for o in used if o in options]
        if asked[n] is None or len(known) != 1:  # of several it is not told which does it
            continue
        ask_lang, do = asked[n]
        title, block, at = options[known[0]]
        text, begin = documentation.around(block, at, PASSAGE[lang])
        form = rng.choice(ASK_OF[ask_lang] + ASK[ask_lang][:3])
        yield {"source": "tasks", "lang": lang, "title": title, "context": text, "kind": kind,
               "question": form.format(do=do, cmd=cmd),
               "answers": [{"text": known[0], "start": begin + block[at].index(known[0])}]}


def rows_of(rng, name, pages, manual):
    """All rows of one command; `pages` by language, `manual` by language: path or None."""
    parsed = {lang: parse(text) for lang, text in pages.items()}
    options = {lang: explained(path, lang) for lang, path in manual.items()}
    told = {lang: [task(d, lang) for d, _ in p[2]] for lang, p in parsed.items()}
    at = {lang: {PLACE.sub("", c): n for n, (_, c) in enumerate(p[2])} for lang, p in parsed.items()}
    for lang, (_, about, tasks) in parsed.items():
        own = [(lang, t) if t else None for t in told[lang]]
        if "en" in options:
            across = "manual" if lang == "en" else "manual-across"
            yield from manual_rows(rng, name, "en", options["en"], tasks, own, across)
        for other in parsed:
            if other != lang:
                match = [at[other].get(PLACE.sub("", c)) for _, c in tasks]
                put = [(other, told[other][m]) if m is not None and told[other][m] else None
                       for m in match]
                yield from page_rows(rng, name, lang, about, tasks, put)


def manuals(folder, tmp):
    for deb in sorted(pathlib.Path(folder).glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(deb), tmp], check=True)
    found = {}
    for page in sorted(pathlib.Path(tmp).glob("usr/share/man/man[18]/*.gz")):
        found.setdefault(page.name.split(".")[0], str(page))
    return found


def main():
    repo, debs, out = sys.argv[1:]
    rng = random.Random(1)
    pages = collections.defaultdict(dict)
    for lang, folders in (("en", ("pages/common", "pages/linux")),
                          ("zh", ("pages.zh/common", "pages.zh/linux"))):
        for folder in folders:
            for name, text in git_files(repo, folder).items():
                pages[name].setdefault(lang, text)
    rows, seen = [], set()
    with tempfile.TemporaryDirectory() as tmp:
        known = manuals(debs, tmp)
        for name in sorted(pages):
            manual = {"en": known[name]} if name in known else {}
            made = list(rows_of(rng, name, pages[name], manual))
            rng.shuffle(made)
            room = dict(PER_PAGE)
            for r in made:
                a = r["answers"][0]
                right = r["context"][a["start"] : a["start"] + len(a["text"])] == a["text"]
                if right and room[r["kind"]] > 0 and r["question"] not in seen:
                    room[r["kind"]] -= 1
                    seen.add(r["question"])
                    rows.append(r)
    with open(out, "w", encoding="utf-8") as f:
        for i, r in enumerate(rows):
            f.write(json.dumps({"id": str(i)} | r, ensure_ascii=False) + "\n")
    print(len(rows), "questions", dict(collections.Counter(r["kind"] for r in rows)))


if __name__ == "__main__":
    main()
