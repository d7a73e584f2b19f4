#!/usr/bin/env bash
# Drives the real askd-ingest: what is taken, refused, removed, resumed. Prints TAP.
set -u
# shellcheck source=tests/ingest/lib.sh
. "${ASKD_SRCDIR:?run me through make check}/tests/ingest/lib.sh"

# ---- usage ----
run
is $rc 2 "no command is a usage error"
run frobnicate
like "$rc $err" "^2 .*frobnicate" "an unknown command is named"
run --threads 0 ls
like "$rc $err" "^2 .*--threads takes a number" "a wrong number is told"
run --collection 'a/b' ls
like "$rc $err" "^2 .*--collection" "a wrong collection name is told"
run add
like "$rc $err" "^2 .*PATH" "add without a path is told"
run ls
like "$rc $err" "^2 .*no documents yet" "no store yet is told"
[ ! -e "$data" ]
ok $? "and reading makes none"
run --help
like "$rc $out" "^0 usage:.*--exclude" "--help goes to stdout"
run --model "$dir/no.gguf" add "$dir"
like "$rc $err" "^2 .*no.gguf" "a model that was named and is not there is told"
[ ! -e "$data/askd.db" ]
ok $? "before anything is taken in"

# ---- add, again, changed, gone ----
mkdir -p "$docs/sub"
printf '# Alpha\n\nThe first letter.\n' >"$docs/a.md"
printf '<html><title>Beta</title><body><p>The second letter.</p></body></html>' >"$docs/sub/b.html"
printf 'caf\xe9 cr\xe8me br\xfbl\xe9e, d\xe9j\xe0 vu, na\xefve fa\xe7ade\n' >"$docs/latin.txt"
printf '\x7fELF\0\0\0' >"$docs/prog"
: >"$docs/empty.txt"
run --dry-run --no-embed add "$docs"
like "$rc $out" "^0 would be: 3 new" "a dry run says what would be done"
[ ! -e "$data/askd.db" ]
ok $? "and does nothing"
run --no-embed add "$docs"
like "$rc $out" "^0 3 new, 0 updated, 0 unchanged, 0 removed, 0 failed, 2 skipped \(1 binary, 1 without text\)" \
    "a folder is taken in"
is "$(names)" "a.md latin.txt sub/b.html " "ls lists it"
run status
like "$rc $out" "default: 3 documents .* 3 passages, 0% with vectors" "status counts it"
run --no-embed add "$docs"
like "$rc $out" "^0 0 new, 0 updated, 3 unchanged" "a second time nothing changes"
touch -d '2020-01-01' "$docs/a.md"
run --no-embed add "$docs"
like "$out" "^0 new, 0 updated, 3 unchanged" "another time stamp is no change"
printf '# Alpha\n\nStill the first letter.\n' >"$docs/a.md"
rm "$docs/latin.txt"
run --no-embed add "$docs"
like "$out" "^0 new, 1 updated, 1 unchanged, 1 removed" "changed and vanished files are noticed"
: >"$docs/sub/b.html"
run --no-embed add "$docs"
like "$out" " 1 removed" "a file that has no text any more is removed"
is "$(names)" "a.md " "and the rest stays"
run --no-embed add "$docs/nowhere"
like "$rc $err" "^1 .*nowhere: No such file" "a path that is not there is a failure, named"
is "$(names)" "a.md " "which removes nothing"
printf 'x' >"$docs/c.md"
run --no-embed --collection other add "$docs/c.md"
is "$(names --collection other)" "c.md " "collections are apart"
run --no-embed --exclude 'c*' add "$docs"
like "$out" "^0 new" "excludes hold"
run rm "$docs/a.md"
like "$rc $out" "^0 1 removed" "rm removes"
run rm "$docs/a.md"
like "$rc $err" "^1 .*no document" "and says when there is nothing"
run --no-embed add "$docs"
run rm "$docs"
like "$rc $out" "^0 2 removed" "rm takes folders"
run --no-embed add "$docs"
run rebuild --no-embed
like "$rc $out" "^0 0 new, 2 updated" "rebuild reads everything again"
printf '#!/bin/sh\n\001\002\003\004\005\006' >"$docs/ctl"
run -v --no-embed add "$docs"
like "$err" "ctl: skipped: binary" "-v names what is skipped"
run --report "$dir/left" --no-embed add "$docs"
like "$(cat "$dir/left")" "ctl: skipped: binary" "so does --report"

# ---- hostile documents ----
rm -rf "$docs" "$data"
mkdir "$docs"
python3 - "$docs" <<'P'
import sys
d = sys.argv[1] + "/"
w = lambda name, b: open(d + name, "wb").write(b)
w("deep.html", b"<div>" * 300000 + b"bottom")
w("attrs.html", b"".join(b"<b a=%d>" % i for i in range(3000)) + b"<p>x" * 3000)
w("line.txt", b"word " * 1000000)
w("one.txt", b"x" * 3000000)
w("nul.md", b"# T\n\nabc\0def\n")
w("utf8.md", b"# T\n\nbroken \xff\xfe\xc3( text but mostly good" + b" ok" * 400 + b"\n")
w("trunc.pdf", b"%PDF-1.4\n1 0 obj << /Type /Catalog")
def pdf(*objects):
    b = b"%PDF-1.4\n"
    for i, o in enumerate(objects, 1):
        b += b"%d 0 obj\n%s\nendobj\n" % (i, o)
    return b + b"trailer << /Root 1 0 R >>\n%%EOF\n"
