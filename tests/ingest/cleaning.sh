#!/usr/bin/env bash
# What askd-ingest leaves out: text that stands on every page, documents that are there already,
# text that nobody could read. Prints TAP.
set -u
# shellcheck source=tests/ingest/lib.sh
. "${ASKD_SRCDIR:?run me through make check}/tests/ingest/lib.sh"

texts() { # WORDS: how many passages hold them
    python3 - "$data/askd.db" "$1" <<'P'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
print(c.execute("SELECT count(*) FROM passages WHERE instr(text, ?)", sys.argv[2:]).fetchone()[0])
P
}

mkdir -p "$docs/site" "$docs/notes"
python3 - "$docs" <<'P'
import base64, random, sys
d = sys.argv[1] + "/"
def w(name, s):
    with open(d + name, "w") as f:
        f.write(s)
licence = ("Permission is granted to copy this under the terms of the Example Public License, and all copies "
           "keep this notice; all rights reserved by the Example Corporation and its partners.")
for i in range(9):
    w(f"site/p{i}.html", f"<html><title>Page {i}</title><body><div><a href=a>Home page</a></div><ul>"
      + "".join(f"<li><a href={k}>Chapter {k} of the book</a></li>" for k in range(12))
      + f"</ul><h1>Topic {i}</h1><p>You need a badge to enter.</p>"
      + f"<p>The zebra number {i} sleeps in hall {i * 7}.</p><div>Mail the help desk at extension 4711.</div></body></html>")
    w(f"notes/n{i}.md", f"# Note {i}\n\nYou need access to the network.\n\nStep {i}: turn the knob {i * 3} times.\n\n"
      + f"## License\n\n{licence}\n")
w("orig.md", "# Backup\n\nThe backup starts at 03:15 every night.\n\nLast updated: 3 May 2024\n")
w("zcopy.txt", "BACKUP\n\nThe backup starts\nat 03:15 every night.\n\nLast updated: 7 June 2025\n")
w("znewer.md", "# Backup\n\nThe backup starts at 04:15 every night.\n")
w("blob.md", "# Key\n\n" + base64.b64encode(random.Random(1).randbytes(6000)).decode() + "\n")
w("mixed.md", "# Image\n\nThe picture shows a mast.\n\n" + base64.b64encode(bytes(range(256)) * 8).decode() + "\n")
w("noise.log", "heartbeat ok\n\n" * 3000)
P

run --report "$dir/left" --no-embed add "$docs"
like "$rc $out" "^0 21 new, .* 3 skipped \(1 duplicates, 2 of poor text\)" "duplicates and poor text are skipped"
like "$out" "left out 128 repeated blocks" "repeated blocks are counted"
like "$out" "left out 1 blocks of poor text" "so are poor ones"
is "$(texts 'Chapter 5 of the book') $(texts 'Home page') $(texts 'extension 4711')" "1 1 1" \
    "navigation and footers are kept once"
is "$(texts 'Example Public License')" 1 "so is a licence"
is "$(texts 'need access to the network') $(texts 'You need a badge')" "9 9" "a template's content stays everywhere"
is "$(texts 'The zebra number')" 9 "and so does each page's own"
left=$(cat "$dir/left")
like "$left" "zcopy.txt: skipped: the same text as .*/orig.md" "a duplicate names the other"
is "$(texts 04:15)" 1 "another number is another text"
like "$left" "p3.html: repeated text left out: .*kept in .*/p0.html" "what was left out names its keeper"
like "$left" "blob.md: skipped: encoded bytes" "and poor text says why"
is "$(texts 'picture shows') $(texts AAECAwQ)" "1 0" "poor text goes, the rest of its document stays"
want=$(content "$data")
run --no-embed add "$docs"
like "$out" "^0 new, 0 updated, 21 unchanged, 0 removed" "a second run changes nothing"
run --no-embed rebuild
like "$out" "^0 new, 21 updated" "rebuild keeps what was learnt"
is "$(content "$data")" "$want" "and gives the same store"

# ---- nothing is lost when the keeper goes ----
rm "$docs/site/p0.html" "$docs/orig.md"
run --no-embed add "$docs"
is "$(texts 'Chapter 5 of the book') $(texts 'extension 4711') $(texts 03:15)" "1 1 1" \
    "when the keeper goes, another one keeps the text"
printf '<html><title>Page 1</title><body><h1>Topic</h1><p>All new.</p></body></html>' >"$docs/site/p1.html"
run --no-embed add "$docs"
run --no-embed add "$docs"
is "$(texts 'Chapter 5 of the book') $(texts 'extension 4711')" "1 1" "and when it is written anew"
mv "$docs/zcopy.txt" "$docs/sub.txt"
run --no-embed add "$docs"
like "$out" "^1 new, .* 1 removed" "a file that moves is no duplicate of itself"
is "$(texts 03:15)" 1 "and is there"

echo "1..$n_tests"