page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>"
words = b"BT /F 12 Tf 20 200 Td (The valve opens at nine bar.) Tj ET"
w("valve.pdf", pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page,
    b"<< /Length %d >>\nstream\n%s\nendstream" % (len(words), words),
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"))
w("loop.pdf", pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 99999999 >>"))
w("quotes.md", b"> " * 50000 + b"q\n")
w("brackets.md", b"[" * 200000 + b"\n")
w("big.txt", b"".join(b"a b c %d\n" % i for i in range(200000)))
w("new\nline.md", b"# odd name\n\ntext\n")
w("-dash.md", b"# dash\n\ntext\n")
P
grep -qa __asan_init "$ingest" || ulimit -v 8000000 # ASan maps terabytes
run --no-embed --max-size 4 add "$docs"
[ $rc = 1 ] || [ $rc = 0 ]
ok $? "hostile documents end in no crash"
like "$err" "trunc.pdf: broken PDF" "a broken PDF is named"
if command -v pdftotext >/dev/null; then
    like "$(names)" "valve.pdf" "one that is whole is taken in beside it"
    [[ $(names) != *loop.pdf* ]]
    ok $? "one whose pages hold themselves is not"
fi
like "$err" "line.txt: larger than 4 MiB" "a file beyond the limit is named"
like "$(names)" "utf8.md" "a few broken bytes do not keep a document out"
like "$(names)" "big.txt" "nor does size"
[[ $(names) != *nul.md* ]]
ok $? "NUL bytes do"
python3 - "$data/askd.db" <<'P'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
sys.exit(any(len(t) > 4000 for (t,) in c.execute("SELECT text FROM passages")))
P
ok $? "no passage is larger than the model reads"

# ---- what reads a document is killed in the midst of it ----
rm -rf "$docs" "$data"
mkdir "$docs"
for i in 1 2 3; do
    printf '# Part %s\n\nWords of part %s.\n' $i $i >"$docs/a$i.md"
    printf '<h1>Page %s</h1><p>Words of page %s.' $i $i >"$docs/z$i.html"
done
python3 -c 'print("<div>" * 9900 + "<p>x y</p>" * 120000)' >"$docs/slow.html" # many seconds
"$ingest" --threads 1 --no-embed add "$docs" >"$dir/out" 2>"$dir/err" </dev/null &
pid=$!
python3 - $pid <<'P'
import os, signal, sys, time
def stat(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    except OSError:
        return None
ingest = int(sys.argv[1])
while (s := stat(ingest)) and s[0] != "Z":
    for pid in filter(str.isdigit, os.listdir("/proc")):
        s = stat(pid)
        parent = s and stat(s[1])
        if parent and int(parent[1]) == ingest and int(s[11]) > 20:  # ticks of the child of a child
            os.kill(int(pid), signal.SIGILL)  # no sanitizer catches that
    time.sleep(0.02)
P
wait $pid
rc=$?
like "$rc $(cat "$dir/err")" "^1 .*slow.html: what read it crashed \(signal 4\)" "it costs the document, which is named"
is "$(names)" "a1.md a2.md a3.md z1.html z2.html z3.html " "and no other"

# ---- one writer, a store that cannot be written ----
exec 9>>"$data/writer.lock"
flock -x 9
run --no-embed add "$docs"
like "$rc $err" "^2 .*another askd-ingest" "a second writer is refused"
exec 9>&-
if [ "$(id -u)" != 0 ]; then
    chmod -R a-w "$data"
    run --no-embed add "$docs"
    is $rc 2 "a store that is read-only is an error"
    chmod -R u+w "$data"
fi

# ---- a full disk ----
rm -rf "$docs" "$data"
mkdir "$docs"
for i in $(seq 1 400); do
    for k in 1 2 3 4 5 6; do printf '# Part %s of %s\n\nText %s number %s with words of its own: w%sx%s.\n\n' \
        $k "$i" $k "$i" "$i" $k; done >"$docs/f$i.md"
done
(ulimit -f 400 && "$ingest" --no-embed add "$docs") >"$dir/out" 2>"$dir/err"
rc=$?
like "$rc $(cat "$dir/err")" "^2 .*askd.db: " "a full disk is an error, not a crash"
run --no-embed add "$docs"
is $rc 0 "with room again it goes on"
want=$(content "$data")
like "$want" " 2400 ok$" "and the store is whole"

# ---- killed at any time, then run again ----
rm -rf "$data"
for ms in 5 15 25 35 50 70 90 120 160; do
    "$ingest" --threads 2 --no-embed add "$docs" >/dev/null 2>&1 &
    pid=$!
    sleep "$(printf '0.%03d' $ms)"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
done
run --no-embed add "$docs"
is "$rc $(content "$data")" "0 $want" "kill -9 and a second run give the store of an undisturbed run"
rm -rf "$data"
run --threads 1 --no-embed add "$docs"
is "$(content "$data")" "$want" "so does another number of threads"
"$ingest" --no-embed --collection two add "$docs" >/dev/null 2>"$dir/err" &
pid=$!
sleep 0.02
kill -TERM $pid 2>/dev/null
wait $pid
rc=$?
[ $rc = 143 ] || [ $rc = 0 ]
ok $? "SIGTERM ends it in order"

echo "1..$n_tests"
